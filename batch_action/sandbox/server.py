"""All emulated services, on the loopback interface."""

import asyncio
import socket
import threading
import time
from types import TracebackType
from typing import Self

import uvicorn
from starlette.types import ASGIApp

from batch_action.sandbox.anthropic.app import AnthropicApi
from batch_action.sandbox.clock import Clock
from batch_action.sandbox.fault_middleware import ClosableProtocol, FaultMiddleware
from batch_action.sandbox.faults import Faults
from batch_action.sandbox.github.app import create_github

LOOPBACK = "127.0.0.1"
START_SECONDS = 10.0
STOP_SECONDS = 2


class Sandbox:
    """The Anthropic API, GitHub, and GitHub's store for blobs, running in daemon threads."""

    def __init__(
        self,
        *,
        batch_seconds: float = 0.0,
        seed: int = 0,
        ports: tuple[int, int, int] = (0, 0, 0),
        host: str = LOOPBACK,
    ) -> None:
        # The services need to know their own addresses.
        self._sockets = _listen(host, ports)
        anthropic, github, blobs = (sock.getsockname()[1] for sock in self._sockets)
        self.anthropic_url = f"http://{LOOPBACK}:{anthropic}"
        self.github_url = f"http://{LOOPBACK}:{github}"
        # Another host name, to find clients that send credentials after a redirect.
        self.blob_url = f"http://localhost:{blobs}"
        self.clock = Clock()
        self.faults = Faults()
        self.anthropic = AnthropicApi(
            self.clock, self.faults, batch_seconds=batch_seconds, seed=seed
        )
        self.github = create_github(self.clock, self.github_url, self.blob_url)
        self.blobs = self.github.blobs
        self._servers = [
            self._server(self.anthropic.app, "anthropic"),
            self._server(self.github.app, "github"),
            self._server(self.blobs.app, "blobs"),
        ]
        self._threads = [
            threading.Thread(target=_run, args=pair, daemon=True)
            for pair in zip(self._servers, self._sockets, strict=True)
        ]

    def __enter__(self) -> Self:
        """Start all services and wait until they accept connections."""
        for thread in self._threads:
            thread.start()
        deadline = time.monotonic() + START_SECONDS
        while not all(server.started for server in self._servers):
            if time.monotonic() > deadline:
                raise TimeoutError("The sandbox did not start")
            time.sleep(0.005)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop all services."""
        for server in self._servers:
            server.should_exit = True
        for thread in self._threads:
            if thread.ident is not None:
                thread.join()
        for sock in self._sockets:
            sock.close()

    def _server(self, app: ASGIApp, service: str) -> uvicorn.Server:
        config = uvicorn.Config(
            FaultMiddleware(app, service=service, faults=self.faults, clock=self.clock),
            http=ClosableProtocol,
            loop="asyncio",
            ws="none",
            lifespan="off",
            log_config=None,
            log_level="error",
            access_log=False,
            date_header=False,
            server_header=False,
            timeout_graceful_shutdown=STOP_SECONDS,
        )
        return uvicorn.Server(config)


def _listen(host: str, ports: tuple[int, int, int]) -> list[socket.socket]:
    """Bind one socket per service; close all of them when one fails."""
    sockets: list[socket.socket] = []
    try:
        sockets.extend(socket.create_server((host, port), backlog=128) for port in ports)
    except OSError:
        for sock in sockets:
            sock.close()
        raise
    return sockets


def _run(server: uvicorn.Server, sock: socket.socket) -> None:
    asyncio.run(server.serve(sockets=[sock]))
