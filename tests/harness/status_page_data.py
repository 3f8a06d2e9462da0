"""A `serve` with everything on its status page, names of hostile origin included."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from batch_action.server import status_page
from batch_action.server.context import ServerContext
from batch_action.server.log import JsonLog
from batch_action.server.loop import Loop
from batch_action.server.signatures import Keys, keys_from
from batch_action.server.store import BatchRecord, BatchStatus, Delivery, Store

NOW = datetime(2026, 11, 22, 6, 2, 41, tzinfo=UTC)
HOSTILE = "<script>document.title='owned'</script><img src=x onerror=alert(1)>"
RUN = "https://github.com/octo/shop/actions/runs/70112233445"


def ago(minutes: float) -> datetime:
    return NOW - timedelta(minutes=minutes)


def batch(id: str, status: BatchStatus, minutes: float, **fields: object) -> BatchRecord:
    ledger = str(fields.get("ledger", "octo/shop/code-review"))
    record = BatchRecord(
        id=id,
        status=status,
        ledger=ledger,
        repository="/".join(ledger.split("/")[:2]),
        requests=41,
        created_at=ago(minutes),
        expires_at=ago(minutes) + timedelta(hours=24),
        changed_at=ago(min(minutes, 3)),
    )
    return replace(record, **fields)  # type: ignore[arg-type]


STARTED = batch(
    "msgbatch_01HkcTjaV5uDC8jWR4ZsDV8d", BatchStatus.STARTED, 223, run="70112233445", url=RUN
)
ENDED = batch(
    "msgbatch_01Zq8Xv3mP2LrT5YcKwB7nGd",
    BatchStatus.ENDED,
    95,
    ledger="octo/shop/security-scan/web",
    requests=1,
    tries=2,
    note="GitHub failed on POST /repos/octo/shop/actions/workflows/batch-action.yml/dispatches "
    "with 502. Nothing is lost: the next run goes on.",
)
FAILED = batch(
    "msgbatch_01Failed9sDV8dLrT5YcKwB7",
    BatchStatus.FAILED,
    190,
    ledger="octo/site/code-review",
    tries=8,
    note="GitHub refused POST /repos/octo/site/actions/workflows/batch-action.yml/dispatches with "
    '422 (Unexpected inputs provided: ["batch-id"]). Declare the input `batch-id` there.',
)
BATCHES = (
    STARTED,
    ENDED,
    FAILED,
    batch("msgbatch_01Running3mP2LrT5YcKwB7n", BatchStatus.PENDING, 12, requests=310),
    batch("msgbatch_01" + "Long" * 24, BatchStatus.ENDED, 1500, ledger="", requests=0),
    batch("msgbatch_01Before", BatchStatus.COLLECTED, 2000),
    batch("msgbatch_01OfNobody", BatchStatus.FAILED, 60, ledger="", note="No ledger names it."),
)
DELIVERIES = (
    Delivery(
        id="watcher:" + ENDED.id,
        source="watcher",
        type="message_batch.ended",
        batch=ENDED.id,
        received_at=ago(1),
    ),
    Delivery(id="msg_" + HOSTILE, source="webhook", type=HOSTILE, batch=None, received_at=ago(2)),
    Delivery(
        id="sha256:" + "0a1b" * 16,
        source="hex-signature",
        type="batch.completed",
        batch=FAILED.id,
        received_at=ago(250),
    ),
)


@dataclass(kw_only=True)
class LedgerData:
    """What the page shows of a `RemoteLedger`."""

    name: str
    read_at: datetime | None
    problem: str = ""


LEDGERS = (
    LedgerData(name="octo/shop/code-review", read_at=ago(2)),
    LedgerData(name=f"octo/site/{HOSTILE}", read_at=ago(4), problem="It cannot be read."),
    LedgerData(name="octo/api/security-scan", read_at=None),
)


@dataclass(kw_only=True)
class PageData:
    """The content of a page; without arguments, of a service with nothing to do."""

    batches: tuple[BatchRecord, ...] = ()
    deliveries: tuple[Delivery, ...] = ()
    ledgers: tuple[LedgerData, ...] = LEDGERS[:1]
    problem: str = ""
    stuck: bool = False
    keys: Keys = field(default_factory=Keys)

    @property
    def by_name(self) -> dict[str, LedgerData]:
        return {ledger.name: ledger for ledger in self.ledgers}

    def render(self, folder: Path) -> str:
        with self._open(folder) as ctx:
            return status_page.render(ctx, self)  # type: ignore[arg-type]

    @contextmanager
    def _open(self, folder: Path) -> Iterator[ServerContext]:
        with Store(folder / "page.sqlite3") as store:
            for delivery in self.deliveries:
                store.accept(delivery)
            with store._transaction():
                for record in self.batches:
                    store._save(record)
            log = JsonLog()
            ctx = ServerContext(
                store=store,
                repositories=(),
                keys=self.keys,
                log=log,
                clock=lambda: NOW,
                jitter=lambda: 0.0,
                watch=True,
                dispatching=Loop("dispatcher", log),
                watching=Loop("watcher", log),
            )
            ctx.log.close()
            ctx.dispatching.dead = self.stuck
            ctx.watching.last_success_at = ago(0.5)
            ctx.watching.problem = self.problem
            yield ctx


EMPTY = PageData()
FULL = PageData(
    batches=BATCHES,
    deliveries=DELIVERIES,
    ledgers=LEDGERS,
    problem="Anthropic did not answer GET /v1/messages/batches: ReadTimeout.",
    stuck=True,
    keys=keys_from({}, {"HEX": "a secret of enough length"}),
)
