"""Nights remembered by what code scanning gives back, against nights that remember everything."""

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
from batch_action.models.findings import (
    OPEN_STATES,
    BatchAnswers,
    FindingState,
    Reconciliation,
    ReviewedFile,
    TrackedFinding,
)
from batch_action.publishers.positions import resolve
from batch_action.publishers.sarif.document import render
from batch_action.publishers.sarif.messages import Footer
from batch_action.publishers.sarif.reader import (
    AnalysisState,
    PartialFinding,
    parse,
    rebuild_from_git,
)
from batch_action.sandbox.github import sarif as service
from batch_action.tasks.registry import all_tasks
from tests.harness.git_repositories import Repo
from tests.integration.test_sarif_destination import remark
from tests.unit.test_sarif import NIGHT

TASK = all_tasks()["code-review"]
NIGHTS = 12


@dataclass
class Nights:
    """A repository that changes at random, reviewed now and then."""

    repo: Repo
    chance: random.Random
    files: dict[str, list[str]] = field(default_factory=dict)
    names: int = 0

    def change(self) -> None:
        """A few edits of the kinds that findings meet."""
        before = dict(self.files)
        for _ in range(self.chance.randint(1, 3)):
            self._edit()
        written = {path: "\n".join(lines) + "\n" for path, lines in self.files.items()}
        gone = dict.fromkeys(before.keys() - self.files.keys())
        self.repo.commit({**gone, **written})

    def _edit(self) -> None:
        kind = self.chance.choice(
            ["file", "add", "fix", "above", "inside", "rename", "delete", "move", "move"]
        )
        path = self.chance.choice([*self.files, ""])
        if kind == "file" or not path:
            self.names += 1
            self.files[f"m{self.names}.py"] = self._part() + self._part()
        elif kind == "rename":
            self.names += 1
            self.files[f"r{self.names}.py"] = self.files.pop(path)
        elif kind == "delete" and len(self.files) > 2:
            del self.files[path]
        elif kind == "move":
            # A whole function goes to another file.
            lines = self.files[path]
            starts = [n for n, line in enumerate(lines) if line.startswith("def ")]
            if starts:
                first, last = self.chance.choice(list(pairwise([*starts, len(lines)])))
                other = self.chance.choice([*self.files])
                self.files[path] = [*lines[:first], *lines[last:]]
                self.files[other] = [*self.files[other], *lines[first:last]]
        elif kind == "add" or not self.files[path]:
            self.files[path] += self._part()
        else:
            lines = self.files[path]
            at = self.chance.randrange(len(lines))
            changed = {
                "fix": [lines[at].replace("crash", "check")],
                "above": ["# a remark", lines[at]],
                "inside": [lines[at], "    more()"],
            }
            self.files[path] = [*lines[:at], *changed.get(kind, [lines[at]]), *lines[at + 1 :]]

    def _part(self) -> list[str]:
        self.names += 1
        body = [f"    a{n} = {self.names}" for n in range(self.chance.randint(1, 14))]
        return [f"def f{self.names}():", *body, f"    crash({self.names})", "    return 1", ""]

    def review(self) -> BatchAnswers:
        """Verdicts on some of the files; the reviewer finds every `crash`."""
        git, commit = GitRepo(self.repo.path), self.repo.head()
        chosen = [path for path in self.files if self.chance.random() < 0.6]
        blobs = git.tree_blobs(commit, chosen)
        findings = []
        for path, blob in blobs.items():
            lines = self.files[path]
            remarks = [remark(line, n) for n, line in enumerate(lines, start=1) if "crash" in line]
            found, _ = anchor_all(
                remarks,
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

    def settle(
        self, batch_answers: BatchAnswers, known: tuple[TrackedFinding, ...]
    ) -> Reconciliation:
        git = GitRepo(self.repo.path)
        return reconcile(known, resolve(batch_answers, known, git, head=None))


def given_back(told: Reconciliation, before: AnalysisState) -> AnalysisState:
    """What is left after code scanning has kept its part."""
    document: Any = json.loads(render(NIGHT, told, before).data)
    run = document["runs"][0]
    numbers = {place: (place + 1, "u") for place in range(len(run["results"]))}
    part = service.returned_run(run, numbers, NIGHT.ref, told.commit)
    return parse({"version": "2.1.0", "runs": [part]})


def open_of(told: Reconciliation) -> dict[str, FindingState]:
    """What is open, and whether it waits for a verdict."""
    return {
        s.tracked.fingerprint: FindingState.OPEN
        if s.tracked.state is not FindingState.RECHECKING
        else s.tracked.state
        for s in told.statuses
        if s.tracked.state in OPEN_STATES
    }


@pytest.mark.parametrize("seed", range(3))
def test_little_is_enough_to_live_on(tmp_path: Path, seed: int):
    nights = Nights(Repo.init(tmp_path / "repo"), random.Random(seed))
    git = GitRepo(nights.repo.path)
    known: tuple[TrackedFinding, ...] = ()
    session, commit = AnalysisState(), ""
    seen = 0
    for _ in range(NIGHTS):
        nights.change()
        batch_answers = nights.review()
        whole = nights.settle(batch_answers, known)
        found = rebuild_from_git(session.halves, {}, commit, git, TASK) if commit else {}
        # What is fixed is told by the alerts; here it is taken from the full memory.
        fixed = {k.fingerprint: k for k in known if k.state is FindingState.FIXED}
        part = nights.settle(batch_answers, (*found.values(), *fixed.values()))
        assert open_of(part) == open_of(whole)
        known = tuple(s.tracked for s in whole.statuses)
        session, commit = given_back(part, session), part.commit
        seen += len(open_of(whole))
    assert seen > NIGHTS


def half(first: int, last: int, blob: str, path: str = "a.py", category: str = "bug") -> PartialFinding:
    return PartialFinding(
        trace=Footer(
            fingerprint="1" * 16,
            since="2026-01-01",
            start_line=first,
            end_line=last,
            blob=blob,
            commit="0123456789ab",
            pre_existing=False,
        ),
        path=path,
        category=category,
        rule="r",
        severity=remark("x", 1).severity,
        title="t",
        security=None,
    )


def test_what_is_not_here_any_more_has_changed(tmp_path: Path):
    repo = Repo.init(tmp_path / "repo")
    commit = repo.commit({"a.py": "one\ntwo\n"})
    git = GitRepo(repo.path)
    blob = git.tree_blobs(commit, ["a.py"])["a.py"]
    [there] = rebuild_from_git([half(1, 1, blob[:12])], {}, commit, git, TASK).values()
    assert (there.anchor.blob, there.anchor.commit, there.state) == (
        blob,
        commit,
        FindingState.OPEN,
    )
    lost = half(30, 31, "0123456789ab")
    for where in (commit, "e" * 40):
        [gone] = rebuild_from_git([lost], {"1" * 16: "2026-02-02"}, where, git, TASK).values()
        assert gone.anchor.blob.startswith("0123456789ab")
        assert len(gone.anchor.blob) == 40
        assert gone.anchor.scope == (20, 41)
        assert (gone.state, gone.closed) == (FindingState.FIXED, "2026-02-02")
    # Lines that the text does not have are somebody else's.
    [beyond] = rebuild_from_git([half(5, 9, blob[:12])], {}, commit, git, TASK).values()
    assert beyond.evidence_digest == ""


def test_whether_it_is_about_security_the_task_knows(tmp_path: Path):
    repo = Repo.init(tmp_path / "repo")
    commit = repo.commit({"a.py": "one\n"})
    git = GitRepo(repo.path)
    for category, security in (("security", True), ("bug", False)):
        one = replace(half(1, 1, "a"), category=category)
        [known] = rebuild_from_git([one], {}, commit, git, TASK).values()
        assert known.security is security
