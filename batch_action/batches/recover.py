"""A batch nobody remembers: path, blob and part are found again from its custom ids and git."""

import hashlib
import re
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import get_args

from batch_action.clients.secrets import mask
from batch_action.config.inputs import Effort
from batch_action.context import RunContext
from batch_action.errors import ConfigError
from batch_action.ledger import view
from batch_action.ledger.store import LedgerSession
from batch_action.models.files import ContextFile, ContextKind, FileChange
from batch_action.models.ledger import Intended, RequestKey, Sent
from batch_action.models.requests import BatchState
from batch_action.requests import packing
from batch_action.requests.builder import question_of
from batch_action.requests.context_files import TestLocator
from batch_action.selection.content import decode
from batch_action.selection.languages import language_of
from batch_action.selection.parts import parts_of
from batch_action.tasks.task import ContextNeeds

MOST_VERSIONS = 100
"""Older versions of a file that it may have been compared with."""
MOST_COMMITS = 300
"""How far back a reviewed commit is looked for."""

ID = re.compile(r"(?P<task>.+)-(?P<slug>\w+)-(?P<blob>[0-9a-f]{12})-(?P<digest>[0-9a-f]{14})")


def recover(ctx: RunContext, session: LedgerSession) -> None:
    """Remember `batch-id` again when no ledger knows it; nothing is saved yet.

    Only the results of an ended batch name its questions. A line counts as ours when its digest is
    that of a question this repository can ask; other lines are dropped. Raises ConfigError for a
    batch that Anthropic does not know or that holds none of our questions.
    """
    batch = ctx.settings.batch_id
    if batch is None:
        return
    if batch in view.known_batches(session.ledger):
        if batch not in {pending.sent.batch for pending in view.pending(session.ledger)}:
            ctx.warn(f"Batch {batch} was collected before: there is nothing new in it.")
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
    with tempfile.TemporaryDirectory(prefix="batch-action-") as folder:
        ids = ctx.require_anthropic().ids(batch, Path(folder))
    head, found = _questions(ctx, ids)
    if not found:
        raise ConfigError(
            f"`batch-id` {batch}: none of its {len(ids)} requests is a question of task "
            f"{ctx.task.name} in this repository.",
            fix="Check the id, `task` and the checkout (`fetch-depth: 0`).",
        )
    if len(found) < len(ids):
        ctx.warn(f"{len(ids) - len(found)} answers of batch {batch} are not ours: dropped.")
    session.add(*_facts(state, head, found))


def _facts(state: BatchState, head: str, found: dict[str, RequestKey]) -> tuple[Intended, Sent]:
    # No `Selected` fact: what else that submit chose is unknown, so the base must not move.
    intended = Intended(
        intent=hashlib.sha256(state.id.encode()).hexdigest()[:16],
        at=state.created_at,
        run="recovered",
        head=head,
        model=next(request_key.model for request_key in found.values()) or "",
        batches=(tuple(found.values()),),
    )
    sent = Sent(
        intent=intended.intent,
        index=0,
        batch=state.id,
        created_at=state.created_at,
        expires_at=state.expires_at,
    )
    return intended, sent


def _questions(ctx: RunContext, ids: list[str]) -> tuple[str, dict[str, RequestKey]]:
    """The questions behind these ids, and the newest commit that holds most of them."""
    wanted = {name: match for name in ids if (match := ID.fullmatch(name))}
    best: tuple[str, dict[str, list[FileChange]]] = ("", {})
    start = ctx.git.resolve(ctx.settings.head or "HEAD")
    for commit in ctx.git.ancestors(start, MOST_COMMITS):
        held = _held(wanted, ctx.git.tree(commit))
        if len(held) > len(best[1]):
            best = (commit, held)
        if len(held) == len(wanted):
            break
    commit, held = best
    company = _Company(ctx, commit)
    asked = {name: _first_question(company, name, changes) for name, changes in held.items()}
    return commit, {
        name: request_key for name, request_key in asked.items() if request_key is not None
    }


def _held(wanted: dict[str, re.Match[str]], tree: list[FileChange]) -> dict[str, list[FileChange]]:
    """For each id the files it may be about: several, when equal content has like names."""
    by_name: dict[tuple[str, str], list[FileChange]] = {}
    for entry in tree:
        by_name.setdefault((entry.blob[:12], packing.slug(entry.path)), []).append(entry)
    pairs = ((name, by_name.get((m["blob"], m["slug"]))) for name, m in wanted.items())
    return {name: entries for name, entries in pairs if entries}


@dataclass(slots=True)
class _Company:
    """What may have gone along with a question about a file of this commit."""

    ctx: RunContext
    commit: str
    attendant: TestLocator | None = None

    def of(self, change: FileChange) -> Iterator[tuple[ContextFile, ...]]:
        """Every choice; for comparing tasks one for each older version."""
        match self.ctx.task.company:
            case ContextNeeds.NONE:
                yield ()
            case ContextNeeds.TESTS:
                self.attendant = self.attendant or TestLocator(self.ctx, self.commit)
                layout = self.attendant.grounds.layout(change.path, language_of(change.path))
                yield () if isinstance(layout, str) else self.attendant.context_files(layout)
            case ContextNeeds.BEFORE:
                for blob in self.ctx.git.versions(self.commit, change.path, MOST_VERSIONS):
                    yield (
                        ContextFile(role=ContextKind.BEFORE, path=change.path, blob=blob, text=""),
                    )


def _first_question(company: _Company, name: str, changes: list[FileChange]) -> RequestKey | None:
    asked = (_question(company, name, change) for change in changes)
    return next((request_key for request_key in asked if request_key is not None), None)


def _question(company: _Company, name: str, change: FileChange) -> RequestKey | None:
    """The question of this id about that file, whatever model and effort it was asked with."""
    ctx = company.ctx
    data = dict(ctx.git.blobs([change.blob])).get(change.blob)
    if data is None:
        return None
    parts = parts_of(mask(decode(data))[0])
    for beside, part, (model, effort) in product(company.of(change), parts, _ways(ctx)):
        request_key = question_of(
            ctx, change, part, model=model, effort=effort, context_files=beside
        )
        if request_key.id == name:
            return request_key.model_copy(update={"model": model})
    return None


def _ways(ctx: RunContext) -> Iterator[tuple[str, str]]:
    models = (ctx.settings.model, ctx.settings.fallback_model, *ctx.prices.models)
    return product((model for model in dict.fromkeys(models) if model), get_args(Effort))
