"""Concurrent runs: in any order of their calls nothing is paid or posted twice."""

import random

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.crashes import cells, races
from tests.harness.workflow import BAD, WorkflowHarness

MODES = st.lists(st.sampled_from(["submit", "collect", "run"]), min_size=2, max_size=3)
SETTINGS = settings(
    max_examples=12, deadline=None, suppress_health_check=list(HealthCheck), print_blob=True
)


def finish(workflow: WorkflowHarness) -> int:
    workflow.advance(3600)
    return workflow.run("run").exit


@SETTINGS
@example(modes=["collect", "collect"], before="collect", seed=1)
@example(modes=["collect", "collect"], before="answer", seed=1)
@given(modes=MODES, before=st.sampled_from(cells.SCENARIOS), seed=st.integers(0, 2**32))
def test_any_interleaving_ends_in_order(
    shared_sandbox, small_ca_bundle, tmp_path_factory, modes, before, seed
):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SSL_CERT_FILE", str(small_ca_bundle))
        workflow = cells.prepare(shared_sandbox, tmp_path_factory.mktemp("race"), before)
        turns = random.Random(seed)
        codes = races.run_concurrently(workflow, modes, turns.randrange)
        assert 70 not in codes
        assert cells.find_problems_after_recovery(workflow, lambda: finish(workflow)) == []


@pytest.mark.parametrize("seed", range(4))
def test_two_concurrent_submits_send_each_request_once(workflow, seed):
    workflow.commit({"app.js": BAD})
    codes = races.run_concurrently(workflow, ["submit", "submit"], random.Random(seed).randrange)
    assert codes == [0, 0]
    assert len(workflow.sent_ids) == len(set(workflow.sent_ids))
    finish(workflow)
    finish(workflow)
    assert sorted(set(workflow.sent_ids)) == sorted(workflow.billed_ids)


def test_jobs_of_one_run_without_a_state_key_lose_nothing(workflow):
    """Two jobs of a matrix share the artifact names."""
    workflow.commit({"app.js": BAD})
    run = workflow.open({})
    first = workflow.invoke(["action"], workflow.step(run, "submit"), run)
    second = workflow.invoke(["action"], workflow.step(run, "submit"), run)
    workflow.sandbox.github.finish_run(run)
    assert (first.exit, second.exit) == (0, 0)
    assert second.outputs["requests-count"] == "0"
    workflow.advance(3600)
    assert workflow.run("collect").outputs["status"] == "collected"


def test_state_keys_keep_ledgers_apart(workflow):
    workflow.commit({"app.js": BAD})
    one = workflow.run("submit", state_key="one")
    two = workflow.run("submit", state_key="two")
    assert one.outputs["requests-count"] == "1"
    assert two.outputs["requests-count"] == "1", "another key is another state"
    assert workflow.run("submit", state_key="one").outputs["requests-count"] == "0"
