"""`demo`: plan, submit and collect against the sandbox, for a sample or the user's repository."""

import tempfile
import time
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from pathlib import Path

from batch_action.commands.collect import collect
from batch_action.commands.demo import narration, rendering
from batch_action.commands.demo.console import DemoConsole
from batch_action.commands.demo.environment import (
    ContextOpener,
    DemoEnvironment,
    create_sample,
    open_user_repository,
    restore_state,
    save_state,
    state_path,
)
from batch_action.commands.plan import plan
from batch_action.commands.submit import submit
from batch_action.ledger import store
from batch_action.sandbox.sample_answers import answer_function
from batch_action.sandbox.sample_repositories import SAMPLES, Sample, create_commit
from batch_action.sandbox.server import Sandbox
from batch_action.text import format_dollars, plural

BATCH_SECONDS = 3.0
DAY = timedelta(hours=24)
NOTES = {
    True: "What you see below was written by hand for this sample: no model is running here.",
    False: "What you see below comes from ruff and a few simple rules: no model is running here.",
}
"""What answers in place of Claude, by whether a person wrote it."""


def demo(
    *,
    repo: str | None,
    base: str | None,
    task: str,
    out: Path,
    open_context: ContextOpener,
    sample: str = "python",
) -> int:
    """Run the demo on *repo*, or on a sample, and write its results to *out*. Returns 0."""
    console = DemoConsole()
    answer, by_hand = answer_function(None if repo else SAMPLES[sample], task)
    narration.introduce_demo(console, NOTES[by_hand])
    rendering.create_folder(out)
    with (
        tempfile.TemporaryDirectory(prefix="batch-action-demo-") as temp,
        Sandbox(batch_seconds=BATCH_SECONDS) as sandbox,
    ):
        folder = Path(temp)
        if repo is None:
            target = create_sample(folder, sandbox.clock.now(), sample)
        else:
            target = open_user_repository(repo, base)
        sandbox.anthropic.answer_with(answer)
        sandbox.github.add_repository(
            target.name, private=True, default_branch=target.branch, git_dir=target.folder
        )
        environment = DemoEnvironment(
            sandbox=sandbox,
            target=target,
            task=task,
            temp=folder,
            console=console,
            note=NOTES[by_hand],
            open_context=open_context,
        )
        if target.sample is not None:
            _demo_sample(environment, out, target.sample)
        else:
            _demo_user_repository(environment, out)
    return 0


def _demo_sample(environment: DemoEnvironment, out: Path, sample: Sample) -> None:
    """Run two cycles: in the second one, one bug is fixed and a new one is found."""
    console, sandbox = environment.console, environment.sandbox
    console.chapter("The first day")
    narration.introduce_sample(environment, sample)
    _run_cycle(environment)
    _show_results(environment, narration.show_issue)
    sandbox.clock.advance(DAY.total_seconds())
    console.chapter("The second day")
    create_commit(environment.target.folder, sample.fix, sandbox.clock.now(), sample)
    narration.announce_commit(environment)
    _run_cycle(environment)
    _show_results(environment, narration.show_updated_issue)
    _finish(environment, out, sent=True)


def _show_results(
    environment: DemoEnvironment, show_issue: Callable[[DemoEnvironment], None]
) -> None:
    """Show generated files, or verdicts and the issue."""
    if environment.generates_files:
        rendering.show_files(environment)
        return
    rendering.show_verdicts(environment)
    show_issue(environment)


def _demo_user_repository(environment: DemoEnvironment, out: Path) -> None:
    """Run one cycle; the next demo on this repository continues from its state."""
    path = state_path(out, environment.target.git, environment.task)
    narration.introduce_user_repository(environment, again=restore_state(environment, path))
    sent = _run_cycle(environment)
    if sent or not environment.generates_files:
        _show_results(environment, partial(narration.show_user_issue, sent=sent))
    save_state(environment, path)
    _finish(environment, out, sent=sent)


def _finish(environment: DemoEnvironment, out: Path, *, sent: bool) -> None:
    written = rendering.write_files(environment, out)
    folder = rendering.kept_repository(environment, out)
    narration.show_next_steps(environment, written, folder, sent=sent)


def _run_cycle(environment: DemoEnvironment) -> bool:
    """Plan, submit in one run, collect in the next; return False when nothing was sent."""
    _plan(environment)
    if not _submit(environment):
        return False
    _wait_for_batch(environment)
    _collect(environment)
    return True


def _plan(environment: DemoEnvironment) -> None:
    console = environment.console
    console.step("Plan: which files are selected, and what they can cost at most")
    console.print("Free, without an API key. This is `batch-action plan`.", style="dim")
    with environment.run() as ctx:
        plan(ctx)
    environment.summaries.pop()


def _submit(environment: DemoEnvironment) -> bool:
    console = environment.console
    console.step("Submit: the first run sends them as one message batch")
    before = environment.newest_artifact()
    start = time.monotonic()
    with environment.run() as ctx:
        submit(ctx)
        view = store.load(ctx).view
        sent = bool(view.pending_batches)
        backlog = len(view.backlog(max_attempts=ctx.settings.max_attempts))
        max_cost = ctx.settings.max_cost_usd
    seconds = time.monotonic() - start
    if backlog:
        console.print(
            f"{plural(backlog, 'file')} more in the backlog for the next runs: one run may spend "
            f"at most {format_dollars(max_cost)} (`max-cost-usd`)."
        )
    stored = environment.newest_artifact()
    if stored is not None and stored is not before:
        console.print(
            f"The ledger is stored in the workflow artifact {stored.name} ({stored.size:,} bytes)."
        )
    if sent:
        console.print(f"The run ends after {seconds:.1f} s: no runner waits for the batch.")
    return sent


def _wait_for_batch(environment: DemoEnvironment) -> None:
    console = environment.console
    console.step("The batch is processed while no runner is running")
    console.print("Most batches end within an hour, all within 24 hours.", style="dim")
    seconds = console.wait(
        f"The sandbox takes {environment.sandbox.anthropic.store.batch_seconds:.0f} seconds ...",
        lambda: not environment.has_running_batch(),
    )
    console.print(f"Ended after {seconds:.0f} s.")


def _collect(environment: DemoEnvironment) -> None:
    console = environment.console
    console.step("Collect: the next run reads the ledger, fetches the results and reports them")
    with environment.run() as ctx:
        collect(ctx)
