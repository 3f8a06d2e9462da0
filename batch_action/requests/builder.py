"""Build the requests of a selection: which are open, their request keys and message params."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from batch_action.context import RunContext
from batch_action.ledger.view import LedgerView
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
from batch_action.models.ledger import RequestKey
from batch_action.models.requests import Request, digest
from batch_action.requests import license_context, packing, pricing, prompt
from batch_action.tasks.task import ContextNeeds


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestSet:
    """A selection with the open requests of its files."""

    selection: Selection
    """Its files have open requests; those without are among the skipped files."""
    requests: dict[str, tuple[Request, ...]]
    """Path to its requests, one per part."""
    shared_bytes: int
    """Size of the prompt that all requests share, in UTF-8 bytes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _LedgerState:
    """The ledger's answers to the queries of this module, computed once per selection."""

    answered: frozenset[str]
    """Ids of request keys, as in the three fields below."""
    in_flight: frozenset[str]
    attempts: dict[str, int]
    truncated: dict[str, int]
    refused: dict[str, int]
    settled: frozenset[tuple[str, str]]
    """(path, blob)."""
    withdrawn: frozenset[tuple[str, str]]
    """(path, blob); only for a pull request, which is selected as a whole in each run."""


def build_requests(
    ctx: RunContext, view: LedgerView, selection: Selection, model_max_tokens: int | None
) -> RequestSet:
    """Build the open requests of a selection and skip the files that have none.

    A request that was answered is not sent again (unless `recheck` is set), nor is one that is in
    flight or given up. A renamed file with the same content inherits the answer of its old path.

    Args:
        ctx: the run.
        view: the facts about earlier runs.
        selection: the selected files, context files attached.
        model_max_tokens: the model's own limit of `max_tokens`, if known.
    """
    state = _LedgerState(
        answered=view.answered_ids,
        in_flight=view.in_flight_ids,
        settled=view.reviewed_files,
        attempts=view.attempts,
        truncated=view.count_failures("truncated"),
        refused=view.count_failures("refused"),
        withdrawn=view.withdrawn_files if ctx.pull_number else frozenset(),
    )
    newest = view.newest_files()
    system = shared_instructions(ctx, selection.head)
    files, skipped, requests = [], list(selection.skipped), {}
    for file in _with_progress(ctx, selection.files):
        open_parts = [
            (key, part)
            for part in file.parts
            if _is_open(
                key := _request_key(ctx, file, part, state), state, recheck=ctx.settings.recheck
            )
        ]
        reason = _skip_reason(ctx, file, state, [key for key, _ in open_parts])
        if reason is None:
            built = tuple(
                _build_request(ctx, system, file, key, part, state, model_max_tokens)
                for key, part in open_parts
            )
            too_large = [r for r in built if r.size_bytes > packing.MAX_REQUEST_BYTES]
            if too_large:
                size = f"{too_large[0].size_bytes / 1e6:.0f} MB as one request"
                reason = SkippedFile(path=file.path, reason=SkipReason.TOO_LARGE, detail=size)
            else:
                files.append(file)
                requests[file.path] = built
        if reason is not None:
            known = newest.get(file.path)
            # A pull request's selection lists all its files, whenever they were sent.
            back = ctx.pull_number is not None or (known is not None and known.blob != file.blob)
            skipped.append(replace(reason, blob=file.blob) if back else reason)
    return RequestSet(
        selection=replace(selection, files=tuple(files), skipped=tuple(skipped)),
        requests=requests,
        shared_bytes=len(system.encode()),
    )


def _with_progress(ctx: RunContext, files: Sequence[SelectedFile]) -> Iterator[SelectedFile]:
    with ctx.console.progress("Packing requests", len(files)) as tick:
        for done, file in enumerate(files, 1):
            yield file
            tick(done, len(files))


def shared_instructions(ctx: RunContext, head: str) -> str:
    """Return the system prompt that all requests about this commit share."""
    guidelines = read_guidelines(ctx, ctx.rules_commit_for(head))
    return prompt.system_text(ctx.task, guidelines, license_context.describe_licenses(ctx, head))


MAX_GUIDELINES_CHARS = 20_000
"""Characters of each guidelines file that are sent."""


def read_guidelines(ctx: RunContext, commit: str) -> str:
    """Return the repository's guidelines files as of a commit, each under a heading."""
    texts = []
    for name in ctx.settings.guidelines:
        data = ctx.git.file_at(commit, name) if ctx.git.has_commit(commit) else None
        if data:
            text = data.decode("utf-8", "replace")[:MAX_GUIDELINES_CHARS].strip()
            texts.append(f"### {name}\n\n{text}")
    return "\n\n".join(texts)


def _request_key(
    ctx: RunContext, file: SelectedFile, part: FilePart, state: _LedgerState
) -> RequestKey:
    """Return the request key of this part: for `fallback-model` after a refusal."""

    def key_for(model: str) -> RequestKey:
        effort, context_files = ctx.settings.effort, file.context_files
        return request_key_of(
            ctx, file, part, model=model, effort=effort, context_files=context_files
        )

    key, fallback = key_for(ctx.settings.model), ctx.settings.fallback_model
    if fallback and state.refused.get(key.id):
        return key_for(fallback).model_copy(update={"model": fallback})
    return key


def request_key_of(
    ctx: RunContext,
    file: SelectedFile | FileChange,
    part: FilePart,
    *,
    model: str,
    effort: str,
    context_files: Sequence[ContextFile] = (),
) -> RequestKey:
    """Return the request key of one part of one blob; its id digests what the answer depends on.

    Guidelines and license terms are not part of it: when they change, no file is sent again.
    """
    task = ctx.task
    context = [field for c in context_files for field in (c.kind.value, c.path, c.blob)]
    if task.context_needs is ContextNeeds.BEFORE and ctx.settings.refactor_description:
        context.append(ctx.settings.refactor_description)
    request_digest = digest(
        ctx.github_context.repository_id,
        task.name,
        task.digest,
        model,
        effort,
        file.path,
        f"{part.number}/{part.count}",
        file.blob,
        *context,
    )
    custom_id = packing.custom_id(task.name, file.path, file.blob, request_digest)
    old = next((c.blob for c in context_files if c.kind is ContextKind.BEFORE), None)
    return RequestKey(
        id=custom_id,
        path=file.path,
        blob=file.blob,
        part=part.number,
        parts=part.count,
        old_blob=old,
    )


def _is_open(key: RequestKey, state: _LedgerState, *, recheck: bool) -> bool:
    return key.id not in state.in_flight and (recheck or key.id not in state.answered)


def _skip_reason(
    ctx: RunContext, file: SelectedFile, state: _LedgerState, open_keys: Sequence[RequestKey]
) -> SkippedFile | None:
    """Return why this file is not sent, or None when it is."""
    renamed = file.status is ChangeType.RENAMED and file.blob == file.old_blob
    if renamed and (file.old_path, file.blob) in state.settled and not ctx.settings.recheck:
        detail = f"renamed from {file.old_path}"
        return SkippedFile(path=file.path, reason=SkipReason.ALREADY_REVIEWED, detail=detail)
    if not open_keys:
        keys = [_request_key(ctx, file, part, state) for part in file.parts]
        in_flight = any(key.id in state.in_flight for key in keys)
        reason = SkipReason.IN_FLIGHT if in_flight else SkipReason.ALREADY_REVIEWED
        return SkippedFile(path=file.path, reason=reason)
    if (file.path, file.blob) in state.withdrawn:
        detail = "its batch was canceled"
        return SkippedFile(path=file.path, reason=SkipReason.WITHDRAWN, detail=detail)
    max_attempts = ctx.settings.max_attempts
    if any(state.attempts.get(key.id, 0) >= max_attempts for key in open_keys):
        detail = f"failed {max_attempts} times; change the file, the model or `max-attempts`"
        return SkippedFile(path=file.path, reason=SkipReason.GIVEN_UP, detail=detail)
    return None


def _build_request(
    ctx: RunContext,
    system: str,
    file: SelectedFile,
    request_key: RequestKey,
    part: FilePart,
    state: _LedgerState,
    model_max_tokens: int | None,
) -> Request:
    effort = None if ctx.settings.effort == "none" else ctx.settings.effort
    size = len(system.encode()) + len(prompt.user_text(file, part).encode())
    tokens = pricing.estimate_tokens(size)
    truncations = state.truncated.get(request_key.id, 0)
    max_tokens = prompt.max_answer_tokens(ctx.task, tokens, truncations, model_max_tokens)
    params = prompt.message_params(
        ctx.task,
        system,
        file,
        part,
        model=request_key.model or ctx.settings.model,
        effort=effort,
        max_tokens=max_tokens,
    )
    return Request(
        request_key=request_key,
        params=params,
        size_bytes=packing.size_of(request_key.id, params),
        input_tokens=tokens,
        max_tokens=max_tokens,
        risk=file.risk,
    )


def all_requests(request_set: RequestSet) -> Iterator[Request]:
    """Yield every request: files by falling risk, parts in order."""
    for file in request_set.selection.files:
        yield from request_set.requests[file.path]
