"""Fixtures: the emulated GitHub behind real servers, and clients of it."""

import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import github as pygithub
import httpx2
import pytest
import uvicorn
from starlette.applications import Starlette

from batch_action.sandbox.github.app import GitHub, create_github


class ManualClock:
    """A clock that advances on demand only."""

    def __init__(self) -> None:
        self.moment = datetime(2026, 11, 22, 2, 17, tzinfo=UTC)

    def now(self) -> datetime:
        return self.moment

    def advance(self, seconds: float) -> None:
        self.moment += timedelta(seconds=seconds)


@contextmanager
def serve(app: Starlette, listener: socket.socket) -> Iterator[None]:
    config = uvicorn.Config(app, log_level="error", lifespan="off", ws="none")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, args=([listener],), daemon=True)
    thread.start()
    while not server.started:
        thread.join(0.01)
    yield
    server.should_exit = True
    thread.join(5)


def listen() -> socket.socket:
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen()
    return listener


@pytest.fixture(scope="session")
def git_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two commits on main, and a diverged branch."""
    folder = tmp_path_factory.mktemp("demo")

    def git(*arguments: str) -> None:
        identity = ["-c", "user.name=Ada", "-c", "user.email=ada@example.com"]
        subprocess.run(
            ["git", "-C", str(folder), *identity, *arguments], check=True, capture_output=True
        )

    git("init", "--initial-branch=main")
    (folder / "a.py").write_text("".join(f"line {n}\n" for n in range(1, 31)))
    (folder / "old.py").write_text("".join(f"other {n}\n" for n in range(1, 31)))
    (folder / "sub").mkdir()
    (folder / "sub" / "é.txt").write_text("hello\n")
    git("add", ".")
    git("commit", "-m", "first")
    git("branch", "feature")
    (folder / "a.py").write_text((folder / "a.py").read_text().replace("line 15", "line fifteen"))
    git("mv", "old.py", "new.py")
    git("rm", "-q", "sub/é.txt")
    (folder / "b.bin").write_bytes(b"\0\1\2")
    git("add", ".")
    git("commit", "-m", "second")
    git("checkout", "-q", "feature")
    (folder / "feature.py").write_text("one\ntwo\n")
    git("add", ".")
    git("commit", "-m", "feature")
    git("checkout", "-q", "main")
    return folder


@pytest.fixture(scope="session")
def servers() -> Iterator[SimpleNamespace]:
    """Two running servers for all tests; each test serves its own GitHub with them."""
    namespace = SimpleNamespace(hub=None)

    async def app(scope, receive, send) -> None:
        await namespace.hub.app(scope, receive, send)

    async def blobs(scope, receive, send) -> None:
        await namespace.hub.blobs.app(scope, receive, send)

    with ExitStack() as stack:
        for name, served_app in (("origin", app), ("blob_origin", blobs)):
            listener = listen()
            host = "127.0.0.1" if name == "origin" else "localhost"
            setattr(namespace, name, f"http://{host}:{listener.getsockname()[1]}")
            stack.enter_context(serve(served_app, listener))
        yield namespace


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def hub(servers: SimpleNamespace, clock: ManualClock, git_dir: Path, tmp_path: Path) -> GitHub:
    copy = tmp_path / "remote.git"
    subprocess.run(["git", "clone", "-q", "--mirror", str(git_dir), str(copy)], check=True)
    servers.hub = create_github(clock, servers.origin, servers.blob_origin)
    servers.hub.add_repository("octo/demo", git_dir=copy)
    return servers.hub


@pytest.fixture
def client(hub: GitHub):
    """A function that returns a PyGithub repository for a token."""
    opened = []

    def connect(token: str, repository: str = "octo/demo"):
        session = pygithub.Github(
            base_url=f"{hub.instance.origin}/api/v3",
            auth=pygithub.Auth.Token(token),
            retry=None,
            seconds_between_requests=None,
            seconds_between_writes=None,
            lazy=True,
        )
        opened.append(session)
        return session.get_repo(repository)

    yield connect
    for session in opened:
        session.close()


@pytest.fixture
def http() -> Iterator[httpx2.Client]:
    with httpx2.Client(trust_env=False) as session:
        yield session
