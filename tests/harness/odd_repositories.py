"""Repositories as rows: commits, each reviewed by a real `submit` and `collect`.

A reviewer in place of the model reports each line with `defect_<name>` that a request shows, so
after each run git itself says which findings must be open, and where:

row({"a.js": "one\\ndefect_1\\n"}, {"a.js": "two\\n\\ndefect_1\\n"})
"""

import json
import os
import re
import shutil
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from batch_action.publishers import markers
from batch_action.sandbox.reviewer.prompts import SourceFile, read_prompt
from tests.harness.git_repositories import Repo
from tests.harness.pull_requests import raw_finding
from tests.harness.workflow import PERMISSIONS, WorkflowHarness

Files = Mapping[str | bytes, str | bytes | None]
Change = Files | Callable[[Repo, str], object]
"""Files to commit, or a function that makes commits: of a repository and the row's folder."""
WRITING = PERMISSIONS | {"security-events": "write"}
SENT, SAME = "sent", "same-content"
DEFECT = re.compile(r"\bdefect_(\w+)")
_ENCODINGS = ((b"\xff\xfe", "utf-16-le"), (b"\xfe\xff", "utf-16-be"))


@dataclass(frozen=True, kw_only=True)
class Step:
    """A commit, or several, then `plan`, `submit` and `collect`."""

    change: Change
    skipped: Mapping[str, str] = field(default_factory=dict)
    """Path to the reason for which `plan` skips it. All other files written here are sent."""
    sent: Sequence[str] | None = None
    """The paths that are sent, where the files written do not say it."""
    late: Change | None = None
    """What is committed between submit and collect. The next step has to submit it."""
    states: Mapping[str, str] = field(default_factory=dict)
    """Defect to its state, where it is not what git says: see `check`. Empty: it is not found."""


Row = tuple[Step, ...]
"""The first step is committed only: the others are compared with it."""


def row(*steps: Change | Step) -> Row:
    """Return a row of steps."""
    return tuple(step if isinstance(step, Step) else Step(change=step) for step in steps)


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What one step led to."""

    plan: Mapping[str, str] | None
    """Path to `sent` or to the reason of the skip; None in a clone, where base may be missing."""
    sent: AbstractSet[str]
    """The paths as the requests show them."""
    shown: AbstractSet[str]
    """The defects that the requests show."""
    files: Mapping[str, bytes]
    """The files of the branch after all."""
    findings: Sequence["Found"]
    """All findings that the destination holds, as often as it does."""


@dataclass(frozen=True, kw_only=True)
class Found:
    """A finding as a destination shows it."""

    name: str
    """The defect that it is about."""
    path: str
    line: int
    state: str
    fingerprint: str = ""
    """Empty where the destination has an identity of its own."""


def in_issue(workflow: WorkflowHarness) -> list[Found]:
    """Read the findings of the rolling issue and its comments."""
    blocks = [block.tracked for block in markers.parse_blocks(workflow.public_text)]
    return [
        Found(
            name=tracked.rule.removeprefix("defect_"),
            path=tracked.anchor.path,
            line=tracked.anchor.start_line,
            state=tracked.state.name.lower(),
            fingerprint=tracked.fingerprint,
        )
        for tracked in blocks
    ]


def in_code_scanning(workflow: WorkflowHarness) -> list[Found]:
    """Read the alerts; of a file that was renamed there is a fixed one at its old path."""
    alerts = [a["most_recent_instance"] for a in workflow.github_repository.alerts.values()]
    found = [
        Found(
            name=DEFECT.findall(alert["message"]["text"])[0],
            path=alert["location"]["path"],
            line=alert["location"]["start_line"],
            state=alert["state"],
        )
        for alert in alerts
    ]
    there = {finding.name for finding in found if finding.state == "open"}
    last = {finding.name: finding for finding in found if finding.name not in there}
    return [*last.values(), *(finding for finding in found if finding.state == "open")]


def review(params: Mapping[str, Any]) -> str:
    """Answer for the model: one finding for each line with a defect."""
    findings = [
        raw_finding(
            found[0],
            quote(file, number, found[0]),
            start_line=number,
            end_line=number,
            title=f"It is {found[0]}",
        )
        for file in read_prompt(params).files
        for number, line in file.lines.items()
        for found in DEFECT.finditer(line)
    ]
    return json.dumps({"findings": findings})


def quote(file: SourceFile, number: int, name: str) -> str:
    """Quote a line in one of the ways of models, always the same for a defect."""
    line, following = file.lines[number], file.lines.get(number + 1, "")
    quotations = (
        line,
        line.strip(),
        f"{number}| {line}",
        f"```\n{line}\n```",
        f"{line}\n{following}",
        f"+{line}",
    )
    return quotations[zlib.crc32(name.encode()) % len(quotations)]


def play(
    workflow: WorkflowHarness,
    rows: Mapping[str, Row],
    *,
    workspace: Callable[[Repo], Path] | None = None,
    read: Callable[[WorkflowHarness], list[Found]] = in_issue,
    **inputs: str,
) -> list[Outcome]:
    """Go through the steps of all rows at once, the files of each in a folder of its own.

    A single row has no folder. *workspace*: makes the clone that each run works in. *read*: reads
    the destination.
    """
    workflow.sandbox.anthropic.answer_with(review)
    repo = workflow.repo
    rows = {folder_of(name) if len(rows) > 1 else "": steps for name, steps in rows.items()}
    commit_all(repo, {folder: steps[0].change for folder, steps in rows.items()})
    base = workflow.inputs["first_run"] = repo.head()
    outcomes: list[Outcome] = []
    for number in range(1, max(map(len, rows.values()))):
        now = {name: steps[number] for name, steps in rows.items() if number < len(steps)}
        commit_all(repo, {folder: step.change for folder, step in now.items()})
        at = {} if workspace is None else {"workspace": workspace(repo)}
        plan = None if workspace else planned(workflow, base)
        base = repo.head()
        batches = len(workflow.batches)
        succeed(workflow, "submit", **at, **inputs)
        commit_all(repo, {folder: step.late or {} for folder, step in now.items()})
        at = {} if workspace is None else {"workspace": workspace(repo)}
        succeed(workflow, "collect", **at, **inputs)
        requests = [r["params"] for b in workflow.batches[batches:] for r in b.requests]
        outcomes.append(outcome(workflow.repo, plan, requests, read(workflow)))
    writes, batches = workflow.writes, len(workflow.batches)
    succeed(workflow, "run", **at, **inputs)
    assert (workflow.writes, len(workflow.batches)) == (writes, batches), "done twice"
    return outcomes


def folder_of(name: str) -> str:
    """Return the folder of a row, which is also a part of its defects' names."""
    return re.sub(r"\W+", "_", name)


def commit_all(repo: Repo, changes: Mapping[str, Change]) -> None:
    """Commit the files of all rows at once, each below its folder, then what functions make."""
    written = [repo.write(below(f, c)) for f, c in changes.items() if not callable(c) and c]
    if written:
        repo.commit()
    for folder, change in changes.items():
        if callable(change):
            change(repo, folder)


def below(folder: str, files: Files) -> Files:
    """Return the files below a row's folder."""
    before = os.fsencode(f"{folder}/" if folder else "")
    return {before + os.fsencode(path): named(text, folder) for path, text in files.items()}


def named(text: str | bytes | None, folder: str) -> bytes | None:
    """Put a row's name into the names of its defects, so that no two rows share one."""
    if text is None:
        return None
    data = text.encode() if isinstance(text, str) else text
    encoding = next((name for mark, name in _ENCODINGS if data.startswith(mark)), "utf-8")
    if folder:
        old, new = (word.encode(encoding) for word in ("defect_", f"defect_{folder}_"))
        data = data.replace(old, new)
    return data


def succeed(workflow: WorkflowHarness, mode: str, **at: Any) -> None:
    result = workflow.start(
        mode, {"permissions": WRITING}, **at, max_findings="300", max_cost_usd="99"
    )
    assert result.exit == 0, (mode, result.log)


def planned(workflow: WorkflowHarness, base: str) -> dict[str, str]:
    result = workflow.cli("plan", "--base", base, "--json")
    assert result.exit == 0, result.log
    [task] = result.tasks
    files = {file["path"]: SENT for file in task["files"]}
    return files | {file["path"]: file["reason"] for file in task["skipped"]}


def outcome(
    repo: Repo,
    plan: Mapping[str, str] | None,
    requests: Sequence[Mapping[str, Any]],
    findings: Sequence[Found],
) -> Outcome:
    shown = [file for params in requests for file in read_prompt(params).files]
    return Outcome(
        plan=plan,
        sent={file.path for file in shown},
        shown={found[1] for file in shown for found in DEFECT.finditer(file.text)},
        files=dict(files_at_head(repo)),
        findings=findings,
    )


def files_at_head(repo: Repo) -> Iterator[tuple[str, bytes]]:
    for entry in repo.git("ls-tree", "-r", "-z", "HEAD").split("\0"):
        meta, _, path = entry.partition("\t")
        if meta and "blob" in meta and not meta.startswith("120000"):
            blob = repo.git_bytes("cat-file", "blob", meta.split()[2])
            yield path, blob


def places(path: str, data: bytes) -> Iterator[tuple[str, tuple[str, int]]]:
    """Yield each defect of a file with its path and line, as git counts lines."""
    encoding = next((name for mark, name in _ENCODINGS if data.startswith(mark)), "utf-8")
    for number, line in enumerate(data.decode(encoding, "replace").split("\n"), 1):
        for found in DEFECT.finditer(line):
            yield found[1], (path, number)


def check(steps: Row, outcomes: Sequence[Outcome], folder: str = "") -> None:
    """Compare each step with the files that git has: nothing lost, shown twice, or gone.

    A defect of a file that was reviewed is `new` at first, then `open`, `fixed` when it is in no
    file any more, and `back` when it is in one again; always one finding, at its place. A run in
    which no state changes may leave it `new`.
    """
    prefix = f"{folder}/" if folder else ""
    fingerprints: dict[str, str] = {}
    before: dict[str, str] = {}
    for step, found in zip(steps[1:], outcomes, strict=False):
        expected = expected_plan(step)
        if found.plan is not None:
            compare("plan", {path: found.plan.get(prefix + path) for path in expected}, expected)
        asked = {path for path, reason in expected.items() if reason == SENT}
        if step.sent is not None or not callable(step.change):
            sent = {path.removeprefix(prefix) for path in found.sent if path.startswith(prefix)}
            compare("sent", sent, {as_shown(path) for path in asked})
        known = known_findings(found.findings, prefix)
        if step.late is None:
            there = dict(
                place
                for path, data in found.files.items()
                if path.startswith(prefix)
                for place in places(path, data)
            )
            names = {name for name, (path, _) in there.items() if as_shown(path) in found.sent}
            states = {n: state_of(n, before, there) for n in sorted(names | before.keys())}
            if not found.sent:
                unwritten = known.keys() & there.keys() & {n for n in before if before[n] == "new"}
                states |= {n: known[n].state for n in unwritten}
        else:
            there, states = {}, {name: finding.state for name, finding in known.items()}
            own = {name for name in found.shown if name.rpartition("_")[0] == folder}
            lost = own - known.keys()
            compare("lost", lost, set())
        states |= {f"{folder}_{n}" if folder else n: state for n, state in step.states.items()}
        states = {name: state for name, state in states.items() if state}
        if not all(finding.fingerprint for finding in found.findings):
            states = {n: "fixed" if state == "fixed" else "open" for n, state in states.items()}
        compare("states", {name: finding.state for name, finding in known.items()}, states)
        for name, finding in known.items():
            fingerprint = fingerprints.setdefault(name, finding.fingerprint)
            compare(f"fingerprint of {name}", finding.fingerprint, fingerprint)
            if finding.state != "fixed" and is_read(found.plan, finding.path):
                place = finding.path, finding.line
                compare(f"place of {name}", place, there.get(name, place))
        before = states


def is_read(plan: Mapping[str, str] | None, path: str) -> bool:
    """Return whether a file has a text in which findings have a place: none that was excluded."""
    return (plan or {}).get(path, SAME) in (SENT, SAME)


def compare(what: str, found: object, expected: object) -> None:
    assert found == expected, f"{what}: {found}, expected {expected}"


def as_shown(path: str) -> str:
    """Return a path as a request shows it: on one line."""
    return " ".join(path.splitlines())


def known_findings(findings: Sequence[Found], prefix: str) -> dict[str, Found]:
    """Return the findings of a folder by their defect: each is shown once."""
    own = [finding for finding in findings if finding.path.startswith(prefix)]
    known = {finding.name: finding for finding in own}
    assert len(known) == len(own), ("shown twice", Counter(finding.name for finding in own))
    return known


def expected_plan(step: Step) -> dict[str, str]:
    if step.sent is not None or callable(step.change):
        return dict.fromkeys(step.sent or (), SENT) | dict(step.skipped)
    written = {os.fsdecode(path) for path, text in step.change.items() if text is not None}
    return dict.fromkeys(written, SENT) | dict(step.skipped)


def state_of(name: str, before: Mapping[str, str], there: Mapping[str, object]) -> str:
    if name not in before:
        return "new"
    if name not in there:
        return "fixed"
    return "back" if before[name] == "fixed" else "open"


def initialize(workflow: WorkflowHarness, *options: str) -> None:
    """Make the repository anew, with options of `git init`."""
    shutil.rmtree(workflow.repo.path / ".git")
    workflow.repo.git("init", "--quiet", "--initial-branch=main", *options)
    workflow.commit()
