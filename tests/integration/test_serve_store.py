"""The database and the log of `serve`."""

import io
import json
import logging
import os
import sqlite3
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from batch_action.errors import ConfigError
from batch_action.server.log import HIDDEN, MAX_VALUE_CHARS, JsonLog
from batch_action.server.store import BatchRecord, BatchStatus, Delivery, Store
from tests.harness.processes import write_config
from tests.harness.serve import environ_for, store_of
from tests.harness.workflow import WorkflowHarness

NOW = datetime(2026, 11, 22, 2, 17, tzinfo=UTC)


LATER = NOW + timedelta(hours=1)


def delivery(name: str, batch: str | None = "b", at: datetime = NOW) -> Delivery:
    return Delivery(id=name, source="webhook", type="batch.ended", batch=batch, received_at=at)


def pending(batch: str = "b", ledger: str = "o/r/t") -> BatchRecord:
    return BatchRecord(
        id=batch,
        status=BatchStatus.PENDING,
        ledger=ledger,
        repository="o/r",
        requests=3,
        created_at=NOW,
        expires_at=NOW + timedelta(hours=24),
        changed_at=NOW,
    )


def statuses(store: Store) -> dict[str, str]:
    return {batch.id: batch.status.value for batch in store.batches(*BatchStatus)}


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(tmp_path / "s.sqlite3") as opened:
        yield opened


def test_everything_is_there_after_a_restart(tmp_path: Path) -> None:
    def content(store: Store) -> object:
        return store.deliveries(9), store.batches(*BatchStatus), store.next_due()

    with Store(tmp_path / "new" / "s.sqlite3") as store:
        store.accept(delivery("1"))
        store.accept(delivery("1"))
        store.set_pending("o/r/t", [pending(), pending("c")], NOW)
        store.update("c", LATER, status=BatchStatus.STARTED, run="7", url="https://x", note="n")
        before = content(store)
    with Store(tmp_path / "new" / "s.sqlite3") as store:
        assert content(store) == before
        (batch,) = store.due(NOW)
        assert (batch.id, batch.ended_at) == ("b", NOW)


def test_every_commit_is_flushed_to_the_disk(store: Store) -> None:
    (synchronous,) = store._rows("PRAGMA synchronous")
    (log,) = store._rows("PRAGMA journal_mode")
    assert (synchronous[0], log[0]) == (2, "wal")


def test_a_change_is_made_completely_or_not_at_all(store: Store) -> None:
    store.set_pending("o/r/t", [pending()], NOW)
    invalid = replace(pending("d"), id=None)  # type: ignore[arg-type]
    with pytest.raises(sqlite3.IntegrityError):
        store.set_pending("o/r/t", [pending("c"), invalid], LATER)
    assert statuses(store) == {"b": "pending"}


def test_what_is_old_is_deleted_unless_it_is_pending(store: Store) -> None:
    later = NOW + timedelta(days=41)
    store.set_pending("o/r/t", [pending("p")], NOW)
    store.accept(delivery("1"))
    store.accept(delivery("2", "c", later))
    store.prune(later - timedelta(days=40))
    assert [stored.id for stored in store.deliveries(9)] == ["2"]
    assert statuses(store) == {"c": "ended", "p": "pending"}


def test_a_batch_of_two_ledgers_is_one_row_of_the_first_until_it_is_collected(
    store: Store,
) -> None:
    copy = pending(ledger="o/s/t")
    assert store.set_pending("o/r/t", [pending()], NOW) == ["b"]
    assert store.set_pending("o/s/t", [copy], NOW) == []
    store.accept(delivery("1"))
    store.update("b", NOW, status=BatchStatus.STARTED, due_at=None)
    store.set_pending("o/s/t", [copy], NOW)
    (batch,) = store.batches(*BatchStatus)
    assert (batch.ledger, batch.status) == ("o/r/t", BatchStatus.STARTED)
    store.set_pending("o/r/t", [], NOW)
    assert statuses(store) == {"b": "collected"}
    store.set_pending("o/s/t", [copy], LATER)
    (batch,) = store.due(LATER)
    assert batch.ledger == "o/s/t"
    store.set_pending("o/r/t", [], LATER)
    assert statuses(store) == {"b": "ended"}


@pytest.mark.parametrize("ended", [True, False])
def test_a_batch_that_was_collected_only_for_a_moment_is_not_forgotten(
    store: Store, ended: bool
) -> None:
    store.set_pending("o/r/t", [pending()], NOW)
    store.set_pending("o/r/t", [], NOW)
    if ended:
        store.accept(delivery("1"))
    assert statuses(store) == {"b": "collected"}
    store.set_pending("o/r/t", [pending()], LATER)
    assert statuses(store) == {"b": "ended" if ended else "pending"}
    assert [batch.id for batch in store.due(LATER)] == ["b"] * ended


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("pending", "ended"),
        ("ended", "ended"),
        ("started", "started"),
        ("collected", "collected"),
        ("failed", "ended"),
    ],
)
def test_what_a_new_delivery_does_to_a_batch(store: Store, before: str, after: str) -> None:
    store.set_pending("o/r/t", [pending()], NOW)
    due = {"due_at": LATER} if before == "ended" else {}
    store.update("b", NOW, status=BatchStatus(before), tries=3, **due)
    assert store.accept(delivery("1", at=LATER))
    assert statuses(store) == {"b": after}
    batch = store.batch("b")
    assert batch is not None
    is_new = before in ("pending", "failed")
    assert (batch.ended_at, batch.tries) == (LATER, 0 if is_new else 3)
    assert [due.id for due in store.due(LATER)] == ["b"] * (after == "ended")


@pytest.mark.parametrize(
    ("before", "after"),
    [("ended", "ended"), ("started", "started"), ("collected", "collected"), ("failed", "failed")],
)
def test_a_released_batch_keeps_its_status_and_can_be_named_again(
    store: Store, before: str, after: str
) -> None:
    store.set_pending("o/r/t", [pending(), pending("p")], NOW)
    store.update("b", NOW, status=BatchStatus(before))
    store.release_other_ledgers(["o/s/t"])
    assert statuses(store) == {"b": after}
    store.set_pending("o/s/t", [replace(pending(), ledger="o/s/t")], LATER)
    (batch,) = store.batches(*BatchStatus)
    assert batch.ledger == "o/s/t"


@pytest.mark.parametrize(
    ("version", "content", "message"),
    [
        (99, b"", r"written by another version of batch-action \(99\)"),
        (0, b"this is no database, whatever its name says" * 50, "cannot be used"),
    ],
)
def test_a_foreign_file_is_not_changed(
    tmp_path: Path, version: int, content: bytes, message: str
) -> None:
    path = tmp_path / "s.sqlite3"
    path.write_bytes(content)
    if version:
        with sqlite3.connect(path) as db:
            db.execute(f"PRAGMA user_version = {version}")
        db.close()
    before = path.read_bytes()
    with pytest.raises(ConfigError, match=message):
        Store(path)
    if content:
        assert path.read_bytes() == before


def test_the_log_is_json_without_secrets() -> None:
    stream = io.StringIO()
    log = JsonLog(secrets=["ghp_0123456789", "ghp_0123456789abc", "short"], stream=stream)
    try:
        log.info("one", message="short ghp_0123456789abc", number=3, nothing="", none=None)
        log.warning("two", problem="x" * 9_999 + "ghp_0123456789")
        log.error("three", message="line\nline\u2028\x1b[31m")
        logging.getLogger("somebody").warning("got %s", "ghp_0123456789")
        logging.getLogger("somebody").info("chatter")
        log.bug("four", ValueError("ghp_0123456789"))
    finally:
        log.close()
    log.info("five")
    text = stream.getvalue()
    assert "ghp_" not in text
    assert text.isascii()
    one, two, three, library, four = [json.loads(line) for line in text.splitlines()]
    assert (one["level"], one["event"], one["message"]) == ("info", "one", f"short {HIDDEN}")
    assert (one["number"], "nothing" in one, "none" in one) == (3, False, False)
    assert len(two["problem"]) == MAX_VALUE_CHARS
    assert three["message"] == "line\nline\u2028\x1b[31m"
    assert (library["event"], library["message"]) == ("library", f"got {HIDDEN}")
    assert "ValueError" in four["trace"]


def test_a_missing_extra_is_named(workflow: WorkflowHarness, monkeypatch) -> None:
    for name in [name for name in sys.modules if name.startswith("batch_action.server.app")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.delitem(sys.modules, "batch_action.commands.serve", raising=False)
    monkeypatch.setitem(sys.modules, "starlette.applications", None)
    files = ["--config", str(write_config(workflow)), "--store", str(store_of(workflow))]
    result = workflow.cli("serve", "--watch", *files, environ=environ_for(workflow))
    assert result.exit == 2
    assert "pip install 'batch-action[server]'" in result.stderr


@pytest.mark.parametrize("umask", [0o000, 0o022])
@pytest.mark.parametrize("before", [None, 0o644, 0o666])
def test_only_the_owner_can_read_the_store(tmp_path: Path, umask: int, before: int | None) -> None:
    path = tmp_path / "new" / "serve.sqlite3"
    earlier = os.umask(umask)
    try:
        if before is not None:
            with Store(path) as store:
                store.check(NOW)
            for name in path.parent.iterdir():
                name.chmod(before)
        with Store(path) as store:
            store.check(NOW)
            modes = {file.name: file.stat().st_mode & 0o777 for file in path.parent.iterdir()}
    finally:
        os.umask(earlier)
    assert modes.pop("serve.sqlite3-wal") == 0o600
    assert set(modes.values()) == {0o600}
    assert path.parent.stat().st_mode & 0o777 == 0o700
