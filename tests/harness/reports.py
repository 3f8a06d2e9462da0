"""A night and its findings as plain values, for everything that words them."""

from dataclasses import replace

from batch_action.models.file_results import FileVerdict, GeneratedFile, RefusedFile, Verdict
from batch_action.models.findings import (
    Anchor,
    Confidence,
    Finding,
    FindingState,
    FindingStatus,
    RawFinding,
    Reconciliation,
    Severity,
    TrackedFinding,
)
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

A, B, C = "a" * 40, "b" * 40, "c" * 40
COST = Cost(interactive_usd=0.99, batch_usd=0.41, batch_cached_usd=0.3)
SPENDING = Spending(usage=Usage(), cost=COST, month_usd=7.1, cache_share=0.25)
RECEIPT = FileStatuses(
    entries=(
        FileStatusEntry(path="src/db.py", status=FileStatus.REVIEWED),
        FileStatusEntry(path="src/x.py", status=FileStatus.BACKLOG, reason="over the cap"),
    ),
    skipped=(("binary", 3),),
)
ISSUE = DestinationResult(
    destination="issue",
    action="updated",
    number=12,
    url="https://github.com/octo/demo/issues/12",
    new=1,
    open=1,
)


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
        "file_statuses": RECEIPT,
        "spending": SPENDING,
        "discarded": 0,
        "public": False,
        "allow_public_security": False,
        "max_findings": 25,
        "repository_id": "42",
        "ref": "refs/heads/main",
    }
    return RunReport(**{**values, **fields})


def standing(number: int = 1, state: FindingState = FindingState.NEW, **fields) -> FindingStatus:
    """A finding with its wording; `fields` go to the remark, `path`, `held` and `by` to it."""
    path, held = fields.pop("path", "src/db.py"), fields.pop("suppressed", "")
    by = fields.pop("by", C if state is FindingState.FIXED else "")
    values = {
        "rule": "sql-injection",
        "category": "injection",
        "severity": Severity.HIGH,
        "confidence": Confidence.HIGH,
        "title": f"SQL from `name` ({number})",
        "explanation": "The name comes from outside.",
        "remediation": "Use parameters.",
        "suggestion": "run(q, name)",
    }
    remark = RawFinding(start_line=10, end_line=12, evidence="", **{**values, **fields})
    anchor = Anchor(path=path, blob=B, commit=A, start_line=10, end_line=12, scope=(5, 20))
    known = TrackedFinding(
        fingerprint=f"{number:016x}",
        anchor=anchor,
        state=state,
        severity=remark.severity,
        category=remark.category,
        rule=remark.rule,
        title=remark.title,
        evidence_digest="d" * 12,
        security=remark.security,
        pre_existing=remark.pre_existing,
        closed_by=by,
        suppressed=held,
    )
    finding = Finding(
        fingerprint=known.fingerprint,
        anchor=anchor,
        raw=remark,
        evidence="run(q % name)",
        evidence_digest="d" * 12,
    )
    told = state in (FindingState.NEW, FindingState.OPEN, FindingState.BACK)
    changed = state in (FindingState.NEW, FindingState.FIXED, FindingState.BACK)
    return FindingStatus(tracked=known, finding=finding if told else None, changed=changed)


def published(*statuses: FindingStatus, **fields) -> PublishResult:
    """A night with these findings; `below` and `held` are what filters took."""
    below, held = fields.pop("below", ()), fields.pop("suppressed", ())
    words = fields.pop("words", {})
    returned = {name: fields.pop(name, ()) for name in ("file_verdicts", "generated", "refused")}
    values = {"report": report(), "results": (ISSUE,), **fields}
    values["report"] = replace(values["report"], **returned)
    reconciled = Reconciliation(
        statuses=statuses, commit=C, below=below, suppressed=held, blocks=words
    )
    return PublishResult(reconciled=reconciled, **values)


def judgement(text: str, path: str = "src/a.py", ruling: Verdict = Verdict.INVALID) -> FileVerdict:
    return FileVerdict(path=path, blob=B, old_blob=A, commit=C, verdict=ruling, summary=text)


def generated(text: str, path: str = "tests/test_a.py") -> GeneratedFile:
    return GeneratedFile(path=path, text="x\n", source="src/a.py", blob=B, commit=C, summary=text)


def refused(path: str, reason: str = "leaves the repository") -> RefusedFile:
    return RefusedFile(path=path, source="src/a.py", reason=reason)
