"""Hostile artifacts: each is named or ignored, and nothing is lost or paid for twice."""

import io
import json
import struct
import warnings
import zipfile
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from batch_action.ledger.codec import LEDGER_ENTRY, MAX_ZIPPED_BYTES, SIGNATURE_ENTRY, encode, sign
from batch_action.models.ledger import SCHEMA, Ledger
from batch_action.sandbox.github.records import Artifact
from tests.harness.foreign_artifacts import upload_foreign, zip_of
from tests.harness.pull_requests import PullRequestHarness
from tests.harness.workflow import WORSE, WorkflowHarness
from tests.integration.test_ledger_store import newest_ledger
from tests.integration.test_pull_request_runs import PR, _unzip

Facts = list[dict[str, Any]]
WHEN = "2026-11-28T12:00:00Z"


def facts_of(workflow: WorkflowHarness, item: Artifact) -> Facts:
    data = workflow.sandbox.github.blobs.get(item.blob)
    assert data is not None
    facts: Facts = json.loads(_unzip(data))["facts"]
    return facts


def only(facts: Facts, kind: str) -> dict[str, Any]:
    (fact,) = (fact for fact in facts if fact["kind"] == kind)
    return fact


def collected(batch: str, usd: float = 1e9) -> dict[str, Any]:
    return {
        "kind": "collected",
        "batch": batch,
        "at": WHEN,
        "usage": {},
        "cost_usd": usd,
        "failed": {},
    }


def steal_batch(own: Facts, victim: Facts) -> Facts:
    batch = only(victim, "sent")["batch"]
    stolen = only(own, "sent") | {"batch": batch}
    return [*(f for f in own if f["kind"] != "sent"), stolen, collected(batch)]


def steal_intent(own: Facts, victim: Facts) -> Facts:
    intent = only(victim, "intended")["intent"]
    return [f | {"intent": intent} if "intent" in f else f for f in own]


CLAIMS: dict[str, Callable[[Facts, Facts], Facts]] = {
    "collected for another's batch": lambda own, victim: [
        *own,
        collected(only(victim, "sent")["batch"]),
    ],
    "another's batch": steal_batch,
    "another's intent": steal_intent,
    "spend without a batch": lambda own, _: [*own, collected("msgbatch_none")],
    "another's end": lambda own, _: [
        *own,
        {"kind": "closed", "pull_request": 1, "merged": True, "at": WHEN},
    ],
    "another's facts": lambda _, victim: [*victim, collected(only(victim, "sent")["batch"])],
    "another's withdrawal": lambda own, victim: [
        *own,
        {
            "kind": "withdrawn",
            "batch": only(victim, "sent")["batch"],
            "actor": "octo",
            "at": WHEN,
        },
    ],
}


@pytest.mark.parametrize("claim", CLAIMS)
@pytest.mark.parametrize("again", [False, True], ids=["once", "victim runs again"])
def test_a_pull_requests_run_changes_no_other_pull_request(
    workflow: WorkflowHarness, claim: str, again: bool
) -> None:
    victim = PullRequestHarness.open(workflow, {"app.js": WORSE})
    attacker = PullRequestHarness.open(workflow, {"evil.js": WORSE}, "evil")
    victim.run("submit")
    theirs = facts_of(workflow, workflow.artifacts[-1])
    attacker.run("submit")
    ledger = json.loads(_unzip(newest_ledger(workflow)))
    ledger["facts"] = CLAIMS[claim](ledger["facts"], theirs)
    # The ids of real ledgers, those to come among them: they must be read all the same.
    ledger["merged_artifacts"] = [*(a.id for a in workflow.artifacts), *range(10**6, 10**6 + 999)]
    event = {"event": "pull_request", "branch": "evil", "head_sha": attacker.head}
    data = zip_of({LEDGER_ENTRY: json.dumps(ledger).encode()})
    upload_foreign(workflow, data, event, name=f"{PR}-a")
    if again:
        victim.push({"more.js": WORSE.replace("run", "walk")})
        victim.run("submit")
    for _ in range(2):
        result = victim.collect("run", monthly_budget_usd=100)
        assert result.exit == 0, result.log
    assert {c.path for c in victim.inline} == {"app.js", *(["more.js"] if again else [])}
    assert len(workflow.billed_ids) == len(set(workflow.billed_ids))


def test_a_forged_dismissal_does_not_outlive_the_merge(workflow: WorkflowHarness) -> None:
    pull = PullRequestHarness.open(workflow, {"app.js": WORSE})
    pull.run("submit")
    pull.collect()
    fingerprints = [tracked.fingerprint for tracked in pull.state.tracked]
    ledger = json.loads(_unzip(newest_ledger(workflow)))
    source = f"https://github.com/octo/demo/pull/{pull.number}#issuecomment-1"
    ledger["facts"] += [
        {"kind": "dismissed", "fingerprint": f, "actor": "octo", "source": source, "at": WHEN}
        for f in fingerprints
    ]
    event = {"event": "pull_request", "branch": "change", "head_sha": pull.head}
    data = zip_of({LEDGER_ENTRY: json.dumps(ledger).encode()})
    upload_foreign(workflow, data, event, name=f"{PR}-b")
    pull.merge()
    workflow.inputs["report"] = "issue, pr-review"
    result = pull.collect()
    assert result.exit == 0, result.log
    issue = workflow.issues[-1]
    assert (issue.body.count("state=open"), issue.body.count("state=dismissed")) == (2, 0)


# Each makes an artifact of the real ledger.
Case = Callable[[dict[str, Any]], bytes]
BOMB = 300 * 2**20


def zipped(ledger: object) -> bytes:
    text = ledger if isinstance(ledger, str) else json.dumps(ledger)
    return zip_of({LEDGER_ENTRY: text.encode()})


def bomb(_: object) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(LEDGER_ENTRY, b" " * BOMB)
    return buffer.getvalue()


def lying_bomb(_: object) -> bytes:
    """Declare one byte for an entry of many."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(LEDGER_ENTRY, b" " * 2**20)
    return buffer.getvalue().replace(struct.pack("<I", 2**20), struct.pack("<I", 1))


def twins(ledger: dict[str, Any]) -> bytes:
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with zipfile.ZipFile(buffer, "w") as archive:
            for _ in range(2):
                archive.writestr(LEDGER_ENTRY, json.dumps(ledger))
    return buffer.getvalue()


def with_fact(**fact: Any) -> Case:
    return lambda ledger: zipped(ledger | {"facts": [*ledger["facts"], fact]})


def changed(**fields: Any) -> Case:
    return lambda ledger: zipped(ledger | fields)


def every(kind: str, **fields: Any) -> Case:
    return lambda ledger: zipped(
        ledger | {"facts": [f | fields if f["kind"] == kind else f for f in ledger["facts"]]}
    )


SENT = {"kind": "sent", "intent": "0" * 16, "index": 0, "created_at": WHEN, "expires_at": WHEN}
REFUSED: dict[str, tuple[Case, str]] = {
    "not a zip": (lambda _: b"<html>sign in</html>", "not a readable zip"),
    "empty": (lambda _: b"", "not a readable zip"),
    "truncated": (lambda ledger: zipped(ledger)[:-30], "not a readable zip"),
    "a bomb": (bomb, "more than the limit"),
    "a bomb that lies": (lying_bomb, "a"),
    "no entry": (lambda _: zip_of({}), "no entry"),
    "another entry": (lambda _: zip_of({LEDGER_ENTRY: b"{}", "x": b""}), "entries"),
    "a path": (lambda _: zip_of({"../../ledger.json": b"{}"}), "entries"),
    "two of one name": (twins, "entries"),
    "no number": (changed(facts=float("nan")), "facts"),
    "no JSON": (lambda _: zipped("{nope"), "not a JSON object"),
    "deep": (lambda _: zipped("[" * 10**5), "not a JSON object"),
    "surrogates": (lambda _: zip_of({LEDGER_ENTRY: b'{"task": "\\ud800"}'}), ""),
    "not UTF-8": (lambda _: zip_of({LEDGER_ENTRY: b'{"task": "\xff"}'}), ""),
    "a wrong schema": (changed(schema_version="one"), "schema_version"),
    "an unknown field": (changed(extra=1), "extra"),
    "an unknown fact": (with_fact(kind="paid"), "facts"),
    "another repository": (changed(repository="1"), "another repository"),
    "another task": (changed(task="security-scan"), "another repository or task"),
    "no batch id": (every("sent", batch="../../models"), "batch"),
    "a number for a text": (every("sent", batch=7), "batch"),
    "a text for a list": (every("selected", files="all"), "files"),
    "an infinite cost": (with_fact(**collected("msgbatch_1", float("inf"))), "cost_usd"),
    "an absurd cost": (with_fact(**collected("msgbatch_1", 1e300)), "cost_usd"),
    "a negative cost": (with_fact(**collected("msgbatch_1", -1)), "cost_usd"),
    "an absurd count": (
        with_fact(**collected("msgbatch_1") | {"usage": {"input_tokens": 10**30}, "cost_usd": 0}),
        "input_tokens",
    ),
    "an absurd index": (with_fact(**SENT | {"index": 10**30, "batch": "msgbatch_1"}), "index"),
    "an absurd year": (every("sent", created_at="9999-12-31T23:59:59Z"), "year"),
    "no time zone": (every("sent", created_at="2026-11-28T12:00:00"), "timezone"),
    "log commands": (changed(**{"::error::x": "::add-mask::a"}), ""),
}


def original(workflow: WorkflowHarness) -> dict[str, Any]:
    ledger: dict[str, Any] = json.loads(_unzip(newest_ledger(workflow)))
    return ledger


def check_that_all_goes_on(workflow: WorkflowHarness) -> str:
    """Run as if nothing had happened: everything is found, nothing is paid for twice."""
    workflow.commit({"b.js": WORSE})
    result = workflow.run("run")
    assert result.exit == 0, result.log
    assert result.annotations("error") == []
    assert result.outputs["findings-count"] == "2"
    workflow.run("run")
    assert workflow.issue.body.count("<!-- batch-action:finding ") == 4
    assert len(workflow.billed_ids) == len(set(workflow.billed_ids)) == 2
    return result.summary


@pytest.mark.parametrize("case", REFUSED)
def test_a_damaged_artifact_is_named_and_ignored(workflow: WorkflowHarness, case: str) -> None:
    workflow.commit({"a.js": WORSE})
    workflow.run("submit")
    build, reason = REFUSED[case]
    item = upload_foreign(workflow, build(original(workflow)), {})
    summary = check_that_all_goes_on(workflow)
    (line,) = (x for x in summary.splitlines() if f"artifact {item.id} of run" in x)
    assert reason in line
    assert "no setting accepts it" in line


@pytest.mark.parametrize("mode", ["submit", "collect", "run", "plan", "status"])
def test_a_newer_ledger_is_refused_without_spending(workflow: WorkflowHarness, mode: str) -> None:
    workflow.commit({"a.js": WORSE})
    workflow.run("submit")
    item = upload_foreign(workflow, changed(schema_version=SCHEMA + 1)(original(workflow)), {})
    workflow.commit({"b.js": WORSE})
    billed, saved = len(workflow.billed_ids), len(workflow.artifacts)
    result = workflow.run(mode)
    assert result.exit == 2, result.log
    [error] = result.annotations("error")
    assert f"artifact {item.id} cannot be read" in error
    assert f"newer batch-action (schema {SCHEMA + 1})" in error
    assert "nothing was sent" in error
    assert (len(workflow.billed_ids), len(workflow.artifacts)) == (billed, saved)
    workflow.github_repository.artifacts.remove(item)
    assert workflow.run("run").exit == 0


@pytest.mark.parametrize("is_signed", [False, True])
def test_a_newer_ledger_counts_only_if_it_is_trusted(
    workflow: WorkflowHarness, is_signed: bool
) -> None:
    """Else anybody with an artifact could stop every run."""
    workflow.inputs["state_secret"] = "a long secret of the workflow"
    workflow.commit({"a.js": WORSE})
    workflow.run("submit")
    text = json.dumps(original(workflow) | {"schema_version": SCHEMA + 1}).encode()
    entries = {LEDGER_ENTRY: text}
    if is_signed:
        entries[SIGNATURE_ENTRY] = sign(text, workflow.inputs["state_secret"])
    upload_foreign(workflow, zip_of(entries), {})
    assert workflow.run("run").exit == (2 if is_signed else 0)


def test_a_newer_ledger_of_one_pull_request_stops_no_other(workflow: WorkflowHarness) -> None:
    victim = PullRequestHarness.open(workflow, {"app.js": WORSE})
    attacker = PullRequestHarness.open(workflow, {"evil.js": WORSE}, "evil")
    victim.run("submit")
    attacker.run("submit")
    event = {"event": "pull_request", "branch": "evil", "head_sha": attacker.head}
    upload_foreign(
        workflow,
        changed(schema_version=SCHEMA + 1)(original(workflow)),
        event,
        name=workflow.artifacts[0].name,
    )
    assert attacker.run("submit").exit == 2
    assert victim.run("collect").exit == 0
    assert workflow.run("submit", report="issue").exit == 0


def test_a_newer_state_file_is_refused_without_spending(workflow: WorkflowHarness) -> None:
    workflow.commit({"a.js": WORSE})
    folder = workflow.folder / "state"
    workflow.environ["BATCH_ACTION_STATE_DIR"] = str(folder)
    without_service = {"ACTIONS_RESULTS_URL": None, "ACTIONS_RUNTIME_TOKEN": None}
    assert workflow.start("submit", {}, environ=without_service).exit == 0
    [file] = folder.iterdir()
    with zipfile.ZipFile(file) as archive:
        ledger = json.loads(archive.read(LEDGER_ENTRY))
    file.write_bytes(newer := zipped(ledger | {"schema_version": SCHEMA + 1}))
    workflow.commit({"b.js": WORSE})
    result = workflow.start("submit", {}, environ=without_service)
    assert result.exit == 2, result.log
    assert f"newer batch-action (schema {SCHEMA + 1})" in result.annotations("error")[0]
    assert "Move it away" not in result.log
    assert len(workflow.billed_ids) == 1
    assert file.read_bytes() == newer


RECORDS = {
    "a wrong digest": ({"digest": "sha256:" + "0" * 64}, {}, "Delete it"),
    "a fork": ({}, {"head_repository": "mallory/demo"}, "no setting accepts it"),
    "too large": ({"size": MAX_ZIPPED_BYTES + 1}, {}, "no setting accepts it"),
    "another branch": ({}, {"event": "push", "branch": "side"}, "state-branch: side"),
    "an untrusted event": ({}, {"event": "issue_comment"}, "trusted events"),
    "a tag": ({}, {"event": "push", "ref_type": "tag", "head_sha": "f" * 40}, "state-secret"),
}


@pytest.mark.parametrize("case", RECORDS)
def test_an_artifact_of_unknown_origin_is_named_with_what_would_admit_it(
    workflow: WorkflowHarness, case: str
) -> None:
    workflow.commit({"a.js": WORSE})
    workflow.run("submit")
    changes, run, admits = RECORDS[case]
    ledger = original(workflow)
    ledger["facts"] = []
    ledger["merged_artifacts"] = [a.id for a in workflow.artifacts]
    item = upload_foreign(workflow, zipped(ledger), run, **changes)
    summary = check_that_all_goes_on(workflow)
    (line,) = (x for x in summary.splitlines() if f"artifact {item.id} of run" in x)
    assert admits in line.replace("&#96;", "`")


def test_artifacts_of_untrusted_origin_are_looked_up_once(workflow: WorkflowHarness) -> None:
    workflow.commit({"a.js": WORSE})
    workflow.run("submit")
    items = [upload_foreign(workflow, b"x", {"event": "issue_comment"}) for _ in range(3)]
    named = workflow.run("run").summary
    assert all(f"artifact {item.id} of run" in named for item in items)
    workflow.sandbox.faults.calls.clear()
    assert workflow.run("run").exit == 0
    paths = [call.path for call in workflow.sandbox.faults.calls]
    assert [p for p in paths if any(p.endswith(f"/runs/{item.run_id}") for item in items)] == []
    # What would admit them is asked for again.
    again = workflow.run("run", state_secret="new")
    assert f"artifact {items[0].id} of run" in again.log


def test_many_artifacts_of_one_pull_request_hide_no_other(workflow: WorkflowHarness) -> None:
    victim = PullRequestHarness.open(workflow, {"app.js": WORSE})
    attacker = PullRequestHarness.open(workflow, {"evil.js": WORSE}, "evil")
    victim.run("submit")
    attacker.run("submit")
    event = {"event": "pull_request", "branch": "evil", "head_sha": attacker.head}
    for _ in range(70):
        upload_foreign(workflow, newest_ledger(workflow), event, name=f"{PR}-b")
    result = victim.collect()
    assert result.exit == 0, result.log
    assert (len(victim.inline), len(attacker.inline)) == (2, 2)


def test_an_expired_artifact_is_not_opened(workflow: WorkflowHarness) -> None:
    workflow.commit({"a.js": WORSE})
    workflow.run("submit")
    old = workflow.now() - timedelta(days=1)
    upload_foreign(workflow, b"damaged", {}, expires_at=old)
    assert "refused" not in check_that_all_goes_on(workflow)


FORGED = {
    "no signature": lambda text: {LEDGER_ENTRY: text},
    "an empty one": lambda text: {LEDGER_ENTRY: text, SIGNATURE_ENTRY: b""},
    "another secret's": lambda text: {LEDGER_ENTRY: text, SIGNATURE_ENTRY: b"0" * 64},
    "no ASCII": lambda text: {LEDGER_ENTRY: text, SIGNATURE_ENTRY: b"\xff" * 64},
}


@pytest.mark.parametrize("case", FORGED)
def test_a_forged_signature_is_refused(workflow: WorkflowHarness, case: str) -> None:
    workflow.inputs["state_secret"] = "the secret"
    workflow.commit({"a.js": WORSE})
    workflow.run("submit")
    ledger = original(workflow) | {"facts": []}
    ledger["merged_artifacts"] = [a.id for a in workflow.artifacts]
    upload_foreign(workflow, zip_of(FORGED[case](json.dumps(ledger).encode())), {})
    assert "state-secret-previous" in check_that_all_goes_on(workflow)


# A ledger of a trusted run may be wrong and valid: what it says harms nothing beyond itself.
VALID: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
    "merged: everything, what is to come included": lambda ledger: (
        ledger | {"facts": [], "merged_artifacts": list(range(10**6, 10**6 + 2000))}
    ),
    "merged: absurd ids": lambda ledger: (
        ledger | {"facts": [], "merged_artifacts": [-1, 0, 10**60]}
    ),
    "no facts": lambda ledger: ledger | {"facts": []},
    "the same facts twice": lambda ledger: ledger | {"facts": ledger["facts"] * 2},
    "a batch that does not exist": lambda ledger: (
        ledger | {"facts": [*ledger["facts"], SENT | {"batch": "msgbatch_none"}]}
    ),
    "an index beyond the intent": lambda ledger: (
        ledger
        | {
            "facts": [
                *ledger["facts"],
                only(ledger["facts"], "sent") | {"index": 7, "batch": "msgbatch_none"},
            ]
        }
    ),
}


@pytest.mark.parametrize("case", VALID)
def test_a_wrong_ledger_of_a_trusted_run_hides_no_other(
    workflow: WorkflowHarness, case: str
) -> None:
    workflow.commit({"a.js": WORSE})
    workflow.run("submit")
    # Written before the newest real ledger, and read after it.
    ledger = VALID[case](original(workflow))
    real = workflow.artifacts[-1]
    upload_foreign(workflow, zipped(ledger), {}, id=real.id - 1)
    check_that_all_goes_on(workflow)


def test_what_we_write_is_what_we_read(workflow: WorkflowHarness) -> None:
    """The corpus starts from a ledger that would be accepted."""
    workflow.commit({"a.js": WORSE})
    workflow.run("submit")
    ledger = Ledger.model_validate(original(workflow))
    upload_foreign(workflow, encode(ledger, None), {})
    assert "refused" not in check_that_all_goes_on(workflow)
