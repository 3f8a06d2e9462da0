"""`verify`: findings are asked about again, by a request that must refute them."""

import json
import re
from collections import Counter
from collections.abc import Mapping
from typing import Any

import pytest

from batch_action.ledger import verification
from batch_action.ledger.view import LedgerView
from batch_action.models.verification import Verification
from batch_action.sandbox.reviewer.answers import answer_by_rules
from tests.crashes.cells import stored_ledger
from tests.harness.workflow import HOUR, WorkflowHarness

CONFIG = ".github/batch-action.yml"
GUARD = "  if (!ALLOWED.has(a)) return null;"
LINES = "".join(f"function f{n}(a) {{\n{GUARD}\n  return eval(a + {n});\n}}\n\n" for n in range(3))
"""Three high findings, and a line that could refute each."""
FILES = {f"{name}.js": LINES.replace("f", name, 1) for name in "abc"}


def is_verification(params: Mapping[str, Any]) -> bool:
    return "<claim " in params["messages"][0]["content"]


def claims_in(params: Mapping[str, Any]) -> list[int]:
    return [int(n) for n in re.findall(r'<claim number="(\d+)"', params["messages"][0]["content"])]


def review(params: Mapping[str, Any]) -> str:
    """Report what the rules find as bugs: of security findings none is folded."""
    answer = json.loads(answer_by_rules(params))
    for finding in answer["findings"]:
        finding.update(category="bug", security=False)
    return json.dumps(answer)


def refute(*numbers: int, evidence: str = GUARD, reason: str = "The guard is before it."):
    """Return what refutes these claims of each file and confirms the others."""

    def answer(params: Mapping[str, Any]) -> str:
        if not is_verification(params):
            return review(params)
        answers = [
            {
                "claim": number,
                "evidence": evidence if number in numbers else "eval(",
                "reason": reason if number in numbers else "It runs whatever comes in.",
                "result": "refuted" if number in numbers else "confirmed",
            }
            for number in claims_in(params)
        ]
        return json.dumps({"claims": answers})

    return answer


def results(workflow: WorkflowHarness) -> Counter[str]:
    view = LedgerView(stored_ledger(workflow))
    return Counter(verification.states(view).values())


@pytest.fixture
def verifying(workflow: WorkflowHarness) -> WorkflowHarness:
    workflow.commit({CONFIG: "verify: high\n"})
    workflow.run("run")
    workflow.commit(FILES)
    return workflow


def verifications(workflow: WorkflowHarness) -> list[str]:
    return [name for name in workflow.sent_ids if name.startswith("verification-")]


@pytest.mark.parametrize("commands", [["run"], ["submit", "collect"], ["collect", "submit"]])
def test_a_refuter_that_denies_three_of_nine_disputes_exactly_three(
    verifying: WorkflowHarness, commands: list[str]
) -> None:
    verifying.sandbox.anthropic.answer_with(refute(2))
    for _ in range(3):
        for command in commands:
            assert verifying.run(command).exit == 0
            verifying.advance(HOUR)
    assert results(verifying) == {Verification.DISPUTED: 3, Verification.CONFIRMED: 6}
    names = verifications(verifying)
    assert len(names) == len(set(names)) == 3
    assert "<summary>Disputed: 3</summary>" in verifying.issue.body
    assert "The guard is before it." in verifying.public_text
