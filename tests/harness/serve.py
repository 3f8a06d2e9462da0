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

from batch_action.cli.bootstrap import Invocation
from batch_action.cli.serve import open_station
from batch_action.ledger import codec
from batch_action.models.dispatch import DeliveryResponse, Dispatch, DispatchStatus
from batch_action.models.ledger import Intended, Ledger, RequestKey, Sent
from batch_action.sandbox.github.runs import Run
from batch_action.server import deliveries
from batch_action.server.app import Handlers, Server, app
from batch_action.server.context import ServerContext
from batch_action.server.dispatcher import Dispatcher
from batch_action.server.watcher import Watcher
from tests.documents.texts import ROOT
from tests.harness.foreign_artifacts import plant
from tests.harness.workflow import BAD, WorkflowHarness

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
EXAMPLE = (ROOT / "workflows-examples" / "submit-and-collect.yml").read_text("utf-8")
FILE = ".github/workflows/batch-action.yml"
SETTLE = 120.0


def begin(workflow: WorkflowHarness, workflow_file: str = EXAMPLE) -> str:
    """A repository with the workflow of our example and one batch on its way: the batch's id."""
    workflow.commit({FILE: workflow_file})
    return send(workflow)


def send(workflow: WorkflowHarness, how: Mapping[str, Any] | None = None, **artifact: Any) -> str:
    """A ledger that says so of one batch more; Anthropic knows nothing of it.

    *how* the run was that left the ledger, and what is special about its artifact.
    """
    number = len(workflow.hub.artifacts)
    request_key = RequestKey(
        id=f"code-review-app-{number}", path="app.js", blob=workflow.repo.head()
    )
    intended = Intended(
        intent=f"{number:016x}",
        at=workflow.now(),
        run="1.1",
        head=workflow.repo.head(),
        model="claude-sonnet-5-5",
        batches=((request_key,),),
    )
    sent = Sent(
        intent=intended.intent,
        index=0,
        batch=f"msgbatch_{workflow.hub.id}x{number}",
        created_at=workflow.now(),
        expires_at=workflow.now() + timedelta(hours=24),
    )
    ledger = Ledger(repository=str(workflow.hub.id), task="code-review", facts=(intended, sent))
    plant(workflow, codec.seal(ledger, None), how or {}, **artifact)
    return sent.batch


def submit(workflow: WorkflowHarness, **inputs: Any) -> str:
    """A batch that was really sent: its id."""
    workflow.commit({FILE: EXAMPLE, "app.js": BAD + f"// {len(workflow.batches)}\n"})
    result = workflow.run("submit", **inputs)
    assert result.exit == 0, result.log
    return result.ids[0]


def runs(workflow: WorkflowHarness) -> list[Run]:
    """What was dispatched, oldest first."""
    every = workflow.sandbox.github.instance.runs_of(workflow.hub)
    return [run for run in reversed(every) if run.event.endswith("_dispatch")]


def file_for(harness: WorkflowHarness, /, **place: Any) -> dict[str, Any]:
    return {"repositories": [{"repository": harness.hub.full_name, "token-env": "TOKEN", **place}]}


def environ_for(workflow: WorkflowHarness, **variables: str) -> dict[str, str]:
    return {
        "TOKEN": workflow.sandbox.github.token_for("octo"),
        "GITHUB_API_URL": f"{workflow.sandbox.github_url}/api/v3",
        "ANTHROPIC_BASE_URL": workflow.sandbox.anthropic_url,
        "ANTHROPIC_API_KEY": workflow.key,
        "ANTHROPIC_WEBHOOK_SIGNING_KEY": SECRET,
        **variables,
    }


def body_of(batch: str | None, kind: str = "batch.completed", **data: Any) -> bytes:
    told = {"type": kind, "data": {**({"batch_id": batch} if batch else {}), **data}}
    return json.dumps(told).encode()


@dataclass(kw_only=True)
class Service:
    """An open station with both workers, whose rounds a test calls itself."""

    workflow: WorkflowHarness
    ctx: ServerContext
    dispatcher: Dispatcher
    watcher: Watcher

    def publish(self, batch: str | None, name: str = "msg_1", **said: Any) -> DeliveryResponse:
        body = body_of(batch, **said)
        return deliveries.receive(self.ctx, self.signed(body, name), body)

    def signed(self, body: bytes, name: str) -> dict[str, str]:
        now = self.workflow.now()
        return {
            "webhook-id": name,
            "webhook-timestamp": str(int(now.timestamp())),
            "webhook-signature": Webhook(SECRET).sign(name, now, body.decode()),
        }

    def dispatches(self) -> list[Dispatch]:
        return self.ctx.store.dispatches.newest(100)

    def status(self) -> DispatchStatus:
        """What has become of the one dispatch."""
        (one,) = self.dispatches()
        return one.status

    def pass_time(self, seconds: float, rounds: int = 1) -> None:
        """Let time pass and do a round, several times."""
        for _ in range(rounds):
            self.workflow.advance(seconds)
            self.dispatcher.round()


@contextmanager
def open_service(
    workflow: WorkflowHarness,
    file: Mapping[str, Any] | None = None,
    *,
    watch: bool = True,
    environ: Mapping[str, str] | None = None,
) -> Iterator[Service]:
    """The service as the door opens it, with the store of earlier ones in this night."""
    config = workflow.folder / "serve.yml"
    config.write_text(yaml.safe_dump(dict(file or file_for(workflow))), "utf-8")
    invocation = Invocation(
        environ={**environ_for(workflow), **(environ or {})}, clock=workflow.now, write_interval=0.0
    )
    with open_station(
        invocation, config=config, store=store_of(workflow), watch=watch, settle=SETTLE
    ) as ctx:
        yield Service(
            workflow=workflow,
            ctx=ctx,
            dispatcher=Dispatcher(ctx),
            watcher=Watcher(ctx),
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


def store_of(workflow: WorkflowHarness) -> Path:
    return workflow.folder / "store" / "serve.sqlite3"
