"""Thirty nights of a real repository, reviewed by a scripted reviewer with human failings.

Each defect is a line with a token of its own, `defect(17)`. A file's history adds, moves, edits
around, fixes and deletes them; the reviewer reports what it sees, but it also forgets, rewords and
quotes badly, is late or fails. What must hold is checked every night against what the files say.
"""

import random
import re
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from batch_action.edges.git_repo import GitRepo
from batch_action.findings.anchoring import anchor_all
from batch_action.findings.life import reconcile
from batch_action.models.findings import (
    Confidence,
    Known,
    Reconciled,
    Remark,
    Reviewed,
    Severity,
    State,
    Tonight,
)
from batch_action.report import markers
from batch_action.steps.placing import locate
from tests.repos import Repo

TASK = "code-review"
NIGHTS = 30
LIVE = (State.NEW, State.OPEN, State.RECHECKING, State.BACK)
TOKEN = re.compile(r"defect\((\d+)\)")
GUARD = re.compile(r"guard\((\d+)\)")


@dataclass
class Code:
    """The work tree: files of functions, each perhaps with a defect in it."""

    chance: random.Random
    files: dict[str, list[list[str]]] = field(default_factory=dict)
    numbers: int = 0

    def function(self, *, defect: bool) -> list[str]:
        self.numbers += 1
        n = self.numbers
        lines = [f"def work_{n}(x):", f"    y_{n} = x + {n}", f"    z_{n} = y_{n} * 2"]
        if defect:
            lines.append(f"    defect({n})")
        return [*lines, f"    w_{n} = z_{n} - {n}", f"    return w_{n}"]

    def text(self, path: str) -> str:
        return "\n\n\n".join("\n".join(f) for f in self.files[path]) + "\n"

    def anywhere(self) -> tuple[str, int]:
        path = self.chance.choice(sorted(self.files))
        return path, self.chance.randrange(len(self.files[path]))

    def change(self) -> str:
        """One change of one kind; says which."""
        kinds = [
            *["add", "above", "edit", "around", "fix", "fix by addition", "new file", "comment"],
            *["move", "rename", "reformat", "delete file", "bring back", "twin"],
        ]
        kind = self.chance.choice(kinds)
        getattr(self, f"_{kind.replace(' ', '_')}")()
        for path in [p for p, functions in self.files.items() if not functions]:
            del self.files[path]
        return kind

    def _add(self) -> None:
        path, at = self.anywhere()
        self.files[path].insert(at, self.function(defect=self.chance.random() < 0.6))

    def _above(self) -> None:
        path, _ = self.anywhere()
        self.files[path].insert(0, [f"# note {self.chance.random()}"] * self.chance.randint(1, 9))

    def _edit(self) -> None:
        path, at = self.anywhere()
        body = self.files[path][at]
        body[-1] = f"{body[-1]}  # {self.chance.random()}"

    def _around(self) -> None:
        path, at = self.anywhere()
        body = self.files[path][at]
        if body[0].startswith("def"):
            body.insert(self.chance.randint(1, 2), f"    n = {self.chance.random()}")

    def _comment(self) -> None:
        path, at = self.anywhere()
        self.files[path].insert(at, [f"# {self.chance.random()}"])

    def _defects(self) -> list[tuple[str, int, int]]:
        return [
            (path, number, line)
            for path, functions in sorted(self.files.items())
            for number, body in enumerate(functions)
            for line, text in enumerate(body)
            if TOKEN.search(text)
        ]

    def _fix(self) -> None:
        if found := self._defects():
            path, number, line = self.chance.choice(found)
            body = self.files[path][number]
            token = TOKEN.search(body[line])
            assert token
            body[line] = f"    mended_{token[1]} = {self.chance.randrange(10**6)}"

    def _fix_by_addition(self) -> None:
        if found := self._defects():
            path, number, line = self.chance.choice(found)
            token = TOKEN.search(self.files[path][number][line])
            assert token
            self.files[path][number].insert(line, f"    guard({token[1]})")

    def _bring_back(self) -> None:
        for _, functions in sorted(self.files.items()):
            for body in functions:
                for line, text in enumerate(body):
                    if GUARD.search(text):
                        del body[line]
                        return

    def _twin(self) -> None:
        """The same lines once more, but for the defect."""
        if found := self._defects():
            path, number, line = self.chance.choice(found)
            body = self.files[path][number]
            self.files[path].insert(number, [*body[:line], *body[line + 1 :]])

    def _new_file(self) -> None:
        self.files[f"f{self.numbers}.py"] = [
            self.function(defect=self.chance.random() < 0.5) for _ in range(4)
        ]

    def _move(self) -> None:
        path, at = self.anywhere()
        body = self.files[path].pop(at)
        target, there = (path, 0) if not self.files[path] else self.anywhere()
        self.files[target].insert(there, body)

    def _rename(self) -> None:
        path, _ = self.anywhere()
        self.numbers += 1
        self.files[f"renamed{self.numbers}.py"] = self.files.pop(path)

    def _reformat(self) -> None:
        path, at = self.anywhere()
        self.files[path][at] = [line.replace("    ", "\t", 1) for line in self.files[path][at]]

    def _delete_file(self) -> None:
        if len(self.files) > 2:
            del self.files[self.anywhere()[0]]


def defects(text: str) -> set[str]:
    """What is wrong with a text: a guarded defect is none."""
    return set(TOKEN.findall(text)) - set(GUARD.findall(text))


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
    known: tuple[Known, ...] = ()
    head: str = ""
    base: str = ""
    waiting: list[Batch] = field(default_factory=list)
    owed: set[str] = field(default_factory=set)
    verdicts: set[tuple[str, str]] = field(default_factory=set)
    names: dict[str, str] = field(default_factory=dict)
    """Fingerprint to the defect it is about."""
    counts: Counter[str] = field(default_factory=Counter)

    def commit(self) -> str:
        before = {
            p.name
            for p in self.repo.path.iterdir()
            if p.is_file() and p.name not in self.code.files
        }
        texts: dict[str | bytes, str | bytes | None] = {
            p: self.code.text(p) for p in self.code.files
        }
        return self.repo.commit({**texts, **dict.fromkeys(before)})

    def submit(self, commit: str) -> None:
        """What changed since the last night, and what is owed, goes into a batch."""
        changes = self.git.changes(self.base or None, commit)
        gone = {change.path for change in changes if change.status == "deleted"}
        there = self.git.tree_blobs(commit, [e.path for e in self.git.tree(commit)])
        chosen = ({c.path for c in changes} - gone) | (self.owed & there.keys())
        flying = {(p, b) for batch in self.waiting for p, b in batch.blobs.items()}
        asked = {p: there[p] for p in sorted(chosen) if (p, there[p]) not in self.verdicts | flying}
        self.owed -= asked.keys()
        self.waiting.append(Batch(commit, asked))
        self.base = commit

    def collect(self, *, most: int) -> None:
        """Some batches have ended, not always the oldest first."""
        self.chance.shuffle(self.waiting)
        ended, self.waiting = self.waiting[:most], self.waiting[most:]
        for batch in ended:
            self.deliver(batch)

    def deliver(self, batch: Batch) -> None:
        texts = {b: d.decode() for b, d in self.git.blobs(sorted(set(batch.blobs.values())))}
        reviewed, findings = [], []
        for path, blob in batch.blobs.items():
            if self.chance.random() < 0.1:
                self.counts["failed"] += 1
                self.owed.add(path)
                continue
            reviewed.append(Reviewed(path=path, blob=blob, commit=batch.commit))
            self.verdicts.add((path, blob))
            remarks = [
                r for n in sorted(defects(texts[blob])) if (r := self.remark(texts[blob], n))
            ]
            found, lost = anchor_all(
                remarks, task=TASK, path=path, text=texts[blob], blob=blob, commit=batch.commit
            )
            assert lost == 0
            findings += found
        earlier = frozenset(self.verdicts - {(r.path, r.blob) for r in reviewed})
        tonight = Tonight(
            task=TASK,
            commit=batch.commit,
            reviewed=tuple(reviewed),
            findings=tuple(findings),
            verdicts=earlier,
        )
        placed = locate(tonight, self.known, self.git, head=self.head or None)
        self.check(reconcile(self.known, placed), placed)

    def remark(self, text: str, number: str) -> Remark | None:
        """What the reviewer says of a defect tonight, if it does not forget it."""
        lines = text.split("\n")
        at = next(i for i, line in enumerate(lines) if f"defect({number})" in line)
        if self.chance.random() < 0.2:
            self.counts["forgotten"] += 1
            return None
        first = max(0, at - self.chance.randint(0, 1))
        quoted = [
            line.strip() if self.chance.random() < 0.3 else line for line in lines[first : at + 1]
        ]
        if self.chance.random() < 0.3:
            quoted = [f"{first + 1 + i}| {line}" for i, line in enumerate(quoted)]
        off = self.chance.randint(-3, 3)
        return Remark(
            rule=self.chance.choice(["bad", "worse"]),
            category="bug",
            severity=Severity.HIGH,
            confidence=Confidence.HIGH,
            start_line=max(1, first + 1 + off),
            end_line=max(1, at + 1 + off),
            evidence="\n".join(quoted),
            title=self.chance.choice(["It breaks", f"Defect {number}", "Wrong"]),
            why="why",
            remedy="mend it",
        )

    def check(self, result: Reconciled, tonight: Tonight) -> None:
        """Tonight's standings against what the files say."""
        texts = self.texts_at(tonight)
        live = [s for s in result.standings if s.known.state in LIVE]
        for standing in result.standings:
            if standing.finding is not None:
                # Other code about where it was: by rule the same finding, from now on about that.
                (about,) = TOKEN.findall(standing.finding.evidence)
                before = self.names.get(standing.known.fingerprint, about)
                self.counts["taken over"] += about != before
                self.names[standing.known.fingerprint] = about
            if standing.changed:
                self.counts[standing.known.state.value] += 1
        told = Counter(
            self.names[s.known.fingerprint]
            for s in live
            # What waits for its verdict may have moved and been quoted otherwise there.
            if s.known.state is not State.RECHECKING
        )
        assert max(told.values(), default=0) <= 1, ("duplicates", told)
        wrong = {n for text in texts.values() for n in defects(text)}
        answered = {
            (path, blob) for path, blob in tonight.current.items() if (path, blob) in self.verdicts
        }
        for standing in live:
            known, number = standing.known, self.names[standing.known.fingerprint]
            path = known.anchor.path
            settled = (path, tonight.current.get(path, "")) in answered
            if number not in wrong and known.state is not State.RECHECKING:
                assert not settled, ("zombie", known, texts.get(path))
            if known.state is State.RECHECKING:
                assert not settled, ("re-checked for ever", known)
        for finding in tonight.findings:
            anchor = finding.anchor
            if tonight.current.get(anchor.path) == anchor.blob:
                # Whatever was closed before, what is seen in today's content is open.
                about = set(TOKEN.findall(finding.evidence))
                named = {self.names[s.known.fingerprint] for s in live}
                assert about & named, ("reported and not open", finding)
        self.remember(result)

    def texts_at(self, tonight: Tonight) -> dict[str, str]:
        entries = {e.path: e.blob for e in self.git.tree(tonight.commit)}
        blobs = dict(self.git.blobs(sorted(set(entries.values()))))
        return {path: blobs[blob].decode() for path, blob in entries.items()}

    def remember(self, result: Reconciled) -> None:
        """As the rolling issue does: in its markers."""
        text = "\n\n".join(markers.wrap(s.known, "words") for s in result.standings)
        found = tuple(block.known for block in markers.blocks(text))
        assert len(found) == len(result.standings)
        self.known, self.head = found, result.commit


def live_through(folder: Path, seed: int, nights: int = NIGHTS) -> Years:
    chance = random.Random(seed)
    repo = Repo.init(folder)
    code = Code(chance)
    code.files = {f"{n}.py": [code.function(defect=i % 2 == 0) for i in range(4)] for n in "abc"}
    years = Years(repo=repo, git=GitRepo(folder), code=code, chance=chance)
    for _ in range(nights):
        for _ in range(chance.randint(1, 3)):
            years.counts[f"change: {code.change()}"] += 1
        years.submit(years.commit())
        years.collect(most=chance.randint(0, 2))
    # The last word: every file asked about once more, and everything collected.
    years.chance = random.Random(0)
    for _ in range(4):
        years.submit(years.commit())
        years.collect(most=99)
    return years


@pytest.mark.parametrize("seed", [1, 7])
def test_thirty_nights(tmp_path: Path, seed: int):
    years = live_through(tmp_path / "repo", seed)
    wrong = {n for p in years.code.files for n in defects(years.code.text(p))}
    live = {years.names[k.fingerprint] for k in years.known if k.state in LIVE}
    reported = set(years.names.values())
    assert live <= wrong, "zombies at the end"
    fixed = sum(k.state is State.FIXED for k in years.known)
    happened = dict(sorted(years.counts.items()))
    print(  # noqa: T201 - the counts are what the test is read for
        f"\nseed {seed}: {NIGHTS} nights, {len(years.known)} findings of {len(reported)} defects: "
        f"{len(live)} open, {fixed} fixed; duplicates 0, zombies 0; {happened}"
    )
    assert fixed
    assert live
