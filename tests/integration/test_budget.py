"""The budgets of the repository, counted at the service that bills."""

import random
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from batch_action.ledger import codec
from batch_action.models.ledger import Fact, Ledger, Sent, Usage
from batch_action.models.spend_facts import Charged, Reserved
from batch_action.requests import pricing
from tests.crashes import races
from tests.harness.foreign_artifacts import upload_foreign
from tests.harness.pull_requests import PullRequestHarness
from tests.harness.workflow import BAD, GOOD, WORSE, WorkflowHarness

DAY = 86_400
TASKS = ("code-review", "security-scan", "documentation")
CHANGE = {"a.js": BAD}


def worst_usd(workflow: WorkflowHarness, task: str = "code-review") -> float:
    """What a submit of the task may cost at most."""
    planned = workflow.cli("plan", "--json", "--task", task, "--base", "HEAD~1")
    return float(planned.tasks[0]["cost"]["due_usd"])


def billed_usd(workflow: WorkflowHarness) -> float:
    """What Anthropic charges for the batches of this repository."""
    batches = {batch.id for batch in workflow.batches}
    usages = [
        (
            billed.model,
            Usage(
                input_tokens=billed.usage["input_tokens"],
                output_tokens=billed.usage["output_tokens"],
            ),
        )
        for billed in workflow.sandbox.anthropic.billed()
        if billed.batch_id in batches
    ]
    return pricing.total_usd(pricing.load(), usages) or 0.0


def budget_for_one(workflow: WorkflowHarness) -> str:
    """A budget in which any task fits once, but no two."""
    costs = [worst_usd(workflow, task) for task in TASKS]
    assert max(costs) < 2 * min(costs)
    return f"{max(costs) * 1.01:.6f}"


@pytest.mark.parametrize("name", ["monthly_budget_usd", "daily_budget_usd"])
@pytest.mark.parametrize(
    ("first", "second"),
    [
        ({"task": "code-review"}, {"task": "security-scan"}),
        ({"task": "security-scan"}, {"task": "code-review"}),
        ({"state_key": "one"}, {"state_key": "two"}),
        ({"state_key": "two"}, {}),
        ({"task": "code-review", "report": "pr-review"}, {"task": "security-scan"}),
    ],
)
def test_runs_of_other_tasks_and_state_keys_share_a_budget(
    workflow: WorkflowHarness, name: str, first: Mapping[str, str], second: Mapping[str, str]
) -> None:
    workflow.sandbox.anthropic.hold = True
    workflow.commit(CHANGE)
    workflow.environ[f"BATCH_ACTION_{name.upper()}"] = budget_for_one(workflow)
    assert workflow.run("submit", **first).exit == 0
    refused = workflow.run("submit", **second)
    assert refused.exit == 3
    assert name.replace("_", "-") in refused.annotations("error")[0]
    assert len(workflow.batches) == 1
    # The answers cost far less than the worst case.
    workflow.finish()
    assert workflow.run("collect", **first).exit == 0
    assert workflow.run("submit", **second).exit == 0
    assert len(workflow.batches) == 2


@pytest.mark.parametrize(
    ("name", "days", "fits"),
    [
        ("daily_budget_usd", 1, True),
        ("monthly_budget_usd", 1, False),
        ("monthly_budget_usd", 31, True),
    ],
)
def test_a_batch_counts_in_the_period_in_which_it_was_sent(
    workflow: WorkflowHarness, name: str, days: int, fits: bool
) -> None:
    workflow.commit(CHANGE)
    # The first day of a month: the next day is in the same one.
    now = workflow.sandbox.clock.now()
    workflow.advance(DAY * (32 - now.day) if now.day > 20 else 0)
    workflow.environ[f"BATCH_ACTION_{name.upper()}"] = "1"
    workflow.run("submit", task="code-review", max_cost_usd="1")
    workflow.run("collect", task="code-review")
    spent = billed_usd(workflow)
    workflow.advance(DAY * days)
    limit = f"{spent + worst_usd(workflow, 'security-scan') * 0.99:.8f}"
    workflow.environ[f"BATCH_ACTION_{name.upper()}"] = limit
    result = workflow.run("submit", task="security-scan")
    assert (result.exit == 0) == fits, result.log


def test_what_was_not_created_is_free_again(workflow: WorkflowHarness) -> None:
    workflow.commit(CHANGE)
    workflow.environ["BATCH_ACTION_MONTHLY_BUDGET_USD"] = budget_for_one(workflow)
    workflow.sandbox.faults.add(
        "status", service="anthropic", method="POST", path=r"/v1/messages/batches$", status=400
    )
    assert workflow.run("submit", task="code-review").exit == 4
    assert workflow.run("submit", task="security-scan").exit == 0
    assert len(workflow.batches) == 1


def test_a_lost_create_counts_until_it_is_resolved(workflow: WorkflowHarness) -> None:
    workflow.commit(CHANGE)
    workflow.environ["BATCH_ACTION_MONTHLY_BUDGET_USD"] = budget_for_one(workflow)
    workflow.sandbox.anthropic.hold = True
    workflow.sandbox.faults.add(
        "drop-after", service="anthropic", method="POST", path=r"/v1/messages/batches$"
    )
    assert workflow.run("submit", task="code-review").exit == 4
    assert workflow.run("submit", task="security-scan").exit == 3
    assert len(workflow.batches) == 1


def test_a_branch_and_its_pull_requests_share_a_budget(workflow: WorkflowHarness) -> None:
    workflow.sandbox.anthropic.hold = True
    pull = PullRequestHarness.open(workflow, {"a.js": WORSE})
    workflow.commit({"main.js": GOOD})
    workflow.environ["BATCH_ACTION_MONTHLY_BUDGET_USD"] = "0.05"
    assert pull.run("submit").exit == 0
    assert pull.collect("submit", task="security-scan").exit == 3
    assert len(workflow.batches) == 1


def test_without_a_budget_there_is_no_ledger_of_spend(workflow: WorkflowHarness) -> None:
    workflow.commit(CHANGE)
    workflow.run("submit")
    assert not any("spend" in item.name for item in workflow.github_repository.artifacts)


def test_no_task_may_be_named_like_the_ledger(workflow: WorkflowHarness) -> None:
    text = "---\nname: NAME\ndescription: x\n---\nFind problems.\n"
    for name in ("spend", "spend-pr"):
        workflow.commit({f".github/batch-action/tasks/{name}.md": text.replace("NAME", name)})
        result = workflow.run("submit", task=name)
        assert result.exit == 2
        assert "ledger of what is spent" in result.annotations("error")[0]


@settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck), print_blob=True)
@given(
    tasks=st.lists(st.sampled_from(TASKS), min_size=2, max_size=3, unique=True),
    mode=st.sampled_from(["submit", "run"]),
    seed=st.integers(0, 2**32),
)
def test_no_interleaving_of_runs_passes_the_budget(
    shared_sandbox, small_ca_bundle, tmp_path_factory, tasks, mode, seed
):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SSL_CERT_FILE", str(small_ca_bundle))
        workflow = WorkflowHarness.create(shared_sandbox, tmp_path_factory.mktemp("race"))
        workflow.commit(CHANGE)
        workflow.environ["BATCH_ACTION_MONTHLY_BUDGET_USD"] = budget_for_one(workflow)
        inputs = [{"task": task} for task in tasks]
        codes = races.run_concurrently(
            workflow, [mode] * len(tasks), random.Random(seed).randrange, inputs
        )
        assert set(codes) <= {0, 3}
        assert len(workflow.batches) <= 1
        # Whoever stepped back has left nothing behind that counts for ever.
        workflow.advance(3600)
        for task in tasks:
            workflow.run("collect", task=task)
        for task in tasks:
            workflow.run("submit", task=task)
        assert 1 <= len(workflow.batches) <= 2
        assert billed_usd(workflow) <= float(workflow.environ["BATCH_ACTION_MONTHLY_BUDGET_USD"])


def test_with_a_lagging_list_runs_at_the_same_time_pass_it_by_their_own_cap_at_most(
    workflow: WorkflowHarness,
) -> None:
    workflow.sandbox.anthropic.hold = True
    workflow.commit(CHANGE)
    budget = budget_for_one(workflow)
    workflow.environ["BATCH_ACTION_MONTHLY_BUDGET_USD"] = budget
    workflow.sandbox.github.list_lag = 60.0
    for task in TASKS[:2]:
        assert workflow.run("submit", task=task, max_cost_usd=budget).exit == 0
    # What was written before the lag is listed: the next run sends nothing.
    workflow.advance(120)
    assert workflow.run("submit", task=TASKS[2]).exit == 3
    worst = sum(worst_usd(workflow, task) for task in TASKS[:2])
    assert len(workflow.batches) == 2
    assert worst <= float(budget) + float(budget)


def test_on_a_laptop_the_budget_is_kept_in_a_file(workflow: WorkflowHarness) -> None:
    workflow.sandbox.anthropic.hold = True
    workflow.commit(CHANGE)
    environ = {"BATCH_ACTION_DAILY_BUDGET_USD": budget_for_one(workflow)}
    submit = ("submit", "--base", "HEAD~1", "--task")
    collect = ("collect", "--task", "code-review", "--report", "files")
    assert workflow.cli(*submit, "code-review", environ=environ).exit == 0
    refused = workflow.cli(*submit, "security-scan", environ=environ)
    assert refused.exit == 3
    assert "in flight at most $0.0" in " ".join(refused.stderr.split())
    workflow.finish()
    assert workflow.cli(*collect, environ=environ).exit in (0, 1)
    assert workflow.cli(*submit, "security-scan", environ=environ).exit == 0


@pytest.mark.parametrize("kind", ["drop-before", "drop-after"])
@pytest.mark.parametrize("call", range(1, 4))
def test_after_a_failure_while_spend_is_saved_nothing_counts_for_ever(
    workflow: WorkflowHarness, kind: str, call: int
) -> None:
    """The first uploads of a submit with a budget: its intent, what it reserves, what it sent."""
    workflow.commit(CHANGE)
    workflow.environ["BATCH_ACTION_MONTHLY_BUDGET_USD"] = budget_for_one(workflow)
    workflow.sandbox.faults.add(kind, path="FinalizeArtifact$", nth=call)
    workflow.run("submit", task="code-review")
    workflow.advance(3600)
    workflow.run(task="code-review")
    workflow.advance(3600)
    workflow.run("collect", task="code-review")
    assert len(workflow.billed_ids) == len(set(workflow.billed_ids)) == 1
    assert workflow.run("submit", task="security-scan").exit == 0
    assert len(workflow.batches) == 2


def test_many_jobs_of_one_run_share_the_ledger(workflow: WorkflowHarness) -> None:
    """A matrix over the tasks: each job writes under another name, and none loses a fact."""
    workflow.sandbox.anthropic.hold = True
    workflow.commit(CHANGE)
    workflow.environ["BATCH_ACTION_MONTHLY_BUDGET_USD"] = "1"
    run = workflow.open({})
    keys = [f"key{number}" for number in range(6)]
    for key in keys:
        assert (
            workflow.invoke(["action"], workflow.step(run, "submit", state_key=key), run).exit == 0
        )
    workflow.sandbox.github.finish_run(run)
    assert len(workflow.batches) == len(keys)
    assert workflow.run("submit", state_key="late", monthly_budget_usd="0.01").exit == 3


def test_notices_come_once_a_month(workflow: WorkflowHarness) -> None:
    workflow.commit(CHANGE)
    workflow.run("submit", monthly_budget_usd="9")
    workflow.run("collect", monthly_budget_usd="9")
    spent = billed_usd(workflow)
    seen = []
    for percent in (40, 60, 80, 95, 99):
        workflow.environ["BATCH_ACTION_MONTHLY_BUDGET_USD"] = f"{spent * 100 / percent:.9f}"
        workflow.environ["BATCH_ACTION_ON_OVER_BUDGET"] = "fill"
        result = workflow.run("submit")
        seen.append([text.split(" % of")[0] for text in result.annotations("warning")])
    assert seen == [[], ["50"], ["75"], ["90"], []]
    assert "at this pace" in result.summary
    budget = {"BATCH_ACTION_MONTHLY_BUDGET_USD": "9", "BATCH_ACTION_DAILY_BUDGET_USD": "1"}
    status = " ".join(workflow.cli("status", environ=budget).stderr.split())
    assert "of $1.00 today" in status
    assert "of $9.00 this month, at this pace $" in status


def read_spend(workflow: WorkflowHarness) -> Ledger:
    """The newest ledger of spend of the repository's branches."""
    item = [x for x in workflow.github_repository.artifacts if x.name in BRANCH_NAMES][-1]
    data = workflow.sandbox.github.blobs._blobs[item.blob].data
    return codec.decode(data, repository=item_repository(workflow), task="spend", secrets=())


def item_repository(workflow: WorkflowHarness) -> str:
    return str(workflow.github_repository.id)


HUGE = 1e9
BRANCH_NAMES = tuple(f"batch-action-spend-{slot}" for slot in "abcdefgh")


def forge_reserved(intent: str, run: str, at: datetime, usd: float = HUGE) -> Reserved:
    return Reserved(intent=intent, at=at, run=f"{run}.1", usd=(usd,))


def forge_sent(intent: str, batch: str, at: datetime) -> Sent:
    return Sent(intent=intent, index=0, batch=batch, created_at=at, expires_at=at)


FORGED: dict[str, Callable[[str, str, str, datetime], list[Fact]]] = {
    "a reservation": lambda run, own, _, at: [forge_reserved("f" * 16, run, at)],
    "with a batch that nobody knows": lambda run, own, _, at: [
        forge_reserved("f" * 16, run, at),
        forge_sent("f" * 16, "msgbatch_unknown", at),
    ],
    "of another run": lambda run, own, batch, at: [
        forge_reserved("f" * 16, "12345", at),
        forge_sent("f" * 16, batch, at),
    ],
    "with a batch of the branch": lambda run, own, batch, at: [
        forge_reserved("f" * 16, run, at),
        forge_sent("f" * 16, batch, at),
    ],
    "a cost of the branch's batch": lambda run, own, batch, at: [
        Charged(intent=own, index=0, batch=batch, usd=HUGE)
    ],
}


@pytest.mark.parametrize("what", FORGED)
def test_a_pull_request_cannot_use_up_the_budget_of_the_branch(
    workflow: WorkflowHarness, what: str
) -> None:
    workflow.sandbox.anthropic.hold = True
    pull = PullRequestHarness.open(workflow, {"a.js": WORSE})
    workflow.commit({"main.js": BAD})
    workflow.environ["BATCH_ACTION_MONTHLY_BUDGET_USD"] = "4"
    assert pull.collect("submit").exit == 0
    forge(pull, FORGED[what])
    result = pull.collect("submit", task="security-scan")
    assert result.exit == 0, result.log
    assert len(workflow.batches) == 2


def test_a_pull_request_counts_with_its_cap_at_most(workflow: WorkflowHarness) -> None:
    workflow.sandbox.anthropic.hold = True
    pull = PullRequestHarness.open(workflow, {"a.js": WORSE})
    workflow.commit({"main.js": BAD})
    assert pull.run("submit").exit == 0
    batch = workflow.batches[0].id
    workflow.environ["BATCH_ACTION_MONTHLY_BUDGET_USD"] = "1.5"

    def facts(run: str, own: str, _: str, at: datetime) -> list[Fact]:
        return [forge_reserved("f" * 16, run, at), forge_sent("f" * 16, batch, at)]

    forge(pull, facts)
    assert pull.collect("submit", task="security-scan", max_cost_usd="1").exit == 0
    workflow.environ["BATCH_ACTION_MONTHLY_BUDGET_USD"] = "0.9"
    assert pull.collect("submit", task="documentation", max_cost_usd="1").exit == 3


def test_a_pull_request_cannot_make_room_in_the_budget(workflow: WorkflowHarness) -> None:
    workflow.sandbox.anthropic.hold = True
    pull = PullRequestHarness.open(workflow, {"a.js": WORSE})
    workflow.commit({"main.js": BAD})
    workflow.environ["BATCH_ACTION_MONTHLY_BUDGET_USD"] = budget_for_one(workflow)
    assert pull.collect("submit").exit == 0

    def facts(run: str, own: str, batch: str, at: datetime) -> list[Fact]:
        return [
            forge_reserved(own, run, at, 0.0),
            Charged(intent=own, index=0, usd=0.0),
            forge_sent(own, batch, at),
        ]

    hidden = [x.id for x in workflow.github_repository.artifacts]
    forge(pull, facts, hidden)
    assert pull.collect("submit", task="security-scan").exit == 3
    assert len(workflow.batches) == 1


def test_a_pull_request_cannot_say_what_a_batch_of_the_branch_cost(
    workflow: WorkflowHarness,
) -> None:
    pull = PullRequestHarness.open(workflow, {"a.js": WORSE})
    workflow.commit({"main.js": BAD})
    workflow.environ["BATCH_ACTION_MONTHLY_BUDGET_USD"] = budget_for_one(workflow)
    assert pull.collect("submit").exit == 0
    workflow.advance(3600)

    def facts(run: str, own: str, batch: str, at: datetime) -> list[Fact]:
        mine = forge_reserved(own, run, at, 0.0)
        return [mine, Charged(intent=own, index=0, batch=batch, usd=0.0)]

    forge(pull, facts)
    # The batch has ended, but only a collect knows what it cost.
    assert pull.collect("submit", task="security-scan").exit == 3


def test_a_flood_of_claims_is_not_looked_up(workflow: WorkflowHarness) -> None:
    workflow.sandbox.anthropic.hold = True
    pull = PullRequestHarness.open(workflow, {"a.js": WORSE})
    workflow.commit({"main.js": BAD})
    assert pull.run("submit").exit == 0
    workflow.environ["BATCH_ACTION_MONTHLY_BUDGET_USD"] = "100"

    def facts(run: str, own: str, batch: str, at: datetime) -> list[Fact]:
        intents = [f"{number:016x}" for number in range(500)]
        claims: list[Fact] = [forge_reserved(intent, run, at) for intent in intents]
        return claims + [forge_sent(intent, f"msgbatch_{intent}", at) for intent in intents]

    forge(pull, facts)
    before = len(workflow.sandbox.faults.calls)
    assert pull.collect("submit", task="security-scan").exit == 0
    asked = [
        call
        for call in workflow.sandbox.faults.calls[before:]
        if call.service == "anthropic" and "msgbatch_0000" in call.path
    ]
    assert 0 < len(asked) <= 40


def test_an_artifact_of_a_pull_request_hides_no_other(workflow: WorkflowHarness) -> None:
    workflow.sandbox.anthropic.hold = True
    pull = PullRequestHarness.open(workflow, {"a.js": WORSE})
    workflow.commit({"main.js": BAD})
    workflow.environ["BATCH_ACTION_MONTHLY_BUDGET_USD"] = budget_for_one(workflow)
    assert pull.run("submit").exit == 0
    forge(pull, lambda *_: [], [x.id for x in workflow.github_repository.artifacts])
    assert pull.collect("submit", task="security-scan").exit == 3


def forge(
    pull: PullRequestHarness,
    facts: Callable[[str, str, str, datetime], list[Fact]],
    hidden: Sequence[int] = (),
) -> None:
    """Upload a ledger of spend as a run of the pull request that is not ours."""
    workflow = pull.workflow
    how = {
        "event": "pull_request",
        "payload": {"number": pull.number},
        "head_sha": pull.head,
    }
    run = workflow.open(how)
    reserved = [x for x in _branch_facts(workflow) if isinstance(x, Reserved)]
    own = reserved[0].intent if reserved else "e" * 16
    batch = workflow.batches[0].id
    at = workflow.sandbox.clock.now().replace(microsecond=0)
    ledger = Ledger(
        repository=item_repository(workflow), task="spend", merged_artifacts=tuple(hidden)
    ).add(*facts(str(run.id), own, batch, at))
    data = codec.encode(ledger, None)
    upload_foreign(workflow, data, how, name="batch-action-spend-pr-a", run_id=run.id)
    workflow.sandbox.github.finish_run(run)


def _branch_facts(workflow: WorkflowHarness) -> tuple[Fact, ...]:
    names = {item.name for item in workflow.github_repository.artifacts}
    return read_spend(workflow).facts if names & set(BRANCH_NAMES) else ()
