"""All measurements in one table: `make bench`; with names of modules only these (`ledger calls`).

`--quick` measures little, to see that it can be measured; `--write FILE` puts the table into the
block of that Markdown file.
"""

import argparse
import importlib
import os
import platform
import sys
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

from benchmarks import harness
from benchmarks.harness import Row

MODULES = (
    "start", "ledger", "queries", "calls", "plan", "submit", "collect", "lifecycle", "related_code",
)  # fmt: skip
"""Each has a function `rows`."""
BEGIN, END = "<!-- make bench -->", "<!-- end of make bench -->"


def rows(names: Sequence[str], *, quick: bool) -> Iterator[Row]:
    """Measure the rows of these modules."""
    for name in names:
        print(f"measuring {name} ...", file=sys.stderr, flush=True)
        for row in importlib.import_module(f"benchmarks.{name}").rows(quick=quick):
            print(f"  {row.name}: {row.value:.1f} {row.note}", file=sys.stderr, flush=True)
            yield row


def heading() -> str:
    """Return the date and the machine of a measurement."""
    date = datetime.now(UTC).strftime("%d %B %Y").lstrip("0")
    python = f"Python {platform.python_version()}"
    return f"Measured on {date}, on {os.cpu_count()} cores of {_processor()}, {python}:"


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def replace_block(text: str, block: str) -> str:
    """Return the text with another block between our two comments; ValueError: it has none."""
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"the file has no lines {BEGIN} and {END}")
    return f"{before}{begin}\n{block}\n{end}{after}"


def main(argv: Sequence[str]) -> int:
    """Measure, print the table; return 1 when a bound is broken."""
    parser = argparse.ArgumentParser(prog="benchmarks", description=__doc__)
    parser.add_argument("modules", nargs="*", metavar="MODULE", help=", ".join(MODULES))
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--write", type=Path, metavar="FILE")
    options = parser.parse_args(argv)
    if unknown := sorted(set(options.modules) - {*MODULES}):
        parser.error(f"no such measurement: {', '.join(unknown)}")
    measured = list(rows(options.modules or MODULES, quick=options.quick))
    table = f"{heading()}\n\n{harness.table(measured)}"
    print(table)
    if options.write:
        text = options.write.read_text("utf-8")
        options.write.write_text(replace_block(text, table), "utf-8")
    return int(not all(row.holds for row in measured))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
