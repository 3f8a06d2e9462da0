"""One destination at a time, night after night: real git, the real edge, the sandbox's GitHub."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from batch_action.clients.git import GitRepo
from batch_action.clients.github.client import GitHubClient
from batch_action.clients.github.issues import Issues
from batch_action.findings.anchoring import anchor_all
from batch_action.findings.lifecycle import reconcile
from batch_action.models.findings import (
    BatchAnswers,
    Confidence,
    FindingState,
    PublishedState,
    RawFinding,
    Reconciliation,
    ReviewedFile,
    Severity,
)
from batch_action.models.report import (
    DestinationResult,
    FileStatus,
    FileStatusEntry,
    FileStatuses,
    RunReport,
)
from batch_action.publishers.base import Publisher
from batch_action.publishers.issue import publisher as issue
from batch_action.publishers.issue_per_finding.publisher import IssuePerFindingPublisher
from batch_action.publishers.positions import locate
from batch_action.sandbox.server import Sandbox
from tests.harness.git_repositories import Repo

BUG = "def bad(x):\n    crash(x)\n    return x\n"
OK = "def bad(x):\n    check(x)\n    return x\n"
FAR = "".join(f"\n\ndef f{n}():\n    a = {n}\n    return a\n" for n in range(8))
TASK = "code-review"


def rolling(circle: "Circle") -> Publisher:
    return issue.IssuePublisher(edge=circle.edge, task=TASK, repository_id="7")


def per_finding(circle: "Circle") -> Publisher:
    return IssuePerFindingPublisher(
        edge=circle.edge, task=TASK, repository_id="7", repo=GitRepo(circle.repo.path)
    )


@dataclass
class Circle:
    """A repository, its review by grep, and one destination."""

    sandbox: Sandbox
    repo: Repo
    edge: Issues
    person: Issues
    name: str
    opening: "Callable[[Circle], Publisher]" = rolling
    """Opens the destination's desk for a night."""
    nights: int = 0
    dismissed: set[str] = field(default_factory=set)
    """What the ledger would remember."""
    suppressed: PublishedState | None = None
    """What the destination remembered before the last night."""

    def review(self, *paths: str, commit: str | None = None) -> BatchAnswers:
        commit = commit or self.repo.head()
        git = GitRepo(self.repo.path)
        blobs = git.tree_blobs(commit, paths)
        findings = []
        for path, blob in blobs.items():
            text = next(data for _, data in git.blobs([blob])).decode()
            remarks = [
                remark(line, number)
                for number, line in enumerate(text.splitlines(), start=1)
                if "crash" in line
            ]
            found, _ = anchor_all(
                remarks, task=TASK, path=path, text=text, blob=blob, commit=commit
            )
            findings += found
        reviewed = tuple(ReviewedFile(path=p, blob=b, commit=commit) for p, b in blobs.items())
        return BatchAnswers(task=TASK, commit=commit, reviewed=reviewed, findings=tuple(findings))

    def workflow(
        self,
        batch_answers: BatchAnswers,
        *,
        number: int | None = None,
        meanwhile: Callable[[], None] = lambda: None,
        settling: Callable[[Reconciliation], Reconciliation] = lambda settled: settled,
        **circumstances,
    ) -> tuple[Reconciliation, DestinationResult]:
        self.nights = number or self.nights + 1
        workflow = RunReport(
            task=TASK,
            repository=self.name,
            repository_id="7",
            server_url="https://github.example",
            commit=batch_answers.commit,
            run_url=None,
            batch_ids=(f"msgbatch_{self.nights}",),
            model="m",
            date=f"2026-03-{self.nights:02d}",
            file_statuses=FileStatuses(
                entries=tuple(
                    FileStatusEntry(path=r.path, status=FileStatus.REVIEWED)
                    for r in batch_answers.reviewed
                )
            ),
            spending=None,
            discarded=0,
            public=False,
            allow_public_security=False,
            max_findings=25,
        )
        workflow = replace(workflow, **circumstances)
        publisher = self.opening(self)
        self.suppressed = publisher.read_state()
        self.dismissed |= {dismissal.fingerprint for dismissal in self.suppressed.dismissals}
        batch_answers = replace(batch_answers, dismissed=frozenset(self.dismissed))
        settled = settling(
            reconciled(self.suppressed, batch_answers, workflow, GitRepo(self.repo.path))
        )
        meanwhile()
        return settled, publisher.publish(settled, workflow)

    def quiet(self, **circumstances) -> tuple[Reconciliation, DestinationResult]:
        """A collect for which no batch has ended."""
        here = {"batch_ids": (), "quiet": True, "file_statuses": FileStatuses(entries=())}
        return self.workflow(self.review(), **{**here, **circumstances})

    def stranger(self, login: str = "mallory", role: str = "read") -> Issues:
        """Somebody who can read, and comment."""
        hub = self.sandbox.github
        hub.add_user(login)
        token = hub.token_for(login)
        hub.repository(self.name).permissions[login] = role
        return Issues(connected(self.sandbox, self.name, token))

    def writes(self) -> list[str]:
        return [
            f"{c.method} {c.path.rpartition('issues')[2]}"
            for c in self.sandbox.faults.calls
            if c.method in ("POST", "PATCH", "DELETE") and "graphql" not in c.path
        ]


def reconciled(
    held: PublishedState, batch_answers: BatchAnswers, workflow: RunReport, repo: GitRepo
) -> Reconciliation:
    """As publishing does it for all destinations together."""
    placed = locate(batch_answers, held.tracked, repo, head=held.head or None)
    again = not set(held.batches).isdisjoint(workflow.batch_ids)
    return replace(reconcile(held.tracked, replace(placed, redelivered=again)), blocks=held.blocks)


def remark(line: str, number: int) -> RawFinding:
    return RawFinding(
        rule="crash",
        category="bug",
        severity=Severity.HIGH,
        confidence=Confidence.HIGH,
        start_line=number,
        end_line=number,
        evidence=line,
        title="It crashes",
        explanation="why " * 30,
        remediation="check",
    )


@contextmanager
def circle_of(
    running: Sandbox, path: Path, name: str, opening: Callable[[Circle], Publisher] = rolling
) -> Iterator[Circle]:
    """A fresh repository with one finding in it; `person` may write there."""
    name = f"octo/r{abs(hash(name)) % 10**9}"
    running.github.add_repository(name)
    run = running.github.start_run(name, event="schedule")
    repo = Repo.init(path / "repo")
    repo.commit({"a.py": BUG + FAR})
    with (
        connected(running, name, run.token) as ours,
        connected(running, name, running.github.token_for("octo")) as theirs,
    ):
        circle = Circle(running, repo, Issues(ours), Issues(theirs), name, opening)
        running.faults.calls.clear()
        yield circle
    running.faults.clear()


def connected(running: Sandbox, repository: str, token: str) -> GitHubClient:
    url = f"{running.github_url}/api/v3"
    return GitHubClient(token, api_url=url, repository=repository, write_interval=0.0, timeout=5)


def states(settled: Reconciliation) -> list[FindingState]:
    return [s.tracked.state for s in settled.statuses]
