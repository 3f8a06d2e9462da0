"""Less noise: bars, comments in the code, the baseline, and what people ask for in the issue."""

import json

import pytest

from batch_action.publishers import markers
from batch_action.sandbox.github.state import Comment
from tests.nights import BAD, GOOD, WORSE, Night
from tests.stories.test_collect import person

IGNORED = WORSE.replace("  return x", "  // batch-action: ignore[style, {}] on purpose\n  return x")
EVAL = "function run(x) {\n  return eval(x);\n}\n"


def look(night: Night, **inputs: str):
    """Submit, wait, collect."""
    night.run("submit", **inputs)
    night.finish()
    result = night.run("collect", **inputs)
    assert result.exit == 0, result.log
    return result


def states(night: Night) -> dict[str, str]:
    """Rule to state, as the issue remembers."""
    return {b.known.rule: b.known.state.value for b in markers.blocks(night.issue.body)}


def ids(night: Night) -> dict[str, str]:
    """Rule to fingerprint."""
    return {b.known.rule: b.known.fingerprint for b in markers.blocks(night.issue.body)}


def says(night: Night, text: str, by: str = "octo", role: str | None = "write") -> None:
    """A person comments on the issue."""
    more = {night.hub.full_name: role} if role else {}
    night.sandbox.github.add_user(by, **more)
    world = night.sandbox.github.world
    when = {"created_at": world.now(), "updated_at": world.now()}
    comment = Comment(
        id=world.new_id(), number=night.issue.number, user=world.users[by], body=text, **when
    )
    night.issue.comments.append(comment)


def test_what_is_under_the_bar_is_counted_in_the_receipt(night: Night) -> None:
    night.commit({"a.js": BAD, "b.js": WORSE})
    result = look(night, min_severity="high")
    assert result.outputs["new-findings-count"] == "1"
    assert states(night) == {"eval": "new"}
    assert "Held back: 3 findings below `min-severity`." in night.issue.body
    assert "3 below `min-severity`" in result.summary
    # The bar is lowered: what was held back is not asked again, and told when it is seen again.
    night.commit({"b.js": WORSE + "// the end\n"})
    result = look(night)
    assert result.outputs["new-findings-count"] == "2"


def test_only_new_findings_make_a_run_fail(night: Night) -> None:
    night.commit({"a.js": BAD})
    night.run("submit")
    night.finish()
    assert night.run("collect", fail_on_severity="high").exit == 1
    night.commit({"a.js": BAD + "// the end\n", "b.js": GOOD})
    night.run("submit")
    night.finish()
    result = night.run("collect", fail_on_severity="low")
    assert (result.exit, result.outputs["findings-count"]) == (0, "2")


@pytest.mark.parametrize("how", ["bug", "loose-equality", " Bug "])
def test_a_comment_accepts_a_finding_and_it_is_listed(night: Night, how: str) -> None:
    night.commit({"a.js": IGNORED.replace("{}", how)})
    result = look(night)
    assert states(night) == {"console-log": "new", "loose-equality": "ignored"}
    assert result.outputs["new-findings-count"] == "1"
    assert "<summary>Ignored: 1 by a comment in the code</summary>" in night.issue.body
    assert "· on purpose" in night.issue.body
    night.commit({"b.js": EVAL})
    look(night)
    assert "· on purpose" in night.issue.body
    night.commit({"a.js": WORSE})
    assert look(night).outputs["new-findings-count"] == "1"
    assert states(night)["loose-equality"] == "new"


def test_no_change_hides_its_own_vulnerability(night: Night) -> None:
    comment = "  // batch-action: ignore[injection] trust me\n"
    night.inputs["task"] = "security-scan"
    night.commit({"a.js": GOOD.replace("{\n", "{\n" + comment)})
    look(night)
    # The comment is older than the change that brings the danger: its authors vouched for it.
    night.commit({"a.js": EVAL.replace("{\n", "{\n" + comment), "b.js": EVAL})
    look(night)
    found = {b.known.anchor.path: b.known.state.value for b in markers.blocks(night.issue.body)}
    assert found == {"a.js": "ignored", "b.js": "new"}
    night.commit({"b.js": EVAL.replace("{\n", "{\n" + comment)})
    result = look(night)
    found = {b.known.anchor.path: b.known.state.value for b in markers.blocks(night.issue.body)}
    assert found == {"a.js": "ignored", "b.js": "open"}
    assert result.outputs["findings-count"] == "1"


def test_the_baseline_accepts_what_is_open_and_nothing_later(night: Night) -> None:
    night.commit({"a.js": BAD})
    look(night)
    result = night.cli("baseline", environ=person(night))
    assert result.exit == 0, result.log
    assert "2 findings accepted" in result.log
    path = night.repo.path / ".github" / "batch-action-baseline.json"
    accepted = json.loads(path.read_text("utf-8"))
    assert {one["fingerprint"] for one in accepted["findings"]} == set(ids(night).values())
    night.commit({".github/batch-action-baseline.json": path.read_text("utf-8"), "b.js": EVAL})
    result = look(night)
    assert result.outputs["new-findings-count"] == "1"
    found = {(b.known.anchor.path, b.known.state.value) for b in markers.blocks(night.issue.body)}
    assert found == {("a.js", "ignored"), ("b.js", "new")}
    assert "2 findings accepted by the baseline" in night.issue.body
    # What was accepted and is mended leaves the file when it is written anew.
    night.commit({"a.js": GOOD})
    look(night)
    assert night.cli("baseline", environ=person(night)).exit == 0
    left = json.loads(path.read_text("utf-8"))["findings"]
    assert [one["path"] for one in left] == ["b.js"]


def test_a_baseline_of_what_cannot_be_read_is_no_empty_one(night: Night) -> None:
    night.commit({"a.js": BAD, ".github/batch-action-baseline.json": "{}"})
    for environ in (person(night), {}):
        result = night.cli("baseline", environ=environ)
        assert result.exit == 2
    assert "nothing was accepted" in night.cli("baseline", environ=person(night)).log
    path = night.repo.path / ".github" / "batch-action-baseline.json"
    assert path.read_text("utf-8") == "{}"


def test_what_is_excluded_stays_open_until_it_is_looked_at_again(night: Night) -> None:
    night.commit({"a.js": BAD, "b.js": GOOD})
    look(night)
    config = ".github/batch-action.yml"
    night.commit({"a.js": GOOD, config: "paths-ignore: [a.js]\n"})
    look(night)
    assert night.asked() == [config]
    assert set(states(night).values()) == {"open"}
    assert night.issue.body.count("open (file excluded)") == 2
    # Included again it is asked about, though it changed while nobody looked.
    night.commit({config: "max-findings: 20\n"})
    look(night)
    assert night.asked() == [config, "a.js"]
    assert set(states(night).values()) == {"fixed"}


def test_other_line_ends_are_no_fix(night: Night) -> None:
    night.commit({"a.js": WORSE, "b.js": WORSE})
    assert look(night).outputs["findings-count"] == "4"
    night.commit({"a.js": WORSE.replace("\n", "\r\n")})
    night.run("submit")
    assert night.asked() == ["a.js"]
    # The model forgets both; nothing that it could have seen is another.
    night.answer(lambda _request: {"findings": []})
    result = night.run("collect")
    assert (result.outputs["findings-count"], result.outputs["fixed-findings-count"]) == ("4", "0")
    night.commit({"a.js": GOOD.replace("\n", "\r\n")})
    assert look(night).outputs["fixed-findings-count"] == "2"


def test_a_recheck_is_asked_once_and_answered_once(night: Night) -> None:
    night.commit({"a.js": BAD})
    look(night)
    leftover, danger = ids(night)["console-log"], ids(night)["eval"]
    says(night, f"/batch recheck {leftover[:8]}")
    says(night, f"/batch recheck {danger[:8]}", by="guest", role=None)
    result = night.run("collect")
    assert result.exit == 0, result.log
    assert states(night) == {"console-log": "being re-checked", "eval": "new"}
    said = [[reaction.content for reaction in c.reactions] for c in night.issue.comments]
    assert said == [["eyes"], ["confused"]]

    night.run("submit")
    assert (len(night.batches), night.asked()) == (2, ["a.js"])
    assert night.run("submit").outputs["status"] in ("nothing-to-do", "pending")
    assert len(night.batches) == 2
    # This time the model does not report it.
    night.answer(lambda _request: {"findings": []})
    result = night.run("collect")
    assert states(night) == {"console-log": "fixed", "eval": "open"}
    assert result.outputs["fixed-findings-count"] == "1"
    # Nothing has changed since: nothing is asked, nothing comes back, nothing is said again.
    before = len(night.issue.comments)
    night.commit({"b.js": GOOD})
    look(night)
    assert night.asked() == ["b.js"]
    assert states(night) == {"console-log": "fixed", "eval": "open"}
    assert len(night.issue.comments) == before


def test_a_dismissed_finding_stays_so_whatever_happens_to_its_file(night: Night) -> None:
    night.commit({"a.js": BAD})
    look(night)
    says(night, f"/batch wontfix {ids(night)['eval'][:8]} it is a calculator")
    assert night.run("collect").exit == 0
    assert states(night) == {"console-log": "new", "eval": "dismissed"}
    night.commit({"a.js": "// moved down\n" + BAD.replace("eval(x)", "eval(x )")})
    result = look(night)
    assert states(night) == {"console-log": "open", "eval": "dismissed"}
    assert result.outputs["new-findings-count"] == "0"
