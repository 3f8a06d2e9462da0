"""The status page: one HTML text, no script, nothing loaded, everything escaped."""

from datetime import datetime
from functools import cache
from importlib import resources
from urllib.parse import urlsplit

from jinja2 import Environment, PackageLoader, StrictUndefined, Template

from batch_action.models.waking import Fate, Source
from batch_action.waking.board import Board

MINUTE, HOUR, DAY = 60, 3600, 86_400
MOODS = {
    "well": "All is well",
    "new": "Just started",
    "trouble": "Something is tried again",
    "bad": "Needs a person",
}
FATES = {
    Fate.DUE: "waiting to be sent",
    Fate.SENDING: "looking for its run",
    Fate.STARTED: "run started",
    Fate.COLLECTED: "collected before",
    Fate.FAILED: "failed for good",
}
STATES = {"running": "running", "ended": "ended"} | {fate.value: FATES[fate] for fate in Fate}
SOURCES = {
    Source.WEBHOOK: "webhook",
    Source.HEX: "webhook (hex signature)",
    Source.WATCHER: "watcher",
}


def render(board: Board) -> str:
    """The page of this board."""
    css = resources.files("batch_action.waking").joinpath("page.css").read_text("utf-8")
    return _template().render(
        board=board,
        css=css,
        moods=MOODS,
        fates=FATES,
        states=STATES,
        sources=SOURCES,
        ago=lambda moment: f"{span((board.now - moment).total_seconds())} ago",
        ahead=lambda moment: _ahead((moment - board.now).total_seconds()),
        old=lambda moment: span((board.now - moment).total_seconds()),
        share=lambda one: _share(board.now, one.created_at, one.expires_at),
    )


def span(seconds: float) -> str:
    """A length of time as people say it: `40 s`, `12 min`, `3 h 20 min`, `2 d 4 h`."""
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


def _ahead(seconds: float) -> str:
    return f"expires in {span(seconds)}" if seconds > 0 else f"expired {span(-seconds)} ago"


def _share(now: datetime, start: datetime, end: datetime) -> int:
    """How much of a batch's time is over, in percent."""
    whole = (end - start).total_seconds()
    return (
        round(100 * min(1.0, max(0.0, (now - start).total_seconds() / whole))) if whole > 0 else 100
    )


def _link(url: str) -> str:
    """An address that is only an address."""
    return url if urlsplit(url).scheme in ("http", "https") else ""


@cache
def _template() -> Template:
    environment = Environment(
        loader=PackageLoader("batch_action", "waking"),
        undefined=StrictUndefined,
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["link"] = _link
    return environment.get_template("page.html.j2")
