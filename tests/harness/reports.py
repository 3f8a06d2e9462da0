"""Run reports and finding statuses as plain values, for tests of everything that renders them."""

from dataclasses import replace

from batch_action.findings.positions import hold_back
from batch_action.models.findings import (
    Anchor,
    Confidence,
    FileVerdict,
    Finding,
    FindingState,
    FindingStatus,
    FindingTexts,
    HeldBackFinding,
    RawFinding,
    Reconciliation,
    Severity,
    TrackedFinding,
    Verdict,
)
from batch_action.models.generated import GeneratedFile, RefusedFile
from batch_action.models.ledger import Usage
from batch_action.models.report import (
    DestinationResult,
    FileStatus,
    FileStatusEntry,
    FileStatuses,
    PublishResult,
    RunReport,
    Spending,
)
from batch_action.models.requests import Cost
from batch_action.publishers.base import PublisherOptions

A, B, C = "a" * 40, "b" * 40, "c" * 40
COST = Cost(interactive_usd=0.99, batch_usd=0.41, batch_cached_usd=0.3)
SPENDING = Spending(usage=Usage(), cost=COST, month_to_date_usd=7.1, cache_share=0.25)
FILE_STATUSES = FileStatuses.of(
    (
        FileStatusEntry(path="src/db.py", status=FileStatus.REVIEWED),
        FileStatusEntry(path="src/x.py", status=FileStatus.BACKLOG, reason="over the cap"),
    ),
    skipped=(("binary", 3),),
)
ISSUE_RESULT = DestinationResult(
    destination="issue",
    action="updated",
    number=12,
    url="https://github.com/octo/demo/issues/12",
    new=1,
    open=1,
)


def publisher_options(**fields) -> PublisherOptions:
    values = {"max_findings": 25, "max_issues": 10, "labels": (), "assignees": ()}
    return PublisherOptions(**{**values, **fields})


def report(**fields) -> RunReport:
    values = {
        "task": "code-review",
        "repository": "octo/demo",
        "server_url": "https://github.com",
        "commit": C,
        "run_url": "https://github.com/octo/demo/actions/runs/7",
        "batch_ids": ("msgbatch_1",),
        "model": "model-x",
        "date": "2026-03-02",
        "file_statuses": FILE_STATUSES,
        "spending": SPENDING,
        "repository_id": "42",
        "ref": "refs/heads/main",
    }
    return RunReport(**{**values, **fields})


def finding_status(
    number: int = 1, state: FindingState = FindingState.NEW, **fields
) -> FindingStatus:
    """A finding; some fields are its own, such as `path`, the others are those of its text."""
    path, ignored_by = fields.pop("path", "src/db.py"), fields.pop("ignored_by", "")
    verification, confirmed_by = fields.pop("verification", None), fields.pop("confirmed_by", "")
    verified = fields.pop("verified", None)
    closing_commit = fields.pop("closing_commit", C if state is FindingState.FIXED else "")
    values = {
        "rule": "sql-injection",
        "category": "injection",
        "severity": Severity.HIGH,
        "confidence": Confidence.HIGH,
        "title": f"SQL from `name` ({number})",
        "trigger": "The name `' OR 1=1 --` returns every row, not one.",
        "explanation": "The name comes from outside.",
        "remediation": "Use parameters.",
        "suggestion": "run(q, name)",
    }
    raw = RawFinding(start_line=10, end_line=12, evidence="", **{**values, **fields})
    anchor = Anchor(
        path=path, blob=B, commit=A, start_line=10, end_line=12, scope_start=5, scope_end=20
    )
    tracked = TrackedFinding(
        fingerprint=f"{number:016x}",
        anchor=anchor,
        state=state,
        severity=raw.severity,
        category=raw.category,
        rule=raw.rule,
        title=raw.title,
        evidence_digest="d" * 12,
        security=raw.security,
        pre_existing=raw.pre_existing,
        closing_commit=closing_commit,
        ignored_by=ignored_by,
        verification=verification,
        confirmed_by=confirmed_by,
    )
    texts = FindingTexts(
        raw=raw, evidence="run(q % name)", quotes_lines=True, replacement=raw.suggestion
    )
    finding = Finding.of(
        texts, fingerprint=tracked.fingerprint, anchor=anchor, evidence_digest="d" * 12
    )
    is_reported = state in (FindingState.NEW, FindingState.OPEN, FindingState.BACK)
    changed = state in (FindingState.NEW, FindingState.FIXED, FindingState.BACK)
    return FindingStatus(
        tracked=tracked,
        finding=finding if is_reported else None,
        verified=verified,
        changed=changed and not tracked.is_disputed,
    )


def about_code(finding: Finding | None, evidence: str) -> Finding:
    """The finding about other code."""
    assert finding is not None
    return replace(finding, texts=replace(finding.texts.read(), evidence=evidence))


def held_back(reason: str, count: int = 1, **fields) -> tuple[HeldBackFinding, ...]:
    """Findings that are not tracked, for this reason."""
    finding = finding_status(**fields).finding
    assert finding is not None
    held = hold_back(finding, reason)
    return tuple(replace(held, line=10 + n) for n in range(count))


def published(*statuses: FindingStatus, **fields) -> PublishResult:
    """The results of a run with these findings."""
    names = ("held_back", "blocks", "hides_security")
    reconciled = {name: fields.pop(name) for name in names if name in fields}
    task_results = {
        name: fields.pop(name, ()) for name in ("file_verdicts", "generated", "refused")
    }
    values = {"report": report(), "results": (ISSUE_RESULT,), **fields}
    values["report"] = replace(values["report"], **task_results)
    reconciliation = Reconciliation(statuses=statuses, commit=C, **reconciled)
    return PublishResult(reconciliation=reconciliation, **values)


def file_verdict(
    text: str, path: str = "src/a.py", verdict: Verdict = Verdict.INVALID
) -> FileVerdict:
    return FileVerdict(path=path, blob=B, old_blob=A, commit=C, verdict=verdict, summary=text)


def generated(text: str, path: str = "tests/test_a.py") -> GeneratedFile:
    return GeneratedFile(path=path, text="x\n", source="src/a.py", blob=B, commit=C, summary=text)


def refused(path: str, reason: str = "leaves the repository") -> RefusedFile:
    return RefusedFile(path=path, source="src/a.py", reason=reason)
