"""The destination `files`: results, a report and generated files in the workspace."""

import difflib
from collections.abc import Iterable, Iterator, Mapping, Sequence

from batch_action.batches import generated_files
from batch_action.context import RunContext
from batch_action.errors import ConfigError
from batch_action.escape import html_code
from batch_action.models.findings import FindingState, FindingStatus
from batch_action.models.generated import GeneratedFile
from batch_action.models.report import DestinationResult, PublishResult
from batch_action.publishers import finding_block, report_text, suppressed
from batch_action.publishers.results import encode_results
from batch_action.text import shorten_path

DESTINATION = "files"
MAX_TABLE_BYTES = 4_000_000
"""The limit of each table in `report.md`."""
PRINTABLE_ASCII = range(0x20, 0x7F)
"""The bytes that git does not quote in paths."""


def render_patch(files: Sequence[GeneratedFile], before: Mapping[str, str]) -> str:
    """Render the files as a patch for `git apply`; *before*: path to the current text, if any."""
    return "".join(_render_file_diff(file, before.get(file.path)) for file in files)


def _render_file_diff(file: GeneratedFile, old: str | None) -> str:
    if old == file.text:
        return ""
    old_name, new_name = _quote_name("a/", file.path), _quote_name("b/", file.path)
    head = f"diff --git {old_name} {new_name}\n"
    if old is None:
        head += "new file mode 100644\n"
        old_name = "/dev/null"
    lines = difflib.unified_diff(
        _split_lines(old or ""), _split_lines(file.text), old_name, new_name, lineterm="\n"
    )
    return head + "".join(
        line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in lines
    )


def _split_lines(text: str) -> list[str]:
    # Git splits lines at \n only; str.splitlines knows a dozen more separators.
    *lines, rest = text.split("\n")
    return [f"{line}\n" for line in lines] + ([rest] if rest else [])


def _quote_name(side: str, path: str) -> str:
    """Quote a path as git does in the header of a diff."""
    raw = path.encode("utf-8", "surrogateescape")
    if not any(b in b'"\\' or b not in PRINTABLE_ASCII for b in raw):
        return f"{side}{path}"
    quoted = "".join(
        chr(b) if b in PRINTABLE_ASCII and b not in b'"\\' else f"\\{b:03o}" for b in raw
    )
    return f'"{side}{quoted}"'


def render_document(published: PublishResult) -> Iterator[str]:
    """Render `report.md`: headline, table, findings, verdicts, generated files, statuses, cost.

    In pieces of at most one finding: there may be tens of thousands of them.
    """
    report, blocks = published.report, published.reconciliation.blocks

    def block(status: FindingStatus) -> str:
        # As in another destination, or from this run.
        existing = blocks.get(status.tracked.fingerprint, "")
        return finding_block.render_text(status, existing, report)

    statuses = published.visible
    open_statuses = [s for s in statuses if s.tracked.counts_as_open]
    yield from report_text.generate_template(
        "files/document.md.j2",
        **report_text.describe_run(published, MAX_TABLE_BYTES),
        suppressed=suppressed.render(published, MAX_TABLE_BYTES),
        table=report_text.finding_lines(open_statuses, report, MAX_TABLE_BYTES),
        block=block,
        findings=[s for s in open_statuses if not s.tracked.pre_existing],
        older=[s for s in open_statuses if s.tracked.pre_existing],
        disputed=[s for s in statuses if s.tracked.is_disputed],
        fixed=_format_lines(
            s for s in statuses if s.tracked.state is FindingState.FIXED and s.changed
        ),
        footer=" · ".join(report_text.format_provenance(report, with_commit=report.is_on_github)),
    )
    yield "\n"


def _format_lines(statuses: Iterable[FindingStatus]) -> list[str]:
    return [
        f"{report_text.format_severity(s.tracked)} · {report_text.format_title(s.tracked)}"
        f" · {html_code(shorten_path(s.tracked.anchor.path))}"
        f" · {report_text.format_state(s)}"
        for s in statuses
    ]


def notify(ctx: RunContext, published: PublishResult) -> DestinationResult:
    """Write `results.json`, `report.md` and the generated files; set the output `results-file`.

    Raises ConfigError: when the workspace cannot be written to.
    """
    try:
        results = encode_results(published, ctx.now())
        results_path = ctx.runner.write_result(f"{ctx.output_name('results')}.json", results)
        document = (piece.encode() for piece in render_document(published))
        document_path = ctx.runner.write_result(f"{ctx.output_name('report')}.md", document)
        written = [results_path, document_path]
        if published.report.generated:
            written.append(generated_files.write_bundle(ctx, published.report.generated))
    except OSError as error:
        raise ConfigError(
            f"The results cannot be written to the workspace: {error.strerror}.",
            fix="Check the free disk space and the owner of the workspace.",
        ) from None
    ctx.runner.set_output("results-file", results_path)
    return DestinationResult(destination=DESTINATION, action="written", ids=tuple(written))
