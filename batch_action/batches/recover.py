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
from batch_action.context import World
from batch_action.errors import ConfigError
from batch_action.ledger import view
from batch_action.ledger.store import Memory
from batch_action.models.files import Change, Companion, Role
from batch_action.models.ledger import Intended, Question, Sent
from batch_action.models.requests import BatchState
from batch_action.requests import packing
from batch_action.requests.builder import question_of
from batch_action.requests.context_files import Attendant
from batch_action.selection.content import decode
from batch_action.selection.languages import language_of
from batch_action.selection.parts import parts_of
from batch_action.tasks.task import Company

MOST_VERSIONS = 100
"""Older versions of a file that it may have been compared with."""
MOST_COMMITS = 300
"""How far back a reviewed commit is looked for."""

ID = re.compile(r"(?P<task>.+)-(?P<slug>\w+)-(?P<blob>[0-9a-f]{12})-(?P<digest>[0-9a-f]{14})")


def recover(world: World, memory: Memory) -> None:
    """Remember `batch-id` again when no ledger knows it; nothing is saved yet.

    Only the results of an ended batch name its questions. A line counts as ours when its digest is
    that of a question this repository can ask; other lines are dropped. Raises ConfigError for a
    batch that Anthropic does not know or that holds none of our questions.
    """
    batch = world.settings.batch_id
    if batch is None:
        return
    if batch in view.known_batches(memory.ledger):
        if batch not in {pending.sent.batch for pending in view.pending(memory.ledger)}:
            world.warn(f"Batch {batch} was collected before: there is nothing new in it.")
        return
    state = world.need_anthropic().retrieve(batch)
    if state is None:
        raise ConfigError(
            f"`batch-id` {batch} is in no ledger, and Anthropic does not know it with this key.",
            fix="Copy the id from the summary of the run that sent it.",
        )
    if state.status != "ended":
        world.warn(f"Batch {batch} is in no ledger and has not ended: collect it again later.")
        return
    with tempfile.TemporaryDirectory(prefix="batch-action-") as folder:
        ids = world.need_anthropic().ids(batch, Path(folder))
    head, found = _questions(world, ids)
    if not found:
        raise ConfigError(
            f"`batch-id` {batch}: none of its {len(ids)} requests is a question of task "
            f"{world.task.name} in this repository.",
            fix="Check the id, `task` and the checkout (`fetch-depth: 0`).",
        )
    if len(found) < len(ids):
        world.warn(f"{len(ids) - len(found)} answers of batch {batch} are not ours: dropped.")
    memory.add(*_facts(state, head, found))


def _facts(state: BatchState, head: str, found: dict[str, Question]) -> tuple[Intended, Sent]:
    # No `Selected` fact: what else that submit chose is unknown, so the base must not move.
    intended = Intended(
        intent=hashlib.sha256(state.id.encode()).hexdigest()[:16],
        at=state.created_at,
        run="recovered",
        head=head,
        model=next(question.model for question in found.values()) or "",
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


def _questions(world: World, ids: list[str]) -> tuple[str, dict[str, Question]]:
    """The questions behind these ids, and the newest commit that holds most of them."""
    wanted = {name: match for name in ids if (match := ID.fullmatch(name))}
    best: tuple[str, dict[str, list[Change]]] = ("", {})
    start = world.git.resolve(world.settings.head or "HEAD")
    for commit in world.git.ancestors(start, MOST_COMMITS):
        held = _held(wanted, world.git.tree(commit))
        if len(held) > len(best[1]):
            best = (commit, held)
        if len(held) == len(wanted):
            break
    commit, held = best
    company = _Company(world, commit)
    asked = {name: _first_question(company, name, changes) for name, changes in held.items()}
    return commit, {name: question for name, question in asked.items() if question is not None}


def _held(wanted: dict[str, re.Match[str]], tree: list[Change]) -> dict[str, list[Change]]:
    """For each id the files it may be about: several, when equal content has like names."""
    by_name: dict[tuple[str, str], list[Change]] = {}
    for entry in tree:
        by_name.setdefault((entry.blob[:12], packing.slug(entry.path)), []).append(entry)
    pairs = ((name, by_name.get((m["blob"], m["slug"]))) for name, m in wanted.items())
    return {name: entries for name, entries in pairs if entries}


@dataclass(slots=True)
class _Company:
    """What may have gone along with a question about a file of this commit."""

    world: World
    commit: str
    attendant: Attendant | None = None

    def of(self, change: Change) -> Iterator[tuple[Companion, ...]]:
        """Every choice; for comparing tasks one for each older version."""
        match self.world.task.company:
            case Company.NONE:
                yield ()
            case Company.TESTS:
                self.attendant = self.attendant or Attendant(self.world, self.commit)
                layout = self.attendant.grounds.layout(change.path, language_of(change.path))
                yield () if isinstance(layout, str) else self.attendant.companions(layout)
            case Company.BEFORE:
                for blob in self.world.git.versions(self.commit, change.path, MOST_VERSIONS):
                    yield (Companion(role=Role.BEFORE, path=change.path, blob=blob, text=""),)


def _first_question(company: _Company, name: str, changes: list[Change]) -> Question | None:
    asked = (_question(company, name, change) for change in changes)
    return next((question for question in asked if question is not None), None)


def _question(company: _Company, name: str, change: Change) -> Question | None:
    """The question of this id about that file, whatever model and effort it was asked with."""
    world = company.world
    data = dict(world.git.blobs([change.blob])).get(change.blob)
    if data is None:
        return None
    parts = parts_of(mask(decode(data))[0])
    for beside, part, (model, effort) in product(company.of(change), parts, _ways(world)):
        question = question_of(world, change, part, model=model, effort=effort, companions=beside)
        if question.id == name:
            return question.model_copy(update={"model": model})
    return None


def _ways(world: World) -> Iterator[tuple[str, str]]:
    models = (world.settings.model, world.settings.fallback_model, *world.prices.models)
    return product((model for model in dict.fromkeys(models) if model), get_args(Effort))
