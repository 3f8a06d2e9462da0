"""Generated files as a patch that `git apply` takes."""

import difflib
from collections.abc import Iterable, Mapping, Sequence

from batch_action.batches import generated_files
from batch_action.context import RunContext
from batch_action.errors import ConfigError
from batch_action.escape import html_code, markdown
from batch_action.models.file_results import GeneratedFile
from batch_action.models.findings import OPEN_STATES, FindingState, FindingStatus
from batch_action.models.report import DestinationResult, PublishResult
from batch_action.publishers import finding_block, tables, user_commands, wording
from batch_action.publishers.results_builder import results_of
from batch_action.publishers.results_schema import encoded
from batch_action.publishers.templates import fill
from batch_action.publishers.visibility import guarded, hidden, limits_sentence, shown

PRINTED = range(0x20, 0x7F)
"""ASCII that git leaves as it is."""


def patch(files: Sequence[GeneratedFile], before: Mapping[str, str]) -> str:
    """A unified diff; *before*: path to the text that stands there now, missing for a new file."""
    return "".join(_one(file, before.get(file.path)) for file in files)


def _one(file: GeneratedFile, old: str | None) -> str:
    if old == file.text:
        return ""
    old_name, new_name = _name("a/", file.path), _name("b/", file.path)
    head = f"diff --git {old_name} {new_name}\n"
    if old is None:
        head += "new file mode 100644\n"
        old_name = "/dev/null"
    lines = difflib.unified_diff(
        _patch_lines(old or ""), _patch_lines(file.text), old_name, new_name, lineterm="\n"
    )
    return head + "".join(
        line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in lines
    )


def _patch_lines(text: str) -> list[str]:
    # Only \n parts lines for git; str.splitlines knows a dozen more.
    parts = text.split("\n")
    whole = [f"{part}\n" for part in parts[:-1]]
    return whole + ([parts[-1]] if parts[-1] else [])


def _name(side: str, path: str) -> str:
    """The path as git quotes it in a diff's head."""
    raw = path.encode("utf-8", "surrogateescape")
    if not any(b in b'"\\' or b not in PRINTED for b in raw):
        return f"{side}{path}"
    quoted = "".join(chr(b) if b in PRINTED and b not in b'"\\' else f"\\{b:03o}" for b in raw)
    return f'"{side}{quoted}"'


ROOM = 4_000_000
"""Bytes of one table; a file has no limit but patience."""


def document(published: PublishResult) -> str:
    """Verdict, table, every finding in full, judgements, generated files, receipt, cost."""
    report = published.report
    statuses = shown(published.statuses, report)
    live = [s for s in statuses if s.tracked.state in OPEN_STATES]
    spending = report.spending
    return fill(
        "files/document.md.j2",
        task=markdown(report.task, 60),
        verdict=wording.verdict(statuses, guarded=guarded(report)),
        guarded=bool(hidden(published)),
        table=tables.table(
            ("Severity", "Finding", "Where", "State"), [wording.row(s, report) for s in live], ROOM
        ),
        findings=_blocks([s for s in live if not s.tracked.pre_existing], published),
        older=_blocks([s for s in live if s.tracked.pre_existing], published),
        fixed=_lines(s for s in statuses if s.tracked.state is FindingState.FIXED and s.changed),
        accepted=_lines(
            s for s in statuses if s.tracked.state in (FindingState.IGNORED, FindingState.DISMISSED)
        ),
        destinations=[wording.deed(d) for d in published.results],
        file_verdicts=tables.file_verdicts(published.report, ROOM),
        generated=tables.generated(published.report, ROOM),
        file_statuses=wording.receipt_line(report.file_statuses),
        entries=tables.file_statuses(report.file_statuses, ROOM),
        skipped=wording.skipped_line(report.file_statuses),
        suppressed=limits_sentence(published),
        cost=wording.cost_line(spending) if spending else "",
        footer=" · ".join(_footer(published)),
    )


def _blocks(statuses: Sequence[FindingStatus], published: PublishResult) -> str:
    """Each finding as some destination has worded it before, or with tonight's words."""
    words = published.reconciled.blocks
    return "\n\n".join(
        finding_block.completed(user_commands.unboxed(words[s.tracked.fingerprint]), s.finding)
        if s.tracked.fingerprint in words
        else finding_block.write(s.tracked, s.finding, published.report)
        for s in statuses
    )


def _lines(statuses: Iterable[FindingStatus]) -> list[str]:
    return [
        f"{wording.severity(s.tracked)} · {wording.title(s.tracked)} · "
        f"{html_code(s.tracked.anchor.path, wording.LONGEST_PATH)} · {wording.state(s)}"
        for s in statuses
    ]


def _footer(published: PublishResult) -> list[str]:
    report = published.report
    batches = ", ".join(html_code(batch) for batch in report.batch_ids)
    return [
        *([wording.link("run", report.run_url)] if report.run_url else []),
        *([f"batch {batches}"] if batches else []),
        f"model {html_code(report.model)}",
        f"commit {html_code(report.commit[:12])}",
        markdown(report.date, 20),
    ]


DESTINATION = "files"
RESULTS = "results"
REPORT = "report"


def tell(ctx: RunContext, published: PublishResult) -> DestinationResult:
    """Write `results.json`, `report.md` and what was generated; sets the output `results-file`.

    Raises ConfigError when the workspace cannot be written to.
    """
    try:
        data = encoded(results_of(published, ctx.now()))
        path = ctx.runner.write_result(f"{ctx.workspace_name(RESULTS)}.json", data)
        words = f"{document(published)}\n".encode()
        text = ctx.runner.write_result(f"{ctx.workspace_name(REPORT)}.md", words)
        written = [path, text]
        if published.report.generated:
            written.append(generated_files.give(ctx, published.report.generated))
    except OSError as error:
        raise ConfigError(
            f"The results cannot be written to the workspace: {error.strerror}.",
            fix="Check the disk and whose the workspace is.",
        ) from None
    ctx.runner.set_output("results-file", path)
    return DestinationResult(destination=DESTINATION, action="written", ids=tuple(written))
