"""`demo`: the whole way against the sandbox, on a sample repository or on the user's own."""

import tempfile
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from pathlib import Path

from batch_action.commands.demo import artifacts, narration, rendering, repository, state
from batch_action.commands.demo.console import Guide
from batch_action.commands.demo.cycle import pass_night
from batch_action.commands.demo.environment import Opener, Stage
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
    guide = Guide()
    narration.welcome(guide)
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
        stage = Stage(box=box, subject=chosen, task=task, temp=folder, guide=guide, opener=opener)
        if chosen.sample is not None:
            _sample(stage, out, chosen.sample)
        else:
            _own(stage, out)
    return 0


def _sample(stage: Stage, out: Path, chosen: Sample) -> None:
    """Two nights in a row: the second one finds a mended bug and a new one."""
    guide, box = stage.guide, stage.box
    guide.chapter("The first night")
    narration.sample_repository(stage, chosen)
    pass_night(stage)
    _answers(stage, narration.issue)
    box.clock.advance(NIGHT.total_seconds())
    guide.chapter("The second night")
    commit(stage.subject.folder, chosen.mended, box.clock.now(), chosen)
    narration.new_commit(stage)
    pass_night(stage)
    _answers(stage, narration.issue_again)
    narration.farewell(stage, artifacts.write(stage, out), out)


def _answers(stage: Stage, issue: Callable[[Stage], None]) -> None:
    """Show what came back, by its kind."""
    if stage.generates:
        rendering.files(stage)
        return
    rendering.rulings(stage)
    issue(stage)


def _own(stage: Stage, out: Path) -> None:
    """One night; the next call of the demo is the next night."""
    path = state.place(out, stage.subject.git, stage.task)
    narration.own_repository(stage, again=state.restore(stage, path))
    sent = pass_night(stage)
    if sent or not stage.generates:
        _answers(stage, partial(narration.own_issue, sent=sent))
    state.keep(stage, path)
    narration.farewell(stage, artifacts.write(stage, out), out)
