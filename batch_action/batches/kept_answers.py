"""Read the answers that an earlier run kept in files: without Anthropic."""

import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from batch_action.batches import recover
from batch_action.batches.results import BatchResults, read_batch
from batch_action.clients.anthropic.responses import outcome_of_line
from batch_action.clients.anthropic.results_file import ResultsFile
from batch_action.context import RunContext
from batch_action.errors import ConfigError
from batch_action.ledger.view import LedgerView, PendingBatch
from batch_action.models.ledger import Collected, Intended, Ledger, RequestKey, Sent
from batch_action.requests.packing import task_prefix
from batch_action.tasks.registry import ABOUT_FINDINGS
from batch_action.text import plural

MAX_LINE_BYTES = 16_000_000
"""Of one answer: the longest output of a model takes about a megabyte."""
MAX_LINES_NAMED = 5
_BATCH_NAME = re.compile(r"[A-Za-z0-9_-]{1,128}")


@dataclass(slots=True)
class KeptAnswers:
    """The result lines of some files, and what of them counts for nothing."""

    outcomes: ResultsFile
    ids: tuple[str, ...]
    """The custom ids in the order of the files."""
    names: dict[str, str]
    """Custom id to the name of the file that has it first, without its extension."""
    problems: list[str] = field(default_factory=list)
    """A sentence for each kind of line that is left out, and file."""


def read_files(files: Sequence[Path]) -> KeptAnswers:
    """Read files of result lines twice: for their custom ids, then for the results.

    Of several lines about one request an answer counts before an error, else the first. Raises
    ConfigError: a file cannot be read.
    """
    names: dict[str, str] = {}
    problems: list[str] = []
    for file in files:
        unreadable: list[int] = []
        too_long: list[int] = []
        repeated = 0
        for number, line in _lines_of(file):
            custom_id = _custom_id_of(line) if line is not None else None
            if custom_id is None:
                (too_long if line is None else unreadable).append(number)
            repeated += custom_id in names
            if custom_id is not None:
                names.setdefault(custom_id, file.stem)
        problems += _describe(file, unreadable, "no result of a batch, perhaps cut off")
        problems += _describe(file, too_long, f"longer than {MAX_LINE_BYTES:,} bytes")
        if repeated:
            problems.append(
                f"{file}: {plural(repeated, 'line')} about a request that an earlier line answers: "
                "of each request an answer counts before an error, else the first line."
            )
    outcomes = ResultsFile(names)
    for file in files:
        for _, line in _lines_of(file):
            if line is not None and _custom_id_of(line) is not None:
                outcomes.add(outcome_of_line(line), line)
    return KeptAnswers(outcomes, tuple(names), names, problems)


def _describe(file: Path, numbers: Sequence[int], what: str) -> list[str]:
    if not numbers:
        return []
    named = ", ".join(map(str, numbers[:MAX_LINES_NAMED]))
    more = ", …" if len(numbers) > MAX_LINES_NAMED else ""
    verb = "is" if len(numbers) == 1 else "are"
    return [f"{file}: {plural(len(numbers), 'line')} {verb} {what}: left out ({named}{more})."]


def _lines_of(file: Path) -> Iterator[tuple[int, bytes | None]]:
    """Yield number and text of each line that is not blank; None for one that is too long."""
    try:
        with file.open("rb") as stream:
            number = 0
            while line := stream.readline(MAX_LINE_BYTES):
                number += 1
                is_whole = line.endswith(b"\n") or len(line) < MAX_LINE_BYTES
                while not is_whole and (rest := stream.readline(MAX_LINE_BYTES)):
                    is_whole, line = rest.endswith(b"\n"), b""
                if line.strip():
                    yield number, line.strip()
                elif not line:
                    yield number, None
    except OSError as error:
        raise ConfigError(
            f"`--answers` {file} cannot be read: {error.strerror}.",
            fix="Name the files in the folder that a run with `keep-answers` wrote.",
        ) from None


def _custom_id_of(line: bytes) -> str | None:
    try:
        return outcome_of_line(line).custom_id
    except (TypeError, ValueError, RecursionError):
        return None


def results_of(ctx: RunContext, ledger: Ledger, kept: KeptAnswers) -> tuple[Ledger, BatchResults]:
    """Return the results of a task's requests among the kept ones, and a ledger as before them.

    A request is found in the *ledger*, else in git by its custom id. Problems are reported.
    """
    own = task_prefix(ctx.task.name)
    matches = {name: recover.CUSTOM_ID.fullmatch(name) for name in kept.ids}
    counts = Counter(match["task"] for match in matches.values() if match)
    foreign = sum(match is None for match in matches.values())
    if foreign:
        ctx.warn(f"{plural(foreign, 'answer')} of other programs' requests: left out.")
    report = ctx.warn if ctx.is_only_task else ctx.console.print
    about_findings = {task_prefix(task.name) for task in ABOUT_FINDINGS.values()}
    if count := sum(counts[name] for name in about_findings):
        report(f"{plural(count, 'answer')} about reported findings: their results are not read.")
    for task in sorted(counts.keys() - {own, *about_findings}):
        report(f"{plural(counts[task], 'answer')} of the task {task}: give it with `--task`.")
    ids = [name for name, match in matches.items() if match and match["task"] == own]
    batches, unknown = _batches_in_ledger(LedgerView(ledger), ids)
    for batch in batches:
        missing = sum(key.id not in kept.outcomes for key in batch.request_keys)
        if missing:
            ctx.warn(
                f"{missing} of the {len(batch.request_keys)} answers of batch {batch.sent.batch} "
                "are in none of the files."
            )
    found = _batches_in_git(ctx, kept, unknown)
    located = sum(len(batch.request_keys) for batch in found)
    if lost := len(unknown) - located:
        ctx.warn(
            f"{plural(lost, 'answer')} about files that are in no ledger and not in this clone, or "
            "not only once: left out."
        )
    names = {batch.sent.batch for batch in (*batches, *found)}
    before = ledger.keep(lambda fact: not (isinstance(fact, Collected) and fact.batch in names))
    before = before.add(*(fact for batch in found for fact in (batch.intended, batch.sent)))
    batch_results = BatchResults()
    for batch in (*batches, *found):
        batch_results += read_batch(ctx, batch, kept.outcomes)
    return before, batch_results


def _batches_in_ledger(
    view: LedgerView, ids: Iterable[str]
) -> tuple[list[PendingBatch], list[str]]:
    """Return the batches of the ledger that these requests are of, and the other requests."""
    rest = set(ids)
    batches = []
    for sent, intended in sorted(view.sent_batches, key=lambda pair: pair[0].created_at):
        batch = PendingBatch(sent, intended, withdrawn=False)
        own = {key.id for key in batch.request_keys} & rest
        if own:
            batches.append(batch)
            rest -= own
    return batches, sorted(rest)


def _batches_in_git(ctx: RunContext, kept: KeptAnswers, ids: Sequence[str]) -> list[PendingBatch]:
    """Return a batch for each file of answers whose requests are found by path and blob."""
    commit, keys = recover.find_request_keys(ctx, ids, is_exact=False) if ids else ("", [])
    by_name: dict[str, list[RequestKey]] = {}
    for key in keys:
        by_name.setdefault(kept.names[key.id], []).append(key)
    return [
        _batch(name, commit, of_batch, at=ctx.now(), model=ctx.settings.model)
        for name, of_batch in by_name.items()
    ]


def _batch(
    name: str, commit: str, keys: Sequence[RequestKey], *, at: datetime, model: str
) -> PendingBatch:
    intended = Intended(
        intent=hashlib.sha256(name.encode("utf-8", "surrogateescape")).hexdigest()[:16],
        at=at,
        run="kept",
        head=commit,
        model=keys[0].model or model,
        batches=(tuple(keys),),
    )
    sent = Sent(
        intent=intended.intent,
        index=0,
        batch=name if _BATCH_NAME.fullmatch(name) else f"kept-{intended.intent}",
        created_at=intended.at,
        expires_at=intended.at,
    )
    return PendingBatch(sent, intended, withdrawn=False)
