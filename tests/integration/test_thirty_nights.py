"""Thirty nights of a real repository, reviewed by a scripted reviewer with human failings.

A file's history adds, moves, edits around, fixes and deletes defects; the reviewer reports what it
sees, but it also forgets, rewords and quotes badly, is late or fails. What must hold is checked
every night against what the files say.
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
    Confidence,
    Finding,
    FindingState,
    RawFinding,
    Reconciliation,
    ReviewedFile,
    Severity,
    TrackedFinding,
)
from batch_action.publishers import markers
from batch_action.publishers.positions import locate
from batch_action.sandbox.prompts import read
from tests.harness.git_repositories import Repo
from tests.harness.rewrites import Code, defects, name_at, untouched
from tests.harness.workflow import WorkflowHarness

TASK = "code-review"
NIGHTS = 30
LIVE = (FindingState.NEW, FindingState.OPEN, FindingState.RECHECKING, FindingState.BACK)


@dataclass
class Reviewer:
    """Says what it sees of a text: mostly, and in words and lines of its own."""

    chance: random.Random
    forgets: float = 0.2
    counts: Counter[str] = field(default_factory=Counter)

    def raw_findings(self, text: str) -> list[RawFinding]:
        return [r for at in defects(text).values() if (r := self._remark(text.split("\n"), at))]

    def _remark(self, lines: list[str], at: int) -> RawFinding | None:
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
    """The files of one night, at its commit."""

    commit: str
    blobs: dict[str, str]


@dataclass
class Years:
    """The repository, its reviewer, and what the rolling issue remembers."""

    repo: Repo
    git: GitRepo
    code: Code
    chance: random.Random
    reviewer: Reviewer
    fails: float = 0.1
    tracked: tuple[TrackedFinding, ...] = ()
    head: str = ""
    base: str = ""
    trees: dict[str, dict[str, str]] = field(default_factory=dict)
    """Path to blob by commit, in order."""
    texts: dict[str, str] = field(default_factory=dict)
    """Every text there ever was, by its blob."""
    waiting: list[Batch] = field(default_factory=list)
    backlog: set[str] = field(default_factory=set)
    verdicts: set[tuple[str, str]] = field(default_factory=set)
    names: dict[str, str] = field(default_factory=dict)
    """Fingerprint to the defect it is about."""
    counts: Counter[str] = field(default_factory=Counter)

    def submit(self) -> None:
        """Commits; what changed since the last night, and what is owed, goes into a batch."""
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
        """Some batches have ended, not always the oldest first."""
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
                self.reviewer.raw_findings(text),
                task=TASK,
                path=path,
                text=text,
                blob=blob,
                commit=batch.commit,
            )
            assert lost == 0
            findings += found
        batch_answers = BatchAnswers(
            task=TASK,
            commit=batch.commit,
            reviewed=tuple(reviewed),
            findings=tuple(findings),
            verdicts=frozenset(self.verdicts),
        )
        self.verdicts |= {(r.path, r.blob) for r in reviewed}
        placed = locate(batch_answers, self.tracked, self.git, head=self.head or None)
        result = reconcile(self.tracked, placed)
        self.counts["late"] += placed.commit != batch.commit
        before = dict(self.names)
        self.name(result, placed)
        self.check(result, placed)
        self.check_memory(result, placed, before)
        self.check_births(result, placed, before)
        self.remember(result)

    def about(self, finding: Finding) -> str:
        anchor = finding.anchor
        return name_at(self.texts[anchor.blob], anchor.start_line, anchor.end_line)

    def name(self, result: Reconciliation, batch_answers: BatchAnswers) -> None:
        """Which defect each standing is about."""
        digests = {old.fingerprint: old.evidence_digest for old in self.tracked}
        seen = {(self.about(f), f.evidence_digest) for f in batch_answers.findings}
        told = [s.finding and self.about(s.finding) for s in result.statuses]
        for standing in result.statuses:
            if standing.changed:
                self.counts[standing.tracked.state.value] += 1
            if standing.finding is None:
                continue
            own, now = standing.tracked.fingerprint, self.about(standing.finding)
            before = self.names.get(own, now)
            if before != now:
                # Other code where it was: by rule the same finding, from now on about that.
                # Never where the old one is reported elsewhere, quoted as before, unless another
                # one is about that already.
                self.counts["taken over"] += 1
                twins = before.partition(":")[2] == now.partition(":")[2]
                back = standing.tracked.state is FindingState.BACK
                lost = (before, digests[own]) not in seen or before in told
                assert twins or back or lost, ("swapped", before, now, standing)
            self.names[own] = now

    def check(self, result: Reconciliation, batch_answers: BatchAnswers) -> None:
        """Tonight's standings against what the files say."""
        entries = self.trees[batch_answers.commit]
        wrong = self.wrong(batch_answers)
        live = {s.tracked.fingerprint: s for s in result.statuses if s.tracked.state in LIVE}
        told = Counter(self.names[own] for own in live)
        for name, count in told.items():
            if count > 1:
                same = [s for own, s in live.items() if self.names[own] == name]
                # What waits for its verdict may have moved and been quoted otherwise there.
                settled = [s for s in same if s.tracked.state is not FindingState.RECHECKING]
                digests = {s.tracked.evidence_digest for s in same}
                assert len(settled) < 2, ("duplicates", same)
                assert len(digests) == count, ("duplicates", same)
                self.counts["unsure"] += 1
        for own, standing in live.items():
            path = self.now(standing.tracked.anchor.path, batch_answers)
            assert path in entries, ("its file is gone", standing)
            if (path, entries[path]) in self.verdicts:
                assert self.names[own] in wrong, ("zombie", standing)
                assert standing.tracked.state is not FindingState.RECHECKING, ("for ever", standing)
        named = {self.names[own] for own in live}
        for finding in batch_answers.findings:
            if entries.get(finding.anchor.path) == finding.anchor.blob:
                # Whatever was closed before, what is seen in today's content is open.
                assert self.about(finding) in named, ("reported and not open", finding)

    def check_memory(
        self, result: Reconciliation, batch_answers: BatchAnswers, before: dict[str, str]
    ) -> None:
        """What was open yesterday: it stays where nothing happened, and ends where it is fixed."""
        live = {s.tracked.fingerprint: s for s in result.statuses if s.tracked.state in LIVE}
        wrong = self.wrong(batch_answers)
        for old in self.tracked:
            if old.state not in LIVE:
                continue
            path = self.now(old.anchor.path, batch_answers)
            blob = batch_answers.current.get(path, "")
            now, name = live.get(old.fingerprint), before[old.fingerprint]
            kept = blob and untouched(self.texts[old.anchor.blob], self.texts[blob], name)
            if kept and not now:
                # Told twice while one of its files had no verdict: the other one lives on.
                others = [f for f in live if f != old.fingerprint and self.names[f] == name]
                assert others, ("closed and not touched", old)
                self.counts["made one"] += 1
            elif kept:
                assert now
                assert now.tracked.state is FindingState.OPEN, ("not touched", old, now)
                assert self.names[old.fingerprint] == name, ("about something else", old, now)
                self.counts["stayed"] += 1
            for verdict in batch_answers.reviewed:
                newer = self.age(verdict.commit) < self.age(old.anchor.commit)
                gone = name not in wrong and name not in defects(self.texts[verdict.blob])
                if newer and gone and self.now(verdict.path, batch_answers) == path:
                    other = now and self.names[old.fingerprint] != name
                    assert now is None or other, ("fix not noticed", old, now)

    def check_births(
        self, result: Reconciliation, batch_answers: BatchAnswers, before: dict[str, str]
    ) -> None:
        """What was closed and is reported again at its place comes back, and is not born again."""
        closed = {
            (self.now(old.anchor.path, batch_answers), before[old.fingerprint]): old
            for old in self.tracked
            if old.state is FindingState.FIXED
        }
        for standing in result.statuses:
            known = standing.tracked
            if known.state is FindingState.NEW:
                old = closed.get((known.anchor.path, self.names[known.fingerprint]))
                if old is not None:
                    self.counts["born again"] += 1
                    assert old.evidence_digest != known.evidence_digest, ("not back", old, known)

    def wrong(self, batch_answers: BatchAnswers) -> set[str]:
        blobs = self.trees[batch_answers.commit].values()
        return {name for blob in blobs for name in defects(self.texts[blob])}

    def age(self, commit: str) -> int:
        """How many commits ago."""
        return len(self.trees) - list(self.trees).index(commit)

    def now(self, path: str, batch_answers: BatchAnswers) -> str:
        return path if path in batch_answers.current else batch_answers.renamed.get(path, path)

    def remember(self, result: Reconciliation) -> None:
        """As the rolling issue does: in its markers."""
        text = "\n\n".join(markers.wrap(s.tracked, "words") for s in result.statuses)
        found = tuple(block.tracked for block in markers.blocks(text))
        assert found == tuple(s.tracked for s in result.statuses)
        self.tracked, self.head = found, result.commit

    def open(self) -> Counter[str]:
        """The defects that are told as open, each with how often."""
        return Counter(self.names[k.fingerprint] for k in self.tracked if k.state in LIVE)


def live_through(folder: Path, seed: int, nights: int = NIGHTS) -> Years:
    chance = random.Random(seed)
    repo = Repo.init(folder)
    code = Code(chance)
    code.begin()
    reviewer = Reviewer(chance)
    years = Years(repo=repo, git=GitRepo(folder), code=code, chance=chance, reviewer=reviewer)
    for _ in range(nights):
        for _ in range(chance.randint(1, 3)):
            years.counts[f"change: {code.change()}"] += 1
        years.submit()
        years.collect(most=chance.randint(0, 2))
    years.collect(most=99)
    # The last word, by a reviewer without failings: exactly what is wrong is open, each once.
    years.fails = reviewer.forgets = 0
    code.touch()
    years.submit()
    years.collect(most=99)
    wrong = {name for text in code.texts().values() for name in defects(text)}
    assert years.open() == Counter(wrong), (years.open(), wrong)
    years.counts += reviewer.counts
    return years


@pytest.mark.parametrize("seed", [1, 7])
def test_thirty_nights(tmp_path: Path, seed: int):
    years = live_through(tmp_path / "repo", seed)
    fixed = sum(k.state is FindingState.FIXED for k in years.tracked)
    defective = len(set(years.names.values()))
    print(  # noqa: T201 - the counts are what the test is read for
        f"\nseed {seed}: {NIGHTS} nights, {len(years.trees)} commits, "
        f"{len(years.tracked)} findings of {defective} defects: {years.open().total()} open, "
        f"{fixed} fixed; duplicates 0, zombies 0; {dict(sorted(years.counts.items()))}"
    )
    assert fixed
    assert years.open()
    assert years.counts["forgotten"]
    assert years.counts["late"]


# The whole circle: what the model says goes through the API, what is known through the issue.


@dataclass
class Spoken:
    """The reviewer in the model's place; what it reported of which text is known afterwards."""

    seed: int
    told: set[tuple[str, str]] = field(default_factory=set)
    """Path and defect."""

    def __call__(self, params: Mapping[str, Any]) -> str:
        (file,) = read(params).files
        # Called from several threads, in any order: each file has its own chance.
        reviewer = Reviewer(random.Random(f"{self.seed} {file.path} {file.text}"))
        remarks = reviewer.raw_findings(file.text)
        names = (name_at(file.text, *place(r, file.text)) for r in remarks)
        self.told |= {(file.path, name) for name in names}
        return json.dumps({"findings": [written(remark) for remark in remarks]})


def place(remark: RawFinding, text: str) -> tuple[int, int]:
    (found,), lost = anchor_all([remark], task="", path="", text=text, blob="", commit="")
    assert lost == 0
    return found.anchor.start_line, found.anchor.end_line


def written(remark: RawFinding) -> dict[str, object]:
    names = ("rule", "category", "severity", "confidence", "start_line", "end_line")
    more = ("evidence", "title", "explanation", "remediation", "suggestion", "pre_existing")
    return {name: getattr(remark, name) for name in (*names, *more)}


def test_six_nights_through_the_whole_circle(workflow: WorkflowHarness):
    code = Code(random.Random(3))
    code.begin()
    spoken = Spoken(3)
    workflow.sandbox.claude.answer_with(spoken)
    workflow.inputs["paths"] = "*.py"
    counts: Counter[str] = Counter()
    for number in range(6):
        for _ in range(number and 3):
            counts[f"change: {code.change()}"] += 1
        if number == 5:
            code.touch()
        gone = {p.name for p in workflow.repo.path.glob("*.py")} - code.files.keys()
        workflow.commit({**code.texts(), **dict.fromkeys(gone)})
        spoken.told.clear()
        assert workflow.run("submit").exit == 0
        workflow.finish()
        result = workflow.run("collect")
        assert result.exit == 0, result.log
        counts["new"] += int(result.outputs.get("new-findings-count") or 0)
        counts["fixed"] += int(result.outputs.get("fixed-findings-count") or 0)
        asked = set(workflow.asked()) if workflow.batches else set()
        told = check_issue(workflow, code.texts(), spoken.told, asked)
        print(f"night {number + 1}: {told.total()} open")  # noqa: T201 - as above
    print(dict(sorted(counts.items())))  # noqa: T201
    assert counts["new"]
    assert counts["fixed"]


def check_issue(
    workflow: WorkflowHarness,
    texts: dict[str, str],
    reported: set[tuple[str, str]],
    asked: set[str],
) -> Counter[str]:
    """Everything the issue says is open, against the files."""
    body = "\n".join([workflow.issue.body, *(c.body for c in workflow.issue.comments)])
    live = [b.tracked for b in markers.blocks(body) if b.tracked.state in LIVE]
    told: Counter[str] = Counter()
    for known in live:
        anchor = known.anchor
        assert known.state is not FindingState.RECHECKING or anchor.path not in asked, known
        text = workflow.repo.git("cat-file", "blob", anchor.blob)
        name = name_at(text, anchor.start_line, anchor.end_line)
        told[name] += 1
        assert name in defects(texts[anchor.path]), ("zombie", known)
    assert max(told.values(), default=0) <= 1, ("duplicates", told)
    assert {name for _, name in reported} <= told.keys(), "reported and not open"
    return told
