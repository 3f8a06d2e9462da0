"""The wake-up service on top of a night: its repository listed, its clock the sandbox's."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from standardwebhooks import Webhook

from batch_action.cli.serving import open_station
from batch_action.cli.wiring import Door
from batch_action.models.waking import Dispatch, Fate, Reply
from batch_action.sandbox.github.runs import Run
from batch_action.steps.waking import receiving
from batch_action.steps.waking.dispatching import Dispatcher
from batch_action.steps.waking.station import Station
from batch_action.steps.waking.watching import Watcher
from tests.documents.texts import ROOT
from tests.nights import BAD, Night

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
EXAMPLE = (ROOT / "workflows-examples" / "submit-and-collect.yml").read_text("utf-8")
FILE = ".github/workflows/batch-action.yml"
SETTLE = 120.0


def begin(night: Night, workflow: str = EXAMPLE) -> str:
    """A repository with the workflow of our example and one batch on its way: the batch's id."""
    night.commit({FILE: workflow})
    return send(night)


def send(night: Night, **inputs: Any) -> str:
    night.commit({"app.js": BAD + f"// {len(night.batches)}\n"})
    result = night.run("submit", **inputs)
    assert result.exit == 0, result.log
    return result.ids[0]


def runs(night: Night) -> list[Run]:
    """What was dispatched, oldest first."""
    every = night.sandbox.github.world.runs_of(night.hub)
    return [run for run in reversed(every) if run.event.endswith("_dispatch")]


def file_for(night: Night, **place: Any) -> dict[str, Any]:
    return {"repositories": [{"repository": night.hub.full_name, "token-env": "TOKEN", **place}]}


def environ_for(night: Night, **variables: str) -> dict[str, str]:
    return {
        "TOKEN": night.sandbox.github.token_for("octo"),
        "GITHUB_API_URL": f"{night.sandbox.github_url}/api/v3",
        "ANTHROPIC_BASE_URL": night.sandbox.anthropic_url,
        "ANTHROPIC_API_KEY": night.key,
        "ANTHROPIC_WEBHOOK_SIGNING_KEY": SECRET,
        **variables,
    }


def body_of(batch: str | None, kind: str = "batch.completed", **data: Any) -> bytes:
    told = {"type": kind, "data": {**({"batch_id": batch} if batch else {}), **data}}
    return json.dumps(told).encode()


@dataclass(kw_only=True)
class Service:
    """An open station with both workers, whose rounds a test calls itself."""

    night: Night
    station: Station
    dispatcher: Dispatcher
    watcher: Watcher

    def deliver(self, batch: str | None, name: str = "msg_1", **said: Any) -> Reply:
        body = body_of(batch, **said)
        return receiving.receive(self.station, self.signed(body, name), body)

    def signed(self, body: bytes, name: str) -> dict[str, str]:
        now = self.night.now()
        return {
            "webhook-id": name,
            "webhook-timestamp": str(int(now.timestamp())),
            "webhook-signature": Webhook(SECRET).sign(name, now, body.decode()),
        }

    def dispatches(self) -> list[Dispatch]:
        return self.station.store.errands.newest(100)

    def fate(self) -> Fate:
        """What has become of the one dispatch."""
        (one,) = self.dispatches()
        return one.fate

    def pass_time(self, seconds: float, rounds: int = 1) -> None:
        """Let time pass and do a round, several times."""
        for _ in range(rounds):
            self.night.advance(seconds)
            self.dispatcher.round()


@contextmanager
def open_service(
    night: Night,
    file: Mapping[str, Any] | None = None,
    *,
    watch: bool = True,
    environ: Mapping[str, str] | None = None,
) -> Iterator[Service]:
    """The service as the door opens it, with the store of earlier ones in this night."""
    config = night.folder / "serve.yml"
    config.write_text(yaml.safe_dump(dict(file or file_for(night))), "utf-8")
    door = Door(
        environ={**environ_for(night), **(environ or {})}, clock=night.now, write_interval=0.0
    )
    with open_station(
        door, config=config, store=store_of(night), watch=watch, settle=SETTLE
    ) as station:
        yield Service(
            night=night,
            station=station,
            dispatcher=Dispatcher(station),
            watcher=Watcher(station),
        )


def store_of(night: Night) -> Path:
    return night.folder / "store" / "serve.sqlite3"
