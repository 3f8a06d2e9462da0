"""Build the requests of a selection: which are open, their request keys and message params."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain
from typing import Literal

from batch_action.clients.console import ProgressCallback
from batch_action.clients.git import GitRepo
from batch_action.clients.secrets import mask
from batch_action.context import RunContext
from batch_action.errors import AnthropicError
from batch_action.ledger.view import LedgerView
from batch_action.models.files import (
    ContextFile,
    ContextKind,
    FileChange,
    FilePart,
    Hunk,
    SelectedFile,
    Selection,
    SkipKind,
    SkippedFile,
    SkipReason,
    SourceFile,
)
from batch_action.models.ledger import RequestKey
from batch_action.models.requests import Request, digest
from batch_action.requests import (
    context_files,
    excerpt,
    packing,
    pricing,
    prompt,
)
from batch_action.requests.descriptions import Descriptions
from batch_action.requests.related_code import RelatedCode
from batch_action.requests.request_file import RequestFile
from batch_action.selection import reader
from batch_action.selection.reader import Candidates
from batch_action.tasks.task import ContextNeeds
from batch_action.text import count_bytes, format_ranges, plural


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestSet:
    """A selection with the open requests of its files."""

    selection: Selection
    """Its files have open requests; those without are among the skipped files."""
    requests: dict[str, tuple[Request, ...]]
    """Path to its requests, one per part; in the order of the files."""
    about_findings: tuple[Request, ...]
    """Requests about findings that are reported."""
    too_large: tuple[Request, ...]
    """Requests about findings that the API would refuse."""
    notice: str
    """What all requests lack, as a sentence for people; empty if nothing."""
    request_file: RequestFile
    """What the requests ask for."""
    shared_instructions: str
    """The system prompt of all reviews."""
    shared_tokens: int
    """Its tokens."""
    counting_method: str
    """How tokens were counted, as in `TokenEstimate`, like the next field."""
    counting_error: float

    @property
    def all_requests(self) -> list[Request]:
        """Every request: files by falling risk, parts in order; then those about findings."""
        return [*chain.from_iterable(self.requests.values()), *self.about_findings]


def build_requests(
    ctx: RunContext,
    view: LedgerView,
    candidates: Candidates,
    model_max_tokens: int | None,
    *,
    about_findings: Callable[[RequestFile], list[Request]] = lambda _file: [],
    exact: bool = False,
) -> RequestSet:
    """Read the candidates, write their open requests to disk and skip the files that have none.

    A request that was answered is not sent again (unless `recheck` is set), nor is one that is in
    flight or given up. A renamed file with the same content inherits the answer of its old path.

    Args:
        ctx: the run.
        view: the facts about earlier runs.
        candidates: the files to read, with a few others in memory at the same time.
        model_max_tokens: the model's own limit of `max_tokens`, if known.
        about_findings: writes the requests about findings that are reported.
        exact: count the tokens of every request instead of a sample.

    Raises ConfigError: the requests cannot be written; AnthropicError: when *exact* is set and
    counting fails.
    """
    system = shared_instructions(ctx, candidates.head)
    request_file, system_bytes = RequestFile(system), len(system.encode())
    moved, since = _find_moved(ctx.git, view, candidates), _find_changes(ctx.git, candidates)
    builder = _RequestBuilder(ctx, view, request_file, system_bytes, model_max_tokens, moved, since)
    with ctx.console.progress("Reading files", len(candidates.changes)) as progress:
        related = _related_code(ctx, candidates)
        results, built = builder.build_all(_read_files(ctx, view, candidates, related, progress))
    selection = candidates.select(results)
    ordered = [request for file in selection.files for request in built[file.path]]
    about, too_large = _separate_too_large(about_findings(request_file), ctx.warn)
    ordered += about
    counted, ratio, method, error = _count_tokens(ctx, request_file, ordered, exact=exact)
    by_path: dict[str, tuple[Request, ...]] = {}
    for request in (r for r in counted if r.request_key.purpose == "review"):
        path = request.request_key.path
        by_path[path] = (*by_path.get(path, ()), request)
    return RequestSet(
        selection=selection,
        requests=by_path,
        about_findings=tuple(r for r in counted if r.request_key.purpose != "review"),
        too_large=tuple(too_large),
        notice=f"`related-code`: no lines of other files are shown: {related.problem}."
        if related and related.problem and by_path
        else "",
        request_file=request_file,
        shared_instructions=system,
        shared_tokens=pricing.estimate_tokens(system_bytes, ratio),
        counting_method=method,
        counting_error=error,
    )


def _separate_too_large(
    requests: Iterable[Request], warn: Callable[[str], None]
) -> tuple[list[Request], list[Request]]:
    """Return the requests about findings that can be sent, and those that are too large."""
    fitting: list[Request] = []
    too_large: list[Request] = []
    for request in requests:
        if request.size_bytes <= packing.MAX_REQUEST_BYTES:
            fitting.append(request)
            continue
        too_large.append(request)
        key = request.request_key
        warn(
            f"{plural(len(key.findings), 'finding')} in {key.path} cannot be asked about: "
            f"{request.size_bytes / 1e6:.0f} MB as one request."
        )
    return fitting, too_large


def _related_code(ctx: RunContext, candidates: Candidates) -> RelatedCode | None:
    """Return what finds lines of other files, if they are to be shown."""
    reviews_change = ctx.task.reads_excerpts and candidates.base is not None
    wanted = ctx.settings.related_code and reviews_change
    return RelatedCode(ctx.git, candidates) if wanted else None


def _read_files(
    ctx: RunContext,
    view: LedgerView,
    candidates: Candidates,
    related: RelatedCode | None,
    progress: ProgressCallback,
) -> Iterator[SourceFile | SkippedFile]:
    """Yield the files with all that their requests say, and those that are skipped."""
    finder = context_files.ContextFinder(ctx, candidates)
    bases = view.first_bases(ctx.scope)
    descriptions = Descriptions(ctx, candidates.base, candidates.head, bases)
    for chunk in reader.read_files(ctx.git, candidates, progress):
        described = (
            file if isinstance(file, SkippedFile) else descriptions.describe(file)
            for file in finder.attach(chunk)
        )
        if related is None or related.problem:
            yield from described
            continue
        known = list(described)
        yield from (file for file in known if isinstance(file, SkippedFile))
        yield from related.attach([file for file in known if isinstance(file, SourceFile)])


def _count_tokens(
    ctx: RunContext, request_file: RequestFile, requests: list[Request], *, exact: bool
) -> tuple[list[Request], float, str, float]:
    """Return the requests with their input tokens: counted, scaled from a sample, or estimated.

    With the bytes per token, the method and its relative error. Raises AnthropicError: when *exact*
    is set and counting fails.
    """
    offline = requests, pricing.BYTES_PER_TOKEN, "offline-estimate", 0.0
    if ctx.anthropic is None or not requests:
        return offline
    sizes = [request.size_bytes for request in requests]
    indexes = range(len(requests)) if exact else pricing.sample_indexes(sizes)
    calls = {index: partial(request_file.params, requests[index]) for index in indexes}
    counted: dict[int, int] = {}
    try:
        with ctx.console.progress("Counting tokens", len(calls)) as tick:
            for index, tokens in ctx.anthropic().count_tokens(calls):
                counted[index] = tokens
                tick(len(counted), len(calls))
    except AnthropicError as error:
        if exact:
            raise
        ctx.warn(f"Tokens are estimated offline, because they could not be counted: {error}")
        return offline
    ratio, spread = pricing.bytes_per_token([(sizes[i], counted[i]) for i in indexes])
    # Fewer bytes a token than measured: an estimate that is too high cannot exceed the budget.
    low_ratio = ratio / (1 + spread)
    result = [
        replace(r, input_tokens=counted.get(i, pricing.estimate_tokens(sizes[i], low_ratio)))
        for i, r in enumerate(requests)
    ]
    complete = len(counted) == len(requests)
    return result, ratio, *(("counted", 0.0) if complete else ("sampled", spread))


MAX_GUIDELINES_CHARS = 20_000
"""Characters of each guidelines file that are sent."""


def shared_instructions(ctx: RunContext, head: str) -> str:
    """Return the system prompt that all requests about this commit share."""
    commit, names, guidelines = ctx.rules_commit_for(head), ctx.settings.guidelines, []
    files = ctx.git.files_at(commit, names) if ctx.git.has_commit(commit) else {}
    for name in names:
        if data := files.get(name):
            text = mask(data.decode("utf-8", "replace")[:MAX_GUIDELINES_CHARS].strip())[0]
            guidelines.append(f"### {name}\n\n{text}")
    facts = context_files.shared_facts(ctx, head)
    return prompt.system_text(ctx.task, "\n\n".join(guidelines), facts)


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
        ctx.settings.context,
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


def _find_moved(git: GitRepo, view: LedgerView, candidates: Candidates) -> dict[str, str]:
    """Return the blobs that were reviewed under a path that head no longer has."""
    blobs = {change.blob for change in candidates.changes}
    reviewed = [(path, blob) for path, blob in sorted(view.reviewed_files) if blob in blobs]
    present = {entry.path for entry in git.tree(candidates.head)} if reviewed else set()
    return {blob: path for path, blob in reviewed if path not in present}


def _find_changes(git: GitRepo, candidates: Candidates) -> dict[str, tuple[Hunk, ...]]:
    """Return by path what a pull request has changed since it was asked about last.

    What goes back to the base is not in its diff, but there may be findings in it.
    """
    asked = candidates.options.asked
    pairs = {
        change.path: (asked[change.path], change.blob)
        for change in candidates.changes
        if asked.get(change.path, change.blob) not in (change.blob, change.old_blob)
    }
    hunks = git.hunks_of(list(pairs.values())) if pairs else {}
    return {path: hunks.get(pair, ()) for path, pair in pairs.items()}


@dataclass(frozen=True, slots=True)
class _RequestBuilder:
    """Builds the requests of one selection, one file at a time."""

    ctx: RunContext
    view: LedgerView
    request_file: RequestFile
    system_bytes: int
    """Of the prompt that all requests share."""
    model_max_tokens: int | None
    moved: Mapping[str, str]
    """The blobs that have an answer under a path that no longer exists, and that path."""
    changed_since: Mapping[str, tuple[Hunk, ...]]
    """By path what a pull request has changed since it was asked about last."""

    def build_all(
        self, files: Iterable[SourceFile | SkippedFile]
    ) -> tuple[list[SelectedFile | SkippedFile], dict[str, tuple[Request, ...]]]:
        """Return the files, with those that have no open request as skipped, and the requests."""
        results: list[SelectedFile | SkippedFile] = []
        built: dict[str, tuple[Request, ...]] = {}
        for file in files:
            made = file if isinstance(file, SkippedFile) else self.build(file)
            if isinstance(file, SkippedFile) or isinstance(made, SkippedFile):
                results.append(made if isinstance(made, SkippedFile) else file)
                continue
            results.append(file.without_text())
            built[file.path] = made
        return results, built

    def build(self, file: SourceFile) -> tuple[Request, ...] | SkippedFile:
        """Return the open requests of this file, or why it is not sent."""
        keys = [self._request_key(file, part) for part in file.parts]
        since = self.changed_since.get(file.path, ())
        text_of = excerpt.FileText(file, self._mode_of(file), self.system_bytes, since)
        known = self.view.newest_files().get(file.path)
        shown = self.view.shown_lines.get((file.path, file.blob))
        # A file that went back: its answers were perhaps not shown what has changed by that.
        went_back = known is not None and known.blob != file.blob
        is_unseen = went_back and shown is not None and not text_of.is_within(shown)
        again = self.ctx.settings.recheck or is_unseen
        open_keys = [key for key in keys if self._is_open(key, again=again)]
        skipped = self._skip_reason(file, keys, open_keys)
        if skipped is None:
            requests = tuple(
                self._build_request(text_of, file.parts[key.part - 1], key) for key in open_keys
            )
            largest = max(request.size_bytes for request in requests)
            if largest <= packing.MAX_REQUEST_BYTES:
                return requests
            skipped = SkipReason.TOO_LARGE, f"{largest / 1e6:.0f} MB as one request"
        # A pull request's selection lists all its files, whenever they were sent.
        reason, detail = skipped
        back = reason is not SkipReason.SAME_CONTENT and (
            self.ctx.run.pull_number is not None or went_back
        )
        return SkippedFile(
            path=file.path,
            reason=reason,
            kind=SkipKind.CONTENT if reason is SkipReason.TOO_LARGE else SkipKind.OTHER,
            detail=detail,
            blob=file.blob if back else None,
        )

    def _request_key(self, file: SourceFile, part: FilePart) -> RequestKey:
        """Return the request key of this part: for `fallback-model` after a refusal."""
        settings, files = self.ctx.settings, file.context_files
        effort, fallback = settings.effort, settings.fallback_model
        key = request_key_of(
            self.ctx, file, part, model=settings.model, effort=effort, context_files=files
        )
        if not fallback or not self.view.failures[key.id, "refused"]:
            return key
        key = request_key_of(
            self.ctx, file, part, model=fallback, effort=effort, context_files=files
        )
        return replace(key, model=fallback)

    def _mode_of(self, file: SourceFile) -> Literal["auto", "excerpt", "file"]:
        """Return `context`, or `file` where an answer must be about all of a file."""
        view, old_path = self.view, file.old_path or file.path
        if (
            not self.ctx.task.reads_excerpts
            or file.path in view.rechecked_paths
            # If that answer fails, only this one is about what has changed before.
            or (old_path, file.old_blob) in view.in_flight_files
        ):
            return "file"
        return self.ctx.settings.context

    def _is_open(self, key: RequestKey, *, again: bool) -> bool:
        answered = key.id in self.view.answered_ids and not again
        return not answered and key.id not in self.view.in_flight_ids

    def _skip_reason(
        self, file: SourceFile, keys: Sequence[RequestKey], open_keys: Sequence[RequestKey]
    ) -> tuple[SkipReason, str] | None:
        """Return why this file is not sent, with details, or None when it is."""
        view, settings = self.view, self.ctx.settings
        moved_from = self.moved.get(file.blob)
        if moved_from and file.path not in view.newest_files() and not settings.recheck:
            return SkipReason.SAME_CONTENT, f"renamed from {moved_from}"
        if not open_keys:
            in_flight = any(key.id in view.in_flight_ids for key in keys)
            return SkipReason.IN_FLIGHT if in_flight else SkipReason.ALREADY_REVIEWED, ""
        # A pull request is selected as a whole in each run, with what was canceled.
        if self.ctx.run.pull_number and (file.path, file.blob) in view.withdrawn_files:
            return SkipReason.WITHDRAWN, "its batch was canceled"
        failed = [k.id for k in open_keys if view.attempts[k.id] >= settings.max_attempts]
        if failed:
            limit = (
                f"failed {settings.max_attempts} times ({view.last_failures.get(failed[0], '')})"
            )
            return SkipReason.GIVEN_UP, f"{limit}; change the file, the model or `max-attempts`"
        return None

    def _build_request(self, text_of: excerpt.FileText, part: FilePart, key: RequestKey) -> Request:
        settings, task = self.ctx.settings, self.ctx.task
        text, lines = text_of.render(part)
        if lines is not None or part.count > 1:
            whole = range(part.start_line, part.end_line + 1)
            shown = format_ranges(whole if lines is None else lines.intersection(whole))
            key = replace(key, shown=shown)
        tokens = pricing.estimate_tokens(self.system_bytes + count_bytes(text))
        truncations = self.view.failures[key.id, "truncated"]
        params = prompt.message_params(
            task,
            text,
            model=key.model or settings.model,
            effort=None if settings.effort == "none" else settings.effort,
            max_tokens=prompt.max_answer_tokens(task, tokens, truncations, self.model_max_tokens),
        )
        return self.request_file.add(key, params, tokens, is_excerpt=lines is not None)
