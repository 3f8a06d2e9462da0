"""What `serve` keeps and what it writes down: the store's file, and the log."""

import io
import json
import logging
import sqlite3
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from batch_action.errors import ConfigError
from batch_action.models.dispatch import (
    BatchNotification,
    DeliverySource,
    DispatchStatus,
    PendingBatchRecord,
    WebhookEvent,
)
from batch_action.server.log import HIDDEN, LONGEST, JsonLog
from batch_action.server.store import Store
from tests.harness.processes import config_for
from tests.harness.serve import environ_for, store_of
from tests.harness.workflow import WorkflowHarness

NOW = datetime(2026, 11, 22, 2, 17, tzinfo=UTC)


def notice(name: str, batch: str | None = "b") -> BatchNotification:
    return BatchNotification(
        id=name, source=DeliverySource.WEBHOOK, event=WebhookEvent(kind="batch.ended", batch=batch)
    )


def awaited(batch: str = "b", shelf: str = "o/r/t") -> PendingBatchRecord:
    return PendingBatchRecord(
        ledger_name=shelf,
        repository="o/r",
        batch=batch,
        requests=3,
        created_at=NOW,
        expires_at=NOW + timedelta(hours=24),
    )


def test_everything_is_there_after_a_restart(tmp_path: Path) -> None:
    with Store(tmp_path / "new" / "s.sqlite3") as store:
        store.deliveries.accept(notice("1"), NOW)
        store.waiting.shelve("o/r/t", [awaited()])
        store.dispatches.plan(awaited(), NOW)
        (one,) = store.dispatches.due(NOW)
        assert store.dispatches.claim(one, NOW)
        kept = (store.deliveries.newest(9), store.waiting.all(), store.dispatches.newest(9))
    with Store(tmp_path / "new" / "s.sqlite3") as store:
        assert (store.deliveries.newest(9), store.waiting.all(), store.dispatches.newest(9)) == kept
        (one,) = store.dispatches.due(NOW)
        assert one.status is DispatchStatus.SENDING
        assert not store.dispatches.claim(one, NOW)


def test_it_is_flushed_to_the_disk(tmp_path: Path) -> None:
    with Store(tmp_path / "s.sqlite3") as store:
        (synchronous,) = store._base.all("PRAGMA synchronous")
        (log,) = store._base.all("PRAGMA journal_mode")
        assert (synchronous[0], log[0]) == (2, "wal")


def test_a_change_is_made_whole_or_not_at_all(tmp_path: Path) -> None:
    with Store(tmp_path / "s.sqlite3") as store:
        store.waiting.shelve("o/r/t", [awaited()])
        with pytest.raises(sqlite3.IntegrityError):
            store.waiting.shelve("o/r/t", [awaited("c"), awaited("c")])
        assert [one.batch for one in store.waiting.all()] == ["b"]


def test_what_is_old_is_forgotten(tmp_path: Path) -> None:
    later = NOW + timedelta(days=41)
    with Store(tmp_path / "s.sqlite3") as store:
        store.deliveries.accept(notice("1"), NOW)
        store.dispatches.plan(awaited(), NOW)
        store.deliveries.accept(notice("2", "c"), later)
        store.dispatches.plan(awaited("c"), later)
        store.prune(later - timedelta(days=40))
        assert [one.notice.id for one in store.deliveries.newest(9)] == ["2"]
        assert store.deliveries.heard_of() == {"c"}
        assert [one.batch for one in store.dispatches.newest(9)] == ["c"]


def test_two_ledgers_that_name_a_batch_make_one_dispatch(tmp_path: Path) -> None:
    with Store(tmp_path / "s.sqlite3") as store:
        for shelf in ("o/r/t", "o/r/u"):
            store.waiting.shelve(shelf, [awaited(shelf=shelf)])
        owners = store.waiting.owners("b")
        assert len(owners) == 2
        for owner in owners:
            store.dispatches.plan(owner, NOW)
        assert len(store.dispatches.newest(9)) == 1


@pytest.mark.parametrize(
    ("version", "content", "said"),
    [
        (99, b"", r"written by another version of batch-action \(99\)"),
        (0, b"this is no database, whatever its name says" * 50, "cannot be used"),
    ],
)
def test_a_file_that_is_none_of_ours_is_left_alone(
    tmp_path: Path, version: int, content: bytes, said: str
) -> None:
    path = tmp_path / "s.sqlite3"
    path.write_bytes(content)
    if version:
        with sqlite3.connect(path) as base:
            base.execute(f"PRAGMA user_version = {version}")
        base.close()
    before = path.read_bytes()
    with pytest.raises(ConfigError, match=said):
        Store(path)
    if content:
        assert path.read_bytes() == before


def test_the_log_is_json_without_secrets() -> None:
    stream = io.StringIO()
    log = JsonLog(secrets=["ghp_0123456789", "ghp_0123456789abc", "short"], stream=stream)
    try:
        log.info("one", said="short ghp_0123456789abc", number=3, nothing="", none=None)
        log.warning("two", problem="x" * 9_999 + "ghp_0123456789")
        log.error("three", said="line\nline\u2028\x1b[31m")
        logging.getLogger("somebody").warning("told %s", "ghp_0123456789")
        logging.getLogger("somebody").info("chatter")
        log.bug("four", ValueError("ghp_0123456789"))
    finally:
        log.close()
    log.info("five")
    text = stream.getvalue()
    assert "ghp_" not in text
    assert text.isascii()
    one, two, three, library, four = [json.loads(line) for line in text.splitlines()]
    assert (one["level"], one["event"], one["said"]) == ("info", "one", f"short {HIDDEN}")
    assert (one["number"], "nothing" in one, "none" in one) == (3, False, False)
    assert len(two["problem"]) == LONGEST
    assert three["said"] == "line\nline\u2028\x1b[31m"
    assert (library["event"], library["message"]) == ("library", f"told {HIDDEN}")
    assert "ValueError" in four["trace"]


def test_a_missing_extra_is_named(workflow: WorkflowHarness, monkeypatch) -> None:
    for name in [name for name in sys.modules if name.startswith("batch_action.server.app")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.delitem(sys.modules, "batch_action.commands.serve", raising=False)
    monkeypatch.setitem(sys.modules, "starlette.applications", None)
    files = ["--config", str(config_for(workflow)), "--store", str(store_of(workflow))]
    done = workflow.cli("serve", "--watch", *files, environ=environ_for(workflow))
    assert done.exit == 2
    assert "pip install 'batch-action[server]'" in done.stderr
