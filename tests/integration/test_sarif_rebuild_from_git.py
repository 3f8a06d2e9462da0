"""Findings rebuilt from what code scanning returns, compared with a complete state."""

import json
import random
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from batch_action.clients.git import GitRepo
from batch_action.findings.anchoring import anchor_all
from batch_action.findings.lifecycle import reconcile
from batch_action.findings.lines import scope_of
from batch_action.models.findings import (
    OPEN_STATES,
    BatchAnswers,
    FindingState,
    Reconciliation,
    ReviewedFile,
    TrackedFinding,
)
from batch_action.models.policy import FindingPolicy
from batch_action.publishers.positions import resolve
from batch_action.publishers.sarif.document import render
from batch_action.publishers.sarif.reader import (
    AnalysisState,
    PartialFinding,
    parse,
    rebuild_from_git,
)
from batch_action.publishers.sarif.texts import Footer
from batch_action.sandbox.github import sarif as service
from batch_action.tasks.registry import all_tasks
from tests.harness.destinations import crash_finding
from tests.harness.git_repositories import Repo
from tests.unit.test_sarif import REPORT

TASK = all_tasks()["code-review"]
RUNS = 12


@dataclass
class RandomRepository:
    """A repository that changes at random, reviewed now and then."""

    repo: Repo
    random: random.Random
    files: dict[str, list[str]] = field(default_factory=dict)
    names: int = 0

    def change(self) -> None:
        """Commit a few edits of different kinds."""
        before = dict(self.files)
        for _ in range(self.random.randint(1, 3)):
            self._edit()
        written = {path: "\n".join(lines) + "\n" for path, lines in self.files.items()}
        gone = dict.fromkeys(before.keys() - self.files.keys())
        self.repo.commit({**gone, **written})

    def _edit(self) -> None:
        kind = self.random.choice(
            ["file", "add", "fix", "above", "inside", "rename", "delete", "move", "move"]
        )
        path = self.random.choice([*self.files, ""])
        if kind == "file" or not path:
            self.names += 1
            self.files[f"m{self.names}.py"] = self._part() + self._part()
        elif kind == "rename":
            self.names += 1
            self.files[f"r{self.names}.py"] = self.files.pop(path)
        elif kind == "delete" and len(self.files) > 2:
            del self.files[path]
        elif kind == "move":
            # A complete function goes to another file.
            lines = self.files[path]
            starts = [n for n, line in enumerate(lines) if line.startswith("def ")]
            if starts:
                first, last = self.random.choice(list(pairwise([*starts, len(lines)])))
                other = self.random.choice([*self.files])
                self.files[path] = [*lines[:first], *lines[last:]]
                self.files[other] = [*self.files[other], *lines[first:last]]
        elif kind == "add" or not self.files[path]:
            self.files[path] += self._part()
        else:
            lines = self.files[path]
            at = self.random.randrange(len(lines))
            changed = {
                "fix": [lines[at].replace("crash", "check")],
                "above": ["# a comment", lines[at]],
                "inside": [lines[at], "    more()"],
            }
            self.files[path] = [*lines[:at], *changed.get(kind, [lines[at]]), *lines[at + 1 :]]

    def _part(self) -> list[str]:
        self.names += 1
        body = [f"    a{n} = {self.names}" for n in range(self.random.randint(1, 14))]
        return [f"def f{self.names}():", *body, f"    crash({self.names})", "    return 1", ""]

    def review(self) -> BatchAnswers:
        """Review some of the files; every `crash` is a finding."""
        git, commit = GitRepo(self.repo.path), self.repo.head()
        chosen = [path for path in self.files if self.random.random() < 0.6]
        blobs = git.tree_blobs(commit, chosen)
        findings = []
        for path, blob in blobs.items():
            lines = self.files[path]
            raw_findings = [
                crash_finding(line, n) for n, line in enumerate(lines, start=1) if "crash" in line
            ]
            found, _ = anchor_all(
                [raw_findings],
                task=TASK.name,
                path=path,
                text="\n".join(lines) + "\n",
                blob=blob,
                commit=commit,
            )
            findings += found
        reviewed = tuple(ReviewedFile(path=p, blob=b, commit=commit) for p, b in blobs.items())
        return BatchAnswers(
            task=TASK.name, commit=commit, reviewed=reviewed, findings=tuple(findings)
        )

    def reconcile(
        self, batch_answers: BatchAnswers, known: tuple[TrackedFinding, ...]
    ) -> Reconciliation:
        git = GitRepo(self.repo.path)
        positions = resolve(batch_answers, known, git, head=None)
        return reconcile(known, batch_answers, positions, FindingPolicy())


def upload_and_read(reconciled: Reconciliation, previous: AnalysisState) -> AnalysisState:
    """The state that code scanning returns."""
    document: Any = json.loads(render(REPORT, reconciled, previous).data)
    run = document["runs"][0]
    numbers = {place: (place + 1, "u") for place in range(len(run["results"]))}
    part = service.returned_run(run, numbers, REPORT.ref, reconciled.commit)
    return parse({"version": "2.1.0", "runs": [part]})


def open_findings(reconciled: Reconciliation) -> dict[str, FindingState]:
    """The open findings, and whether they wait for a recheck."""
    return {
        s.tracked.fingerprint: FindingState.OPEN
        if s.tracked.state is not FindingState.RECHECKING
        else s.tracked.state
        for s in reconciled.statuses
        if s.tracked.state in OPEN_STATES
    }


@pytest.mark.parametrize("seed", range(3))
def test_a_partial_state_leads_to_the_same_findings(tmp_path: Path, seed: int):
    repository = RandomRepository(Repo.init(tmp_path / "repo"), random.Random(seed))
    git = GitRepo(repository.repo.path)
    known: tuple[TrackedFinding, ...] = ()
    state, commit = AnalysisState(), ""
    seen = 0
    for _ in range(RUNS):
        repository.change()
        batch_answers = repository.review()
        complete = repository.reconcile(batch_answers, known)
        rebuilt = rebuild_from_git(state.partial, {}, commit, git, TASK) if commit else {}
        # In a real run the alerts contain the fixed findings; here the complete state does.
        fixed = {k.fingerprint: k for k in known if k.state is FindingState.FIXED}
        partial = repository.reconcile(batch_answers, (*rebuilt.values(), *fixed.values()))
        assert open_findings(partial) == open_findings(complete)
        known = tuple(s.tracked for s in complete.statuses)
        state, commit = upload_and_read(partial, state), partial.commit
        seen += len(open_findings(complete))
    assert seen > RUNS


def partial_finding(
    first: int, last: int, blob: str, path: str = "a.py", category: str = "bug"
) -> PartialFinding:
    return PartialFinding(
        footer=Footer(
            fingerprint="1" * 16,
            since="2026-01-01",
            start_line=first,
            end_line=last,
            blob=blob,
            commit="0123456789ab",
            pre_existing=False,
            verification=None,
            confirmed_by="",
        ),
        path=path,
        category=category,
        rule="r",
        severity=crash_finding("x", 1).severity,
        title="t",
        security=None,
    )


def test_a_missing_blob_has_changed(tmp_path: Path):
    repo = Repo.init(tmp_path / "repo")
    commit = repo.commit({"a.py": "one\ntwo\n"})
    git = GitRepo(repo.path)
    blob = git.tree_blobs(commit, ["a.py"])["a.py"]
    [present] = rebuild_from_git([partial_finding(1, 1, blob[:12])], {}, commit, git, TASK).values()
    assert (present.anchor.blob, present.anchor.commit, present.state) == (
        blob,
        commit,
        FindingState.OPEN,
    )
    lost = partial_finding(30, 31, "0123456789ab")
    for head in (commit, "e" * 40):
        [gone] = rebuild_from_git([lost], {"1" * 16: "2026-02-02"}, head, git, TASK).values()
        assert gone.anchor.blob.startswith("0123456789ab")
        assert len(gone.anchor.blob) == 40
        assert scope_of(gone.anchor) == (20, 41)
        assert (gone.state, gone.closed_on) == (FindingState.FIXED, "2026-02-02")
    # The lines are outside of the file, so there is no evidence.
    [beyond] = rebuild_from_git([partial_finding(5, 9, blob[:12])], {}, commit, git, TASK).values()
    assert beyond.evidence_digest == ""


def test_the_task_decides_about_security_without_a_rule(tmp_path: Path):
    repo = Repo.init(tmp_path / "repo")
    commit = repo.commit({"a.py": "one\n"})
    git = GitRepo(repo.path)
    for category, security in (("security", True), ("bug", False)):
        one = replace(partial_finding(1, 1, "a"), category=category)
        [known] = rebuild_from_git([one], {}, commit, git, TASK).values()
        assert known.security is security
