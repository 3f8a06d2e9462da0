"""Recover a batch that no ledger knows: find its requests by custom ids and git."""

import hashlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from typing import get_args

from batch_action.batches.submit import sent_fact
from batch_action.clients.secrets import mask
from batch_action.config.inputs import Effort
from batch_action.config.settings import Settings
from batch_action.context import RunContext
from batch_action.errors import ConfigError, TransientError
from batch_action.ledger.store import LedgerSession
from batch_action.models.files import ContextFile, ContextKind, FileChange
from batch_action.models.ledger import Intended, RequestKey, Sent
from batch_action.models.requests import BatchState, Prices
from batch_action.requests import packing
from batch_action.requests.builder import request_key_of
from batch_action.requests.context_files import TestLocator
from batch_action.selection.content import parts_of, read_text
from batch_action.selection.paths import language_of
from batch_action.tasks.task import ContextNeeds

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
    contexts = _ContextCandidates(ctx, commit)
    keys = (
        _match_request_key(contexts, name, files)
        or (None if is_exact or len(files) > 1 else _plain_key(name, files[0]))
        for name, files in candidates.items()
    )
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


@dataclass(slots=True)
class _ContextCandidates:
    """The context files that a request about a file of this commit may have had."""

    ctx: RunContext
    commit: str
    locator: TestLocator | None = None

    def of(self, change: FileChange) -> Iterator[tuple[ContextFile, ...]]:
        """Yield each possible set; tasks that compare have one for each older version."""
        match self.ctx.task.context_needs:
            case ContextNeeds.NONE:
                yield ()
            case ContextNeeds.TESTS:
                self.locator = self.locator or TestLocator(self.ctx, self.commit)
                layout = self.locator.suite.locate_tests(change.path, language_of(change.path))
                yield () if isinstance(layout, str) else self.locator.test_files(layout)
            case ContextNeeds.BEFORE:
                for blob in self.ctx.git.versions(self.commit, change.path, MAX_VERSIONS):
                    yield (
                        ContextFile(kind=ContextKind.BEFORE, path=change.path, blob=blob, text=""),
                    )


def _match_request_key(
    contexts: _ContextCandidates, custom_id: str, files: list[FileChange]
) -> RequestKey | None:
    """Return the request with this id about one of the files, for any model and effort."""
    ctx = contexts.ctx
    for file in files:
        data = dict(ctx.git.blobs([file.blob])).get(file.blob)
        if data is None:
            continue
        parts = parts_of(mask(read_text(data), file.path)[0])
        for context_files, part, (model, effort) in product(
            contexts.of(file), parts, _models_and_efforts(ctx.settings, ctx.prices)
        ):
            key = request_key_of(
                ctx, file, part, model=model, effort=effort, context_files=context_files
            )
            if key.id == custom_id:
                may_be_excerpt = ctx.task.reads_excerpts and ctx.settings.context != "file"
                shown = "" if may_be_excerpt else None
                return key.model_copy(update={"model": model, "shown": shown})
    return None


def _models_and_efforts(settings: Settings, prices: Prices) -> Iterator[tuple[str, str]]:
    models = (settings.model, settings.fallback_model, *prices.models)
    return product((model for model in dict.fromkeys(models) if model), get_args(Effort))
