"""The GitHub client with the sandbox, over real HTTP."""

import io
import zipfile
from collections.abc import Iterator
from dataclasses import replace

import pytest

from batch_action.clients.artifacts import ArtifactService
from batch_action.clients.github.actions import Actions, ArtifactRefusedError
from batch_action.clients.github.client import GitHubClient, parse_comparison
from batch_action.clients.github.errors import LostResponseError, RefusedError, error_of
from batch_action.clients.github.issues import Issues, LabelsDroppedError
from batch_action.errors import ConfigError, GitHubError
from batch_action.models.files import ChangeType
from batch_action.sandbox.server import Sandbox

MARKER = "<!-- batch-action:v1 task=code-review -->"
BODY = f"{MARKER}\nAll is well."
NOTHING: dict[str, str] = {}


@pytest.fixture
def sandbox(running: Sandbox, request: pytest.FixtureRequest) -> Iterator[Sandbox]:
    running.github.add_repository("octo/demo")
    running.faults.calls.clear()
    yield running
    running.faults.clear()


def connect(sandbox: Sandbox, token: str, repository: str = "octo/demo", **how) -> GitHubClient:
    return GitHubClient(
        token,
        api_url=f"{sandbox.github_url}/api/v3",
        repository=repository,
        **{"write_interval": 0.0, "timeout": 5, **how},
    )


@pytest.fixture
def client(sandbox: Sandbox) -> Iterator[GitHubClient]:
    run = sandbox.github.start_run("octo/demo", event="schedule")
    with connect(sandbox, run.token) as client:
        yield client


@pytest.fixture
def issues(client: GitHubClient) -> Issues:
    return Issues(client)


def posts(sandbox: Sandbox, path: str) -> int:
    return sum(c.method == "POST" and c.path.endswith(path) for c in sandbox.faults.calls)


class TestClient:
    def test_repository_info(self, sandbox, client):
        facts = client.repository_info()
        assert facts.id == str(sandbox.github.repository("octo/demo").id)
        assert (facts.private, facts.default_branch) == (True, "main")

    def test_a_workflow_token_is_the_bot(self, client):
        assert client.viewer() == "github-actions[bot]"

    def test_a_personal_token_is_its_owner(self, sandbox):
        with connect(sandbox, sandbox.github.token_for("octo")) as client:
            assert client.viewer() == "octo"

    def test_a_server_without_graphql_is_asked_by_rest(self, sandbox, client):
        sandbox.faults.add("status", path="graphql", status=404, times=9)
        assert client.viewer() == "github-actions[bot]"
        with connect(sandbox, sandbox.github.token_for("octo")) as other:
            assert other.viewer() == "octo"

    def test_the_viewer_is_not_guessed_after_a_lost_response(self, sandbox, client):
        sandbox.faults.add("status", path="graphql", status=502, times=1)
        assert client.viewer() == "github-actions[bot]"
        sandbox.faults.add("status", path="graphql", status=502, times=9)
        with pytest.raises(LostResponseError):
            client.viewer()

    def test_reads_are_retried(self, sandbox, client):
        sandbox.faults.add("status", path="/octo/demo$", status=502, times=1)
        sandbox.faults.add("drop-after", path="/octo/demo$", nth=2, times=1)
        assert client.repository_info().default_branch == "main"
        assert len(sandbox.faults.calls) == 3

    def test_a_lasting_failure_of_a_read_is_reported(self, sandbox, client):
        sandbox.faults.add("status", path="/octo/demo$", status=503, times=9)
        with pytest.raises(RefusedError, match=r"GitHub failed on GET .* with 503.*next run"):
            client.repository_info()

    @pytest.mark.parametrize("kind", ["drop-before", "drop-after", "status"])
    def test_a_write_is_never_sent_twice(self, sandbox, client, kind):
        sandbox.faults.add(kind, method="POST", path="labels", times=9)
        with pytest.raises(LostResponseError):
            client.request("POST", "labels", input={"name": "a", "color": "ffffff"})
        assert posts(sandbox, "/labels") == 1

    def test_a_slow_write_is_never_sent_twice(self, sandbox):
        run = sandbox.github.start_run("octo/demo", event="schedule")
        sandbox.faults.add("slow", method="POST", path="labels", seconds=2)
        with connect(sandbox, run.token, timeout=1) as client, pytest.raises(LostResponseError):
            client.request("POST", "labels", input={"name": "a", "color": "ffffff"})
        assert posts(sandbox, "/labels") == 1

    def test_a_write_waits_for_a_short_rate_limit(self, sandbox, client):
        sandbox.faults.add("status", method="POST", path="labels", status=403, retry_after=1)
        client.request("POST", "labels", input={"name": "a", "color": "ffffff"})
        assert posts(sandbox, "/labels") == 2

    @pytest.mark.parametrize("status", [403, 429])
    @pytest.mark.parametrize("method", ["GET", "POST"])
    def test_a_long_rate_limit_is_not_waited_for(self, sandbox, status, method):
        run = sandbox.github.start_run("octo/demo", event="schedule")
        sandbox.faults.add("status", path="labels", status=status, times=9)
        draft = {"name": "a", "color": "ffffff"}
        with (
            connect(sandbox, run.token, max_rate_limit_wait=1) as client,
            pytest.raises(RefusedError, match="rate limit") as caught,
        ):
            client.request(method, "labels", input=draft if method == "POST" else None)
        assert caught.value.status == status

    @pytest.mark.parametrize("method", ["GET", "POST"])
    def test_a_rate_limit_of_an_hour_is_reported_at_once(self, sandbox, client, method):
        sandbox.faults.add("status", path="labels", status=429, retry_after=3600, times=9)
        draft = {"name": "a", "color": "ffffff"}
        with pytest.raises(RefusedError, match="rate limit"):
            client.request(method, "labels", input=draft if method == "POST" else None)
        assert len(sandbox.faults.calls) == 1

    def test_a_wrong_token(self, sandbox):
        with (
            connect(sandbox, "ghp_nobody") as client,
            pytest.raises(RefusedError, match="`github-token` is wrong or has expired"),
        ):
            client.repository_info()

    def test_an_unknown_repository(self, sandbox):
        token = sandbox.github.token_for("octo")
        with (
            connect(sandbox, token, "octo/nowhere") as client,
            pytest.raises(RefusedError, match=r"octo/nowhere.*cannot see it.*contents: read"),
        ):
            client.repository_info()

    def test_a_refused_connection(self):
        nowhere = "http://127.0.0.1:1/api/v3"
        with (
            GitHubClient("t", api_url=nowhere, repository="o/r", write_interval=0) as client,
            pytest.raises(GitHubError, match="did not answer GET /repos/o/r"),
        ):
            client.repository_info()

    @pytest.mark.parametrize(
        ("token", "how", "words"),
        [
            ("", {}, "github-token"),
            ("t", {"api_url": "ftp://x"}, "GITHUB_API_URL"),
            ("t", {"repository": "demo"}, "owner/name"),
        ],
    )
    def test_invalid_inputs(self, token, how, words):
        usual = {"api_url": "https://api.github.com", "repository": "o/r"}
        with pytest.raises(ConfigError, match=words):
            GitHubClient(token, **{**usual, **how})

    def test_no_text_contains_the_token(self, sandbox):
        with connect(sandbox, "ghp_topsecret") as client:
            assert "topsecret" not in repr(client)

    def test_all_pages_are_read(self, sandbox, client):
        for number in range(5):
            client.request("POST", "labels", input={"name": f"l{number}", "color": "ffffff"})
        names = [item["name"] for item in client.paginate("labels", {"per_page": 2})]
        assert {f"l{number}" for number in range(5)} <= set(names)


class TestRefusals:
    def said(self, status: int, said: str, path: str, method="POST", **headers: str) -> str:
        names = {key.replace("_", "-"): value for key, value in headers.items()}
        return str(error_of(status, names, said, method, path))

    @pytest.mark.parametrize(
        ("path", "method", "line"),
        [
            ("/repos/o/r/issues", "POST", "`issues: write`"),
            ("/repos/o/r/issues", "GET", "`issues: read`"),
            ("/repos/o/r/actions/artifacts/5", "DELETE", "`actions: write`"),
            ("/repos/o/r/actions/artifacts", "GET", "`actions: read`"),
            ("/repos/o/r/pulls/1/reviews", "POST", "`pull-requests: write`"),
            ("/repos/o/r/code-scanning/sarifs", "POST", "`security-events: write`"),
            ("/repos/o/r/git/refs", "POST", "`contents: write`"),
        ],
    )
    def test_403_names_the_permission_the_endpoint_needs(self, path, method, line):
        words = self.said(403, "Resource not accessible by integration", path, method)
        assert line in words
        assert "`permissions:`" in words

    def test_403_names_the_permissions_that_github_names(self):
        words = self.said(
            403,
            "Resource not accessible by integration",
            "/repos/o/r/issues/1/comments",
            x_accepted_github_permissions="issues=write; pull_requests=write,contents=read",
        )
        assert "`issues: write` or `pull-requests: write` and `contents: read`" in words

    @pytest.mark.parametrize(
        ("status", "said", "path", "words"),
        [
            (410, "Issues are disabled for this repo", "/repos/o/r/issues", "Settings > General"),
            (410, "Gone", "/repos/o/r/actions/artifacts/1/zip", "has expired"),
            (422, "Body is too long (maximum is 65536 characters)", "/repos/o/r/issues", "limit"),
            (422, "Validation Failed: name is too long (maximum is 50)", "/x", "a label has"),
            (422, "Validation Failed: title is too long", "/repos/o/r/issues", "field `title`"),
            (422, "Validation Failed", "/repos/o/r/issues", "bug of batch-action"),
            (403, "You have exceeded a secondary rate limit", "/repos/o/r/issues", "rate limit"),
            (403, "Resource protected by organization SAML enforcement", "/x", "single sign-on"),
            (403, "GitHub Actions is not permitted to create or approve pull requests", "/x", "on"),
            (307, "Moved Permanently", "/repos/o/r/issues", "has moved"),
        ],
    )
    def test_each_refusal_has_a_fix(self, status, said, path, words):
        assert words in self.said(status, said, path)


class TestIssues:
    def test_each_call_is_one_request_whatever_keys_are_absent(self, sandbox, issues):
        issue = issues.create("Review", BODY, ["batch-action"])
        comment = issues.comment(issue.number, "Hello.")
        sandbox.faults.calls.clear()
        issues.find("batch-action", MARKER)
        issues.comments(issue.number)
        issues.labeled_by(issue.number, "batch-action")
        issues.get(issue.number)
        issues.update(issue.number, body=f"{BODY}.")
        issues.edit_comment(comment.id, "Hi.")
        issues.close(issue.number)
        assert [call.method for call in sandbox.faults.calls] == ["GET"] * 4 + ["PATCH"] * 3

    def test_the_life_cycle_of_an_issue(self, issues):
        issues.ensure_label("batch-action", "5319e7", "What batch-action found. " * 9)
        made = issues.create("Code review", BODY, ["batch-action"])
        assert issues.find("batch-action", MARKER) == [made]
        issues.update(made.number, title="New title", body=BODY + "\nMore.")
        issues.close(made.number, "not_planned")
        again = issues.get(made.number)
        assert (again.title, again.state, again.state_reason) == (
            "New title",
            "closed",
            "not_planned",
        )
        assert issues.find("batch-action", MARKER) == [again]
        issues.reopen(made.number)
        assert issues.get(made.number).state == "open"

    def test_the_life_cycle_of_a_comment(self, issues):
        number = issues.create("Code review", BODY, []).number
        said = issues.comment(number, "One new finding.")
        assert said.trusted
        assert said.author == "github-actions[bot]"
        issues.edit_comment(said.id, "Two new findings.")
        assert [one.body for one in issues.comments(number)] == ["Two new findings."]
        issues.delete_comment(said.id)
        issues.delete_comment(said.id)
        assert issues.comments(number) == []

    def test_revisions_name_their_editor(self, sandbox, issues):
        made = issues.create("Code review", "one", [])
        assert issues.revisions(made.node_id) == []
        with connect(sandbox, sandbox.github.token_for("octo")) as person:
            Issues(person).update(made.number, body="two")
        sandbox.github.repository("octo/demo").issues[made.number].edits[0].deleted = True
        found = [(one.editor, one.text) for one in issues.revisions(made.node_id)]
        assert found == [("octo", "two"), ("", None)]
        said = issues.comment(made.number, "x")
        issues.edit_comment(said.id, "y")
        assert [one.text for one in issues.revisions(said.node_id)] == ["y", "x"]
        with pytest.raises(RefusedError):
            issues.revisions("I_0")

    def test_a_reaction_is_added_once_despite_a_lost_response(self, sandbox, issues):
        number = issues.create("Code review", BODY, []).number
        said = issues.comment(number, "/batch recheck 01234567")
        assert said.reactions == ()
        sandbox.faults.add("drop-after", method="POST", path="reactions")
        issues.react(said.id, "eyes")
        issues.react(said.id, "eyes")
        record = sandbox.github.repository("octo/demo").issues[number].comments[0]
        assert [one.content for one in record.reactions] == ["eyes"]
        assert issues.comments(number)[0].reactions == ("eyes",)

    def test_labeled_by(self, sandbox, issues):
        number = issues.create("Code review", BODY, ["wontfix"]).number
        assert issues.labeled_by(number, "other") == ""
        assert issues.labeled_by(number, "WONTFIX") == "github-actions[bot]"
        with connect(sandbox, sandbox.github.token_for("octo")) as person:
            person.request("DELETE", f"issues/{number}/labels/wontfix")
            person.request("POST", f"issues/{number}/labels", input={"labels": ["wontfix"]})
        assert issues.labeled_by(number, "wontfix") == "octo"

    def test_closed_by(self, sandbox, issues):
        number = issues.create("Code review", BODY, []).number
        with connect(sandbox, sandbox.github.token_for("octo")) as person:
            Issues(person).close(number, "not_planned")
        assert issues.get(number).closed_by == "octo"
        assert issues.get(number).closed_at == issues.get(number).updated_at

    def test_an_issue_of_a_stranger_is_not_ours(self, sandbox, client, issues):
        issues.ensure_label("batch-action", "5319e7", "")
        with connect(sandbox, sandbox.github.token_for("octo")) as person:
            forged = Issues(person).create("Code review", BODY, ["batch-action"])
            Issues(person).comment(forged.number, "hello")
        assert issues.find("batch-action", MARKER) == []
        assert [one.trusted for one in issues.comments(forged.number)] == [False]
        admitted = Issues(client, trusted_authors=["OCTO"])
        assert [one.number for one in admitted.find("batch-action", MARKER)] == [forged.number]

    def test_an_issue_without_the_marker_is_not_ours(self, issues):
        issues.ensure_label("batch-action", "5319e7", "")
        issues.create("Code review", "Something else", ["batch-action"])
        assert issues.find("batch-action", MARKER) == []

    def test_a_label_is_created_once(self, sandbox, client):
        for _ in range(2):
            issues = Issues(client)
            issues.ensure_label("code review ü", "5319e7", "")
            issues.ensure_label("code review ü", "5319e7", "")
        assert posts(sandbox, "/labels") == 1

    def test_a_label_created_by_a_concurrent_run_is_accepted(self, sandbox, client, issues):
        client.request("POST", "labels", input={"name": "twice", "color": "ffffff"})
        sandbox.faults.add("status", method="GET", path="labels/twice", status=404)
        issues.ensure_label("twice", "5319e7", "")

    def test_a_created_issue_is_found_after_a_lost_response(self, sandbox, issues):
        sandbox.faults.add("drop-after", method="POST", path="issues$")
        made = issues.create("Code review", BODY, [])
        assert issues.get(made.number).body == BODY
        assert posts(sandbox, "/issues") == 1

    def test_an_issue_that_was_not_created_is_an_error(self, sandbox, issues):
        sandbox.faults.add("drop-before", method="POST", path="issues$")
        with pytest.raises(LostResponseError):
            issues.create("Code review", BODY, [])
        assert posts(sandbox, "/issues") == 1

    @pytest.mark.parametrize(("kind", "arrives"), [("drop-after", True), ("drop-before", False)])
    def test_a_comment_after_a_lost_response(self, sandbox, issues, kind, arrives):
        number = issues.create("Code review", BODY, []).number
        issues.comment(number, "Nothing today.")
        sandbox.faults.add(kind, method="POST", path="comments$")
        if arrives:
            assert issues.comment(number, "One more.").body == "One more."
        else:
            with pytest.raises(LostResponseError):
                issues.comment(number, "One more.")
        assert len(issues.comments(number)) == 1 + arrives
        assert posts(sandbox, "/comments") == 2

    @pytest.mark.parametrize(("kind", "arrives"), [("drop-after", True), ("drop-before", False)])
    def test_an_edit_is_verified_after_a_lost_response(self, sandbox, issues, kind, arrives):
        number = issues.create("Code review", BODY, []).number
        sandbox.faults.add(kind, method="PATCH", path="issues")
        if arrives:
            issues.close(number, "completed")
        else:
            with pytest.raises(LostResponseError):
                issues.close(number, "completed")
        assert issues.get(number).state == ("closed" if arrives else "open")
        assert sum(call.method == "PATCH" for call in sandbox.faults.calls) == 1

    def test_silently_dropped_labels_are_an_error(self, sandbox):
        sandbox.github.add_user("guest", **{"octo/demo": "read"})
        with connect(sandbox, sandbox.github.token_for("guest")) as client:
            issues = Issues(client)
            with pytest.raises(LabelsDroppedError, match="without the label `batch-action`") as it:
                issues.create("Code review", BODY, ["batch-action"])
        assert it.value.issue.labels == ()

    def test_a_missing_permission_is_named(self, sandbox):
        run = sandbox.github.start_run(
            "octo/demo", event="schedule", permissions={"contents": "read", "issues": "read"}
        )
        with (
            connect(sandbox, run.token) as client,
            pytest.raises(RefusedError, match="`issues: write`"),
        ):
            Issues(client).create("Code review", BODY, [])

    def test_disabled_issues_are_named(self, sandbox):
        sandbox.github.add_repository("octo/quiet", has_issues=False)
        run = sandbox.github.start_run("octo/quiet", event="schedule")
        with (
            connect(sandbox, run.token, "octo/quiet") as client,
            pytest.raises(RefusedError, match="Issues are disabled"),
        ):
            Issues(client).create("Code review", BODY, [])

    def test_a_body_over_the_limit_is_cut(self, issues):
        number = issues.create("Code review", "<!-- m -->\n" + "x\n" * 40_000, []).number
        issues.update(number, body="<!-- n -->\n" + "y\n" * 40_000)
        issues.comment(number, "z" * 65_537)
        assert issues.get(number).body.startswith("<!-- n -->\ny\n")
        assert issues.get(number).body.endswith("y\n… (cut: longer than GitHub accepts)")
        assert [c.body for c in issues.comments(number)] == ["… (cut: longer than GitHub accepts)"]


def zipped(text: str = "{}") -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("ledger.json", text)
    return buffer.getvalue()


@pytest.fixture
def stored(sandbox: Sandbox) -> Iterator[tuple[Actions, bytes]]:
    """Two runs of the repository, each with an artifact `state-a`."""
    data = zipped()
    permissions = {"contents": "read", "actions": "write"}
    for _ in range(2):
        run = sandbox.github.start_run("octo/demo", event="schedule", permissions=permissions)
        with ArtifactService(sandbox.github_url, run.runtime_token, sandbox.github_url) as service:
            service.upload("state-a", data, 30)
        sandbox.clock.advance(60)
    with connect(sandbox, run.token) as client:
        yield Actions(client), data


class TestActions:
    def test_artifacts_are_listed_newest_first_with_their_run(self, sandbox, stored):
        actions, data = stored
        newest, oldest = actions.artifacts("state-a")
        assert newest.created_at > oldest.created_at
        assert newest.repository_id == newest.head_repository_id
        assert newest.size == len(data)
        run = actions.run(newest.run_id)
        assert (run.event, run.path) == ("schedule", ".github/workflows/nightly.yml")
        assert run.head_branch == "main"
        assert run.head_repository_id == newest.repository_id
        assert actions.artifacts("state") == []

    def test_download_goes_to_another_host_without_credentials(self, sandbox, stored):
        actions, data = stored
        assert actions.download(actions.artifacts("state-a")[0], 10_000) == data
        fetched = [c for c in sandbox.faults.calls if c.service == "blobs" and c.method == "GET"]
        # The blob store refuses a request with an Authorization header.
        assert [call.status for call in fetched] == [200]

    def test_the_limit_covers_the_listed_and_the_real_size(self, stored):
        actions, data = stored
        artifact = actions.artifacts("state-a")[0]
        for claimed in (artifact, replace(artifact, size=1)):
            with pytest.raises(ArtifactRefusedError, match="larger than"):
                actions.download(claimed, len(data) - 1)

    def test_a_wrong_digest_is_refused(self, stored):
        actions, _ = stored
        artifact = replace(actions.artifacts("state-a")[0], digest="sha256:" + "0" * 64)
        with pytest.raises(ArtifactRefusedError, match="digest"):
            actions.download(artifact, 10_000)

    def test_a_failing_download_is_retried_and_its_url_never_shown(self, sandbox, stored):
        actions, data = stored
        artifact = actions.artifacts("state-a")[0]
        sandbox.faults.add("status", service="blobs", method="GET", status=503)
        sandbox.faults.add("drop-before", service="blobs", method="GET", nth=2)
        assert actions.download(artifact, 10_000) == data
        sandbox.faults.add("drop-before", service="blobs", method="GET", times=9)
        with pytest.raises(GitHubError, match="could not be downloaded") as caught:
            actions.download(artifact, 10_000)
        assert "sig" not in str(caught.value)
        assert caught.value.__cause__ is None

    def test_a_deleted_artifact_is_none(self, stored):
        actions, _ = stored
        artifact = actions.artifacts("state-a")[0]
        assert actions.delete(artifact.id) is True
        assert actions.delete(artifact.id) is False
        assert actions.download(artifact, 10_000) is None
        assert actions.download(replace(artifact, expired=True), 10_000) is None

    def test_an_artifact_that_expired_after_listing_is_none(self, sandbox, stored):
        actions, _ = stored
        artifact = actions.artifacts("state-a")[0]
        sandbox.clock.advance(40 * 24 * 3600)
        assert actions.download(artifact, 10_000) is None

    def test_deleting_needs_a_permission(self, sandbox, stored):
        actions, _ = stored
        artifact = actions.artifacts("state-a")[0]
        run = sandbox.github.start_run("octo/demo", event="schedule")
        with (
            connect(sandbox, run.token) as client,
            pytest.raises(RefusedError, match="`actions: write`"),
        ):
            Actions(client).delete(artifact.id)


class TestCompare:
    def file(self, **values: str) -> dict[str, str]:
        return {"filename": "a.py", "status": "modified", "sha": "1" * 40, **values}

    def test_changes_of_a_comparison(self):
        files = [
            self.file(),
            self.file(filename="b.py", status="removed", sha="2" * 40),
            self.file(filename="c.py", status="renamed", previous_filename="d.py"),
        ]
        modified, deleted, renamed = parse_comparison(
            {"status": "ahead", "files": files}, "a" * 40, "b"
        )
        assert (modified.path, modified.status, modified.blob) == (
            "a.py",
            ChangeType.MODIFIED,
            "1" * 40,
        )
        assert (deleted.status, deleted.blob, deleted.old_blob) == (
            ChangeType.DELETED,
            "0" * 40,
            "2" * 40,
        )
        assert (renamed.status, renamed.old_path) == (ChangeType.RENAMED, "d.py")

    @pytest.mark.parametrize("status", ["diverged", "behind"])
    def test_diverged_commits_cannot_be_compared(self, status):
        with pytest.raises(GitHubError, match="fetch-depth: 0"):
            parse_comparison({"status": status, "files": []}, "a" * 40, "b" * 40)

    def test_three_hundred_files_may_be_incomplete(self):
        with pytest.raises(GitHubError, match="fetch-depth: 0"):
            parse_comparison({"status": "ahead", "files": [self.file()] * 300}, "a", "b")

    def test_an_unknown_base_is_a_refusal(self, client):
        with pytest.raises(RefusedError):
            client.compare("0" * 40, "1" * 40)
