"""Running a scenario: in an empty sandbox, against a cassette, or with the real services."""

import base64
import json
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from batch_action.sandbox.server import Sandbox
from tests.contract.cassettes import ANTHROPIC, BLOBS, GITHUB, recorded, replayed
from tests.contract.scenarios import START, Scenario, Services
from tests.harness.git_repositories import Repo

REPOSITORY = "octo/demo"
LIVE_ANTHROPIC = "https://api.anthropic.com"
LIVE_GITHUB = "https://api.github.com"
FIRST = {
    "changed.js": "one();\n",
    "gone.js": "two();\n",
    "old name.js": "three();\nfour();\nfive();\n",
}
SECOND = {
    "changed.js": "one(1);\n",
    "gone.js": None,
    "old name.js": None,
    "new name.js": FIRST["old name.js"],
    "added.js": "six();\n",
}
COMMITS = (
    "24eca2b32b40edb9545d81a1d18062f637dca927",
    "152749273ed8f8bcd6557f9df78da04cfe7a7ec9",
)
"""The commits of `commit_history`."""
POLL_SECONDS = 60.0


@contextmanager
def commit_history() -> Iterator[Path]:
    """Create a repository of two commits, whose ids never change."""
    with tempfile.TemporaryDirectory() as folder:
        repo = Repo.init(Path(folder))
        assert (repo.commit(FIRST), repo.commit(SECOND)) == COMMITS
        yield repo.path


def record_sandbox(scenario: Scenario, path: Path, folder: Path, git_dir: Path) -> None:
    """Record a scenario in an empty sandbox whose clock only the scenario advances."""
    with Sandbox() as box:
        box.clock.now = lambda: START
        box.github.add_repository(REPOSITORY, git_dir=git_dir)
        services = Services(
            anthropic_url=box.anthropic_url,
            github_url=f"{box.github_url}/api/v3",
            repository=REPOSITORY,
            folder=folder,
            anthropic_key="sk-ant-sandbox",
            github_token=box.github.token_for("octo"),
            commits=COMMITS,
            sandbox=box,
        )
        box.clock.now = box.blobs._now = lambda: services.now
        run = box.github.start_run(REPOSITORY, event="schedule", head_sha=COMMITS[1])
        services.runtime_token = run.runtime_token
        origins = {box.anthropic_url: ANTHROPIC, box.github_url: GITHUB, box.blob_url: BLOBS}
        hosts = {urlsplit(old).netloc: urlsplit(new).netloc for old, new in origins.items()}
        with recorded(path, origins | hosts):
            run_scenario(scenario, services)


def replay(scenario: Scenario, path: Path, folder: Path) -> None:
    """Run a scenario against a cassette, all exchanges of which must be used."""
    live = path.name.startswith("live-")
    services = Services(
        anthropic_url=LIVE_ANTHROPIC if live else ANTHROPIC,
        github_url=LIVE_GITHUB if live else f"{GITHUB}/api/v3",
        repository=REPOSITORY,
        folder=folder,
        runtime_token=_runtime_token("uuid_0001", "uuid_0002"),
        commits=COMMITS,
    )
    with replayed(path) as cassette:
        run_scenario(scenario, services)
        assert cassette.play_count == len(cassette), "not every recorded exchange was used"
        assert cassette.all_played


def live_services(environ: Mapping[str, str], folder: Path) -> Services:
    return Services(
        anthropic_url=LIVE_ANTHROPIC,
        github_url=LIVE_GITHUB,
        repository=environ["GITHUB_REPOSITORY"],
        folder=folder,
        anthropic_key=environ["ANTHROPIC_API_KEY"],
        github_token=environ["GITHUB_TOKEN"],
        wait=lambda: time.sleep(POLL_SECONDS),
        pause=1.0,
    )


def record_live(
    scenario: Scenario, path: Path, services: Services, names: Mapping[str, str] | None = None
) -> None:
    """Record a scenario with the real services, without the names of repository and owner."""
    with services.github() as client:
        login = client.viewer()
    people = {login: "octo", services.repository.partition("/")[0]: "octo"}
    with recorded(path, {**(names or {}), **people, services.repository: REPOSITORY}):
        run_scenario(scenario, services)


def run_scenario(scenario: Scenario, services: Services) -> None:
    try:
        scenario(services)
    finally:
        for close in services.cleanups:
            close()


def _runtime_token(run: str, job: str) -> str:
    claims = json.dumps({"scp": f"Actions.Results:{run}:{job}"}).encode()
    return f"e30.{base64.urlsafe_b64encode(claims).decode().rstrip('=')}.s"
