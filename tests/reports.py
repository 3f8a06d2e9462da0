"""A night and its findings as plain values, for everything that words them."""

from dataclasses import replace

from batch_action.models.file_results import GeneratedFile, Judgement, RefusedFile, Ruling
from batch_action.models.findings import (
    Anchor,
    Confidence,
    Finding,
    Known,
    Reconciled,
    Remark,
    Severity,
    Standing,
    State,
)
from batch_action.models.ledger import Usage
from batch_action.models.report import (
    Account,
    Delivered,
    Entry,
    Night,
    Published,
    Receipt,
    Spending,
)
from batch_action.models.requests import Cost

A, B, C = "a" * 40, "b" * 40, "c" * 40
COST = Cost(interactive_usd=0.99, batch_usd=0.41, batch_cached_usd=0.3)
SPENDING = Spending(usage=Usage(), cost=COST, month_usd=7.1, cache_share=0.25)
RECEIPT = Receipt(
    entries=(
        Entry(path="src/db.py", account=Account.REVIEWED),
        Entry(path="src/x.py", account=Account.OWED, reason="over the cap"),
    ),
    skipped=(("binary", 3),),
)
ISSUE = Delivered(
    destination="issue",
    action="updated",
    number=12,
    url="https://github.com/octo/demo/issues/12",
    new=1,
    open=1,
)


def night(**fields) -> Night:
    values = {
        "task": "code-review",
        "repository": "octo/demo",
        "server_url": "https://github.com",
        "commit": C,
        "run_url": "https://github.com/octo/demo/actions/runs/7",
        "batch_ids": ("msgbatch_1",),
        "model": "model-x",
        "date": "2026-03-02",
        "receipt": RECEIPT,
        "spending": SPENDING,
        "discarded": 0,
        "public": False,
        "allow_public_security": False,
        "max_findings": 25,
        "repository_id": "42",
        "ref": "refs/heads/main",
    }
    return Night(**{**values, **fields})


def standing(number: int = 1, state: State = State.NEW, **fields) -> Standing:
    """A finding with its wording; `fields` go to the remark, `path`, `held` and `by` to it."""
    path, held = fields.pop("path", "src/db.py"), fields.pop("held", "")
    by = fields.pop("by", C if state is State.FIXED else "")
    values = {
        "rule": "sql-injection",
        "category": "injection",
        "severity": Severity.HIGH,
        "confidence": Confidence.HIGH,
        "title": f"SQL from `name` ({number})",
        "why": "The name comes from outside.",
        "remedy": "Use parameters.",
        "suggestion": "run(q, name)",
    }
    remark = Remark(start_line=10, end_line=12, evidence="", **{**values, **fields})
    anchor = Anchor(path=path, blob=B, commit=A, start_line=10, end_line=12, scope=(5, 20))
    known = Known(
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
        held=held,
    )
    finding = Finding(
        fingerprint=known.fingerprint,
        anchor=anchor,
        remark=remark,
        evidence="run(q % name)",
        evidence_digest="d" * 12,
    )
    told = state in (State.NEW, State.OPEN, State.BACK)
    changed = state in (State.NEW, State.FIXED, State.BACK)
    return Standing(known=known, finding=finding if told else None, changed=changed)


def published(*standings: Standing, **fields) -> Published:
    """A night with these findings; `below` and `held` are what filters took."""
    below, held = fields.pop("below", ()), fields.pop("held", ())
    words = fields.pop("words", {})
    returned = {name: fields.pop(name, ()) for name in ("judgements", "generated", "refused")}
    values = {"night": night(), "delivered": (ISSUE,), **fields}
    values["night"] = replace(values["night"], **returned)
    reconciled = Reconciled(standings=standings, commit=C, below=below, held=held, words=words)
    return Published(reconciled=reconciled, **values)


def judgement(text: str, path: str = "src/a.py", ruling: Ruling = Ruling.INVALID) -> Judgement:
    return Judgement(path=path, blob=B, old_blob=A, commit=C, ruling=ruling, summary=text)


def generated(text: str, path: str = "tests/test_a.py") -> GeneratedFile:
    return GeneratedFile(path=path, text="x\n", source="src/a.py", blob=B, commit=C, summary=text)


def refused(path: str, reason: str = "leaves the repository") -> RefusedFile:
    return RefusedFile(path=path, source="src/a.py", reason=reason)
