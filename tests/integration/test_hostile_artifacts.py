"""Hostile artifacts: each is named or ignored, and nothing is lost or paid for twice."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from batch_action.ledger.codec import LEDGER_ENTRY
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
