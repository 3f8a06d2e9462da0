"""What GitHub's clients do with a success that is none of GitHub's: a proxy's, or a gateway's."""

import gc
import json
from collections.abc import Callable, Iterator
from contextlib import suppress

import pytest

from batch_action.clients.github.actions import Actions
from batch_action.clients.github.client import GitHubClient
from batch_action.clients.github.code_scanning import CodeScanning
from batch_action.clients.github.errors import ForeignAnswerError, RefusedError
from batch_action.clients.github.issues import Issues
from batch_action.clients.github.pulls import DraftBranches, PullRequests
from batch_action.errors import GitHubError
from batch_action.models.github import WorkflowRun
from batch_action.sandbox.server import Sandbox
from tests.harness.destinations import connect
from tests.harness.hostile_server import REPLIES, HostileServer


@pytest.fixture(autouse=True)
def garbage_is_kept() -> Iterator[None]:
    """Collect no garbage: a finalizer that runs while a deep body is parsed fails."""
    gc.disable()
    yield
    gc.enable()


SIGN_IN = "<!doctype html><title>Sign in</title><form action='/login'>…</form>"
SHA = "1" * 40
TIMES = {"created_at": 17, "updated_at": 17, "merged_at": 17}
WRONG = {"number": "five", "id": "five", "name": 5, "html_url": 5, "url": 5, "sha": [], "body": {}}
RUN = WorkflowRun(
    id="1",
    event="push",
    path=".github/workflows/x.yml",
    head_branch="x",
    head_sha=SHA,
    head_repository_id="1",
)

READ: dict[str, Callable[[GitHubClient], object]] = {
    "repository": lambda c: c.repository_info(),
    "viewer": lambda c: c.viewer(),
    "comparison": lambda c: c.compare(SHA, SHA),
    "artifacts": lambda c: Actions(c).artifacts("x"),
    "run": lambda c: Actions(c).run("7"),
    "head of a pull": lambda c: Actions(c).has_pull(RUN, 1),
    "named branch": lambda c: Actions(c).branch("main"),
    "ancestor": lambda c: Actions(c).contains(SHA, SHA),
    "pushes": lambda c: Actions(c).was_pushed("main", SHA),
    "issue": lambda c: Issues(c).get(1),
    "issues": lambda c: Issues(c).find("bug", "<!-- x -->"),
    "comments": lambda c: Issues(c).comments(1),
    "events": lambda c: Issues(c).labeled_by(1, "bug"),
    "permission": lambda c: Issues(c).can_write("octocat"),
    "revisions": lambda c: Issues(c).revisions("I_1"),
    "pull": lambda c: PullRequests(c, bool).get(1),
    "reviews": lambda c: PullRequests(c, bool).reviews(1),
    "review comments": lambda c: PullRequests(c, bool).comments(1),
    "patches": lambda c: PullRequests(c, bool).patches(1),
    "pulls of a commit": lambda c: PullRequests(c, bool).numbers_of_commit(SHA),
    "branch": lambda c: DraftBranches(c).head_of("x"),
    "commit": lambda c: DraftBranches(c).commit(SHA),
    "contents": lambda c: DraftBranches(c).blobs(SHA, ["a.py"]),
    "draft": lambda c: DraftBranches(c).find_open_pull_request("x"),
    "analysis": lambda c: CodeScanning(c).latest_analysis("refs/heads/main", "x"),
    "alerts": lambda c: CodeScanning(c).alerts("refs/heads/main", "open"),
    "document": lambda c: CodeScanning(c).document(1),
    "upload": lambda c: CodeScanning(c, sleep=lambda _: None).wait_for_processing("7"),
}
WRITE: dict[str, Callable[[GitHubClient], object]] = {
    "issue": lambda c: Issues(c).create("t", "b", ["bug"]),
    "edit": lambda c: Issues(c).update(1, title="t"),
    "comment": lambda c: Issues(c).comment(1, "b"),
    "label": lambda c: Issues(c).ensure_label("bug", "ffffff", ""),
    "review": lambda c: PullRequests(c, bool).review(1, SHA, "b", []),
    "minimize": lambda c: PullRequests(c, bool).set_minimized("x", "OUTDATED"),
    "tree": lambda c: DraftBranches(c).create_tree(SHA, {}, {}, {}),
    "commit": lambda c: DraftBranches(c).create_commit("m", SHA, SHA),
    "branch": lambda c: DraftBranches(c).set_branch("x", SHA),
    "draft": lambda c: DraftBranches(c).create("t", "b", "x", "main"),
    "upload": lambda c: CodeScanning(c).upload(b"", commit=SHA, ref="refs/heads/main"),
    "dismissal": lambda c: CodeScanning(c).dismiss(1, "no"),
    "dispatch": lambda c: Actions(c).start_workflow("x.yml", "main", {}),
    "event": lambda c: Actions(c).send_event("x", {}),
}
BODIES = {
    "sign-in page": SIGN_IN,
    "array": "[]",
    "object": "{}",
    "gateway": json.dumps({"status": "ok", "service": "gateway"}),
    "numbers": "[1, 2]",
    "null": "null",
    "empty": "",
    "cut": '{"id": 5, "num',
    "depth": "[" * 100_000,
}
# An array is what these two are answered with when there is nothing.
EMPTY_LISTINGS = frozenset(
    {"issues", "comments", "events", "reviews", "review comments", "patches", "pulls of a commit"}
    | {"draft", "analysis", "alerts", "contents", "pushes"}
)


# Of somebody between GitHub and us; a 5xx is GitHub's own failure, and retried.
ON_THE_WAY = [name for name, reply in REPLIES.items() if reply.status < 500]


@pytest.fixture(scope="module")
def running() -> Iterator[Sandbox]:
    with Sandbox() as sandbox:
        sandbox.github.add_repository("octo/demo")
        yield sandbox


@pytest.fixture
def client(running: Sandbox) -> Iterator[GitHubClient]:
    run = running.github.start_run("octo/demo", event="schedule")
    with connect(running, "octo/demo", run.token) as client:
        yield client
    running.faults.clear()


@pytest.mark.parametrize(
    ("call", "body"),
    [(c, b) for c in READ for b in BODIES if b != "array" or c not in EMPTY_LISTINGS],
)
def test_a_read_never_takes_another_body_for_an_answer(running, client, call, body):
    running.faults.add("status", status=200, body=BODIES[body], times=99)
    with pytest.raises(ForeignAnswerError, match="no answer of GitHub's") as caught:
        READ[call](client)
    assert "HTTPS_PROXY" in caught.value.fix


@pytest.mark.parametrize("reply", ON_THE_WAY)
@pytest.mark.parametrize("call", READ)
def test_what_somebody_on_the_way_answers_is_no_answer_of_github(call, reply):
    if reply == "empty list" and call in EMPTY_LISTINGS:
        return  # GitHub's own answer when there is nothing
    with HostileServer("http://127.0.0.1:9") as server:
        for method in ("GET", "POST"):
            server.replace(REPLIES[reply], method, "")
        api_url = f"{server.url}/api/v3"
        with (
            GitHubClient("t", api_url=api_url, repository="o/r", write_interval=0) as client,
            pytest.raises(GitHubError) as caught,
        ):
            READ[call](client)
    if isinstance(caught.value, RefusedError):
        # A refusal would mean that the resource does not exist, or that a permission is missing:
        # only a redirect and the word of a proxy about itself are refusals.
        assert REPLIES[reply].status in (302, 308, 407)
        assert not caught.value.permanent
    assert "<html" not in str(caught.value)


@pytest.mark.parametrize("body", BODIES)
@pytest.mark.parametrize("call", WRITE)
def test_a_write_with_another_answer_counts_as_lost(running, client, call, body):
    running.faults.add("status", status=200, body=BODIES[body], times=99)
    with pytest.raises(GitHubError, match=r"no answer of GitHub's|did not answer"):
        WRITE[call](client)


@pytest.mark.parametrize("fields", [TIMES, WRONG], ids=["times", "fields"])
@pytest.mark.parametrize("call", READ)
def test_a_field_of_a_wrong_type_is_no_bug_of_ours(running, client, call, fields):
    item = {**fields, "user": 5, "head": fields, "object": fields, "tree": [], "status": "ahead"}
    listed = {"artifacts": [item], "files": [item], "processing_status": 5, "data": {"viewer": 5}}
    for body in (item | listed, [item | listed]):
        running.faults.clear()
        running.faults.add("status", status=200, body=json.dumps(body), times=99)
        # What is not read does not matter; nothing but our own error may come out.
        with suppress(GitHubError):
            READ[call](client)


@pytest.mark.parametrize(
    ("listed", "page"),
    [("issues", [{"number": 1}]), ("artifacts", {"artifacts": []})],
)
def test_pages_that_link_in_a_circle_end(running, client, listed, page):
    link = f'<{running.github_url}/repos/octo/demo/x?page=2>; rel="next"'
    running.faults.add(
        "status", status=200, body=json.dumps(page), headers={"link": link}, times=999
    )
    with pytest.raises(GitHubError, match="no answer of GitHub"):
        READ[listed](client)


def test_a_renamed_repository_is_asked_the_same_question(running):
    running.github.add_repository("octo/moved")
    token = running.github.token_for("octo")
    with connect(running, "octo/moved", token) as client:
        number = Issues(client).create("t", "<!-- x -->", ["bug"]).number
        Issues(client).create("t", "<!-- x -->", ["other"])
        Issues(client).close(number)
    location = f"{running.github_url}/api/v3/repos/octo/moved/issues"
    running.faults.add("status", path="/demo/issues$", status=301, headers={"location": location})
    with connect(running, "octo/demo", token) as client:
        # Without the query these would be the open issues with any label.
        assert [issue.number for issue in Issues(client).find("bug", "<!-- x -->")] == [number]


@pytest.mark.parametrize("location", ["https://elsewhere.example/repos/o/r/issues", "", "//x/y"])
def test_a_redirect_to_another_host_is_not_followed(running, client, location):
    running.faults.add("status", path="/issues$", status=301, headers={"location": location})
    with pytest.raises(GitHubError):
        Issues(client).find("bug", "<!-- x -->")
