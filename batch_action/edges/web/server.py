"""uvicorn as we need it: one address, no patience with the slow, an end that lets others finish."""

import asyncio
import socket

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol

from batch_action.errors import ConfigError

HEAD_SECONDS = 10.0
"""How long the head of a request may take to arrive; uvicorn itself would wait for ever."""
STOP_SECONDS = 5
"""How long requests in flight may take once the end has come."""
MOST_CONNECTIONS = 200


class Impatient(H11Protocol):
    """HTTP/1.1 that hangs up on a connection which never gets to the end of a request's head."""

    _late: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for the first head."""
        super().connection_made(transport)
        self._watch()

    def data_received(self, data: bytes) -> None:
        """Go on waiting, unless the head is complete now."""
        super().data_received(data)
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no longer."""
        self._rest()
        super().connection_lost(exc)

    def _between(self) -> bool:
        """Whether no request is being answered."""
        return self.cycle is None or self.cycle.response_complete

    def _watch(self) -> None:
        if not self._between():
            self._rest()
        elif self._late is None:
            self._late = self.loop.call_later(HEAD_SECONDS, self._hang_up)

    def _rest(self) -> None:
        if self._late is not None:
            self._late.cancel()
            self._late = None

    def _hang_up(self) -> None:
        self._late = None
        if self._between():
            self.transport.close()


class Server:
    """One listening socket and who answers on it."""

    def __init__(self, app: ASGIApp, host: str, port: int) -> None:
        """Take the address at once, so that it is known. Raises ConfigError where it is taken."""
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        try:
            self._socket = socket.create_server((host, port), family=family)
        except (OSError, OverflowError) as error:
            raise ConfigError(
                f"Nothing can listen on {host}, port {port}: {error}.",
                fix="Choose another `--port` or `--host`.",
            ) from None
        shown = f"[{host}]" if ":" in host else host
        self.address = f"http://{shown}:{self._socket.getsockname()[1]}"
        self._server = uvicorn.Server(
            uvicorn.Config(
                app,
                http=Impatient,
                loop="asyncio",
                ws="none",
                lifespan="off",
                log_config=None,
                log_level="warning",
                access_log=False,
                server_header=False,
                proxy_headers=False,
                limit_concurrency=MOST_CONNECTIONS,
                timeout_keep_alive=5,
                timeout_graceful_shutdown=STOP_SECONDS,
            )
        )

    def close(self) -> None:
        """Give the address back, if it was never served."""
        self._socket.close()

    def run(self) -> None:
        """Answer until SIGINT or SIGTERM, or `stop`; both are raised again afterwards."""
        self._server.run(sockets=[self._socket])

    def stop(self) -> None:
        """End it from another thread."""
        self._server.should_exit = True
