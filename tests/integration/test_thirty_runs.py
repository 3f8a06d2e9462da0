"""Thirty runs of a real repository, reviewed by a scripted reviewer that makes mistakes.

A file's history adds, moves, edits around, fixes and deletes defects. The reviewer reports them but
also misses some, rewords and misquotes, is late or fails. After every run the findings are
compared with the files.
"""

import json
import random
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from batch_action.clients.git import GitRepo
from batch_action.findings.anchoring import anchor_all
from batch_action.findings.lifecycle import reconcile
from batch_action.models.findings import (
    BatchAnswers,
    CodePositions,
    Confidence,
    Finding,
    FindingState,
    RawFinding,
    Reconciliation,
    ReviewedFile,
    Severity,
    TrackedFinding,
)
from batch_action.models.policy import FindingPolicy
from batch_action.publishers import markers
from batch_action.publishers.positions import resolve
from batch_action.sandbox.reviewer.prompts import read_prompt
from tests.harness.git_repositories import Repo
from tests.harness.random_changes import ChangingCode, defect_at, defects, is_untouched
from tests.harness.workflow import WorkflowHarness

TASK = "code-review"
RUNS = 30
LIVE = (FindingState.NEW, FindingState.OPEN, FindingState.RECHECKING, FindingState.BACK)


@dataclass
class Reviewer:
    """Reports most defects of a text, each time with other words and lines."""

    chance: random.Random
    forgets: float = 0.2
    counts: Counter[str] = field(default_factory=Counter)

    def raw_findings(self, text: str) -> list[RawFinding]:
        return [
            r for at in defects(text).values() if (r := self._raw_finding(text.split("\n"), at))
        ]

    def _raw_finding(self, lines: list[str], at: int) -> RawFinding | None:
        chance = self.chance
        if chance.random() < self.forgets:
            self.counts["forgotten"] += 1
            return None
        first, last = at - chance.randint(0, 1), at + (chance.random() < 0.3)
        quoted = [
            line.strip() if chance.random() < 0.3 else line for line in lines[first : last + 1]
        ]
        if chance.random() < 0.3:
            quoted = [f"{first + 1 + i}| {line}" for i, line in enumerate(quoted)]
        off = chance.randint(-1, 1)
        return RawFinding(
            rule=chance.choice(["bad", "worse"]),
            category="bug",
            severity=chance.choice([Severity.HIGH, Severity.MEDIUM]),
            confidence=Confidence.HIGH,
            start_line=max(1, first + 1 + off),
            end_line=max(1, last + 1 + off),
            evidence="\n".join(quoted),
            title=chance.choice(["It breaks", "A defect", "Wrong"]),
            explanation="why",
            remediation="mend it",
        )


@dataclass
class Batch:
    """The files of one run, at its commit."""

    commit: str
    blobs: dict[str, str]


@dataclass
class Simulation:
    """The repository, its reviewer, and the state of the rolling issue."""

    repo: Repo
    git: GitRepo
    code: ChangingCode
    chance: random.Random
    reviewer: Reviewer
    fails: float = 0.1
    tracked: tuple[TrackedFinding, ...] = ()
    head: str = ""
    base: str = ""
    trees: dict[str, dict[str, str]] = field(default_factory=dict)
    """Path to blob by commit, in order."""
    texts: dict[str, str] = field(default_factory=dict)
    """Every text of the history, by its blob."""
    waiting: list[Batch] = field(default_factory=list)
    backlog: set[str] = field(default_factory=set)
    verdicts: set[tuple[str, str]] = field(default_factory=set)
    names: dict[str, str] = field(default_factory=dict)
    """Fingerprint to the defect it is about."""
    counts: Counter[str] = field(default_factory=Counter)

    def submit(self) -> None:
        """Commit; send what changed since the last run, and the backlog, in a batch."""
        gone = {p.name for p in self.repo.path.glob("*.py")} - self.code.files.keys()
        commit = self.repo.commit({**self.code.texts(), **dict.fromkeys(gone)})
        there = {entry.path: entry.blob for entry in self.git.tree(commit)}
        self.trees[commit] = there
        self.texts |= {blob: self.code.text(path) for path, blob in there.items()}
        changed = {c.path for c in self.git.changes(self.base or None, commit)}
        flying = {(p, b) for batch in self.waiting for p, b in batch.blobs.items()}
        chosen = sorted((changed | self.backlog) & there.keys())
        asked = {p: there[p] for p in chosen if (p, there[p]) not in self.verdicts | flying}
        self.backlog -= asked.keys()
        self.waiting.append(Batch(commit, asked))
        self.base = commit

    def collect(self, *, most: int) -> None:
        """Collect some batches, not always the oldest first."""
        self.chance.shuffle(self.waiting)
        ended, self.waiting = self.waiting[:most], self.waiting[most:]
        for batch in ended:
            self.publish(batch)

    def publish(self, batch: Batch) -> None:
        reviewed: list[ReviewedFile] = []
        findings: list[Finding] = []
        for path, blob in batch.blobs.items():
            if self.chance.random() < self.fails:
                self.counts["failed"] += 1
                self.backlog.add(path)
                continue
            reviewed.append(ReviewedFile(path=path, blob=blob, commit=batch.commit))
            text = self.texts[blob]
            found, lost = anchor_all(
                [self.reviewer.raw_findings(text)],
                task=TASK,
                path=path,
                text=text,
                blob=blob,
                commit=batch.commit,
            )
            assert not lost
            findings += found
        answers = BatchAnswers(
            task=TASK,
            commit=batch.commit,
            reviewed=tuple(reviewed),
            findings=tuple(findings),
        )
        policy = FindingPolicy(reviewed_before=frozenset(self.verdicts))
        self.verdicts |= {(r.path, r.blob) for r in reviewed}
        positions = resolve(answers, self.tracked, self.git, head=self.head or None)
        result = reconcile(self.tracked, answers, positions, policy)
        self.counts["late"] += positions.commit != batch.commit
        before = dict(self.names)
        self.name(result, answers)
        self.check(result, answers, positions)
        self.check_open(result, answers, positions, before)
        self.check_returned(result, positions, before)
        self.save_state(result)

    def about(self, finding: Finding) -> str:
        anchor = finding.anchor
        return defect_at(self.texts[anchor.blob], anchor.start_line, anchor.end_line)

    def name(self, result: Reconciliation, answers: BatchAnswers) -> None:
        """Which defect each status is about."""
        digests = {old.fingerprint: old.evidence_digest for old in self.tracked}
        seen = {(self.about(f), f.evidence_digest) for f in answers.findings}
        reported = [s.finding and self.about(s.finding) for s in result.statuses]
        for status in result.statuses:
            if status.changed:
                self.counts[status.tracked.state.value] += 1
            if status.finding is None:
                continue
            own, now = status.tracked.fingerprint, self.about(status.finding)
            before = self.names.get(own, now)
            if before != now:
                # Other code in its lines: by the matching rules the same finding, now about it.
                # Not where the old one is reported elsewhere with equal evidence, unless another
                # finding is about that already.
                self.counts["taken over"] += 1
                twins = before.partition(":")[2] == now.partition(":")[2]
                back = status.tracked.state is FindingState.BACK
                lost = (before, digests[own]) not in seen or before in reported
                assert twins or back or lost, ("swapped", before, now, status)
            self.names[own] = now

    def check(
        self, result: Reconciliation, answers: BatchAnswers, positions: CodePositions
    ) -> None:
        """Compare the statuses of this run with the files."""
        entries = self.trees[positions.commit]
        wrong = self.wrong(positions)
        live = {s.tracked.fingerprint: s for s in result.statuses if s.tracked.state in LIVE}
        reported = Counter(self.names[own] for own in live)
        for name, count in reported.items():
            if count > 1:
                same = [s for own, s in live.items() if self.names[own] == name]
                # A finding without a verdict may have moved and been quoted differently there.
                settled = [s for s in same if s.tracked.state is not FindingState.RECHECKING]
                digests = {s.tracked.evidence_digest for s in same}
                assert len(settled) < 2, ("duplicates", same)
                assert len(digests) == count, ("duplicates", same)
                self.counts["unsure"] += 1
        for own, status in live.items():
            path = positions.current_path(status.tracked.anchor.path)
            assert path in entries, ("its file is gone", status)
            if (path, entries[path]) in self.verdicts:
                assert self.names[own] in wrong, ("stale", status)
                assert status.tracked.state is not FindingState.RECHECKING, ("for ever", status)
        named = {self.names[own] for own in live}
        for finding in answers.findings:
            if entries.get(finding.anchor.path) == finding.anchor.blob:
                # A defect reported in the newest content is open, whatever was closed before.
                assert self.about(finding) in named, ("reported and not open", finding)

    def check_open(
        self,
        result: Reconciliation,
        answers: BatchAnswers,
        positions: CodePositions,
        before: dict[str, str],
    ) -> None:
        """An open finding stays open while its lines are unchanged, and is closed when fixed."""
        live = {s.tracked.fingerprint: s for s in result.statuses if s.tracked.state in LIVE}
        wrong = self.wrong(positions)
        for old in self.tracked:
            if old.state not in LIVE:
                continue
            path = positions.current_path(old.anchor.path)
            blob = positions.current_blobs.get(path, "")
            now, name = live.get(old.fingerprint), before[old.fingerprint]
            kept = blob and is_untouched(self.texts[old.anchor.blob], self.texts[blob], name)
            if kept and not now:
                # Reported twice until one of its files had a verdict: the other one stays open.
                others = [f for f in live if f != old.fingerprint and self.names[f] == name]
                assert others, ("closed and not touched", old)
                self.counts["made one"] += 1
            elif kept:
                assert now
                assert now.tracked.state is FindingState.OPEN, ("not touched", old, now)
                assert self.names[old.fingerprint] == name, ("about something else", old, now)
                self.counts["stayed"] += 1
            for verdict in answers.reviewed:
                newer = self.age(verdict.commit) < self.age(old.anchor.commit)
                gone = name not in wrong and name not in defects(self.texts[verdict.blob])
                if newer and gone and positions.current_path(verdict.path) == path:
                    other = now and self.names[old.fingerprint] != name
                    assert now is None or other, ("fix not noticed", old, now)

    def check_returned(
        self, result: Reconciliation, positions: CodePositions, before: dict[str, str]
    ) -> None:
        """A closed finding that is reported again in its lines comes back and is not a new one."""
        closed = {
            (positions.current_path(old.anchor.path), before[old.fingerprint]): old
            for old in self.tracked
            if old.state is FindingState.FIXED
        }
        for status in result.statuses:
            known = status.tracked
            if known.state is FindingState.NEW:
                old = closed.get((known.anchor.path, self.names[known.fingerprint]))
                if old is not None:
                    self.counts["reported again"] += 1
                    assert old.evidence_digest != known.evidence_digest, ("not back", old, known)

    def wrong(self, positions: CodePositions) -> set[str]:
        blobs = self.trees[positions.commit].values()
        return {name for blob in blobs for name in defects(self.texts[blob])}

    def age(self, commit: str) -> int:
        """Return how many commits ago that was."""
        return len(self.trees) - list(self.trees).index(commit)

    def save_state(self, result: Reconciliation) -> None:
        """Encode and decode the state as the rolling issue does, in its markers."""
        text = "\n\n".join(markers.wrap_block(s.tracked, "words") for s in result.statuses)
        found = tuple(block.tracked for block in markers.parse_blocks(text))
        assert found == tuple(s.tracked for s in result.statuses)
        self.tracked, self.head = found, result.commit

    def open(self) -> Counter[str]:
        """Count the open findings of each defect."""
        return Counter(self.names[k.fingerprint] for k in self.tracked if k.state in LIVE)


def simulate(folder: Path, seed: int, runs: int = RUNS) -> Simulation:
    chance = random.Random(seed)
    repo = Repo.init(folder)
    code = ChangingCode(chance)
    code.begin()
    reviewer = Reviewer(chance)
    simulation = Simulation(
        repo=repo, git=GitRepo(folder), code=code, chance=chance, reviewer=reviewer
    )
    for _ in range(runs):
        for _ in range(chance.randint(1, 3)):
            simulation.counts[f"change: {code.change()}"] += 1
        simulation.submit()
        simulation.collect(most=chance.randint(0, 2))
    simulation.collect(most=99)
    # A final review that misses nothing: exactly the defects are open, each once.
    simulation.fails = reviewer.forgets = 0
    code.touch()
    simulation.submit()
    simulation.collect(most=99)
    wrong = {name for text in code.texts().values() for name in defects(text)}
    assert simulation.open() == Counter(wrong), (simulation.open(), wrong)
    simulation.counts += reviewer.counts
    return simulation


@pytest.mark.parametrize("seed", [1, 7])
def test_thirty_runs(tmp_path: Path, seed: int):
    simulation = simulate(tmp_path / "repo", seed)
    fixed = sum(k.state is FindingState.FIXED for k in simulation.tracked)
    defective = len(set(simulation.names.values()))
    print(  # noqa: T201 - the counts are what the test is read for
        f"\nseed {seed}: {RUNS} runs, {len(simulation.trees)} commits, "
        f"{len(simulation.tracked)} findings of {defective} defects: "
        f"{simulation.open().total()} open, {fixed} fixed; "
        f"{dict(sorted(simulation.counts.items()))}"
    )
    assert fixed
    assert simulation.open()
    assert simulation.counts["forgotten"]
    assert simulation.counts["late"]


# End to end: the answers go through the sandbox's API, the state through the issue.


@dataclass
class ScriptedModel:
    """The reviewer as the model of the sandbox; records what it reported."""

    seed: int
    reported: set[tuple[str, str]] = field(default_factory=set)
    """(path, defect)."""

    def __call__(self, params: Mapping[str, Any]) -> str:
        (file,) = read_prompt(params).files
        # Called from several threads in any order: each file has its own random generator.
        reviewer = Reviewer(random.Random(f"{self.seed} {file.path} {file.text}"))
        raw_findings = reviewer.raw_findings(file.text)
        names = (defect_at(file.text, *place(r, file.text)) for r in raw_findings)
        self.reported |= {(file.path, name) for name in names}
        return json.dumps({"findings": [as_json(raw_finding) for raw_finding in raw_findings]})


def place(raw_finding: RawFinding, text: str) -> tuple[int, int]:
    (found,), lost = anchor_all([[raw_finding]], task="", path="", text=text, blob="", commit="")
    assert not lost
    return found.anchor.start_line, found.anchor.end_line


def as_json(raw_finding: RawFinding) -> dict[str, object]:
    names = ("rule", "category", "severity", "confidence", "start_line", "end_line")
    more = (
        "evidence",
        "title",
        "trigger",
        "explanation",
        "remediation",
        "suggestion",
        "pre_existing",
        "security",
    )
    return {name: getattr(raw_finding, name) for name in (*names, *more)}


def test_six_runs_through_submit_and_collect(workflow: WorkflowHarness):
    code = ChangingCode(random.Random(3))
    code.begin()
    model = ScriptedModel(3)
    workflow.sandbox.anthropic.answer_with(model)
    workflow.inputs["paths"] = "*.py"
    counts: Counter[str] = Counter()
    for number in range(6):
        for _ in range(number and 3):
            counts[f"change: {code.change()}"] += 1
        if number == 5:
            code.touch()
        gone = {p.name for p in workflow.repo.path.glob("*.py")} - code.files.keys()
        workflow.commit({**code.texts(), **dict.fromkeys(gone)})
        model.reported.clear()
        assert workflow.run("submit").exit == 0
        workflow.finish()
        result = workflow.run("collect")
        assert result.exit == 0, result.log
        counts["new"] += int(result.outputs.get("new-findings-count") or 0)
        counts["fixed"] += int(result.outputs.get("fixed-findings-count") or 0)
        asked = set(workflow.requested_paths()) if workflow.batches else set()
        reported = check_issue(workflow, code.texts(), model.reported, asked)
        print(f"run {number + 1}: {reported.total()} open")  # noqa: T201 - as above
    print(dict(sorted(counts.items())))  # noqa: T201
    assert counts["new"]
    assert counts["fixed"]


def check_issue(
    workflow: WorkflowHarness,
    texts: dict[str, str],
    reported: set[tuple[str, str]],
    asked: set[str],
) -> Counter[str]:
    """Compare the open findings in the issue with the files."""
    body = "\n".join([workflow.issue.body, *(c.body for c in workflow.issue.comments)])
    open_findings = [b.tracked for b in markers.parse_blocks(body) if b.tracked.state in LIVE]
    counts: Counter[str] = Counter()
    for known in open_findings:
        anchor = known.anchor
        assert known.state is not FindingState.RECHECKING or anchor.path not in asked, known
        text = workflow.repo.git("cat-file", "blob", anchor.blob)
        name = defect_at(text, anchor.start_line, anchor.end_line)
        counts[name] += 1
        assert name in defects(texts[anchor.path]), ("stale", known)
    assert max(counts.values(), default=0) <= 1, ("duplicates", counts)
    assert {name for _, name in reported} <= counts.keys(), "reported and not open"
    return counts
