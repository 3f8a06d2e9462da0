"""A status page with everything on it, names from hostile hands included."""

from datetime import UTC, datetime, timedelta

from batch_action.models.dispatch import (
    BatchNotification,
    Delivery,
    DeliverySource,
    Dispatch,
    DispatchStatus,
    PendingBatchRecord,
    WebhookEvent,
)
from batch_action.server.status_page import Batch, Board, Line

NOW = datetime(2026, 11, 22, 6, 2, 41, tzinfo=UTC)
HOSTILE = "<script>document.title='owned'</script><img src=x onerror=alert(1)>"
RUN = "https://github.com/octo/shop/actions/runs/70112233445"


def ago(minutes: float) -> datetime:
    return NOW - timedelta(minutes=minutes)


def awaited(batch: str, shelf: str, minutes: float, requests: int) -> PendingBatchRecord:
    return PendingBatchRecord(
        ledger_name=shelf,
        repository="/".join(shelf.split("/")[:2]),
        batch=batch,
        requests=requests,
        created_at=ago(minutes),
        expires_at=ago(minutes) + timedelta(hours=24),
    )


def dispatch(batch: str, fate: DispatchStatus, minutes: float, **more: object) -> Dispatch:
    return Dispatch(
        batch=batch,
        repository="octo/shop",
        ledger_name="octo/shop/code-review",
        status=fate,
        born_at=ago(minutes),
        due_at=ago(minutes),
        changed_at=ago(minutes),
        **{"tries": 0, **more},  # type: ignore[arg-type]
    )


def delivery(
    name: str, kind: str, batch: str | None, source: DeliverySource, minutes: float, times: int
):
    notice = BatchNotification(id=name, source=source, event=WebhookEvent(kind=kind, batch=batch))
    return Delivery(notice=notice, at=ago(minutes), times=times)


STARTED = dispatch(
    "msgbatch_01HkcTjaV5uDC8jWR4ZsDV8d", DispatchStatus.STARTED, 3, run="70112233445", url=RUN
)
DUE = dispatch(
    "msgbatch_01Zq8Xv3mP2LrT5YcKwB7nGd",
    DispatchStatus.DUE,
    0.7,
    tries=2,
    note="GitHub failed on POST /repos/octo/shop/actions/workflows/batch-action.yml/dispatches "
    "with 502. Nothing is lost: the next run goes on.",
)
FAILED = dispatch(
    "msgbatch_01Failed9sDV8dLrT5YcKwB7",
    DispatchStatus.FAILED,
    190,
    tries=8,
    note="GitHub refused POST /repos/octo/site/actions/workflows/batch-action.yml/dispatches with "
    '422 (Unexpected inputs provided: ["batch-id"]). Declare the input `batch-id` there.',
)

FULL = Board(
    now=NOW,
    version="1.2.3",
    door_open=True,
    watched=True,
    watched_at=ago(0.3),
    stuck=("dispatcher",),
    troubles=("octo/site/code-review: GitHub did not answer GET /repos/octo/site: ReadTimeout.",),
    ledgers=(
        Line(name="octo/shop/code-review", looked_at=ago(2), problem=""),
        Line(name=f"octo/site/{HOSTILE}", looked_at=ago(4), problem="It cannot be read."),
        Line(name="octo/api/security-scan", looked_at=None, problem=""),
    ),
    batches=(
        Batch(
            awaited=awaited(STARTED.batch, "octo/shop/code-review", 223, 41),
            ended=True,
            dispatch=STARTED,
        ),
        Batch(
            awaited=awaited(DUE.batch, "octo/shop/security-scan/web", 95, 1),
            ended=True,
            dispatch=DUE,
        ),
        Batch(
            awaited=awaited("msgbatch_01Running3mP2LrT5YcKwB7n", "octo/api/code-review", 12, 310),
            ended=False,
            dispatch=None,
        ),
        Batch(
            awaited=awaited("msgbatch_01" + "Long" * 24, "octo/api/code-review", 1500, 7),
            ended=True,
            dispatch=None,
        ),
    ),
    dispatches=(
        DUE,
        STARTED,
        FAILED,
        dispatch("msgbatch_01Before", DispatchStatus.COLLECTED, 2000),
    ),
    deliveries=(
        delivery(
            "watcher:" + DUE.batch, "message_batch.ended", DUE.batch, DeliverySource.WATCHER, 1, 1
        ),
        delivery("msg_" + HOSTILE, HOSTILE, None, DeliverySource.WEBHOOK, 2, 1),
        delivery("msg_2Lr", "batch.completed", STARTED.batch, DeliverySource.WEBHOOK, 3.4, 3),
        delivery(
            "sha256:" + "0a1b" * 16, "batch.completed", FAILED.batch, DeliverySource.HEX, 250, 1
        ),
    ),
    lost=("msgbatch_01Nobodys",),
)

EMPTY = Board(
    now=NOW,
    version="1.2.3",
    door_open=False,
    watched=True,
    watched_at=ago(0.5),
    stuck=(),
    troubles=(),
    ledgers=(Line(name="octo/shop/code-review", looked_at=ago(2), problem=""),),
    batches=(),
    dispatches=(),
    deliveries=(),
    lost=(),
)
