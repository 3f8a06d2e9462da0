"""The ledger comes in (list, trust, open, merge) and goes out (the other slot)."""

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path

from batch_action.clients.artifacts import ArtifactService, NameTakenError
from batch_action.context import World
from batch_action.errors import ConfigError, GitHubError
from batch_action.ledger import codec, merge, pull_requests
from batch_action.ledger.artifacts import Found, opened, read_artifacts, slots, stem
from batch_action.models.ledger import Fact, Ledger
from batch_action.models.requests import BatchState

MOST_NAMED = 20
"""Refused artifacts that are named one by one; anybody can leave hundreds."""


@dataclass(slots=True, kw_only=True)
class Memory:
    """The ledger of this run: loaded once, grown by facts, saved at every step that counts.

    It is the one thing that changes in place, so that a half that failed cannot take along the
    facts it had already saved.
    """

    ledger: Ledger
    saved: Ledger
    """As it stands in storage: a run that added no fact writes nothing."""
    held: frozenset[str] = frozenset()
    """This run's artifacts whose facts are all in here: deleted after the next write."""
    newest: datetime | None = None
    """When the newest believed artifact was made."""
    expires: datetime | None = None
    sent: list[BatchState] = field(default_factory=list)
    """The batches that this run has created."""

    def add(self, *facts: Fact) -> None:
        """Remember more facts; nothing is saved yet."""
        self.ledger = merge.add(self.ledger, *facts)


def scope(world: World, ledger: Ledger) -> Ledger:
    """What this run is about: the whole ledger, or of that of pull requests its own one."""
    return ledger if world.pull is None else pull_requests.of(ledger, world.pull)


def other(world: World) -> World:
    """The same world with the other ledger: that of pull requests for that of branches."""
    return replace(world, context=replace(world.context, pulls=not world.context.pulls))


def spending(world: World, memory: Memory) -> Ledger:
    """The facts that count for `monthly-budget-usd`: those of pull requests and branches."""
    if world.settings.monthly_budget_usd is None or "pr-review" not in world.settings.report:
        return memory.ledger
    return merge.merge(memory.ledger, load(other(world)).ledger)[0]


def load(world: World) -> Memory:
    """All that is trusted, merged; what is refused is named and harms nothing else."""
    world.screen.doing = "reading the ledger"
    empty = Ledger(repository=world.context.repository_id, task=world.task.name)
    found = Found()
    if world.github is not None:
        read_artifacts(world, world.github, found)
    _read_file(world, found)
    for sentence in found.refused[:MOST_NAMED]:
        world.warn(sentence)
    if len(found.refused) > MOST_NAMED:
        world.warn(f"{len(found.refused) - MOST_NAMED} more ledger artifacts are refused.")
    if found.expired and not found.ledgers:
        world.warn(
            f"The ledger's {found.expired} artifacts have expired, so nothing is remembered: raise "
            "`retention-days` (or the repository's own limit), or run more often."
        )
    ledger, conflicts = merge.merge(empty, *found.ledgers)
    for conflict in conflicts:
        world.warn(f"Two ledgers disagree ({conflict}); the smaller one is kept.")
    ledger = ledger.model_copy(update={"absorbed": tuple(sorted(found.ids | set(ledger.absorbed)))})
    return Memory(
        ledger=ledger,
        saved=ledger,
        held=frozenset(found.held),
        newest=_moment(found.newest.created_at) if found.newest else None,
        expires=_moment(found.newest.expires_at) if found.newest else None,
    )


def save(world: World, memory: Memory, *, room: int = 0) -> None:
    """Write the ledger if a fact was added or half its retention has passed.

    The write goes to a slot this run does not hold; only then the held ones are deleted, so that a
    death at any moment leaves a whole ledger behind. *room*: bytes that must stay free for what is
    about to happen. Raises GitHubError, ConfigError.
    """
    if memory.ledger.facts == memory.saved.facts and not _stale(world, memory):
        return
    world.screen.doing = "saving the ledger"
    ledger = memory.ledger.model_copy(update={"written_at": world.now()})
    if world.artifacts is None:
        ledger = _with_file(world, ledger)
    data = _sealed(world, ledger, room)
    if world.artifacts is None:
        _write_file(world, path_of(world), data)
    else:
        memory.held, number = _upload(world, world.artifacts, data, memory)
        ledger = ledger.model_copy(update={"absorbed": (*ledger.absorbed, number)})
    memory.ledger = memory.saved = ledger
    memory.newest = None


def _sealed(world: World, ledger: Ledger, room: int) -> bytes:
    secret = world.settings.state_secret
    try:
        return codec.seal(ledger, secret.get_secret_value() if secret else None, room)
    except codec.TooLargeError as error:
        raise ConfigError(
            f"The ledger cannot be saved: {error}.",
            fix="Narrow `paths`, or start a fresh ledger with another `state-key`.",
        ) from None


def _stale(world: World, memory: Memory) -> bool:
    if memory.newest is None or memory.expires is None or world.artifacts is None:
        return False
    life = memory.expires - memory.newest
    return world.now() - memory.newest > max(life / 2, timedelta(hours=1))


def _upload(
    world: World, service: ArtifactService, data: bytes, memory: Memory
) -> tuple[frozenset[str], int]:
    known = frozenset(memory.ledger.absorbed)
    for name in slots(world):
        if name in memory.held:
            continue
        try:
            number = service.upload(name, data, world.settings.retention_days)
        except NameTakenError:
            continue
        left = {old for old in memory.held if not _deleted(service, old, known)}
        return frozenset({name, *left}), number
    raise GitHubError(
        f"All artifact names of the ledger ({', '.join(slots(world))}) are taken in this run.",
        fix="Give jobs that run the same task in one workflow run different `state-key`s.",
    )


def _deleted(service: ArtifactService, name: str, known: frozenset[int]) -> bool:
    """Whether it is gone; one that stays does no harm, its facts are in the new one too."""
    try:
        service.delete(name, known)
    except GitHubError:
        return False
    return True


def refresh(world: World, memory: Memory) -> bool:
    """Merge what other runs have saved since we loaded; whether there was anything.

    Between the saved intent and the first create: of two submits at one time, the one that saved
    later sees the other's intent here, so that they cannot both send.
    """
    if world.github is None or world.artifacts is None:
        return False
    found = Found()
    read_artifacts(world, world.github, found, known=frozenset(memory.ledger.absorbed))
    before = memory.ledger.facts
    ledger, _ = merge.merge(memory.ledger, *found.ledgers)
    memory.ledger = ledger.model_copy(
        update={"absorbed": tuple(sorted(found.ids | set(ledger.absorbed)))}
    )
    memory.held |= found.held
    return memory.ledger.facts != before


def path_of(world: World) -> Path:
    """The ledger's file where there is no artifact service."""
    return world.state_dir / f"{stem(world)}.zip"


def _write_file(world: World, path: Path, data: bytes) -> None:
    try:
        if world.settings.state_dir is None:
            world.runner.results()
        path.parent.mkdir(parents=True, exist_ok=True)
        fresh = path.with_suffix(".new")
        fresh.write_bytes(data)
        fresh.replace(path)
        world.runner.give(path.parent)
    except OSError as error:
        raise ConfigError(
            f"The ledger cannot be written to {path}: {error.strerror}.",
            fix="Give a folder that can be written as `state-dir`.",
        ) from None


def _with_file(world: World, ledger: Ledger) -> Ledger:
    """With the facts that another process has written to the file meanwhile."""
    found = Found()
    _read_file(world, found)
    return merge.merge(ledger, *found.ledgers)[0]


def _read_file(world: World, found: Found) -> None:
    path = path_of(world)
    if not path.is_file():
        return
    try:
        found.ledgers.append(opened(world, path.read_bytes()))
    except codec.RefusedLedgerError as error:
        # A person's own file: overwriting it would lose what only they can judge.
        raise ConfigError(
            f"The ledger file {path} is refused: {error}.",
            fix="Move it away to start afresh; nothing was overwritten.",
        ) from None


def _moment(text: str) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
