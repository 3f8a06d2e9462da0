"""Code scanning as a destination: real git, the real edge, the sandbox's GitHub."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from batch_action.context import World
from batch_action.errors import GitHubError
from batch_action.findings.anchoring import anchor_all
from batch_action.findings.lifecycle import reconcile
from batch_action.models.findings import (
    Confidence,
    Recollection,
    Reconciled,
    Remark,
    Reviewed,
    Severity,
    State,
    Tonight,
)
from batch_action.models.report import Delivered, Receipt
from batch_action.models.report import Night as Circumstances
from batch_action.publishers.positions import locate
from batch_action.publishers.sarif import publisher as sarif
from tests.nights import BAD, GOOD, WORSE, Night
from tests.sarif_schema import complaints
from tests.worlds import world_of

BUG = "def bad(x):\n    crash(x)\n    return x\n"
OK = "def bad(x):\n    check(x)\n    return x\n"
FAR = "".join(f"\n\ndef f{n}():\n    a = {n}\n    return a\n" for n in range(8))
TASK = "code-review"
MAY = {"contents": "read", "actions": "read", "issues": "write", "security-events": "write"}
BRANCH = "refs/heads/main"


@dataclass
class Circle:
    """A repository, its review by grep, and its code scanning."""

    night: Night
    token: str
    inputs: dict[str, Any] = field(default_factory=dict)
    nights: int = 0
    heads: list[str] = field(default_factory=list)
    dismissed: frozenset[str] = frozenset()

    @contextmanager
    def world(self, token: str | None = None, **inputs: Any) -> Iterator[World]:
        url = self.night.sandbox.github_url
        environ = {
            "GITHUB_TOKEN": self.token if token is None else token,
            "GITHUB_REPOSITORY": self.night.hub.full_name,
            "GITHUB_API_URL": f"{url}/api/v3",
            "GITHUB_GRAPHQL_URL": f"{url}/api/graphql",
            "GITHUB_SERVER_URL": url,
            "GITHUB_REF": BRANCH,
        }
        given = self.inputs | {"report": "sarif"} | inputs
        with world_of(self.night.repo.path, environ=environ, write_interval=0.0, **given) as world:
            yield world

    def review(self, *paths: str, commit: str | None = None, severity: str = "high") -> Tonight:
        """What a reviewer says who finds every `crash`."""
        with self.world() as world:
            commit = commit or self.night.repo.head()
            blobs = world.git.tree_blobs(commit, paths)
            findings = []
            for path, blob in blobs.items():
                text = next(data for _, data in world.git.blobs([blob])).decode()
                remarks = [
                    remark(line, number, severity)
                    for number, line in enumerate(text.splitlines(), start=1)
                    if "crash" in line
                ]
                found, _ = anchor_all(
                    remarks, task=TASK, path=path, text=text, blob=blob, commit=commit
                )
                findings += found
        reviewed = tuple(Reviewed(path=p, blob=b, commit=commit) for p, b in blobs.items())
        return Tonight(task=TASK, commit=commit, reviewed=reviewed, findings=tuple(findings))

    def tell(
        self,
        tonight: Tonight,
        *,
        number: int | None = None,
        inputs: dict[str, Any] | None = None,
        token: str | None = None,
        pull: int | None = None,
        meanwhile: Any = None,
        **circumstances: Any,
    ) -> tuple[Reconciled, Delivered]:
        """One night as publishing leads it: recall, reconcile, deliver."""
        self.nights = number or self.nights + 1
        self.night.advance(60)
        with self.world(token, **(inputs or {})) as world:
            desk = sarif.desk(world, replace(tonight, dismissed=self.dismissed), pull=pull)
            held = desk.recall()
            self.dismissed |= {d.fingerprint for d in held.dismissals}
            batches = (f"msgbatch_{self.nights}",)
            complete = replace(
                tonight,
                dismissed=self.dismissed,
                again=not set(held.batches).isdisjoint(batches),
            )
            placed = locate(complete, held.known, world.git, head=held.head or None)
            settled = replace(reconcile(held.known, placed), words=dict(held.words))
            night = Circumstances(
                task=TASK,
                repository=self.night.hub.full_name,
                server_url=world.context.server_url,
                commit=tonight.commit,
                run_url=None,
                batch_ids=batches,
                model="m",
                date=f"2026-03-{self.nights:02d}",
                receipt=Receipt(entries=()),
                spending=None,
                discarded=0,
                public=False,
                allow_public_security=False,
                max_findings=25,
                ref=f"refs/pull/{pull}/head" if pull else BRANCH,
                pull=pull,
                state_key=world.settings.state_key,
            )
            if meanwhile is not None:
                meanwhile()
            return settled, desk.deliver(settled, replace(night, **circumstances))

    def recall(self, token: str | None = None, **inputs: Any) -> Recollection:
        with self.world(token, **inputs) as world:
            return sarif.desk(
                world, Tonight(task=TASK, commit="", reviewed=(), findings=())
            ).recall()

    def dismiss(self, number: int, by: str = "octo", comment: str | None = None) -> None:
        """A person dismisses an alert on its page."""
        self.night.hub.alerts[number] |= {
            "state": "dismissed",
            "dismissed_by": {"login": by},
            "dismissed_at": "2026-03-01T00:00:00Z",
            "dismissed_reason": "false positive",
            "dismissed_comment": comment,
        }

    @property
    def alerts(self) -> dict[int, str]:
        """Number to state."""
        return {number: alert["state"] for number, alert in self.night.hub.alerts.items()}

    @property
    def analyses(self) -> list[str]:
        """The analysed commits, oldest first."""
        return [one.commit_sha for one in self.night.hub.analyses]

    @property
    def uploads(self) -> int:
        return len(self.night.hub.uploads)

    def file(self, name: str = f"{TASK}.sarif") -> dict[str, Any]:
        path = self.night.repo.path / ".batch-action" / name
        document: dict[str, Any] = json.loads(path.read_bytes())
        assert complaints(document) == []
        return document


def remark(line: str, number: int, severity: str = "high") -> Remark:
    return Remark(
        rule="crash",
        category="bug",
        severity=Severity(severity),
        confidence=Confidence.HIGH,
        start_line=number,
        end_line=number,
        evidence=line,
        title="It crashes",
        why="A crash ends the program.",
        remedy="Check first.",
    )


@pytest.fixture(params=["subset", "whole"])
def circle(request: pytest.FixtureRequest, night: Night) -> Circle:
    """Twice: GitHub gives an analysis back in part, as documented, or as it was uploaded."""
    return begun(night, whole=request.param == "whole")


@pytest.fixture
def one_circle(night: Night) -> Circle:
    return begun(night)


def begun(night: Night, *, whole: bool = False) -> Circle:
    night.hub.code_scanning = True
    night.hub.returns_whole_sarif = whole
    night.commit({"a.py": BUG + FAR, "b.py": OK})
    return Circle(night=night, token=night.open({"permissions": MAY}).token)


def states(settled: Reconciled) -> list[State]:
    return [s.known.state for s in settled.standings]


def test_a_life_in_code_scanning(circle: Circle):
    settled, done = circle.tell(circle.review("a.py"))
    assert (done.action, done.new, done.open, states(settled)) == ("created", 1, 1, [State.NEW])
    assert circle.alerts == {1: "open"}
    assert done.ids == (str(circle.night.hub.analyses[-1].id),)
    born = settled.standings[0].known

    # Another file is reviewed: what is open elsewhere is carried forward, at its new lines.
    circle.night.commit({"a.py": "import os\n" + BUG + FAR, "b.py": BUG.replace("bad", "worse")})
    settled, done = circle.tell(circle.review("b.py"))
    assert (done.action, done.new, done.open) == ("updated", 1, 2)
    assert circle.alerts == {1: "open", 2: "open"}
    assert circle.night.hub.alerts[1]["most_recent_instance"]["location"]["start_line"] == 3
    first = next(s for s in settled.standings if s.known.anchor.path == "a.py")
    assert first.known.fingerprint == born.fingerprint
    assert first.known.since == "2026-03-01"
    assert first.finding is None

    # The code is touched, and no verdict has come: a partial upload closes nothing.
    circle.night.commit({"a.py": OK + FAR})
    settled, done = circle.tell(circle.review())
    assert State.RECHECKING in states(settled)
    assert circle.alerts == {1: "open", 2: "open"}

    settled, done = circle.tell(circle.review("a.py"))
    assert (done.fixed, done.open) == (1, 1)
    assert circle.alerts == {1: "fixed", 2: "open"}

    circle.night.commit({"a.py": BUG + FAR})
    settled, done = circle.tell(circle.review("a.py"))
    assert sorted(states(settled)) == [State.BACK, State.OPEN]
    assert circle.alerts == {1: "open", 2: "open"}
    back = next(s for s in settled.standings if s.known.state is State.BACK)
    assert back.known.fingerprint == born.fingerprint
    # Of two uploads for one commit GitHub keeps the later one.
    assert (len(circle.analyses), circle.uploads) == (4, 5)


def test_the_same_night_twice_writes_nothing_the_second_time(circle: Circle):
    _, first = circle.tell(circle.review("a.py"), number=1)
    before = list(circle.night.writes)
    settled, second = circle.tell(circle.review("a.py"), number=1)
    assert (second.action, second.ids, second.open) == ("unchanged", first.ids, 1)
    assert circle.night.writes == before
    if circle.night.hub.returns_whole_sarif:
        assert states(settled) == [State.NEW]


def test_an_older_batch_that_comes_late_overwrites_nothing_newer(circle: Circle):
    old = circle.review("a.py", "b.py")
    newer = circle.night.commit({"a.py": OK + FAR, "b.py": BUG})
    circle.tell(circle.review("a.py", "b.py"))
    assert circle.alerts == {1: "open"}
    _, done = circle.tell(old)
    assert circle.alerts == {1: "open"}
    assert circle.analyses[-1] == newer
    assert done.open == 1


class TestDismissed:
    def test_by_a_person_is_told_once_and_stays(self, circle: Circle):
        settled, _ = circle.tell(circle.review("a.py"))
        own = settled.standings[0].known.fingerprint
        circle.dismiss(1, comment="by design")
        [dismissal] = circle.recall().dismissals
        assert (dismissal.fingerprint, dismissal.by) == (own, "octo")
        assert dismissal.reason == "false positive: by design"
        assert dismissal.where.endswith("/security/code-scanning/1")
        settled, done = circle.tell(circle.review("a.py"))
        assert (states(settled), done.open) == ([State.DISMISSED], 0)
        assert circle.alerts == {1: "dismissed"}
        [result] = circle.file()["runs"][0]["results"]
        assert result["suppressions"][0]["kind"] == "external"
        circle.night.commit({"a.py": "\n\n" + BUG + FAR})
        for _ in range(2):
            settled, _ = circle.tell(circle.review("a.py"))
            assert states(settled) == [State.DISMISSED]
            assert circle.alerts == {1: "dismissed"}

    @pytest.mark.parametrize("who", ["github-actions[bot]", "stale[bot]", "guest", "nobody", ""])
    def test_by_others_counts_for_nothing(self, one_circle: Circle, who: str):
        circle = one_circle
        circle.night.sandbox.github.add_user("guest", **{circle.night.hub.full_name: "read"})
        circle.tell(circle.review("a.py"))
        circle.dismiss(1, by=who)
        assert circle.recall().dismissals == ()
        settled, _ = circle.tell(circle.review("a.py"))
        assert states(settled) == [State.OPEN]

    def test_in_another_place_closes_the_alert_as_dismissed(self, circle: Circle):
        settled, _ = circle.tell(circle.review("a.py"))
        circle.dismissed = frozenset({settled.standings[0].known.fingerprint})
        settled, _ = circle.tell(circle.review("a.py"))
        assert (states(settled), circle.alerts) == ([State.DISMISSED], {1: "dismissed"})
        assert circle.night.hub.alerts[1]["dismissed_by"]["login"] == "github-actions[bot]"
        circle.night.commit({"c.py": OK})
        settled, _ = circle.tell(circle.review("c.py"))
        assert circle.alerts == {1: "dismissed"}
        assert circle.recall().dismissals == ()

    def test_before_it_had_an_alert_it_gets_none(self, circle: Circle):
        tonight = circle.review("a.py")
        circle.dismissed = frozenset({tonight.findings[0].fingerprint})
        settled, done = circle.tell(tonight)
        assert (states(settled), done.open, circle.alerts) == ([State.DISMISSED], 0, {})

    def test_under_a_new_name_it_opens_no_new_alert(self, circle: Circle):
        circle.tell(circle.review("a.py"))
        circle.dismiss(1)
        circle.night.repo.git("mv", "a.py", "z.py")
        circle.night.commit()
        settled, _ = circle.tell(circle.review("z.py"))
        assert settled.standings[0].known.anchor.path == "z.py"
        assert (states(settled), circle.alerts) == ([State.DISMISSED], {1: "dismissed"})


class TestRefused:
    def test_without_the_permission(self, one_circle: Circle):
        circle = one_circle
        run = circle.night.open({"permissions": MAY | {"security-events": "read"}})
        settled, done = circle.tell(circle.review("a.py"), token=run.token)
        assert (done.action, done.open, states(settled)) == ("refused", 1, [State.NEW])
        assert "`security-events: write`" in done.note
        assert ".batch-action/code-review.sarif" in done.note
        assert len(circle.file()["runs"][0]["results"]) == 1

    def test_even_to_dismiss(self, one_circle: Circle):
        circle = one_circle
        settled, _ = circle.tell(circle.review("a.py"))
        circle.dismissed = frozenset({settled.standings[0].known.fingerprint})
        run = circle.night.open({"permissions": MAY | {"security-events": "read"}})
        _, done = circle.tell(circle.review("a.py"), token=run.token)
        assert done.action == "refused"
        assert "`security-events: write`" in done.note
        assert circle.file()["runs"][0]["results"] == []

    def test_where_it_may_not_even_be_read(self, one_circle: Circle):
        circle = one_circle
        run = circle.night.open({"permissions": {"contents": "read"}})
        _, done = circle.tell(circle.review("a.py"), token=run.token)
        assert done.action == "refused"
        assert "`security-events: read`" in done.note

    def test_where_it_is_not_enabled(self, one_circle: Circle):
        circle = one_circle
        circle.night.hub.code_scanning = False
        _, done = circle.tell(circle.review("a.py"))
        assert done.action == "refused"
        assert "must be enabled" in done.note
        assert "Turn the feature on" in done.note
        assert circle.file()["runs"][0]["results"]

    def test_what_github_cannot_process(self, one_circle: Circle):
        circle = one_circle
        body = json.dumps({"processing_status": "failed", "errors": ["expected artifact location"]})
        circle.night.sandbox.faults.add("status", path="/sarifs/", status=200, body=body)
        _, done = circle.tell(circle.review("a.py"))
        assert done.action == "refused"
        assert "expected artifact location" in done.note

    def test_what_is_too_large_for_github(self, one_circle: Circle):
        circle = one_circle
        circle.night.sandbox.faults.add("status", path="/sarifs$", status=413, message="Too large")
        _, done = circle.tell(circle.review("a.py"))
        assert done.action == "refused"


class TestPassingFailures:
    @pytest.mark.parametrize(
        ("kind", "details", "uploads"),
        [
            ("drop-before", {}, 1),
            ("drop-after", {}, 1),
            ("status", {"status": 502}, 1),
        ],
    )
    def test_of_the_upload_are_finished_by_the_next_run(
        self, circle: Circle, kind: str, details: dict[str, int], uploads: int
    ):
        circle.night.sandbox.faults.add(kind, method="POST", path="/sarifs$", **details)
        tonight = circle.review("a.py")
        try:
            _, done = circle.tell(tonight, number=1)
        except GitHubError:
            assert circle.uploads == 0
            _, done = circle.tell(tonight, number=1)
        assert done.action == "created"
        assert circle.alerts == {1: "open"}
        assert (circle.uploads, len(circle.analyses)) == (uploads, 1)

    @pytest.mark.parametrize("call", range(10))
    def test_at_any_call_lose_nothing_and_repeat_nothing(self, circle: Circle, call: int):
        circle.tell(circle.review("a.py"))
        circle.night.commit({"b.py": BUG, "a.py": OK + FAR})
        tonight = circle.review("a.py", "b.py")
        faults = circle.night.sandbox.faults
        # Neither repeated by the client nor taken for a missing permission.
        faults.add("status", path="code-scanning", status=409, nth=call + 1, times=99)
        try:
            circle.tell(tonight, number=2)
        except GitHubError:
            faults.clear()
            circle.tell(tonight, number=2)
        finally:
            faults.clear()
        assert circle.alerts == {1: "fixed", 2: "open"}
        assert circle.uploads == 2

    def test_processing_that_takes_long_is_looked_at_again(self, circle: Circle):
        circle.night.sandbox.github.scanning_lag = 30.0
        try:
            with pytest.raises(GitHubError, match="still processing"):
                circle.tell(circle.review("a.py"), number=1)
            _, done = circle.tell(circle.review("a.py"), number=1)
        finally:
            circle.night.sandbox.github.scanning_lag = 0.0
        assert (done.action, circle.uploads, circle.alerts) == ("unchanged", 1, {1: "open"})

    def test_two_runs_at_once_overwrite_nothing(self, circle: Circle):
        other = replace(circle, night=circle.night)
        circle.night.commit({"b.py": BUG})
        with pytest.raises(GitHubError, match="Another run"):
            circle.tell(circle.review("a.py"), meanwhile=lambda: other.tell(other.review("b.py")))
        circle.tell(circle.review("a.py"))
        assert circle.alerts == {1: "open", 2: "open"}


class TestSeparate:
    def test_state_keys_and_pull_requests_close_nothing_of_each_other(self, circle: Circle):
        circle.tell(circle.review("a.py"))
        circle.night.commit({"b.py": BUG})
        circle.tell(circle.review("b.py"), inputs={"state_key": "other"})
        circle.tell(circle.review("b.py"), pull=7)
        assert circle.alerts == {1: "open", 2: "open", 3: "open"}
        refs = [(one.category, one.ref) for one in circle.night.hub.analyses]
        assert refs == [
            ("batch-action/code-review", BRANCH),
            ("batch-action/code-review-other", BRANCH),
            ("batch-action/code-review", "refs/pull/7/head"),
        ]
        assert len(circle.recall().known) == 1
        assert circle.file("code-review-other.sarif")

    def test_a_desk_that_hears_late_of_a_pull_request_reads_its_analysis(self, circle: Circle):
        circle.tell(circle.review("a.py"))
        _, done = circle.tell(circle.review("a.py"), ref="refs/pull/7/head")
        assert (done.action, circle.alerts) == ("created", {1: "open", 2: "open"})


@pytest.mark.parametrize(
    "name", ["dir ü/a #1?.py", "c:x/100%25.py", "-- @octocat.py", b"caf\xe9.py"], ids=range(4)
)
def test_files_of_any_name(circle: Circle, name: str | bytes):
    path = os.fsdecode(name)
    circle.night.commit({name: BUG})
    settled, _ = circle.tell(circle.review(path))
    assert settled.standings[0].known.anchor.path == path
    circle.night.commit({"c.py": OK})
    settled, _ = circle.tell(circle.review("c.py"))
    assert (states(settled), circle.alerts) == ([State.OPEN], {1: "open"})
    assert settled.standings[0].known.anchor.path == path
    circle.dismiss(1)
    settled, _ = circle.tell(circle.review("c.py"))
    assert (states(settled), circle.alerts) == ([State.DISMISSED], {1: "dismissed"})
    assert len(circle.file()["runs"][0]["results"]) == 1


def test_a_quiet_night_with_nothing_to_tell_uploads_nothing(one_circle: Circle):
    circle = one_circle
    _, done = circle.tell(circle.review("b.py"), quiet=True)
    assert (done.action, circle.uploads) == ("skipped", 0)
    _, done = circle.tell(circle.review("b.py"))
    assert (done.action, done.open, circle.uploads) == ("created", 0, 1)


def test_without_github_there_is_the_file(one_circle: Circle):
    circle = one_circle
    settled, done = circle.tell(circle.review("a.py"), token="")
    assert (done.action, done.url, states(settled)) == ("created", None, [State.NEW])
    assert circle.file()["runs"][0]["results"]


def test_a_shallow_clone_forgets_nothing(circle: Circle):
    circle.tell(circle.review("a.py"))
    circle.night.commit({"b.py": BUG})
    whole, shallow = circle.night.repo.path, circle.night.folder / "shallow"
    circle.night.repo.git("clone", "--quiet", "--depth=1", f"file://{whole}", str(shallow))
    circle.night.repo.path = shallow
    settled, _ = circle.tell(circle.review("b.py"))
    assert sorted(states(settled)) == [State.NEW, State.OPEN]
    assert circle.alerts == {1: "open", 2: "open"}


def test_words_pass_to_other_destinations(circle: Circle):
    settled, _ = circle.tell(circle.review("a.py"))
    words = circle.recall().words[settled.standings[0].known.fingerprint]
    assert "A crash ends the program." in words


def test_a_link_where_the_file_belongs_keeps_nothing_from_code_scanning(one_circle: Circle):
    circle = one_circle
    (circle.night.repo.path / ".batch-action").symlink_to(circle.night.folder)
    _, done = circle.tell(circle.review("a.py"))
    assert done.action == "created"


class TestThroughTheAction:
    @pytest.fixture
    def public(self, night: Night) -> Night:
        night.hub.private = False
        night.hub.code_scanning = True
        night.inputs |= {"report": "sarif,summary", "task": "security-scan"}
        night.commit({"app.js": BAD})
        return night

    def collected(self, night: Night):
        sent = night.start("submit", {"permissions": MAY})
        assert sent.exit == 0, sent.log
        night.finish()
        return night.start("collect", {"permissions": MAY})

    def test_security_findings_of_a_public_repository_go_here(self, public: Night):
        done = self.collected(public)
        assert done.exit == 0, done.log
        alerts = public.hub.alerts.values()
        assert {alert["state"] for alert in alerts} == {"open"}
        assert all("security" in alert["rule"]["tags"] for alert in alerts)
        assert any("eval" in alert["most_recent_instance"]["message"]["text"] for alert in alerts)
        assert "eval" not in done.summary
        assert done.outputs["sarif-file"] == ".batch-action/security-scan.sarif"
        document = json.loads((public.repo.path / done.outputs["sarif-file"]).read_bytes())
        assert complaints(document) == []
        public.commit({"app.js": GOOD})
        done = self.collected(public)
        assert (done.exit, done.outputs["fixed-findings-count"]) == (0, str(len(alerts)))
        assert {alert["state"] for alert in alerts} == {"fixed"}

    def test_a_run_that_could_not_upload_is_repeated_by_the_next(self, public: Night):
        public.inputs["task"] = "code-review"
        public.commit({"app.js": WORSE})
        assert public.start("submit", {"permissions": MAY}).exit == 0
        public.finish()
        public.sandbox.faults.add("status", method="POST", path="/sarifs$", status=503)
        done = public.start("collect", {"permissions": MAY})
        assert done.exit == 5
        done = public.start("collect", {"permissions": MAY})
        assert done.exit == 0, done.log
        assert len(public.hub.alerts) == 2
        assert len(public.hub.uploads) == len(public.hub.analyses) == 1

    def test_without_a_ledger_the_review_goes_on_from_the_last_analysis(self, public: Night):
        assert self.collected(public).exit == 0
        analysed = public.hub.analyses[-1].commit_sha
        public.hub.artifacts.clear()
        public.commit({"next.js": GOOD})
        public.commit({"last.js": GOOD})
        sent = public.start("submit", {"permissions": MAY})
        assert f"our report names commit {analysed[:12]}" in sent.said("warning")[0]
        assert public.asked() == ["last.js", "next.js"]
        public.hub.artifacts.clear()
        public.hub.code_scanning = False
        public.inputs["task"] = "code-review"
        assert public.start("submit", {"permissions": MAY}).exit == 0

    def test_money_is_not_spent_on_what_nobody_could_read(self, public: Night):
        for how in ({}, {"permissions": MAY | {"security-events": "read"}}):
            done = public.start("submit", how)
            assert done.exit == 2
            assert "`security-events: write`" in done.said("error")[0]
        public.hub.code_scanning = False
        done = public.start("submit", {"permissions": MAY})
        assert done.exit == 2
        assert "must be enabled" in done.said("error")[0]
        assert public.batches == []

    def test_where_there_is_another_place_it_is_a_warning(self, public: Night):
        for inputs in ({"allow_public_security_findings": "true"}, {"task": "code-review"}):
            done = public.start("submit", {}, **inputs)
            assert done.exit == 0
            assert "`security-events: write`" in done.said("warning")[0]
        assert public.start("submit", {}, dry_run="true").exit == 0

    def test_what_github_does_not_say_stops_nothing(self, public: Night):
        public.sandbox.faults.add("status", method="POST", path="/sarifs$", status=500)
        done = public.start("submit", {"permissions": MAY})
        assert (done.exit, done.said("warning")) == (0, [])

    def test_a_public_repository_without_it_hears_of_it(self, public: Night):
        public.inputs["report"] = "summary"
        done = public.start("submit", {})
        assert done.exit == 0
        assert "add `sarif` to `report`" in done.said("warning")[0]
