"""`make record`: record the cassettes again.

Without keys: `sandbox-*.yaml`, from the sandbox. They prove our wire format, not the services.

With ANTHROPIC_API_KEY, GITHUB_TOKEN and GITHUB_REPOSITORY (`owner/name` of a scratch repository):
`live-*.yaml`, from the real services, after a confirmation. From then on the tests replay them too.
Recording live has never been run: read what it wrote before you commit it, and expect that the real
responses contradict a scenario or two.
"""

import os
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from tests.contract.cassettes import FOLDER
from tests.contract.recording import commit_history, live_services, record_live, record_sandbox
from tests.contract.scenarios import LABEL, LIVE, SCENARIOS

NEEDED = ("ANTHROPIC_API_KEY", "GITHUB_TOKEN", "GITHUB_REPOSITORY")
WARNING = f"""\
This records from the real services. It will
  - send Anthropic one batch of one request of at most 500 tokens (less than a tenth of a cent),
    one free token count and a few reads, and wait until the batch has ended: usually minutes,
    at most a day;
  - create the label `{LABEL}` in {{repository}}, open two issues there, comment on them, and close
    them.
The cassettes have the responses without keys, and with the owner's and the repository's name
replaced. Read them before you commit them: they have the other public fields of the repository.
Go on? [y/N] """


def main(environ: Mapping[str, str]) -> int:
    given = [name for name in NEEDED if environ.get(name)]
    if not given:
        return record_from_sandbox()
    if len(given) < len(NEEDED):
        missing = ", ".join(name for name in NEEDED if name not in given)
        sys.stderr.write(f"Set {missing} too to record live, or none to record the sandbox.\n")
        return 2
    sys.stdout.write(WARNING.format(repository=environ["GITHUB_REPOSITORY"]))
    sys.stdout.flush()
    if sys.stdin.readline().strip().lower() not in {"y", "yes"}:
        sys.stdout.write("Nothing was recorded.\n")
        return 1
    return record_from_services(environ)


def record_from_sandbox() -> int:
    FOLDER.mkdir(exist_ok=True)
    for old in FOLDER.glob("sandbox-*.yaml"):
        old.unlink()
    with tempfile.TemporaryDirectory() as folder, commit_history() as git_dir:
        for name, scenario in SCENARIOS.items():
            path = FOLDER / f"sandbox-{name}.yaml"
            record_sandbox(scenario, path, Path(folder), git_dir)
            sys.stdout.write(f"{path.name}\n")
    return 0


def record_from_services(environ: Mapping[str, str]) -> int:
    """Record the live scenarios; write a cassette only when its scenario succeeds."""
    failed = 0
    for name, scenario in SCENARIOS.items():
        if scenario not in LIVE:
            continue
        path = FOLDER / f"live-{name}.yaml"
        with tempfile.TemporaryDirectory() as folder:
            fresh = Path(folder) / path.name
            try:
                record_live(scenario, fresh, live_services(environ, Path(folder)))
            except Exception as error:  # noqa: BLE001 - the next scenario may succeed
                failed += 1
                sys.stderr.write(f"{path.name}: not recorded: {error or type(error).__name__}\n")
                continue
            FOLDER.joinpath(path.name).write_bytes(fresh.read_bytes())
        sys.stdout.write(f"{path.name}\n")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(os.environ))
