"""`serve` for the repository of a test; its clock is the sandbox's."""

import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import yaml
from standardwebhooks import Webhook

from batch_action.cli.invocation import Invocation
from batch_action.cli.serve import open_server_context
from batch_action.ledger import codec
from batch_action.models.ledger import Intended, Ledger, RequestKey, Sent
from batch_action.sandbox.github.runs import Run
from batch_action.server import deliveries
from batch_action.server.app import Server, create_app
from batch_action.server.context import ServerContext
from batch_action.server.deliveries import DeliveryResponse
from batch_action.server.dispatcher import Dispatcher
from batch_action.server.store import BatchRecord, BatchStatus
from batch_action.server.watcher import Watcher
from tests.documents.texts import ROOT
from tests.harness.foreign_artifacts import upload_foreign
from tests.harness.workflow import BAD, WorkflowHarness

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
EXAMPLE = (ROOT / "workflows-examples" / "submit-and-collect.yml").read_text("utf-8")
FILE = ".github/workflows/batch-action.yml"


def begin(workflow: WorkflowHarness, workflow_file: str = EXAMPLE) -> str:
    """Commit the workflow of our example and add a pending batch; return its id."""
    workflow.commit({FILE: workflow_file})
    return send(workflow)


def send(
    workflow: WorkflowHarness,
    how: Mapping[str, Any] | None = None,
    pull_request: int | None = None,
    **artifact: Any,
) -> str:
    """Upload a ledger with one more pending batch, which Anthropic does not know; return its id.

    *how* is the run that uploads it, *artifact* fields of the artifact.
    """
    number = len(workflow.github_repository.artifacts)
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
        pull_request=pull_request,
    )
    sent = Sent(
        intent=intended.intent,
        index=0,
        batch=f"msgbatch_{workflow.github_repository.id}x{number}",
        created_at=workflow.now(),
        expires_at=workflow.now() + timedelta(hours=24),
    )
    ledger = Ledger(
        repository=str(workflow.github_repository.id), task="code-review", facts=(intended, sent)
    )
    upload_foreign(workflow, codec.encode(ledger, None), how or {}, **artifact)
    return sent.batch


def submit(workflow: WorkflowHarness, **inputs: Any) -> str:
    """Submit a batch; return its id."""
    workflow.commit({FILE: EXAMPLE, "app.js": BAD + f"// {len(workflow.batches)}\n"})
    result = workflow.run("submit", **inputs)
    assert result.exit == 0, result.log
    return result.ids[0]


def runs(workflow: WorkflowHarness) -> list[Run]:
    """Return the dispatched runs, the oldest first."""
    newest_first = workflow.sandbox.github.instance.runs_of(workflow.github_repository)
    return [run for run in reversed(newest_first) if run.event.endswith("_dispatch")]


def dispatched(workflow: WorkflowHarness) -> list[str]:
    """Return the batch of each dispatched run, the oldest first."""
    return [
        (run.payload.get("inputs") or run.payload["client_payload"])["batch-id"]
        for run in runs(workflow)
    ]


def file_for(harness: WorkflowHarness, /, **config: Any) -> dict[str, Any]:
    name = harness.github_repository.full_name
    return {"repositories": [{"repository": name, "token-env": "TOKEN", **config}]}


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
    event = {"type": kind, "data": {**({"batch_id": batch} if batch else {}), **data}}
    return json.dumps(event).encode()


def signed(body: bytes, name: str) -> dict[str, str]:
    """Return the headers of a delivery at this moment: the library knows no other clock."""
    now = datetime.now(UTC)
    return {
        "webhook-id": name,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": Webhook(SECRET).sign(name, now, body.decode()),
    }


@dataclass(kw_only=True)
class Service:
    """An open service with both workers, whose rounds a test calls itself."""

    workflow: WorkflowHarness
    ctx: ServerContext
    dispatcher: Dispatcher
    watcher: Watcher

    def publish(self, batch: str | None, name: str = "msg_1", **event: Any) -> DeliveryResponse:
        body = body_of(batch, **event)
        return deliveries.receive(self.ctx, signed(body, name), body)

    def batches(self, *statuses: BatchStatus) -> set[str]:
        """Return the ids of the batches with these statuses, by default of all."""
        return {batch.id for batch in self.ctx.store.batches(*(statuses or BatchStatus))}

    def batch(self, batch_id: str | None = None) -> BatchRecord:
        """Return this batch, by default the only one."""
        if batch_id is None:
            (batch_id,) = self.batches()
        batch = self.ctx.store.batch(batch_id)
        assert batch is not None
        return batch

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
    """Open the service as the command does, with the store of earlier ones of this test."""
    config = workflow.folder / "serve.yml"
    config.write_text(yaml.safe_dump(dict(file or file_for(workflow))), "utf-8")
    invocation = Invocation(
        environ={**environ_for(workflow), **(environ or {})}, clock=workflow.now, write_interval=0.0
    )
    with open_server_context(
        invocation, config=config, store=store_of(workflow), watch=watch
    ) as ctx:
        yield Service(
            workflow=workflow,
            ctx=ctx,
            dispatcher=Dispatcher(ctx),
            watcher=Watcher(ctx),
        )


class WebServer:
    """One listening server for many tests, which change the functions behind its addresses."""

    def __init__(self) -> None:
        async def forward(scope: Any, receive: Any, send: Any) -> None:
            await self._app(scope, receive, send)

        self._server = Server(forward, "127.0.0.1", 0)
        self._thread = threading.Thread(target=self._server.run)
        self._thread.start()
        self.address = self._server.address

    def put(self, **functions: Any) -> None:
        self._app = create_app(**functions)

    def close(self) -> None:
        self._server.stop()
        self._thread.join(10)
        assert not self._thread.is_alive()


def store_of(workflow: WorkflowHarness) -> Path:
    return workflow.folder / "store" / "serve.sqlite3"
