"""The emulated GitHub: issues, commits, code scanning, runs and GraphQL."""

import base64
import gzip
import json
from pathlib import Path

import pytest
from github import GithubException


def refused(error: pytest.ExceptionInfo[GithubException]) -> tuple[int, str]:
    return error.value.status, error.value.data["message"]


def test_the_life_cycle_of_an_issue(hub, client, clock) -> None:
    run = hub.start_run("octo/demo", event="schedule")
    repo = client(run.token)
    repo.create_label("ai", "ff0000", "from the machine")
    issue = repo.create_issue("Report", body="**hello**", labels=["ai", "new"])
    assert issue.user.login == "github-actions[bot]"
    assert issue.user.type == "Bot"
    assert issue.performed_via_github_app.slug == "github-actions"
    assert [label.color for label in issue.labels] == ["ff0000", "ededed"]
    comment = issue.create_comment("first")
    comment.edit("second")
    assert [comment.body for comment in issue.get_comments()] == ["second"]
    clock.advance(60)
    issue.edit(state="closed", state_reason="not_planned")
    assert issue.state_reason == "not_planned"
    issue.edit(state="open")
    issue.remove_from_labels("new")
    issue.add_to_labels("newer")
    names = [event.event for event in issue.get_events()]
    assert names == ["labeled", "labeled", "closed", "reopened", "unlabeled", "labeled"]
    assert {event.actor.login for event in issue.get_timeline()} == {"github-actions[bot]"}
    comment.delete()
    assert issue.get_comments().totalCount == 0
    issues = repo.get_issues(state="open", labels=["ai"], creator="github-actions[bot]")
    assert [comment.number for comment in issues] == [1]
    assert hub.writes[1] == ("POST", "/repos/octo/demo/issues", "github-actions[bot]")


def test_lists_are_paginated_and_can_lag(hub, client, clock, http) -> None:
    hub.list_lag = 30
    repo = client(hub.token_for("octo"))
    for number in range(1, 6):
        repo.create_issue(f"Issue {number}")
    assert list(repo.get_issues()) == []
    clock.advance(31)
    repo.requester.per_page = 2
    assert [issue.number for issue in repo.get_issues(direction="asc")] == [1, 2, 3, 4, 5]
    assert repo.get_issues().totalCount == 5


def test_each_endpoint_requires_its_permission(hub, client) -> None:
    run = hub.start_run("octo/demo", event="schedule", permissions={"contents": "read"})
    repo = client(run.token)
    assert repo.full_name == "octo/demo"
    for attempt in (repo.get_issues, repo.get_artifacts, repo.get_workflow_runs):
        with pytest.raises(GithubException) as error:
            list(attempt())
        assert refused(error) == (403, "Resource not accessible by integration")
    with pytest.raises(GithubException) as error:
        repo.create_issue("x")
    assert error.value.headers["x-accepted-github-permissions"] == "issues=write"
    with pytest.raises(GithubException) as error:
        repo.requester.requestJsonAndCheck("GET", "/user")
    assert error.value.status == 403
    hub.finish_run(run)
    with pytest.raises(GithubException) as error:
        repo.update()
    assert refused(error) == (401, "Bad credentials")


def test_what_other_people_may_do(hub, client) -> None:
    hub.add_repository("octo/open", private=False)
    hub.add_user("eve")
    with pytest.raises(GithubException) as error:
        client(hub.token_for("eve")).update()
    assert error.value.status == 404
    repo = client(hub.token_for("eve"), "octo/open")
    issue = repo.create_issue("Help", labels=["bug"], assignees=["octo"])
    assert (issue.labels, issue.assignees) == ([], [])
    assert repo.get_collaborator_permission("eve") == "read"
    assert repo.get_collaborator_permission("octo") == "admin"
    with pytest.raises(GithubException) as error:
        issue.add_to_labels("bug")
    assert error.value.status == 403
    issue.edit(title="Mine to edit")


def test_limits_and_settings(hub, client) -> None:
    repo = client(hub.token_for("octo"))
    with pytest.raises(GithubException) as error:
        repo.create_issue("x", body="y" * 65_537)
    assert error.value.status == 422
    message = error.value.data["errors"][0]["message"]
    assert message == "Body is too long (maximum is 65536 characters)"
    repo.create_label("bug", "ffffff")
    with pytest.raises(GithubException) as error:
        repo.create_label("Bug", "ffffff")
    assert error.value.data["errors"][0]["code"] == "already_exists"
    with pytest.raises(GithubException) as error:
        repo.create_label("n" * 51, "ffffff")
    assert error.value.status == 422
    hub.repository("octo/demo").has_issues = False
    with pytest.raises(GithubException) as error:
        repo.create_issue("x")
    assert error.value.status == 410


def test_unchanged_responses_are_304(hub, http) -> None:
    url = f"{hub.instance.origin}/api/v3/repos/octo/demo/issues"
    headers = {"Authorization": f"Bearer {hub.token_for('octo')}"}
    first = http.get(url, headers=headers)
    again = http.get(url, headers=headers | {"If-None-Match": first.headers["etag"]})
    assert (first.status_code, again.status_code) == (200, 304)


def test_the_environment_of_a_container_step(hub, tmp_path: Path) -> None:
    run = hub.start_run("octo/demo", event="workflow_dispatch", payload={"inputs": {"a": "b"}})
    environ = hub.step_environment(run, tmp_path / "workspace", tmp_path / "temp")
    assert "GITHUB_TOKEN" not in environ
    assert json.loads(Path(environ["GITHUB_EVENT_PATH"]).read_text())["inputs"] == {"a": "b"}
    assert Path(environ["GITHUB_OUTPUT"]).read_bytes() == b""
    assert environ["GITHUB_SHA"] == run.head_sha != "0" * 40
    rerun = hub.start_run("octo/demo", event="workflow_dispatch", rerun_of=run)
    assert (rerun.id, rerun.attempt) == (run.id, 2)
    assert rerun.head_sha == run.head_sha


def test_runs_are_found(hub, client) -> None:
    hub.finish_run(hub.start_run("octo/demo", event="schedule"))
    hub.start_run("octo/demo", event="push", head_repository="eve/demo", permissions={})
    repo = client(hub.token_for("octo"))
    first, second = sorted(repo.get_workflow_runs(), key=lambda run: run.id)
    assert (first.event, first.conclusion, first.run_attempt) == ("schedule", "success", 1)
    assert first.path == ".github/workflows/nightly.yml"
    assert second.head_repository.full_name == "eve/demo"
    assert first.head_repository.id == first.repository.id != second.head_repository.id


def test_identity_tokens_are_fresh(hub, tmp_path, http) -> None:
    run = hub.start_run("octo/demo", event="schedule", permissions={"id-token": "write"})
    environ = hub.step_environment(run, tmp_path, tmp_path)
    url = environ["ACTIONS_ID_TOKEN_REQUEST_URL"] + "&audience=https%3A%2F%2Fexample.com"
    headers = {"Authorization": f"Bearer {environ['ACTIONS_ID_TOKEN_REQUEST_TOKEN']}"}
    claims = []
    for _ in range(2):
        payload = http.get(url, headers=headers).json()["value"].split(".")[1]
        claims.append(json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4))))
    assert claims[0]["aud"] == "https://example.com"
    assert claims[0]["jti"] != claims[1]["jti"]


def test_the_control_endpoints(hub, http) -> None:
    control = f"{hub.instance.origin}/_sandbox"
    options = {"repository": "octo/demo", "event": "schedule", "permissions": {"issues": "write"}}
    run = http.post(f"{control}/runs", json=options).json()
    assert run["environment"]["GITHUB_RUN_ID"] == str(run["id"])
    api = f"{hub.instance.origin}/api/v3/repos/octo/demo/issues"
    headers = {"Authorization": f"Bearer {run['token']}"}
    assert http.post(api, json={"title": "x"}, headers=headers).status_code == 201
    assert http.post(f"{control}/runs/{run['id']}/finish").json()["conclusion"] == "success"
    assert http.post(api, json={"title": "x"}, headers=headers).status_code == 401
    state = http.get(f"{control}/state").json()
    assert [issue["title"] for issue in state["repositories"]["octo/demo"]["issues"]] == ["x"]
    assert http.post(f"{control}/list-lag", json={"seconds": 5}).json() == {"seconds": 5.0}
    assert http.post(f"{control}/runs", json={"repository": "no/where"}).status_code == 400


@pytest.fixture
def repo(hub, client):
    """The repository, in the hands of its owner."""
    return client(hub.token_for("octo"))


def test_a_comparison_lists_changed_files(repo) -> None:
    compared = repo.compare("main~1", "main")
    assert (compared.status, compared.ahead_by, compared.behind_by) == ("ahead", 1, 0)
    files = {file.filename: file for file in compared.files}
    assert {name: file.status for name, file in files.items()} == {
        "a.py": "modified",
        "b.bin": "added",
        "new.py": "renamed",
        "sub/é.txt": "removed",
    }
    assert files["new.py"].previous_filename == "old.py"
    assert "+line fifteen" in files["a.py"].patch
    assert files["b.bin"].patch is None
    assert repo.compare("main", "feature").status == "diverged"
    assert repo.compare("main", "main").status == "identical"
    assert repo.compare("main", "main~1").status == "behind"
    lost = repo.compare("main", "nowhere")
    with pytest.raises(GithubException) as error:
        lost.update()
    assert error.value.status == 404


def test_commits_and_contents_come_from_git(repo) -> None:
    commit = repo.get_commit("main")
    assert commit.commit.message == "second"
    assert {file.filename for file in commit.files} >= {"a.py", "new.py"}
    assert [commit.commit.message for commit in repo.get_commits()] == ["second", "first"]
    assert repo.get_contents("sub/é.txt", ref="main~1").decoded_content == b"hello\n"
    assert [commit.path for commit in repo.get_contents("", ref="main")] == [
        "a.py",
        "b.bin",
        "new.py",
    ]
    assert repo.get_branch("feature").commit.sha == repo.get_git_ref("heads/feature").object.sha
    with pytest.raises(GithubException) as error:
        repo.get_contents("missing")
    assert error.value.status == 404


def test_a_branch_is_written_and_becomes_a_pull_request(hub, client, repo) -> None:
    permissions = {"contents": "write", "pull-requests": "write"}
    ours = client(hub.start_run("octo/demo", event="schedule", permissions=permissions).token)
    head = ours.get_git_commit(ours.get_branch("main").commit.sha)
    tree = ours.requester.requestJsonAndCheck(
        "POST",
        f"{ours.url}/git/trees",
        input={
            "base_tree": head.tree.sha,
            "tree": [{"path": "t/test_a.py", "mode": "100644", "type": "blob", "content": "x\n"}],
        },
    )[1]
    commit = ours.create_git_commit("Tests", ours.get_git_tree(tree["sha"]), [head])
    assert commit.author.name == "github-actions[bot]"
    ours.create_git_ref("refs/heads/ai/tests", commit.sha)
    with pytest.raises(GithubException) as error:
        ours.create_pull("main", "ai/tests", title="Tests", body="", draft=True)
    assert refused(error)[1].startswith("GitHub Actions is not permitted to create")
    hub.repository("octo/demo").actions_can_open_pull_requests = True
    pull = ours.create_pull("main", "ai/tests", title="Tests", body="explanation", draft=True)
    assert [file.filename for file in pull.get_files()] == ["t/test_a.py"]
    assert pull.get_commits().totalCount == 1
    assert [listed.number for listed in repo.get_pulls(head="octo:ai/tests")] == [pull.number]
    assert repo.get_issue(pull.number).pull_request is not None
    with pytest.raises(GithubException) as error:
        ours.create_pull("main", "ai/tests", title="Again")
    assert "already exists" in error.value.data["errors"][0]["message"]
    entry = {"path": ".github/workflows/x.yml", "mode": "100644", "content": ""}
    url = f"{ours.url}/git/trees"
    with pytest.raises(GithubException) as error:
        ours.requester.requestJsonAndCheck("POST", url, input={"tree": [entry]})
    assert error.value.status == 403


def test_a_review_with_a_line_outside_the_diff_is_refused(hub, client) -> None:
    hub.open_pull_request("octo/demo", head="feature", author="octo")
    run = hub.start_run(
        "octo/demo",
        event="pull_request",
        branch="feature",
        permissions={"pull-requests": "write"},
        payload={"number": 1},
    )
    assert run.payload["pull_request"]["head"]["ref"] == "feature"
    pull = client(run.token).get_pull(1)
    fine = {"path": "feature.py", "body": "hm", "line": 2, "side": "RIGHT"}
    with pytest.raises(GithubException) as error:
        pull.create_review(body="x", event="COMMENT", comments=[fine, fine | {"line": 9}])
    assert error.value.status == 422
    expected = "pull_request_review_thread.line must be part of the diff"
    assert error.value.data["errors"] == [expected]
    assert pull.get_reviews().totalCount == 0
    ranged = fine | {"start_line": 1, "start_side": "RIGHT"}
    review = pull.create_review(body="x", event="COMMENT", comments=[fine, ranged])
    assert (review.state, review.user.login) == ("COMMENTED", "github-actions[bot]")
    assert [comment.line for comment in pull.get_review_comments()] == [2, 2]
    comment = pull.get_review_comments()[0]
    comment.edit("edited")
    assert pull.get_review_comment(comment.id).body == "edited"
    assert pull.create_issue_comment("a word").body == "a word"


def packed(*fingerprints: str) -> str:
    results = [
        {
            "ruleId": "rule",
            "message": {"text": "bad"},
            "locations": [{"physicalLocation": {"artifactLocation": {"uri": "a.py"}}}],
            "partialFingerprints": {"primaryLocationLineHash": fingerprint},
        }
        for fingerprint in fingerprints
    ]
    driver = {"name": "batch", "rules": [{"id": "rule"}]}
    automation = {"id": "batch/code-review/"}
    run = {"tool": {"driver": driver}, "automationDetails": automation, "results": results}
    text = json.dumps({"version": "2.1.0", "runs": [run]})
    return base64.b64encode(gzip.compress(text.encode())).decode()


def test_an_upload_replaces_the_one_before(hub, client, clock) -> None:
    permissions = {"security-events": "write"}
    repo = client(hub.start_run("octo/demo", event="schedule", permissions=permissions).token)
    url = f"{repo.url}/code-scanning"
    body = {"commit_sha": "a" * 40, "ref": "refs/heads/main", "sarif": packed("1", "2")}

    def ask(method, path, **more):
        return repo.requester.requestJsonAndCheck(method, f"{url}/{path}", **more)[1]

    with pytest.raises(GithubException) as error:
        ask("POST", "sarifs", input=body)
    assert error.value.status == 403
    hub.repository("octo/demo").code_scanning = True
    sarif = ask("POST", "sarifs", input=body)["id"]
    assert ask("GET", f"sarifs/{sarif}")["processing_status"] == "pending"
    clock.advance(3)
    assert ask("GET", f"sarifs/{sarif}")["processing_status"] == "complete"
    ask("PATCH", "alerts/1", input={"state": "dismissed", "dismissed_reason": "won't fix"})
    ask("POST", "sarifs", input=body | {"sarif": packed("1", "3")})
    states = {alert["number"]: alert["state"] for alert in ask("GET", "alerts")}
    assert states == {1: "dismissed", 2: "fixed", 3: "open"}
    newest = ask("GET", "analyses?tool_name=batch")[0]
    assert (newest["category"], newest["results_count"]) == ("batch/code-review", 2)
    accept = {"Accept": "application/sarif+json"}
    file = ask("GET", f"analyses/{newest['id']}", headers=accept)
    assert file["runs"][0]["tool"]["driver"]["name"] == "batch"


def test_the_supported_graphql(hub, client, http) -> None:
    run = hub.start_run("octo/demo", event="schedule")
    comment = client(run.token).create_issue("x").create_comment("old")
    url = f"{hub.instance.origin}/api/graphql"
    headers = {"Authorization": f"Bearer {run.token}"}

    def ask(query, **variables):
        sent = {"query": query, "variables": variables}
        return http.post(url, json=sent, headers=headers).json()

    viewer = ask("{ viewer { login databaseId } }")["data"]["viewer"]
    assert viewer == {"login": "github-actions[bot]", "databaseId": 41898282}
    query = """query($owner: String!, $n: Int = 1) {
      repository(owner: $owner, name: "demo") {
        id
        found: issue(number: $n) {
          id author { login __typename } comments(first: 5) { totalCount }
        }
      }
    }"""
    found = ask(query, owner="octo", n=1)["data"]["repository"]["found"]
    assert found["author"] == {"login": "github-actions", "__typename": "Bot"}
    hide = """mutation($id: ID!) { minimizeComment(input: {subjectId: $id, classifier: OUTDATED}) {
      minimizedComment { isMinimized minimizedReason } } }"""
    node = comment.raw_data["node_id"]
    minimized = ask(hide, id=node)["data"]["minimizeComment"]["minimizedComment"]
    assert minimized == {"isMinimized": True, "minimizedReason": "outdated"}
    assert "errors" in ask("{ viewer { email } }")
    assert "errors" in ask("{ nothing }")
    assert [path for _method, path, _login in hub.writes].count("/graphql") == 1


def test_edits_are_listed_with_their_editors(hub, client, http) -> None:
    run = hub.start_run("octo/demo", event="schedule")
    issue = client(run.token).create_issue("x", body="one")
    comment = issue.create_comment("first")
    url = f"{hub.instance.origin}/api/graphql"
    query = """query($id: ID!) { node(id: $id) { ... on Comment { userContentEdits(first: 9) {
      nodes { deletedAt diff editor { __typename login } } } } } }"""

    def edits(node):
        sent = {"query": query, "variables": {"id": node}}
        answer = http.post(url, json=sent, headers={"Authorization": f"Bearer {run.token}"}).json()
        nodes = answer["data"]["node"]["userContentEdits"]["nodes"]
        return [
            (node["diff"], node["editor"]["login"], node["editor"]["__typename"]) for node in nodes
        ]

    assert edits(issue.raw_data["node_id"]) == []
    person = client(hub.token_for("octo")).get_issue(issue.number)
    person.edit(body="one")
    person.edit(body="two")
    issue.edit(body="three")
    bot = ("github-actions", "Bot")
    assert edits(issue.raw_data["node_id"]) == [
        ("three", *bot), ("two", "octo", "User"), ("one", *bot)
    ]  # fmt: skip
    person.get_comment(comment.id).edit("second")
    found = edits(comment.raw_data["node_id"])
    assert found == [("second", "octo", "User"), ("first", *bot)]


def test_a_repeated_reaction_has_no_effect(hub, client) -> None:
    run = hub.start_run("octo/demo", event="schedule", permissions={"issues": "write"})
    issue = client(run.token).create_issue("x")
    comment = issue.create_comment("y")
    comment.create_reaction("+1")
    again = comment.create_reaction("+1")
    client(hub.token_for("octo")).get_issue(1).create_reaction("eyes")
    listed = issue.get_comments()[0]
    assert (listed.reactions["+1"], listed.reactions["total_count"]) == (1, 1)
    assert [listed_reaction.content for listed_reaction in listed.get_reactions()] == ["+1"]
    assert [listed_reaction.user.login for listed_reaction in issue.get_reactions()] == ["octo"]
    assert comment.delete_reaction(again.id)
    assert list(comment.get_reactions()) == []
    with pytest.raises(GithubException, match="Reaction"):
        comment.create_reaction("sigh")
