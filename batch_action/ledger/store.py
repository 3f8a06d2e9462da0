"""Load the ledger from trusted artifacts or a file, and save it."""

import hashlib
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import IO, TYPE_CHECKING, NamedTuple

from batch_action.clients.actions_runner import Runner
from batch_action.clients.temporary_file import FREE_SPACE
from batch_action.context import RunContext
from batch_action.errors import ConfigError, GitHubError, Interrupted, NameTakenError
from batch_action.ledger import codec, compaction, pull_requests
from batch_action.ledger.artifacts import ArtifactReader
from batch_action.ledger.names import RunArtifacts, Save
from batch_action.ledger.trust import LedgerAccess, access_of
from batch_action.ledger.view import LedgerView
from batch_action.models.findings import FindingClaim
from batch_action.models.github_context import Run
from batch_action.models.ledger import Fact, Ledger, merge
from batch_action.models.requests import BatchState

if TYPE_CHECKING:
    from batch_action.clients.artifacts import ArtifactService

_UPDATE = "Use that version of the action, or a later one; nothing was sent."
MAX_REFUSALS_SHOWN = 20
"""Refused artifacts that get a warning of their own; anybody can upload hundreds."""


class StoredLedger(NamedTuple):
    """An upload that no list has shown yet."""

    name: str
    id: int
    data: bytes


@dataclass(slots=True, kw_only=True)
class LedgerSession:
    """The ledger of this run: loaded once, facts added, saved before and after each effect.

    It changes in place, so that the facts that one half of a run has saved survive its failure.
    """

    access: LedgerAccess
    ledger: Ledger
    saved: Ledger
    """As it is in storage: a run that added no fact writes nothing."""
    contested: dict[int, Ledger] = field(default_factory=dict)
    """By pull request: facts of its runs that disagree with others and count for it only."""
    artifacts: RunArtifacts = field(default_factory=lambda: RunArtifacts(()))
    """This run's artifacts whose facts are all in here."""
    stored: StoredLedger | None = None
    """What this run has uploaded last, until a list has shown it."""
    newest: datetime | None = None
    """When the newest trusted artifact was created."""
    expires: datetime | None = None
    """When the newest trusted artifact expires."""
    sent: list[BatchState] = field(default_factory=list)
    """The batches that this run has created."""
    claims: tuple[FindingClaim, ...] = ()
    """What this run's collect has reported and is to be verified: no ledger has its wording."""
    file_digest: bytes = b""
    """Of the state file whose facts are all in here."""
    _view: LedgerView | None = None

    @property
    def view(self) -> LedgerView:
        """The queries on the ledger as it is now."""
        if self._view is None or self._view.ledger is not self.ledger:
            self._view = LedgerView(self.ledger)
        return self._view

    def view_of_pull(self, number: int) -> LedgerView:
        """Return the facts of one pull request."""
        own = self.contested.get(number)
        if own is None:
            return pull_requests.view_of(self.view, number)
        keys = {fact.key() for fact in own.facts}
        ledger = self.ledger.keep(lambda fact: fact.key() not in keys).add(*own.facts)
        return pull_requests.view_of(LedgerView(ledger), number)

    def view_of(self, run: Run) -> LedgerView:
        """Return the facts of a run's subject: its pull request's, or else the whole ledger."""
        return self.view if run.pull_number is None else self.view_of_pull(run.pull_number)

    def add(self, *facts: Fact) -> None:
        """Add facts without saving them."""
        self.ledger = self.ledger.add(*facts)


def load(
    ctx: RunContext, *, pull_requests: bool | None = None, access: LedgerAccess | None = None
) -> LedgerSession:
    """Load and merge all trusted artifacts, or the state file; warn of each refused artifact.

    *pull_requests*: which ledger of the task; by default the one that the run uses. *access*:
    another ledger. Raises GitHubError; ConfigError when the state file is refused, or when a newer
    version has written a part of the ledger: what it has sent would be paid for twice.
    """
    ctx.console.activity = "reading the ledger"
    access = access or access_of(ctx, pull_requests=pull_requests)
    file, file_digest = _read_file(ctx.state_dir, access)
    ledger = file or Ledger.empty(access.repository_id, access.task)
    if ctx.github is None:
        return LedgerSession(access=access, ledger=ledger, saved=ledger, file_digest=file_digest)
    reader = ArtifactReader(access=access, actions=ctx.github.actions, clock=ctx.clock, git=ctx.git)
    _read(reader)
    for warning in reader.refused[:MAX_REFUSALS_SHOWN]:
        ctx.warn(warning)
    if len(reader.refused) > MAX_REFUSALS_SHOWN:
        ctx.warn(f"{len(reader.refused) - MAX_REFUSALS_SHOWN} more ledger artifacts are refused.")
    if reader.expired_count and not (reader.ledgers or file):
        ctx.warn(
            f"All {reader.expired_count} artifacts of the ledger have expired, so there is no "
            "state: raise `retention-days` (or the repository's limit), or run more often."
        )
    ledger, conflicts = reader.merge_into(ledger)
    artifacts = RunArtifacts(access.names)
    artifacts.record_look(reader.own, reader.listed)
    for conflict in conflicts:
        ctx.warn(f"Two ledgers disagree ({conflict}); the same one is used in every run.")
    return LedgerSession(
        access=access,
        ledger=ledger,
        saved=ledger,
        contested=reader.contested,
        artifacts=artifacts,
        newest=_parse_time(reader.newest.created_at) if reader.newest else None,
        expires=_parse_time(reader.newest.expires_at) if reader.newest else None,
        file_digest=file_digest,
    )


def load_pull_requests(ctx: RunContext) -> LedgerSession | None:
    """Load the ledger of pull requests, if this run of a branch publishes their answers.

    Only a run on the branch of the state does: facts from elsewhere would not be trusted.
    """
    context = ctx.github_context
    state_branch = ctx.settings.state_branch or context.default_branch
    is_on_state_branch = context.event == "local" or context.branch == state_branch
    if "pr-review" not in ctx.settings.report or ctx.github is None or not is_on_state_branch:
        return None
    return load(ctx, pull_requests=True)


def save(ctx: RunContext, session: LedgerSession, *, reserved_bytes: int = 0) -> None:
    """Write the ledger if a fact was added or half its retention has passed.

    `ledger/names` says under which name, so that a whole ledger can be found at any moment.
    *reserved_bytes*: zipped bytes that must remain for the facts of what is about to happen: they
    also need a name.

    Raises GitHubError; ConfigError when the ledger is too large or the file cannot be written.
    """
    if session.ledger.facts == session.saved.facts and not _needs_renewal(ctx.artifacts, session):
        return
    ctx.console.activity = "saving the ledger"
    ledger = session.ledger.model_copy(update={"written_at": ctx.now()})
    if ctx.artifacts is None:
        # Another process may have written to the file meanwhile.
        file, _ = _read_file(ctx.state_dir, session.access, known=session.file_digest)
        ledger = merge(ledger, file)[0] if file else ledger
    own = session.access.own_pull if ctx.artifacts else None
    if own is None:
        ledger = compaction.compact(ledger, ctx.now())
    written = pull_requests.facts_of(LedgerView(ledger), own.number) if own else ledger
    secret = ctx.settings.state_secret.get_secret_value() if ctx.settings.state_secret else None
    if ctx.artifacts is None:
        if ctx.settings.state_dir is None:
            ctx.runner.results_folder()
        with _encoding_errors(), tempfile.TemporaryFile() as encoded:
            codec.write(written, encoded, secret, reserved_bytes)
            encoded.seek(0)
            file_digest = hashlib.file_digest(encoded, "sha256").digest()
            encoded.seek(0)
            _write_file(ctx.runner, state_file_of(ctx.state_dir, session.access), encoded)
        session.file_digest = file_digest
    else:
        with _encoding_errors():
            data = codec.encode(written, secret, reserved_bytes)
        number = _upload(
            ctx.artifacts,
            data,
            session,
            clock=ctx.clock,
            retention_days=ctx.settings.retention_days,
            is_last=not reserved_bytes,
        )
        ledger = ledger.model_copy(update={"merged_artifacts": (*ledger.merged_artifacts, number)})
    session.ledger = session.saved = ledger
    session.newest = None


@contextmanager
def _encoding_errors() -> Iterator[None]:
    """Raise ConfigError when a ledger is too large, or its temporary file cannot be written."""
    try:
        yield
    except codec.TooLargeError as error:
        raise ConfigError(
            f"The ledger cannot be saved: {error}.",
            fix="Narrow `paths`, or start a new ledger with another `state-key`.",
        ) from None
    except OSError as error:
        raise ConfigError(
            f"The ledger cannot be written to a temporary file: {error.strerror}.", fix=FREE_SPACE
        ) from error


def _needs_renewal(service: "ArtifactService | None", session: LedgerSession) -> bool:
    if session.newest is None or session.expires is None or service is None:
        return False
    life = session.expires - session.newest
    return service.now() - session.newest > max(life / 2, timedelta(hours=1))


def _upload(
    service: "ArtifactService",
    data: bytes,
    session: LedgerSession,
    *,
    clock: Callable[[], datetime],
    retention_days: int,
    is_last: bool,
) -> int:
    """Upload the ledger and return the artifact's id.

    Raises GitHubError: there is no name for it, or, unless it *is_last*, for the next one.
    """
    artifacts = session.artifacts
    while (step := artifacts.next_save(clock())) is not None:
        if not (is_last or artifacts.allows_another(step)):
            raise GitHubError(
                f"An upload of this run was interrupted and has taken an artifact name for good "
                f"({', '.join(sorted(artifacts.taken))}): what would be sent could not be saved, "
                "so nothing was sent.",
                fix="Start a new run of the workflow; do not re-run this one.",
            )
        if step.replaces and not _delete(service, step, session):
            continue
        try:
            number = service.upload(step.name, data, retention_days)
        except NameTakenError:
            artifacts.record_taken(step.name)
            continue
        artifacts.record_upload(step.name, number, clock())
        session.stored = StoredLedger(step.name, number, data)
        return number
    raise GitHubError(
        f"All artifact names of the ledger ({', '.join(artifacts.names)}) are used in this run.",
        fix="Give jobs that run the same task in one workflow run different `state-key`s, or run "
        "several tasks in one job. After an interrupted run, start a new one instead of a re-run.",
    )


def _delete(service: "ArtifactService", step: Save, session: LedgerSession) -> bool:
    """Delete this run's artifact of a name; return False if another job stores its own there."""
    if not isinstance(sys.exception(), Interrupted):  # then the runner waits for ten seconds only
        service.pause(step.wait.total_seconds())
    if not service.delete(step.name, frozenset(session.ledger.merged_artifacts)):
        session.artifacts.record_taken(step.name)
        return False
    session.artifacts.record_deleted(step.name)
    return True


def refresh(ctx: RunContext, session: LedgerSession) -> bool:
    """Merge what other runs have saved since `load`; return whether there was a new fact.

    Called between the saved intent and the first create: of two submits at the same time, the one
    that saved later finds the other's intent here, so that they never both send. What this run has
    saved is checked against the list. Raises GitHubError, also when it did not arrive whole.
    """
    before = session.ledger.facts
    if ctx.artifacts is None:
        file, file_digest = _read_file(ctx.state_dir, session.access, known=session.file_digest)
        if file is not None:
            session.ledger, session.file_digest = merge(session.ledger, file)[0], file_digest
    if ctx.github is None or ctx.artifacts is None:
        return session.ledger.facts != before
    known = frozenset(session.ledger.merged_artifacts)
    reader = ArtifactReader(
        access=session.access,
        actions=ctx.github.actions,
        clock=ctx.clock,
        git=ctx.git,
        known=known,
    )
    _read(reader)
    session.ledger, _ = reader.merge_into(session.ledger)
    session.artifacts.record_look(reader.own, reader.listed)
    if (stored := session.stored) and (listed := reader.listed.get(stored.id)):
        if listed.size != len(stored.data):
            ctx.artifacts.verify(stored.name, stored.id, stored.data)
        session.stored = None
    return session.ledger.facts != before


def _read(reader: ArtifactReader) -> None:
    reader.read()
    if reader.newer:
        raise ConfigError(reader.newer[0], fix=_UPDATE)


def state_file_of(state_dir: Path, access: LedgerAccess) -> Path:
    """Return the path of the ledger's file, used where there is no artifact service."""
    return state_dir / f"{access.stem}.zip"


def _write_file(runner: Runner, path: Path, encoded: IO[bytes]) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_suffix(".new")
        with temporary.open("wb") as file:
            shutil.copyfileobj(encoded, file)
        temporary.replace(path)
        runner.chown_to_workspace_owner(path.parent)
    except OSError as error:
        raise ConfigError(
            f"The ledger cannot be written to {path}: {error.strerror}.",
            fix="Set `state-dir` to a writable folder.",
        ) from None


def _read_file(
    state_dir: Path, access: LedgerAccess, known: bytes = b""
) -> tuple[Ledger | None, bytes]:
    """Return the ledger in the state file and the file's digest; nothing if that is *known*."""
    path = state_file_of(state_dir, access)
    if not path.is_file():
        return None, b""
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").digest()
        if digest == known:
            return None, digest
        file.seek(0)
        data = file.read()
    try:
        return access.open(data), digest
    except codec.NewerLedgerError as error:
        raise ConfigError(f"The ledger file {path} cannot be read: {error}.", fix=_UPDATE) from None
    except codec.RefusedLedgerError as error:
        # The user's own file: only they can decide whether it may be overwritten.
        raise ConfigError(
            f"The ledger file {path} is refused: {error}.",
            fix="Move it away to start with an empty ledger; nothing was overwritten.",
        ) from None


def _parse_time(text: str) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
