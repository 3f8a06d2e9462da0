"""The ledger comes in (list, trust, open, merge) and goes out (the other slot)."""

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path

from batch_action.clients.artifacts import ArtifactService, NameTakenError
from batch_action.context import RunContext
from batch_action.errors import ConfigError, GitHubError
from batch_action.ledger import codec, merge, pull_requests
from batch_action.ledger.artifacts import Found, opened, read_artifacts, slots, stem
from batch_action.models.ledger import Fact, Ledger
from batch_action.models.requests import BatchState

MOST_NAMED = 20
"""Refused artifacts that are named one by one; anybody can leave hundreds."""


@dataclass(slots=True, kw_only=True)
class LedgerSession:
    """The ledger of this run: loaded once, grown by facts, saved at every step that counts.

    It is the one thing that changes in place, so that a half that failed cannot take along the
    facts it had already saved.
    """

    ledger: Ledger
    saved: Ledger
    """As it stands in storage: a run that added no fact writes nothing."""
    suppressed: frozenset[str] = frozenset()
    """This run's artifacts whose facts are all in here: deleted after the next write."""
    newest: datetime | None = None
    """When the newest believed artifact was made."""
    expires: datetime | None = None
    sent: list[BatchState] = field(default_factory=list)
    """The batches that this run has created."""

    def add(self, *facts: Fact) -> None:
        """Remember more facts; nothing is saved yet."""
        self.ledger = merge.add(self.ledger, *facts)


def scope(ctx: RunContext, ledger: Ledger) -> Ledger:
    """What this run is about: the whole ledger, or of that of pull requests its own one."""
    return ledger if ctx.pull is None else pull_requests.of(ledger, ctx.pull)


def other(ctx: RunContext) -> RunContext:
    """The same world with the other ledger: that of pull requests for that of branches."""
    return replace(ctx, context=replace(ctx.context, pulls=not ctx.context.pulls))


def spending(ctx: RunContext, session: LedgerSession) -> Ledger:
    """The facts that count for `monthly-budget-usd`: those of pull requests and branches."""
    if ctx.settings.monthly_budget_usd is None or "pr-review" not in ctx.settings.report:
        return session.ledger
    return merge.merge(session.ledger, load(other(ctx)).ledger)[0]


def load(ctx: RunContext) -> LedgerSession:
    """All that is trusted, merged; what is refused is named and harms nothing else."""
    ctx.console.doing = "reading the ledger"
    empty = Ledger(repository=ctx.context.repository_id, task=ctx.task.name)
    found = Found()
    if ctx.github is not None:
        read_artifacts(ctx, ctx.github, found)
    _read_file(ctx, found)
    for sentence in found.refused[:MOST_NAMED]:
        ctx.warn(sentence)
    if len(found.refused) > MOST_NAMED:
        ctx.warn(f"{len(found.refused) - MOST_NAMED} more ledger artifacts are refused.")
    if found.expired and not found.ledgers:
        ctx.warn(
            f"The ledger's {found.expired} artifacts have expired, so nothing is remembered: raise "
            "`retention-days` (or the repository's own limit), or run more often."
        )
    ledger, conflicts = merge.merge(empty, *found.ledgers)
    for conflict in conflicts:
        ctx.warn(f"Two ledgers disagree ({conflict}); the smaller one is kept.")
    ledger = ledger.model_copy(update={"absorbed": tuple(sorted(found.ids | set(ledger.absorbed)))})
    return LedgerSession(
        ledger=ledger,
        saved=ledger,
        suppressed=frozenset(found.suppressed),
        newest=_moment(found.newest.created_at) if found.newest else None,
        expires=_moment(found.newest.expires_at) if found.newest else None,
    )


def save(ctx: RunContext, session: LedgerSession, *, room: int = 0) -> None:
    """Write the ledger if a fact was added or half its retention has passed.

    The write goes to a slot this run does not hold; only then the held ones are deleted, so that a
    death at any moment leaves a whole ledger behind. *room*: bytes that must stay free for what is
    about to happen. Raises GitHubError, ConfigError.
    """
    if session.ledger.facts == session.saved.facts and not _stale(ctx, session):
        return
    ctx.console.doing = "saving the ledger"
    ledger = session.ledger.model_copy(update={"written_at": ctx.now()})
    if ctx.artifacts is None:
        ledger = _with_file(ctx, ledger)
    data = _sealed(ctx, ledger, room)
    if ctx.artifacts is None:
        _write_file(ctx, path_of(ctx), data)
    else:
        session.suppressed, number = _upload(ctx, ctx.artifacts, data, session)
        ledger = ledger.model_copy(update={"absorbed": (*ledger.absorbed, number)})
    session.ledger = session.saved = ledger
    session.newest = None


def _sealed(ctx: RunContext, ledger: Ledger, room: int) -> bytes:
    secret = ctx.settings.state_secret
    try:
        return codec.seal(ledger, secret.get_secret_value() if secret else None, room)
    except codec.TooLargeError as error:
        raise ConfigError(
            f"The ledger cannot be saved: {error}.",
            fix="Narrow `paths`, or start a fresh ledger with another `state-key`.",
        ) from None


def _stale(ctx: RunContext, session: LedgerSession) -> bool:
    if session.newest is None or session.expires is None or ctx.artifacts is None:
        return False
    life = session.expires - session.newest
    return ctx.now() - session.newest > max(life / 2, timedelta(hours=1))


def _upload(
    ctx: RunContext, service: ArtifactService, data: bytes, session: LedgerSession
) -> tuple[frozenset[str], int]:
    known = frozenset(session.ledger.absorbed)
    for name in slots(ctx):
        if name in session.suppressed:
            continue
        try:
            number = service.upload(name, data, ctx.settings.retention_days)
        except NameTakenError:
            continue
        left = {old for old in session.suppressed if not _deleted(service, old, known)}
        return frozenset({name, *left}), number
    raise GitHubError(
        f"All artifact names of the ledger ({', '.join(slots(ctx))}) are taken in this run.",
        fix="Give jobs that run the same task in one workflow run different `state-key`s.",
    )


def _deleted(service: ArtifactService, name: str, known: frozenset[int]) -> bool:
    """Whether it is gone; one that stays does no harm, its facts are in the new one too."""
    try:
        service.delete(name, known)
    except GitHubError:
        return False
    return True


def refresh(ctx: RunContext, session: LedgerSession) -> bool:
    """Merge what other runs have saved since we loaded; whether there was anything.

    Between the saved intent and the first create: of two submits at one time, the one that saved
    later sees the other's intent here, so that they cannot both send.
    """
    if ctx.github is None or ctx.artifacts is None:
        return False
    found = Found()
    read_artifacts(ctx, ctx.github, found, known=frozenset(session.ledger.absorbed))
    before = session.ledger.facts
    ledger, _ = merge.merge(session.ledger, *found.ledgers)
    session.ledger = ledger.model_copy(
        update={"absorbed": tuple(sorted(found.ids | set(ledger.absorbed)))}
    )
    session.suppressed |= found.suppressed
    return session.ledger.facts != before


def path_of(ctx: RunContext) -> Path:
    """The ledger's file where there is no artifact service."""
    return ctx.state_dir / f"{stem(ctx)}.zip"


def _write_file(ctx: RunContext, path: Path, data: bytes) -> None:
    try:
        if ctx.settings.state_dir is None:
            ctx.runner.results()
        path.parent.mkdir(parents=True, exist_ok=True)
        fresh = path.with_suffix(".new")
        fresh.write_bytes(data)
        fresh.replace(path)
        ctx.runner.give(path.parent)
    except OSError as error:
        raise ConfigError(
            f"The ledger cannot be written to {path}: {error.strerror}.",
            fix="Give a folder that can be written as `state-dir`.",
        ) from None


def _with_file(ctx: RunContext, ledger: Ledger) -> Ledger:
    """With the facts that another process has written to the file meanwhile."""
    found = Found()
    _read_file(ctx, found)
    return merge.merge(ledger, *found.ledgers)[0]


def _read_file(ctx: RunContext, found: Found) -> None:
    path = path_of(ctx)
    if not path.is_file():
        return
    try:
        found.ledgers.append(opened(ctx, path.read_bytes()))
    except codec.RefusedLedgerError as error:
        # A person's own file: overwriting it would lose what only they can judge.
        raise ConfigError(
            f"The ledger file {path} is refused: {error}.",
            fix="Move it away to start afresh; nothing was overwritten.",
        ) from None


def _moment(text: str) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
