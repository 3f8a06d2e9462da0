"""The status page and `/healthz`: one HTML page, no script, nothing loaded, everything escaped."""

import sqlite3
from collections.abc import Mapping
from functools import cache
from typing import Any
from urllib.parse import urlsplit

from jinja2 import Environment, PackageLoader, StrictUndefined, Template

from batch_action import __version__
from batch_action.server.context import ServerContext
from batch_action.server.ledgers import RemoteLedgers
from batch_action.server.store import BatchRecord, BatchStatus, Store

MINUTE, HOUR, DAY = 60, 3600, 86_400
MAX_SHOWN = 30


def render(ctx: ServerContext, ledgers: RemoteLedgers) -> str:
    """Return the page."""
    loops = (ctx.dispatching, ctx.watching)
    now, remote_ledgers = ctx.clock(), ledgers.by_name.values()
    stuck, failed = [loop.name for loop in loops if loop.is_stuck()], _failed(ctx.store)
    problems = [f"{ledger.name}: {ledger.problem}" for ledger in remote_ledgers if ledger.problem]
    problems += [loop.problem for loop in loops if loop.problem]
    if stuck or failed:
        health = "failing"
    elif problems:
        health = "retrying"
    else:
        health = "ok" if all(ledger.read_at for ledger in remote_ledgers) else "starting"
    return _template().render(
        version=__version__,
        now=now,
        health=health,
        webhooks_open=bool(ctx.keys),
        watch=ctx.watch,
        watched_at=ctx.watching.last_success_at,
        stuck=stuck,
        problems=problems,
        failed=failed,
        unknown=[b for b in ctx.store.batches(BatchStatus.FAILED) if not b.ledger][:MAX_SHOWN],
        pending=_pending(ctx.store),
        dispatched=ctx.store.batches(BatchStatus.STARTED, BatchStatus.COLLECTED, limit=MAX_SHOWN),
        deliveries=ctx.store.deliveries(MAX_SHOWN),
        ledgers=remote_ledgers,
        age=lambda moment: duration((now - moment).total_seconds()),
        expiry=lambda moment: _expiry((moment - now).total_seconds()),
    )


def health(ctx: ServerContext) -> tuple[bool, Mapping[str, Any]]:
    """Return whether the service works, and the facts.

    Trouble elsewhere (GitHub, Anthropic, a token) is reported, but does not make it fail: a
    restart would not help.
    """
    loops = (ctx.dispatching, *([ctx.watching] if ctx.watch else []))
    stuck = [loop.name for loop in loops if loop.is_stuck()]
    facts: dict[str, Any] = {
        "store": "ok",
        "stuck": stuck,
        "problems": [loop.problem for loop in loops if loop.problem],
        "last_success_at": {
            loop.name: loop.last_success_at and loop.last_success_at.isoformat(timespec="seconds")
            for loop in loops
        },
    }
    try:
        ctx.store.check(ctx.clock())
        facts |= {"pending": len(_pending(ctx.store)), "failed": len(_failed(ctx.store))}
    except sqlite3.Error as error:
        facts["store"] = str(error)
    ok = facts["store"] == "ok" and not stuck
    return ok, {"status": "ok" if ok else "failing", **facts}


def duration(seconds: float) -> str:
    """Format a length of time: `40 s`, `12 min`, `3 h 20 min`, `2 d 4 h`."""
    left = max(0, int(seconds))
    if left < MINUTE:
        return f"{left} s"
    if left < HOUR:
        return f"{left // MINUTE} min"
    if left < DAY:
        minutes = left % HOUR // MINUTE
        return f"{left // HOUR} h" + (f" {minutes} min" if minutes else "")
    hours = left % DAY // HOUR
    return f"{left // DAY} d" + (f" {hours} h" if hours else "")


def _expiry(seconds: float) -> str:
    return f"expires in {duration(seconds)}" if seconds > 0 else f"expired {duration(-seconds)} ago"


def _pending(store: Store) -> list[BatchRecord]:
    """Return the batches that are not collected yet, the oldest first."""
    batches = store.batches(BatchStatus.PENDING, BatchStatus.ENDED, BatchStatus.STARTED)
    # A run that was started for a repository that left the file concerns nobody here.
    pending = [b for b in batches if b.ledger or b.status is BatchStatus.ENDED]
    return sorted(pending, key=lambda batch: batch.created_at)


def _failed(store: Store) -> list[BatchRecord]:
    """Return the batches of listed repositories for which no run could be started."""
    return [batch for batch in store.batches(BatchStatus.FAILED) if batch.ledger]


def _http_url(url: str) -> str:
    """Return an address of the web; an empty text for any other."""
    return url if urlsplit(url).scheme in ("http", "https") else ""


@cache
def _template() -> Template:
    environment = Environment(
        loader=PackageLoader("batch_action", "server"),
        undefined=StrictUndefined,
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["http_url"] = _http_url
    return environment.get_template("status_page.html.j2")
