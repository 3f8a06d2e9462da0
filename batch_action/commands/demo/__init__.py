"""`demo`: the whole way against the sandbox, on a sample repository or on the user's own."""

import tempfile
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from pathlib import Path

from batch_action.commands.demo import artifacts, narration, rendering, repository, state
from batch_action.commands.demo.console import DemoConsole
from batch_action.commands.demo.cycle import pass_night
from batch_action.commands.demo.environment import DemoEnvironment, Opener
from batch_action.sandbox.sample import Sample, commit
from batch_action.sandbox.server import Sandbox

BATCH_SECONDS = 3.0
NIGHT = timedelta(hours=24)


def demo(
    *,
    repo: str | None,
    base: str | None,
    task: str,
    out: Path,
    opener: Opener,
    sample: str = "python",
) -> int:
    """Select, plan, submit, store, wait, collect, report; returns 0."""
    console = DemoConsole()
    narration.welcome(console)
    artifacts.folder_for(out)
    with (
        tempfile.TemporaryDirectory(prefix="batch-action-demo-") as temp,
        Sandbox(batch_seconds=BATCH_SECONDS) as box,
    ):
        folder = Path(temp)
        if repo is None:
            chosen = repository.sampled(folder, box.clock.now(), sample)
        else:
            chosen = repository.own(repo, base)
        box.github.add_repository(
            chosen.name, private=True, default_branch=chosen.branch, git_dir=chosen.folder
        )
        environment = DemoEnvironment(
            box=box, subject=chosen, task=task, temp=folder, console=console, opener=opener
        )
        if chosen.sample is not None:
            _sample(environment, out, chosen.sample)
        else:
            _own(environment, out)
    return 0


def _sample(environment: DemoEnvironment, out: Path, chosen: Sample) -> None:
    """Two nights in a row: the second one finds a mended bug and a new one."""
    console, box = environment.console, environment.box
    console.chapter("The first night")
    narration.sample_repository(environment, chosen)
    pass_night(environment)
    _answers(environment, narration.issue)
    box.clock.advance(NIGHT.total_seconds())
    console.chapter("The second night")
    commit(environment.subject.folder, chosen.mended, box.clock.now(), chosen)
    narration.new_commit(environment)
    pass_night(environment)
    _answers(environment, narration.issue_again)
    narration.farewell(environment, artifacts.write(environment, out), out)


def _answers(environment: DemoEnvironment, issue: Callable[[DemoEnvironment], None]) -> None:
    """Show what came back, by its kind."""
    if environment.generates:
        rendering.files(environment)
        return
    rendering.rulings(environment)
    issue(environment)


def _own(environment: DemoEnvironment, out: Path) -> None:
    """One night; the next call of the demo is the next night."""
    path = state.place(out, environment.subject.git, environment.task)
    narration.own_repository(environment, again=state.restore(environment, path))
    sent = pass_night(environment)
    if sent or not environment.generates:
        _answers(environment, partial(narration.own_issue, sent=sent))
    state.keep(environment, path)
    narration.farewell(environment, artifacts.write(environment, out), out)
