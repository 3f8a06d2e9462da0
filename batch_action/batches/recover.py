"""Recover a batch that no ledger knows: find its requests by custom ids and git."""

import hashlib
import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import TYPE_CHECKING, get_args

from batch_action.batches.submit import sent_fact
from batch_action.clients.git import OpenObjects, versions
from batch_action.config.inputs import Effort
from batch_action.config.settings import Settings
from batch_action.context import RunContext
from batch_action.errors import ConfigError, TransientError
from batch_action.ledger.store import LedgerSession
from batch_action.models.files import ContextFile, ContextKind, FileChange, FilePart
from batch_action.models.ledger import Intended, RequestKey, Sent
from batch_action.models.requests import BatchState, Prices
from batch_action.requests import packing
from batch_action.requests.builder import request_key_of
from batch_action.selection.content import parts_of, reviewed_text
from batch_action.selection.paths import language_of
from batch_action.tasks.task import ContextNeeds

if TYPE_CHECKING:
    from batch_action.requests.test_files import TestLocator

MAX_VERSIONS = 100
"""How many older versions of a file are tried as the one it was compared with."""
MAX_COMMITS = 300
"""How many ancestors of head are searched for the reviewed commit."""

CUSTOM_ID = re.compile(
    r"(?P<task>.+)-(?P<slug>\w+)-(?P<blob>[0-9a-f]{12})-(?P<digest>[0-9a-f]{14})"
)


def recover_batch(ctx: RunContext, session: LedgerSession) -> None:
    """Add the facts of `batch-id` when the ledger does not know it, without saving them.

    Only the results of an ended batch name its requests. A line is ours when its digest is that of
    a request which this repository can make; other lines are dropped.

    Raises ConfigError: Anthropic does not know the batch, or no request of it is ours;
    TransientError: its results are not whole.
    """
    batch = ctx.settings.batch_id
    if batch is None:
        return
    if batch in session.view.known_batch_ids:
        if batch not in {pending.sent.batch for pending in session.view.pending_batches}:
            ctx.warn(f"Batch {batch} was already collected: it has nothing new.")
        return
    state = ctx.require_anthropic().retrieve(batch)
    if state is None:
        raise ConfigError(
            f"`batch-id` {batch} is in no ledger, and Anthropic does not know it with this key.",
            fix="Copy the id from the summary of the run that sent it.",
        )
    if state.status != "ended":
        ctx.warn(f"Batch {batch} is in no ledger and has not ended: collect it again later.")
        return
    ids = list(dict.fromkeys(ctx.require_anthropic().result_ids(state)))
    if len(ids) < state.total:
        raise TransientError(
            f"Anthropic shows {len(ids)} of the {state.total} results of batch {batch}.",
            fix="The next run tries again.",
        )
    head, keys = find_request_keys(ctx, ids)
    if not keys:
        raise ConfigError(
            f"`batch-id` {batch}: none of its {len(ids)} requests is one of task "
            f"{ctx.task.name} in this repository.",
            fix="Check the id, `task` and that this clone has the whole history.",
        )
    if len(keys) < len(ids):
        ctx.warn(f"{len(ids) - len(keys)} answers of batch {batch} are not ours: dropped.")
    session.add(*_recovered_facts(state, head, keys))


def _recovered_facts(state: BatchState, head: str, keys: list[RequestKey]) -> tuple[Intended, Sent]:
    # No `Selected` fact: what else that submit selected is unknown, so the base must not move.
    intended = Intended(
        intent=hashlib.sha256(state.id.encode()).hexdigest()[:16],
        at=state.created_at,
        run="recovered",
        head=head,
        model=keys[0].model or "",
        batches=(tuple(keys),),
    )
    return intended, sent_fact(intended, 0, state)


def find_request_keys(
    ctx: RunContext, ids: Sequence[str], *, is_exact: bool = True
) -> tuple[str, list[RequestKey]]:
    """Return the newest commit that contains most of the files, and the keys of these ids.

    A request counts when its digest can be made here; if not *is_exact*, as for answers that a
    person names, also when slug and blob fit one file only.
    """
    matches = {name: match for name in ids if (match := CUSTOM_ID.fullmatch(name))}
    best: tuple[str, dict[str, list[FileChange]]] = ("", {})
    start = ctx.git.resolve(ctx.settings.head or "HEAD")
    for commit in ctx.git.ancestors(start, MAX_COMMITS):
        candidates = _candidate_files(matches, ctx.git.tree(commit))
        if len(candidates) > len(best[1]):
            best = (commit, candidates)
        if len(candidates) == len(matches):
            break
    commit, candidates = best
    with OpenObjects(ctx.git.runner) as objects:
        paths = {file.path for files in candidates.values() for file in files}
        finder = _RequestFinder(ctx, commit, paths, objects)
        keys = [
            finder.find(name, files)
            or (None if is_exact or len(files) > 1 else _plain_key(name, files[0]))
            for name, files in candidates.items()
        ]
    return commit, [key for key in keys if key is not None]


def _plain_key(custom_id: str, file: FileChange) -> RequestKey:
    return RequestKey(id=custom_id, path=file.path, blob=file.blob)


def _candidate_files(
    matches: dict[str, re.Match[str]], tree: list[FileChange]
) -> dict[str, list[FileChange]]:
    """Return for each id the files that it may be about: several, where slug and blob are equal."""
    by_name: dict[tuple[str, str], list[FileChange]] = {}
    for entry in tree:
        by_name.setdefault((entry.blob[:12], packing.slug(entry.path)), []).append(entry)
    pairs = ((name, by_name.get((m["blob"], m["slug"]))) for name, m in matches.items())
    return {name: entries for name, entries in pairs if entries}


class _RequestFinder:
    """Finds the request of a custom id about a file of one commit."""

    def __init__(
        self, ctx: RunContext, commit: str, paths: Collection[str], objects: OpenObjects
    ) -> None:
        self._ctx, self._commit, self._objects = ctx, commit, objects
        self._variants = _variants(ctx.settings, ctx.prices)
        self._locator: TestLocator | None = None
        self._versions: dict[str, list[str]] = {}
        if ctx.task.context_needs is ContextNeeds.BEFORE:
            self._versions = versions(ctx.git.runner, commit, paths, MAX_VERSIONS)

    def find(self, custom_id: str, files: Iterable[FileChange]) -> RequestKey | None:
        """Return the request with this id about one of the files, whatever it was sent with."""
        for file in files:
            for _, data in self._objects.blobs([file.blob]):
                parts = parts_of(reviewed_text(data, file.path))
                sets = list(self._context_files(file))
                for variant, context_files, part in product(self._variants, sets, parts):
                    key = variant.request_key(self._ctx, file, part, context_files)
                    if key.id == custom_id:
                        # The batch's other requests were most likely sent with the same.
                        self._variants.remove(variant)
                        self._variants.insert(0, variant)
                        return key
        return None

    def _context_files(self, change: FileChange) -> Iterator[tuple[ContextFile, ...]]:
        """Yield each possible set; tasks that compare have one for each older version."""
        match self._ctx.task.context_needs:
            case ContextNeeds.NONE:
                yield ()
            case ContextNeeds.TESTS:
                if self._locator is None:
                    # Only here: other tasks need no test frameworks.
                    from batch_action.requests.test_files import TestLocator  # noqa: PLC0415

                    self._locator = TestLocator(self._ctx, self._commit, objects=self._objects)
                layout = self._locator.suite.locate_tests(change.path, language_of(change.path))
                yield () if isinstance(layout, str) else self._locator.test_files(layout)
            case ContextNeeds.BEFORE:
                for blob in self._versions[change.path]:
                    yield (
                        ContextFile(kind=ContextKind.BEFORE, path=change.path, blob=blob, text=""),
                    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Variant:
    """What a request may have been sent with, whatever the settings are now."""

    settings: Settings
    """With its `context`."""
    model: str
    effort: str

    def request_key(
        self,
        ctx: RunContext,
        file: FileChange,
        part: FilePart,
        context_files: tuple[ContextFile, ...],
    ) -> RequestKey:
        key = request_key_of(
            replace(ctx, settings=self.settings),
            file,
            part,
            model=self.model,
            effort=self.effort,
            context_files=context_files,
        )
        may_be_excerpt = ctx.task.reads_excerpts and self.settings.context != "file"
        return replace(key, model=self.model, shown="" if may_be_excerpt else None)


def _variants(settings: Settings, prices: Prices) -> list[_Variant]:
    """Return all variants, those of the current settings first."""
    modes = (settings.context, *get_args(Settings.model_fields["context"].annotation))
    models = (settings.model, settings.fallback_model, *prices.models)
    return [
        _Variant(settings=settings.model_copy(update={"context": mode}), model=model, effort=effort)
        for mode, model, effort in product(
            dict.fromkeys(modes), filter(None, dict.fromkeys(models)), get_args(Effort)
        )
    ]
