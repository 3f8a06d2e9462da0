"""`demo`: the whole way against the sandbox, on a sample repository or on the user's own."""

import tempfile
from datetime import timedelta
from pathlib import Path

from batch_action.sandbox import sample
from batch_action.sandbox.server import Sandbox
from batch_action.verbs.demo import keeping, souvenirs, subject, telling
from batch_action.verbs.demo.guide import Guide
from batch_action.verbs.demo.night import pass_night
from batch_action.verbs.demo.stage import Opener, Stage

BATCH_SECONDS = 3.0
NIGHT = timedelta(hours=24)


def demo(*, repo: str | None, base: str | None, task: str, out: Path, opener: Opener) -> int:
    """Select, plan, submit, store, wait, collect, report; returns 0."""
    guide = Guide()
    telling.welcome(guide)
    souvenirs.folder_for(out)
    with (
        tempfile.TemporaryDirectory(prefix="batch-action-demo-") as temp,
        Sandbox(batch_seconds=BATCH_SECONDS) as box,
    ):
        folder = Path(temp)
        if repo is None:
            chosen = subject.sample_shop(folder / "corner-shop", box.clock.now())
        else:
            chosen = subject.own(repo, base)
        box.github.add_repository(
            chosen.name, private=True, default_branch=chosen.branch, git_dir=chosen.folder
        )
        stage = Stage(box=box, subject=chosen, task=task, temp=folder, guide=guide, opener=opener)
        if repo is None:
            _sample(stage, out)
        else:
            _own(stage, out)
    return 0


def _sample(stage: Stage, out: Path) -> None:
    """Two nights in a row: the second one finds a mended bug and a new one."""
    guide, box = stage.guide, stage.box
    guide.chapter("The first night")
    telling.sample_repository(stage)
    pass_night(stage)
    telling.issue(stage)
    box.clock.advance(NIGHT.total_seconds())
    guide.chapter("The second night")
    sample.commit(stage.subject.folder, sample.MENDED, box.clock.now())
    telling.new_commit(stage)
    pass_night(stage)
    telling.issue_again(stage)
    telling.farewell(stage, souvenirs.write(stage, out), out)


def _own(stage: Stage, out: Path) -> None:
    """One night; the next call of the demo is the next night."""
    path = keeping.place(out, stage.subject.git, stage.task)
    telling.own_repository(stage, again=keeping.restore(stage, path))
    sent = pass_night(stage)
    telling.own_issue(stage, sent=sent)
    keeping.keep(stage, path)
    telling.farewell(stage, souvenirs.write(stage, out), out)
