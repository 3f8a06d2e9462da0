"""Selection becomes requests: which questions are open, and how each is asked."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from batch_action.context import World
from batch_action.ledger import view
from batch_action.models.files import (
    Change,
    Companion,
    Part,
    Reason,
    Role,
    SelectedFile,
    Selection,
    Skipped,
    Status,
)
from batch_action.models.ledger import Ledger, Question
from batch_action.models.requests import Request, digest
from batch_action.requests import license_context, packing, pricing, prompt
from batch_action.tasks.task import Company


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """The files with an open question, their requests, and those that have none."""

    selection: Selection
    """Without the files that need not be asked: those are among its skipped ones."""
    requests: dict[str, tuple[Request, ...]]
    """Path to its requests, one a part."""
    shared_bytes: int
    """Bytes of the prompt that all requests share."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Past:
    """What the ledger says about questions, computed once."""

    answered: frozenset[str]
    in_flight: frozenset[str]
    settled: frozenset[tuple[str, str]]
    attempts: dict[str, int]
    truncated: dict[str, int]
    refused: dict[str, int]
    withdrawn: frozenset[tuple[str, str]]
    """Of a pull request, which is looked at as a whole each time."""


def ask(world: World, ledger: Ledger, selection: Selection, limit: int | None) -> Asked:
    """The open questions of a selection; *limit* is the model's own `max_tokens`, if known.

    A question with a verdict is not asked again (`recheck` asks anyway), nor one in flight or
    given up; a pure rename inherits the verdict of the old name.
    """
    past = _Past(
        answered=view.answered(ledger),
        in_flight=view.in_flight(ledger),
        settled=view.settled_files(ledger),
        attempts=view.attempts(ledger),
        truncated=view.failures(ledger, "truncated"),
        refused=view.failures(ledger, "refused"),
        withdrawn=view.withdrawn_files(ledger) if world.pull else frozenset(),
    )
    newest = view.newest(ledger)
    system = shared_text(world, selection.head)
    kept, skipped, requests = [], list(selection.skipped), {}
    for file in _ticked(world, selection.files):
        asked = [
            (question, part)
            for part in file.parts
            if _open(
                question := _question(world, file, part, past), past, recheck=world.settings.recheck
            )
        ]
        reason = _reason(world, file, past, [question for question, _ in asked])
        if reason is None:
            made = tuple(_request(world, system, file, q, p, past, limit) for q, p in asked)
            big = [r for r in made if r.size > packing.MAX_REQUEST_BYTES]
            if big:
                size = f"{big[0].size / 1e6:.0f} MB as one request"
                reason = Skipped(path=file.path, reason=Reason.TOO_LARGE, detail=size)
            else:
                kept.append(file)
                requests[file.path] = made
        if reason is not None:
            known = newest.get(file.path)
            # A pull request's selection tells all that it consists of, asked tonight or before.
            back = world.pull is not None or (known is not None and known.blob != file.blob)
            skipped.append(replace(reason, blob=file.blob) if back else reason)
    return Asked(
        selection=replace(selection, files=tuple(kept), skipped=tuple(skipped)),
        requests=requests,
        shared_bytes=len(system.encode()),
    )


def _ticked(world: World, found: Sequence[SelectedFile]) -> Iterator[SelectedFile]:
    with world.screen.progress("Packing requests", len(found)) as tick:
        for done, file in enumerate(found, 1):
            yield file
            tick(done, len(found))


def shared_text(world: World, head: str) -> str:
    """The instructions that all requests about this commit share."""
    rules = house_rules(world, world.rules_at(head))
    return prompt.system_text(world.task, rules, license_context.facts(world, head))


def house_rules(world: World, commit: str) -> str:
    """The repository's own rules, as a commit has them; at most 20,000 characters of each."""
    texts = []
    for name in world.settings.house_rules:
        data = world.git.file_at(commit, name) if world.git.has_commit(commit) else None
        if data:
            texts.append(f"### {name}\n\n{data.decode('utf-8', 'replace')[:20_000].strip()}")
    return "\n\n".join(texts)


def _question(world: World, file: SelectedFile, part: Part, past: _Past) -> Question:
    """The question about this part; once refused, it goes to `fallback-model` instead."""
    effort = world.settings.effort
    beside = file.companions
    first = question_of(
        world, file, part, model=world.settings.model, effort=effort, companions=beside
    )
    other = world.settings.fallback_model
    if other and past.refused.get(first.id):
        second = question_of(world, file, part, model=other, effort=effort, companions=beside)
        return second.model_copy(update={"model": other})
    return first


def question_of(
    world: World,
    file: SelectedFile | Change,
    part: Part,
    *,
    model: str,
    effort: str,
    companions: Sequence[Companion] = (),
) -> Question:
    """The question about one part of one blob: what its id is made of, and nothing else."""
    task = world.task
    beside = [field for one in companions for field in (one.role.value, one.path, one.blob)]
    if task.company is Company.BEFORE and world.settings.refactor_description:
        beside.append(world.settings.refactor_description)
    question_digest = digest(
        world.context.repository_id,
        task.name,
        task.digest,
        model,
        effort,
        file.path,
        f"{part.number}/{part.of}",
        file.blob,
        *beside,
    )
    name = packing.custom_id(task.name, file.path, file.blob, question_digest)
    old = next((one.blob for one in companions if one.role is Role.BEFORE), None)
    return Question(id=name, path=file.path, blob=file.blob, part=part.number, of=part.of, old=old)


def _open(question: Question, past: _Past, *, recheck: bool) -> bool:
    return question.id not in past.in_flight and (recheck or question.id not in past.answered)


def _reason(world: World, file: SelectedFile, past: _Past, asked: list[Question]) -> Skipped | None:
    """Why this file is not asked about, or None when it is."""
    renamed = file.status is Status.RENAMED and file.blob == file.old_blob
    if renamed and (file.old_path, file.blob) in past.settled and not world.settings.recheck:
        detail = f"renamed from {file.old_path}"
        return Skipped(path=file.path, reason=Reason.SAME_AS_BEFORE, detail=detail)
    if not asked:
        questions = [_question(world, file, part, past) for part in file.parts]
        flying = any(question.id in past.in_flight for question in questions)
        reason = Reason.IN_FLIGHT if flying else Reason.SAME_AS_BEFORE
        return Skipped(path=file.path, reason=reason)
    if (file.path, file.blob) in past.withdrawn:
        detail = "its batch was canceled"
        return Skipped(path=file.path, reason=Reason.WITHDRAWN, detail=detail)
    most = world.settings.max_attempts
    if any(past.attempts.get(question.id, 0) >= most for question in asked):
        detail = f"failed {most} times; change the file, the model or `max-attempts`"
        return Skipped(path=file.path, reason=Reason.GIVEN_UP, detail=detail)
    return None


def _request(
    world: World,
    system: str,
    file: SelectedFile,
    question: Question,
    part: Part,
    past: _Past,
    limit: int | None,
) -> Request:
    effort = None if world.settings.effort == "none" else world.settings.effort
    size = len(system.encode()) + len(prompt.user_text(file, part).encode())
    tokens = pricing.estimate(size)
    most = prompt.answer_tokens(world.task, tokens, past.truncated.get(question.id, 0), limit)
    params = prompt.params(
        world.task,
        system,
        file,
        part,
        model=question.model or world.settings.model,
        effort=effort,
        max_tokens=most,
    )
    return Request(
        question=question,
        params=params,
        size=packing.size_of(question.id, params),
        input_tokens=tokens,
        max_tokens=most,
        risk=file.risk,
    )


def all_requests(asked: Asked) -> Iterator[Request]:
    """Every request, files by risk, parts in order."""
    for file in asked.selection.files:
        yield from asked.requests[file.path]
