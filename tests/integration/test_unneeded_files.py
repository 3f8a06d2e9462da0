"""What needs no review costs nothing, counted at the server that bills."""

from collections.abc import Mapping

import pytest

from tests.harness.workflow import BAD, GOOD, WorkflowHarness

Files = Mapping[str, str | bytes | None]
LINES = "".join(f"let x{n} = {n};\n" for n in range(40))


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({"a.js": BAD}, {"a.js": BAD.replace("\n", "\r\n")}),
        ({"a.js": BAD.replace("\n", "\r\n")}, {"a.js": BAD}),
        ({"a.js": BAD}, {"a.js": BAD + "\n\n"}),
        ({"a.js": BAD.rstrip("\n")}, {"a.js": BAD}),
        ({"a.js": BAD}, {"a.js": "\ufeff" + BAD}),
        ({"a.js": BAD}, {"a.js": None, "b.js": BAD}),
        ({"a.js": LINES}, {"a.js": None, "b.js": LINES.replace("\n", "\r\n")}),
    ],
)
@pytest.mark.parametrize("reviewed", [True, False])
def test_line_ends_and_renames_are_not_billed(
    workflow: WorkflowHarness, before: Files, after: Files, reviewed: bool
) -> None:
    workflow.commit(before)
    if reviewed:
        workflow.run("run")
        workflow.run("run")
    else:
        workflow.run("run", first_run="none")
    billed = len(workflow.billed_ids)
    workflow.commit(after)
    assert workflow.run("run").outputs["status"] == "nothing-to-do"
    assert len(workflow.billed_ids) == billed
    # The next real change is reviewed, and what was known is found again.
    workflow.commit({path: "// new\n" + BAD for path, text in after.items() if text})
    workflow.run("run")
    result = workflow.run("run")
    assert len(workflow.billed_ids) == billed + 1
    assert result.outputs["findings-count"] == "2"
    assert result.outputs["new-findings-count"] == (
        "0" if reviewed and before["a.js"] != LINES else "2"
    )


def test_other_line_ends_leave_findings_open(workflow: WorkflowHarness) -> None:
    workflow.commit({"a.js": LINES + BAD})
    workflow.run("run")
    workflow.run("run")
    workflow.commit(
        {"a.js": "\ufeff" + (LINES + BAD).replace("\n", "\r\n") + "\r\n\r\n", "b.js": BAD}
    )
    workflow.run("run")
    result = workflow.run("run")
    assert (result.outputs["findings-count"], result.outputs["new-findings-count"]) == ("4", "2")
    assert "re-checked" not in workflow.issue.body


def test_a_rename_across_two_runs_inherits_the_answer(workflow: WorkflowHarness) -> None:
    workflow.commit({"a.js": BAD})
    workflow.run("run")
    workflow.run("run")
    billed = workflow.billed_ids
    workflow.commit({"a.js": None})
    workflow.run("run")
    workflow.commit({"sub/a.js": BAD})
    assert workflow.run("run").outputs["status"] == "nothing-to-do"
    assert workflow.billed_ids == billed


def test_thirty_renormalized_files_do_not_outrank_a_change(workflow: WorkflowHarness) -> None:
    files = {f"auth/login{n}.js": f"// {n}\n{LINES}" for n in range(30)}
    workflow.commit({**files, "z.js": GOOD})
    workflow.run("run", first_run="none")
    workflow.commit(
        {path: text.replace("\n", "\r\n") for path, text in files.items()} | {"z.js": BAD}
    )
    workflow.run("submit", max_cost_usd="0.5")
    assert workflow.requested_paths() == ["z.js"]
