"""Several runs at one time: whatever the order of their calls, nothing is paid or posted twice."""

import random

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.crashes import cells, races
from tests.harness.workflow import BAD, WorkflowHarness

MODES = st.lists(st.sampled_from(["submit", "collect", "run"]), min_size=2, max_size=3)
PATIENT = settings(
    max_examples=12, deadline=None, suppress_health_check=list(HealthCheck), print_blob=True
)


def settle(workflow: WorkflowHarness) -> int:
    workflow.advance(3600)
    return workflow.run("run").exit


@PATIENT
@example(modes=["collect", "collect"], before="collect", seed=1)
@given(modes=MODES, before=st.sampled_from(cells.VERBS), seed=st.integers(0, 2**32))
def test_any_interleaving_ends_in_order(
    whole_sandbox, one_certificate, tmp_path_factory, modes, before, seed
):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SSL_CERT_FILE", str(one_certificate))
        workflow = cells.begin(whole_sandbox, tmp_path_factory.mktemp("race"), before)
        turns = random.Random(seed)
        codes = races.at_once(workflow, modes, turns.randrange)
        assert 70 not in codes
        assert cells.recovered(workflow, lambda: settle(workflow)) == []


@pytest.mark.parametrize("seed", range(4))
def test_two_submits_at_one_time_send_each_question_once(workflow, seed):
    workflow.commit({"app.js": BAD})
    codes = races.at_once(workflow, ["submit", "submit"], random.Random(seed).randrange)
    assert codes == [0, 0]
    assert len(workflow.sent_ids) == len(set(workflow.sent_ids))
    settle(workflow)
    settle(workflow)
    assert sorted(set(workflow.sent_ids)) == sorted(workflow.billed_ids)


def test_jobs_of_one_run_without_a_state_key_lose_nothing(workflow):
    """A matrix: two jobs of the same run share the artifact names."""
    workflow.commit({"app.js": BAD})
    run = workflow.open({})
    first = workflow._enter(["action"], workflow.step(run, "submit"), run)
    second = workflow._enter(["action"], workflow.step(run, "submit"), run)
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
    assert two.outputs["requests-count"] == "1", "another key is another memory"
    assert workflow.run("submit", state_key="one").outputs["requests-count"] == "0"
