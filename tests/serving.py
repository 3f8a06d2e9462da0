"""The wake-up service on top of a night: its repository listed, its clock the sandbox's."""

import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import yaml
from standardwebhooks import Webhook

from batch_action.cli.bootstrap import Door
from batch_action.cli.serve import open_station
from batch_action.ledger import codec
from batch_action.models.dispatch import Dispatch, Fate, Reply
from batch_action.models.ledger import Intended, Ledger, Question, Sent
from batch_action.sandbox.github.runs import Run
from batch_action.server import deliveries
from batch_action.server.app import Handlers, Server, app
from batch_action.server.context import Station
from batch_action.server.dispatcher import Dispatcher
from batch_action.server.watcher import Watcher
from tests.documents.texts import ROOT
from tests.nights import BAD, Night
from tests.planting import plant

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
EXAMPLE = (ROOT / "workflows-examples" / "submit-and-collect.yml").read_text("utf-8")
FILE = ".github/workflows/batch-action.yml"
SETTLE = 120.0


def begin(night: Night, workflow: str = EXAMPLE) -> str:
    """A repository with the workflow of our example and one batch on its way: the batch's id."""
    night.commit({FILE: workflow})
    return send(night)


def send(night: Night, how: Mapping[str, Any] | None = None, **artifact: Any) -> str:
    """A ledger that says so of one batch more; Anthropic knows nothing of it.

    *how* the run was that left the ledger, and what is special about its artifact.
    """
    number = len(night.hub.artifacts)
    question = Question(id=f"code-review-app-{number}", path="app.js", blob=night.repo.head())
    intended = Intended(
        intent=f"{number:016x}",
        at=night.now(),
        run="1.1",
        head=night.repo.head(),
        model="claude-sonnet-5-5",
        batches=((question,),),
    )
    sent = Sent(
        intent=intended.intent,
        index=0,
        batch=f"msgbatch_{night.hub.id}x{number}",
        created_at=night.now(),
        expires_at=night.now() + timedelta(hours=24),
    )
    ledger = Ledger(repository=str(night.hub.id), task="code-review", facts=(intended, sent))
    plant(night, codec.seal(ledger, None), how or {}, **artifact)
    return sent.batch


def submit(night: Night, **inputs: Any) -> str:
    """A batch that was really sent: its id."""
    night.commit({FILE: EXAMPLE, "app.js": BAD + f"// {len(night.batches)}\n"})
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
        return deliveries.receive(self.station, self.signed(body, name), body)

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


class Stage:
    """One listening server for many tests: what stands behind its addresses is changed."""

    def __init__(self) -> None:
        async def forward(scope: Any, receive: Any, send: Any) -> None:
            await self._app(scope, receive, send)

        self._server = Server(forward, "127.0.0.1", 0)
        self._thread = threading.Thread(target=self._server.run)
        self._thread.start()
        self.address = self._server.address

    def put(self, handlers: Handlers) -> None:
        self._app = app(handlers)

    def close(self) -> None:
        self._server.stop()
        self._thread.join(10)
        assert not self._thread.is_alive()


def store_of(night: Night) -> Path:
    return night.folder / "store" / "serve.sqlite3"
