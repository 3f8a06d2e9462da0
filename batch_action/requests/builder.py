"""Selection becomes requests: which questions are open, and how each is asked."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from batch_action.context import RunContext
from batch_action.ledger import view
from batch_action.models.files import (
    ChangeType,
    ContextFile,
    ContextKind,
    FileChange,
    FilePart,
    SelectedFile,
    Selection,
    SkippedFile,
    SkipReason,
)
from batch_action.models.ledger import Ledger, RequestKey
from batch_action.models.requests import Request, digest
from batch_action.requests import license_context, packing, pricing, prompt
from batch_action.tasks.task import ContextNeeds


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestSet:
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


def ask(ctx: RunContext, ledger: Ledger, selection: Selection, limit: int | None) -> RequestSet:
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
        withdrawn=view.withdrawn_files(ledger) if ctx.pull else frozenset(),
    )
    newest = view.newest(ledger)
    system = shared_text(ctx, selection.head)
    kept, skipped, requests = [], list(selection.skipped), {}
    for file in _ticked(ctx, selection.files):
        asked = [
            (request_key, part)
            for part in file.parts
            if _open(
                request_key := _question(ctx, file, part, past), past, recheck=ctx.settings.recheck
            )
        ]
        reason = _reason(ctx, file, past, [request_key for request_key, _ in asked])
        if reason is None:
            made = tuple(_request(ctx, system, file, q, p, past, limit) for q, p in asked)
            big = [r for r in made if r.size > packing.MAX_REQUEST_BYTES]
            if big:
                size = f"{big[0].size / 1e6:.0f} MB as one request"
                reason = SkippedFile(path=file.path, reason=SkipReason.TOO_LARGE, detail=size)
            else:
                kept.append(file)
                requests[file.path] = made
        if reason is not None:
            known = newest.get(file.path)
            # A pull request's selection tells all that it consists of, asked tonight or before.
            back = ctx.pull is not None or (known is not None and known.blob != file.blob)
            skipped.append(replace(reason, blob=file.blob) if back else reason)
    return RequestSet(
        selection=replace(selection, files=tuple(kept), skipped=tuple(skipped)),
        requests=requests,
        shared_bytes=len(system.encode()),
    )


def _ticked(ctx: RunContext, found: Sequence[SelectedFile]) -> Iterator[SelectedFile]:
    with ctx.console.progress("Packing requests", len(found)) as tick:
        for done, file in enumerate(found, 1):
            yield file
            tick(done, len(found))


def shared_text(ctx: RunContext, head: str) -> str:
    """The instructions that all requests about this commit share."""
    rules = guidelines(ctx, ctx.rules_at(head))
    return prompt.system_text(ctx.task, rules, license_context.facts(ctx, head))


def guidelines(ctx: RunContext, commit: str) -> str:
    """The repository's own rules, as a commit has them; at most 20,000 characters of each."""
    texts = []
    for name in ctx.settings.guidelines:
        data = ctx.git.file_at(commit, name) if ctx.git.has_commit(commit) else None
        if data:
            texts.append(f"### {name}\n\n{data.decode('utf-8', 'replace')[:20_000].strip()}")
    return "\n\n".join(texts)


def _question(ctx: RunContext, file: SelectedFile, part: FilePart, past: _Past) -> RequestKey:
    """The question about this part; once refused, it goes to `fallback-model` instead."""
    effort = ctx.settings.effort
    beside = file.context_files
    first = question_of(
        ctx, file, part, model=ctx.settings.model, effort=effort, context_files=beside
    )
    other = ctx.settings.fallback_model
    if other and past.refused.get(first.id):
        second = question_of(ctx, file, part, model=other, effort=effort, context_files=beside)
        return second.model_copy(update={"model": other})
    return first


def question_of(
    ctx: RunContext,
    file: SelectedFile | FileChange,
    part: FilePart,
    *,
    model: str,
    effort: str,
    context_files: Sequence[ContextFile] = (),
) -> RequestKey:
    """The question about one part of one blob: what its id is made of, and nothing else."""
    task = ctx.task
    beside = [field for one in context_files for field in (one.role.value, one.path, one.blob)]
    if task.company is ContextNeeds.BEFORE and ctx.settings.refactor_description:
        beside.append(ctx.settings.refactor_description)
    question_digest = digest(
        ctx.context.repository_id,
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
    old = next((one.blob for one in context_files if one.role is ContextKind.BEFORE), None)
    return RequestKey(
        id=name, path=file.path, blob=file.blob, part=part.number, of=part.of, old=old
    )


def _open(request_key: RequestKey, past: _Past, *, recheck: bool) -> bool:
    return request_key.id not in past.in_flight and (recheck or request_key.id not in past.answered)


def _reason(
    ctx: RunContext, file: SelectedFile, past: _Past, asked: list[RequestKey]
) -> SkippedFile | None:
    """Why this file is not asked about, or None when it is."""
    renamed = file.status is ChangeType.RENAMED and file.blob == file.old_blob
    if renamed and (file.old_path, file.blob) in past.settled and not ctx.settings.recheck:
        detail = f"renamed from {file.old_path}"
        return SkippedFile(path=file.path, reason=SkipReason.SAME_AS_BEFORE, detail=detail)
    if not asked:
        request_keys = [_question(ctx, file, part, past) for part in file.parts]
        flying = any(request_key.id in past.in_flight for request_key in request_keys)
        reason = SkipReason.IN_FLIGHT if flying else SkipReason.SAME_AS_BEFORE
        return SkippedFile(path=file.path, reason=reason)
    if (file.path, file.blob) in past.withdrawn:
        detail = "its batch was canceled"
        return SkippedFile(path=file.path, reason=SkipReason.WITHDRAWN, detail=detail)
    most = ctx.settings.max_attempts
    if any(past.attempts.get(request_key.id, 0) >= most for request_key in asked):
        detail = f"failed {most} times; change the file, the model or `max-attempts`"
        return SkippedFile(path=file.path, reason=SkipReason.GIVEN_UP, detail=detail)
    return None


def _request(
    ctx: RunContext,
    system: str,
    file: SelectedFile,
    request_key: RequestKey,
    part: FilePart,
    past: _Past,
    limit: int | None,
) -> Request:
    effort = None if ctx.settings.effort == "none" else ctx.settings.effort
    size = len(system.encode()) + len(prompt.user_text(file, part).encode())
    tokens = pricing.estimate(size)
    most = prompt.answer_tokens(ctx.task, tokens, past.truncated.get(request_key.id, 0), limit)
    params = prompt.params(
        ctx.task,
        system,
        file,
        part,
        model=request_key.model or ctx.settings.model,
        effort=effort,
        max_tokens=most,
    )
    return Request(
        request_key=request_key,
        params=params,
        size=packing.size_of(request_key.id, params),
        input_tokens=tokens,
        max_tokens=most,
        risk=file.risk,
    )


def all_requests(asked: RequestSet) -> Iterator[Request]:
    """Every request, files by risk, parts in order."""
    for file in asked.selection.files:
        yield from asked.requests[file.path]
