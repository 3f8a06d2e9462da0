"""Pull requests of the emulated GitHub, with their runs and comments."""

import subprocess

import pytest
from github import GithubException

MINIMIZE = (
    "mutation($id: ID!) { %sminimizeComment(input: {subjectId: $id%s}) "
    "{ %sminimizedComment { isMinimized minimizedReason } } }"
)


def committed(hub, text: str, name: str = "feature.py", branch: str = "feature") -> str:
    """A commit on a branch of the bare repository, without a checkout."""
    folder = str(hub.repository("octo/demo").git_dir)
    who = ["-c", "user.name=Ada", "-c", "user.email=ada@example.com"]

    def git(*words: str, stdin: str = "") -> str:
        command = ["git", "-C", folder, *who, *words]
        process = subprocess.run(command, input=stdin, text=True, capture_output=True, check=True)
        return process.stdout.strip()

    blob = git("hash-object", "-w", "--stdin", stdin=text)
    old = [line for line in git("ls-tree", branch).splitlines() if not line.endswith(f"\t{name}")]
    tree = git("mktree", stdin="\n".join([*old, f"100644 blob {blob}\t{name}"]) + "\n")
    commit = git("commit-tree", tree, "-p", branch, "-m", "more")
    git("update-ref", f"refs/heads/{branch}", commit)
    return commit


def run_of(hub, number: int = 1):
    return hub.start_run(
        "octo/demo",
        event="pull_request",
        payload={"number": number},
        permissions={"pull-requests": "write", "actions": "read", "contents": "read"},
    )


def test_a_run_is_about_the_head_and_checks_out_a_merge(hub, client, tmp_path) -> None:
    hub.open_pull_request("octo/demo", head="feature")
    first = committed(hub, "one\ntwo\nthree\n")
    run = run_of(hub)
    environ = hub.step_environment(run, tmp_path / "work", tmp_path / "temp")
    assert (run.head_branch, run.head_sha) == ("feature", first)
    assert environ["GITHUB_SHA"] not in (first, "")
    assert environ["GITHUB_REF"] == "refs/pull/1/merge"
    pull = client(run.token).get_pull(1)
    assert (pull.head.sha, pull.merge_commit_sha) == (first, environ["GITHUB_SHA"])
    merge = client(run.token).get_commit(environ["GITHUB_SHA"])
    assert [parent.sha for parent in merge.parents] == [pull.base.sha, first]
    # It moves with its branch, and its runs know it as long as it is open.
    second = committed(hub, "one\ntwo\nfour\n")
    repo = client(run.token)
    assert repo.get_pull(1).head.sha == second
    assert [listed.number for listed in repo.get_workflow_run(run.id).pull_requests] == [1]
    assert {listed.number for listed in repo.get_commit(first).get_pulls()} == {1}
    assert repo.get_commit(pull.base.sha).get_pulls().totalCount == 0
    hub.close_pull_request("octo/demo", 1)
    assert repo.get_workflow_run(run.id).pull_requests == []
    ended = repo.get_pull(1)
    assert (ended.state, ended.merged, ended.merged_at) == ("closed", False, None)


def test_a_merged_pull_request_keeps_its_commits(hub, client) -> None:
    hub.open_pull_request("octo/demo", head="feature")
    run = run_of(hub)
    repo = client(run.token)
    head = repo.get_pull(1).head.sha
    hub.close_pull_request("octo/demo", 1, merged_as=run.merge_sha)
    pull = repo.get_pull(1)
    assert (pull.state, pull.merged, pull.merge_commit_sha) == ("closed", True, run.merge_sha)
    assert pull.merged_at is not None
    for sha in (head, run.merge_sha):
        assert {listed.number for listed in repo.get_commit(sha).get_pulls()} == {1}


def test_comments_become_outdated_and_are_minimized(hub, client, http) -> None:
    hub.open_pull_request("octo/demo", head="feature", title="A feature")
    committed(hub, "one\ntwo\nthree\n")
    run = run_of(hub)
    repo = client(run.token)
    pull = repo.get_pull(1)
    with pytest.raises(GithubException) as error:
        pull.create_review(
            commit=repo.get_commit(pull.base.sha),
            body="x",
            event="COMMENT",
            comments=[{"path": "feature.py", "body": "here", "line": 1}],
        )
    assert "Commit is not part of the pull request" in str(error.value.data)
    body = "Why?\n\n```suggestion\nTWO\n```\n"
    comments = [
        {"path": "feature.py", "body": body, "line": 2},
        {"path": "feature.py", "body": "And this?", "line": 3, "start_line": 1},
    ]
    pull.create_review(body="A few words.", event="COMMENT", comments=comments)
    committed(hub, "zero\none\ntwo\nTHREE\n")
    first, second = repo.get_pull(1).get_review_comments()
    assert (first.line, first.original_line, second.line) == (3, 2, None)
    assert first.diff_hunk.endswith("+one\n+two")

    def mutate(query: str) -> dict:
        _, data = repo.requester.graphql_query(query, {"id": second.raw_data["node_id"]})
        return data["data"]

    folded = mutate(MINIMIZE % ("", ", classifier: RESOLVED", ""))
    minimized = folded["minimizeComment"]["minimizedComment"]
    assert minimized == {"isMinimized": True, "minimizedReason": "resolved"}
    query = (
        'query { repository(owner: "octo", name: "demo") { pullRequest(number: 1) { '
        "reviewThreads(first: 50) { nodes { isOutdated isResolved comments(first: 9) "
        "{ nodes { isMinimized } } } } } } }"
    )
    _, data = repo.requester.graphql_query(query, {})
    threads = data["data"]["repository"]["pullRequest"]["reviewThreads"]["nodes"]
    assert [thread["isOutdated"] for thread in threads] == [False, True]
    assert [thread["comments"]["nodes"][0]["isMinimized"] for thread in threads] == [False, True]
    html = http.get(f"{hub.instance.origin}/octo/demo/pull/1").text
    assert "A few words." in html
    assert '<td class="src">+two</td>' in html
    assert "Suggested change" in html
    assert '<td class="src">-two</td>' in html
    assert '<td class="src">+TWO</td>' in html
    assert html.count('<span class="outdated">Outdated</span>') == 1
    assert '<details class="minimized"><summary>This comment was marked as <b>resolved</b>' in html
    assert mutate(MINIMIZE % ("un", "", "un"))["unminimizeComment"]
    assert (
        "minimized"
        not in http.get(f"{hub.instance.origin}/octo/demo/pull/1").text.split("main>")[1]
    )
