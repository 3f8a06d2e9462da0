"""Findings while a model is shown excerpts: none is closed unseen, each that was mended is."""

import re

from batch_action.publishers import markers
from tests.harness.pull_requests import PullRequestHarness, raw_finding
from tests.harness.workflow import WorkflowHarness

CONFIG = {".github/batch-action.yml": "context: excerpt\n"}
NUMBERED = re.compile(r" *\d+\| (.*)")
PATH = "app.js"


def function(number, *lines):
    filler = [f"  total += step{number}({n});" for n in range(12)]
    return "\n".join([f"function f{number}(total) {{", *lines, *filler, "  return total;", "}", ""])


def source(changes=None):
    """Return a file of 20 functions of 15 lines; *changes*: more lines of some of them."""
    return "\n".join(function(n, *(changes or {}).get(n, ())) for n in range(20))


def read_request(request):
    """Return the lines of the file that a request shows."""
    text = request["params"]["messages"][0]["content"]
    body = text[text.rindex("<file ") :].split("\n")[1:-1]
    return [match[1] for line in body if (match := NUMBERED.fullmatch(line))]


def review(request):
    """Report each line with BUG that is shown, and nothing else; its number is the rule."""
    found = [line for line in read_request(request) if "BUG" in line]
    return {"findings": [raw_finding(f"bug-{re.sub(r'[^0-9]', '', x)}", x) for x in found]}


class Story:
    """Commits of one file, each submitted and collected."""

    def __init__(self, workflow):
        self.workflow = workflow

    def next(self, changes, **inputs):
        """Commit the file with these changes, and review it; return the lines that were shown."""
        self.workflow.commit({PATH: source(changes)})
        return self.review(**inputs)

    def review(self, **inputs):
        count = len(self.workflow.batches)
        result = self.workflow.run("submit", **inputs)
        assert result.exit == 0, result.log
        if len(self.workflow.batches) == count:
            self.workflow.run("collect")
            return []
        self.workflow.answer(review)
        result = self.workflow.run("collect")
        assert result.exit == 0, result.log
        (request,) = self.workflow.batches[-1].requests
        return read_request(request)

    @property
    def states(self):
        """The state of each finding by the number of its function."""
        texts = [self.workflow.issue.body, *(c.body for c in self.workflow.issue.comments)]
        blocks = [block.tracked for text in texts for block in markers.parse_blocks(text)]
        return {int(each.rule.removeprefix("bug-")): each.state.name for each in blocks}


def test_a_finding_is_closed_by_an_answer_that_was_shown_its_lines_only(
    workflow: WorkflowHarness,
) -> None:
    workflow.commit(CONFIG)
    story = Story(workflow)
    bugs = {3: ["  BUG(3);"], 16: ["  BUG(16);"]}
    assert len(story.next(bugs)) == 20 * 16 + 1, "a new file is shown whole"
    assert story.states == {3: "NEW", 16: "NEW"}

    far = story.next(bugs | {9: ["  // far"]})
    assert "  // far" in far
    assert not any("BUG" in line for line in far)
    assert story.states == {3: "OPEN", 16: "OPEN"}

    near = story.next(bugs | {3: ["  // near", *bugs[3]]})
    assert "  BUG(3);" in near
    assert "  BUG(16);" not in near
    assert story.states == {3: "OPEN", 16: "OPEN"}

    # A range given by hand leaves out a change near a finding: its answer decides nothing about it.
    workflow.commit({PATH: source(bugs | {16: ["  // unseen", *bugs[16]]})})
    shown = story.next(
        bugs | {9: ["  // far"], 16: ["  // unseen", *bugs[16]]}, base=workflow.repo.head()
    )
    assert "  // far" in shown
    assert "  BUG(16);" not in shown
    assert story.states == {3: "OPEN", 16: "OPEN"}

    assert "  // mended" in story.next({3: ["  // mended"], 16: bugs[16]})
    assert story.states == {3: "FIXED", 16: "OPEN"}
    story.next({16: ["  // mended"]})
    assert story.states[16] == "FIXED"


def test_a_file_that_goes_back_is_reviewed_where_it_changed(workflow: WorkflowHarness) -> None:
    workflow.commit(CONFIG)
    story = Story(workflow)
    story.next({2: ["  BUG(2);"]})
    reviewed = {2: ["  BUG(2);"], 9: ["  // far"]}
    story.next(reviewed)
    story.next(reviewed | {15: ["  BUG(15);"]})
    assert story.states == {2: "OPEN", 15: "NEW"}
    # The answer about this content was not shown function 15.
    shown = story.next(reviewed)
    assert "function f15(total) {" in shown
    assert "  total += step15(3);" in shown
    assert story.states == {2: "OPEN", 15: "FIXED"}
    count = len(workflow.batches)
    assert story.review() == []
    assert len(workflow.batches) == count, "asked once"


def test_what_must_be_seen_as_a_whole_is_shown_whole(workflow: WorkflowHarness) -> None:
    workflow.commit(CONFIG)
    story = Story(workflow)
    lines = len(story.next({5: ["  BUG(5);"]}))
    # A person wants it checked again: not only where the last change was.
    assert len(story.next({5: ["  BUG(5);"], 12: ["  // far"]})) < lines / 2
    (known,) = (block.tracked for block in markers.parse_blocks(workflow.issue.body))
    workflow.comment(f"/batch recheck {known.fingerprint[:8]}")
    assert workflow.run("collect").exit == 0
    assert "  BUG(5);" in (shown := story.review())
    assert len(shown) > lines
    assert story.states == {5: "OPEN"}
    # The last change has no answer yet, and may never get one.
    changes = {5: ["  BUG(5);"], 12: ["  // far"], 16: ["  // first"]}
    for number in (18, 19):
        workflow.commit({PATH: source(changes)})
        assert workflow.run("submit").exit == 0
        changes[number] = ["  // next"]
    one, other = (read_request(batch.requests[0]) for batch in workflow.batches[-2:])
    assert "  // first" in one
    assert len(one) < lines / 2 < lines < len(other)


def test_a_pull_request_that_takes_a_change_back_closes_its_finding(
    workflow: WorkflowHarness,
) -> None:
    workflow.commit(CONFIG | {PATH: source()})
    changed = {4: ["  // changed"], 15: ["  BUG(15);"]}
    pull = PullRequestHarness.open(workflow, {PATH: source(changed)})

    def next_states():
        assert pull.run("submit").exit == 0
        workflow.answer(review)
        assert pull.collect().exit == 0
        (request,) = workflow.batches[-1].requests
        return read_request(request)

    assert "  BUG(15);" in next_states()
    assert pull.states() == {"bug-15": "new"}
    pull.push({PATH: source({4: changed[4]})})
    shown = next_states()
    assert "  total += step15(3);" in shown
    assert "  total += step9(3);" not in shown
    assert pull.states() == {"bug-15": "fixed"}
