"""Run one destination again and again: real git, the real GitHub client, the sandbox's GitHub."""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
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
from batch_action.models.policy import FindingPolicy, VerificationPolicy
from batch_action.models.report import (
    DestinationResult,
    FileStatus,
    FileStatusEntry,
    FileStatuses,
    RunReport,
)
from batch_action.publishers.base import Publisher, PublisherOptions
from batch_action.publishers.issue import publisher as issue
from batch_action.publishers.issue_per_finding.publisher import IssuePerFindingPublisher
from batch_action.publishers.positions import resolve
from batch_action.sandbox.server import Sandbox
from tests.harness.git_repositories import Repo
from tests.harness.reports import publisher_options

BUG = "def bad(x):\n    crash(x)\n    return x\n"
OK = "def bad(x):\n    check(x)\n    return x\n"
FAR = "".join(f"\n\ndef f{n}():\n    a = {n}\n    return a\n" for n in range(8))
TASK = "code-review"
OPTIONS = publisher_options()
NOT_VERIFIED = VerificationPolicy()
MAX_FETCHES = 2
"""How often a run may fetch the same issue: before it is written, and to read it back."""


def rolling_issue(harness: "DestinationHarness", options: PublisherOptions) -> Publisher:
    return issue.IssuePublisher(
        issues=harness.issues, task=TASK, repository_id="7", options=options
    )


def per_finding(harness: "DestinationHarness", options: PublisherOptions) -> Publisher:
    git = GitRepo(harness.repo.path)
    return IssuePerFindingPublisher(
        issues=harness.issues, task=TASK, repository_id="7", repo=git, options=options
    )


@dataclass
class DestinationHarness:
    """A repository, a review of it that greps for `crash`, and one destination."""

    sandbox: Sandbox
    repo: Repo
    issues: Issues
    person: Issues
    name: str
    open_publisher: "Callable[[DestinationHarness, PublisherOptions], Publisher]" = rolling_issue
    """Creates the publisher of a run."""
    runs: int = 0
    dismissed: set[str] = field(default_factory=set)
    """The fingerprints that the ledger would contain."""
    previous_state: PublishedState | None = None
    """The state that the last run read."""

    def review(self, *paths: str, commit: str | None = None) -> BatchAnswers:
        return review(GitRepo(self.repo.path), commit or self.repo.head(), paths)

    def collect(
        self,
        batch_answers: BatchAnswers,
        *,
        number: int | None = None,
        meanwhile: Callable[[], None] = lambda: None,
        change: Callable[[Reconciliation], Reconciliation] = lambda reconciliation: reconciliation,
        options: PublisherOptions = OPTIONS,
        hides_security: bool = False,
        verification: VerificationPolicy = NOT_VERIFIED,
        **report_fields,
    ) -> tuple[Reconciliation, DestinationResult]:
        self.runs = number or self.runs + 1
        report = RunReport(
            task=TASK,
            repository=self.name,
            repository_id="7",
            server_url="https://github.example",
            commit=batch_answers.commit,
            run_url=None,
            batch_ids=(f"msgbatch_{self.runs}",),
            model="m",
            date=f"2026-03-{self.runs:02d}",
            file_statuses=FileStatuses.of(
                tuple(
                    FileStatusEntry(path=r.path, status=FileStatus.REVIEWED)
                    for r in batch_answers.reviewed
                )
            ),
            spending=None,
        )
        report = replace(report, **report_fields)
        publisher = self.open_publisher(self, options)
        calls = self.sandbox.faults.calls
        start = len(calls)
        self.previous_state = publisher.read_state()
        read = calls[start:]
        self.dismissed |= {dismissal.fingerprint for dismissal in self.previous_state.dismissals}
        policy = FindingPolicy(
            dismissed=frozenset(self.dismissed),
            hides_security=hides_security,
            verification=verification,
            republished=not set(self.previous_state.batches).isdisjoint(report.batch_ids),
        )
        git = GitRepo(self.repo.path)
        reconciliation = change(reconcile_state(self.previous_state, batch_answers, policy, git))
        meanwhile()
        start = len(calls)
        result = publisher.publish(reconciliation, report)
        gets = [c.path for c in (*read, *calls[start:]) if c.method == "GET"]
        fetched = Counter(path for path in gets if re.search(r"/issues/\d+$", path))
        assert not [path for path, times in fetched.items() if times > MAX_FETCHES], fetched
        return reconciliation, result

    def collect_nothing(self, **report_fields) -> tuple[Reconciliation, DestinationResult]:
        """A collect for which no batch has ended."""
        fields = {"batch_ids": (), "file_statuses": FileStatuses.of(())}
        return self.collect(self.review(), **{**fields, **report_fields})

    def add_user(self, login: str = "mallory", role: str = "read") -> Issues:
        """Add a user who can read and comment."""
        hub = self.sandbox.github
        hub.add_user(login)
        token = hub.token_for(login)
        hub.repository(self.name).permissions[login] = role
        return Issues(connect(self.sandbox, self.name, token))

    def writes(self) -> list[str]:
        return [
            f"{c.method} {c.path.rpartition('issues')[2]}"
            for c in self.sandbox.faults.calls
            if c.method in ("POST", "PATCH", "DELETE") and "graphql" not in c.path
        ]


def reconcile_state(
    state: PublishedState, answers: BatchAnswers, policy: FindingPolicy, repo: GitRepo
) -> Reconciliation:
    """Reconcile as the pipeline does for all destinations together."""
    positions = resolve(answers, state.tracked, repo, head=state.head or None)
    return replace(reconcile(state.tracked, answers, positions, policy), blocks=dict(state.blocks))


def crash_finding(line: str, number: int, severity: str = "high") -> RawFinding:
    """Return what a reviewer answers about a `crash` in this line."""
    return RawFinding(
        rule="crash",
        category="bug",
        severity=Severity(severity),
        confidence=Confidence.HIGH,
        start_line=number,
        end_line=number,
        evidence=line,
        title="It crashes",
        explanation="why " * 30,
        remediation="check",
    )


def review(git: GitRepo, commit: str, paths: Iterable[str], severity: str = "high") -> BatchAnswers:
    """Return the answers of a reviewer that finds every `crash`."""
    blobs = git.tree_blobs(commit, set(paths))
    findings = []
    for path, blob in blobs.items():
        text = next(data for _, data in git.blobs([blob])).decode()
        raw_findings = [
            crash_finding(line, number, severity)
            for number, line in enumerate(text.splitlines(), start=1)
            if "crash" in line
        ]
        found, _ = anchor_all(
            [raw_findings], task=TASK, path=path, text=text, blob=blob, commit=commit
        )
        findings += found
    reviewed = tuple(ReviewedFile(path=p, blob=b, commit=commit) for p, b in blobs.items())
    return BatchAnswers(task=TASK, commit=commit, reviewed=reviewed, findings=tuple(findings))


@contextmanager
def destination_harness(
    running: Sandbox,
    path: Path,
    name: str,
    open_publisher: Callable[[DestinationHarness, PublisherOptions], Publisher] = rolling_issue,
) -> Iterator[DestinationHarness]:
    """A fresh repository with one finding in it; `person` may write there."""
    name = f"octo/r{abs(hash(name)) % 10**9}"
    running.github.add_repository(name)
    run = running.github.start_run(name, event="schedule")
    repo = Repo.init(path / "repo")
    repo.commit({"a.py": BUG + FAR})
    with (
        connect(running, name, run.token) as our_client,
        connect(running, name, running.github.token_for("octo")) as persons_client,
    ):
        harness = DestinationHarness(
            running, repo, Issues(our_client), Issues(persons_client), name, open_publisher
        )
        running.faults.calls.clear()
        yield harness
    running.faults.clear()


def connect(running: Sandbox, repository: str, token: str) -> GitHubClient:
    url = f"{running.github_url}/api/v3"
    return GitHubClient(token, api_url=url, repository=repository, write_interval=0.0, timeout=5)


def states_of(reconciliation: Reconciliation) -> list[FindingState]:
    return [s.tracked.state for s in reconciliation.statuses]
