"""Text of any length from the model fits into every destination, and every finding is read back.

GitHub refuses a body over 65,536 characters, each time: such a run would never be delivered.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from batch_action.models.findings import (
    Confidence,
    FindingState,
    FindingStatus,
    Reconciliation,
    Verdict,
)
from batch_action.models.report import FileStatus, FileStatusEntry, FileStatuses, RunReport
from batch_action.publishers.draft_pr import render as draft_pr
from batch_action.publishers.issue import render as issue
from batch_action.publishers.issue_per_finding import render as issue_per_finding
from batch_action.publishers.pull_request import render as pull_request
from batch_action.publishers.pull_request import review_comments
from batch_action.publishers.sarif import document, reader
from batch_action.text import fit_body
from tests.harness import reports
from tests.harness.reports import C, publisher_options

MAX_BODY_CHARS = 65_536
MAX_TITLE_CHARS = 256
TEXTS = {
    "ascii": "a" * 65_000,
    "words": "word | `x` <b> @octocat #1 " * 2_400,
    "lines": "a\n" * 32_000,
    "cjk": "漢" * 7_300,
    "emoji": "👩‍👩‍👧‍👦" * 3_000,
    "combining": "e" + "\u0301" * 30_000,
    "control": "\x00\x1b\u202e\ud800" * 8_000,
    "escaped": "&<_*[" * 13_000,
}
FIELDS = (
    *("title", "trigger", "explanation", "remediation", "suggestion", "rule", "category", "cwe"),
    *("evidence", "path", "note", "ignore_reason", "ignored_by"),
)
STATES = tuple(FindingState)


def finding(number: int, state: FindingState, values: dict[str, str]) -> FindingStatus:
    """A finding with these texts, in any state; it was reported in this run."""
    raw_fields = {k: v for k, v in values.items() if k in FIELDS[:8]}
    status = reports.finding_status(number, state, confidence=Confidence.HIGH, **raw_fields)
    reported = reports.finding_status(number, FindingState.NEW, **raw_fields).finding
    assert reported
    anchor = replace(reported.anchor, path=values.get("path", reported.anchor.path))
    tracked = replace(
        status.tracked,
        anchor=anchor,
        opened_on="2026-03-01",
        closed_on="2026-03-02" if state is FindingState.FIXED else "",
        ignore_reason=values.get("ignore_reason", ""),
        ignored_by=values.get("ignored_by", ""),
    )
    texts = reported.texts.read()
    texts = replace(texts, evidence=values.get("evidence", texts.evidence))
    return replace(
        status,
        tracked=tracked,
        finding=replace(reported, anchor=anchor, texts=texts),
        note=values.get("note", ""),
    )


def path_of(text: str) -> str:
    """The longest path that a file system allows."""
    data = text.replace("\x00", "x").encode("utf-8", "replace")
    return data[:4_096].decode("utf-8", "ignore")


def findings(values: dict[str, str], count: int) -> tuple[FindingStatus, ...]:
    return tuple(finding(n, STATES[n % len(STATES)], values) for n in range(count))


def report(text: str) -> RunReport:
    """A report in which every text of a file is this one."""
    path = path_of(text)
    return reports.report(
        file_statuses=FileStatuses.of(
            tuple(
                FileStatusEntry(path=f"{n}/{path}", status=FileStatus.GIVEN_UP, reason=text)
                for n in range(12)
            ),
            skipped=(("binary", 3),),
        ),
        file_verdicts=tuple(
            reports.file_verdict(text, f"{n}/{path}", Verdict.INVALID) for n in range(12)
        ),
        generated=tuple(reports.generated(text, f"{n}/{path}") for n in range(12)),
        refused=tuple(reports.refused(f"{n}/{path}", text) for n in range(12)),
    )


def fingerprints(statuses: tuple[FindingStatus, ...]) -> set[str]:
    return {status.tracked.fingerprint for status in statuses}


def issue_texts(statuses: tuple[FindingStatus, ...], run: RunReport) -> Iterator[str]:
    reconciled = Reconciliation(statuses=statuses, commit=C)
    state = None
    for _ in range(2):
        draft = issue.render(run, reconciled, state, publisher_options())
        assert len(draft.title) <= MAX_TITLE_CHARS
        yield from (draft.body, draft.comment or "", *draft.overflow)
        state = issue.parse(draft.body, draft.overflow)
        assert state
        assert set(state.blocks) == fingerprints(statuses)


def finding_issue_texts(statuses: tuple[FindingStatus, ...], run: RunReport) -> Iterator[str]:
    for status in statuses:
        assert len(issue_per_finding.format_title(status.tracked)) <= MAX_TITLE_CHARS
        body = issue_per_finding.render_body(status, None, run)
        parsed = issue_per_finding.parse(body)
        assert parsed
        assert parsed.tracked
        later = replace(status, tracked=replace(status.tracked, state=FindingState.BACK))
        yield from (body, issue_per_finding.update_body(body, later, run))
        yield issue_per_finding.render_fixed_comment(status, run)
        yield issue_per_finding.render_reopened_comment(status, run)
    blocks = issue_per_finding.finding_block.render_blocks(
        statuses, {}, run, max_block_chars=issue_per_finding.MAX_PAGE_CHARS, ticked=()
    )
    yield from (page.text for page in issue_per_finding.build_pages(blocks, (), 10))


def review_texts(statuses: tuple[FindingStatus, ...], run: RunReport) -> Iterator[str]:
    comments = pull_request.InlineCommentIndex(urls={}, ids={})
    reconciled = Reconciliation(statuses=statuses, commit=C)
    draft = pull_request.render(replace(run, pull_request=7), reconciled, None, comments, 25)
    parts = (draft.text, *draft.pages)
    yield from parts
    stored = {t.fingerprint for part in parts for t in pull_request.parse(part).tracked}
    assert stored == draft.fingerprints == {s.tracked.fingerprint for s in statuses}
    for status in statuses:
        assert status.finding
        text = review_comments.render(status.tracked, status.finding, suggestion="x")
        body = review_comments.comment_body(status.tracked, text)
        assert review_comments.parse(body)
        yield body


def sarif_texts(statuses: tuple[FindingStatus, ...], run: RunReport) -> Iterator[str]:
    reconciled = Reconciliation(statuses=statuses, commit=C)
    draft = document.render(run, reconciled, reader.AnalysisState())
    state = reader.parse(draft.document)
    assert {t.fingerprint for t in state.tracked} == fingerprints(statuses)
    for rule in draft.document["runs"][0]["tool"]["driver"]["rules"]:
        assert len(rule["id"]) <= 2_000
        yield from (rule["help"]["markdown"], rule["shortDescription"]["text"])
    for result in draft.document["runs"][0]["results"]:
        yield from (result["message"]["text"], result["message"]["markdown"])


def draft_pr_texts(_: tuple[FindingStatus, ...], run: RunReport) -> Iterator[str]:
    files = [
        draft_pr.ProposedFile(
            path=g.path, source=g.path, source_blob=g.blob, replaces=None, summary=g.summary
        )
        for g in run.generated
    ]
    body = draft_pr.body(run, files, {f.path: C for f in files}, run.refused)
    yield from (body, draft_pr.commit_message(run.task, files, C, run))


DESTINATIONS: dict[str, Callable[[tuple[FindingStatus, ...], RunReport], Iterator[str]]] = {
    "issue": issue_texts,
    "issue-per-finding": finding_issue_texts,
    "pr-review": review_texts,
    "sarif": sarif_texts,
    "draft-pr": draft_pr_texts,
}


@pytest.mark.parametrize("kind", TEXTS)
@pytest.mark.parametrize("destination", DESTINATIONS)
def test_a_text_of_any_length_fits_into_every_destination(destination: str, kind: str):
    text = TEXTS[kind]
    for fields in [(name,) for name in FIELDS] + [FIELDS]:
        values = {name: path_of(text) if name == "path" else text for name in fields}
        count, run = (
            (42 if kind == "emoji" else 7, report(text))
            if fields == FIELDS
            else (1, reports.report())
        )
        sizes = [len(body) for body in DESTINATIONS[destination](findings(values, count), run)]
        assert max(sizes) <= MAX_BODY_CHARS, fields


def test_a_body_that_is_too_long_loses_its_end_but_no_marker():
    marker = "<!-- batch-action v1 task=x -->"
    body = "\n".join([marker, *(["words " * 10] * 2_000), "<!-- /batch-action -->", "end"])
    cut = fit_body(body)
    assert len(cut) <= MAX_BODY_CHARS
    assert cut.split("\n")[0] == marker
    assert cut.split("\n")[-2:] == ["<!-- /batch-action -->", "… (cut: longer than GitHub accepts)"]
    assert fit_body(cut) == cut
    assert fit_body("short") == "short"
