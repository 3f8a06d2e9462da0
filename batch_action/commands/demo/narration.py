"""The texts of the demo: introduction, comments on each cycle, and next steps."""

import shlex
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

from batch_action.clients.git import GitRepo
from batch_action.commands.demo.console import DemoConsole
from batch_action.commands.demo.environment import DemoEnvironment, last_commits
from batch_action.commands.demo.rendering import shorten
from batch_action.sandbox.github.records import Issue
from batch_action.sandbox.sample_repositories import Sample

WRITTEN_BY_INIT = ("workflows/batch-action.yml", "batch-action.yml")


def introduce_demo(console: DemoConsole, note: str) -> None:
    """Introduce the demo."""
    lines = [
        "Nightly code review at half price, simulated on this machine:",
        "no key, no account, no network, no cost.",
        "",
        note,
        "Everything else is real: selection, prices, batch, artifact, ledger, issue.",
    ]
    console.panel(lines, "batch-action demo")


def introduce_sample(environment: DemoEnvironment, sample: Sample) -> None:
    """Introduce the sample."""
    console = environment.console
    console.step(f"A small repository: {sample.title}")
    _print_log(environment, 5)
    console.print("The first run reviews what changed in the last 24 hours.")


def introduce_user_repository(environment: DemoEnvironment, *, again: bool) -> None:
    """Introduce the user's repository; *again* when an earlier demo stored its state."""
    console, target = environment.console, environment.target
    console.step(f"Your repository: {target.folder}")
    _print_log(environment, 3)
    console.print("It is only read, at its last commit; nothing is written to it.")
    if target.base:
        console.print(f"It reviews what changed since {target.base[:12]}.")
    elif again:
        console.print(
            "An earlier demo reviewed it: only what changed since, and the backlog, is sent now."
        )
    else:
        console.print("The first run reviews what `plan` shows; choose more with --base.")


def announce_commit(environment: DemoEnvironment) -> None:
    """Describe the commit between the two cycles."""
    environment.console.step("A day later: one bug is fixed, and a file is new")
    _print_log(environment, 1)
    environment.console.print("Only what changed since is selected; nothing is sent or paid twice.")


def show_issue(environment: DemoEnvironment) -> None:
    """Show the issue after the first cycle."""
    issue = environment.issue()
    if issue is None:
        _report_no_issue(environment)
        return
    environment.console.step("The issue as GitHub shows it (shortened)")
    _print_issue(environment, issue)


def show_updated_issue(environment: DemoEnvironment) -> None:
    """Show the same issue after the second cycle."""
    issue = environment.issue()
    if issue is None:
        _report_no_issue(environment)
        return
    console = environment.console
    console.step("The same issue, updated: nothing is reported twice")
    _print_issue(environment, issue, example=False)
    count = len(environment.repository.issues)
    console.print(
        f"Issues in the repository: {count}. "
        f"Comments on it: {len(issue.comments)}, the notification of the changes."
    )


def show_user_issue(environment: DemoEnvironment, *, sent: bool) -> None:
    """Show the issue of the user's repository, or why there is none."""
    issue = environment.issue()
    if not sent:
        environment.console.print(
            "Nothing to review has changed in the range of `plan`: nothing was sent or paid."
        )
    if issue is not None and sent:
        show_issue(environment)
    elif issue is not None:
        environment.console.print(f"The issue is unchanged: {headline(issue)}")
    elif sent:
        _report_no_issue(environment)


def show_next_steps(
    environment: DemoEnvironment, written: Mapping[Path, str], folder: Path, *, sent: bool
) -> None:
    """List the files written, with their descriptions, and commands to run in *folder* next."""
    console = environment.console
    console.chapter("Files written")
    width = max(len(str(path)) for path in written) + 2
    for path, description in written.items():
        console.line(f"{path!s:<{width}}{description}")
    console.chapter("Next: try it without a key")
    program = _program()
    at_folder = f"cd {shlex.quote(str(folder.resolve()))} && {program}"
    steps = {"What a run with Claude would cost": f"{at_folder} plan"}
    commits = len(last_commits(GitRepo(folder)))
    if not sent and commits > 1:
        steps["Review more of it"] = (
            f"{at_folder} demo --repo . --base HEAD~{commits - 1} --task {environment.task}"
        )
    elif environment.target.sample is not None:
        steps["The demo on a repository of yours: here, on the sample"] = (
            f"{at_folder} demo --repo ."
        )
    if not any((folder / ".github" / name).exists() for name in WRITTEN_BY_INIT):
        steps["Write the nightly workflow into it"] = f"{at_folder} init"
    for description, command in steps.items():
        console.line(f"# {description}", style="dim")
        console.line(command)
    console.print()
    if environment.target.sample is not None:
        console.print("For your own repository, replace the folder behind `cd`.")
    console.print(
        "Then store your key as the repository secret ANTHROPIC_API_KEY, commit and push."
    )


def _program() -> str:
    """Return how a shell runs this program from any folder."""
    script = Path(sys.executable).with_name("batch-action")
    found = shutil.which("batch-action")
    if found is not None and Path(found) == script:
        return "batch-action"
    if script.is_file():
        return shlex.quote(str(script))
    return f"{shlex.quote(sys.executable)} -m batch_action"


def headline(issue: Issue) -> str:
    """Return the first line of an issue, its summary."""
    lines = shorten(issue.body or "").splitlines()
    return lines[0].strip("*") if lines else ""


def _print_issue(environment: DemoEnvironment, issue: Issue, *, example: bool = True) -> None:
    environment.console.print(environment.note, style="bold")
    title = f"{issue.title} #{issue.number} · {issue.state} · {', '.join(issue.labels)}"
    environment.console.markdown(shorten(issue.body or "", example=example), title)


def _report_no_issue(environment: DemoEnvironment) -> None:
    environment.console.step("No issue: there are no open findings")
    environment.console.print(
        "There is nothing to report in these files, so no issue is opened."
        + " Claude finds more than ruff and a few simple rules."
        * (environment.target.sample is None)
    )


def _print_log(environment: DemoEnvironment, count: int) -> None:
    code, out, _ = environment.target.git.runner.call(
        "log", f"--max-count={count}", "--format=%h  %ad  %s", "--date=format:%b %d %H:%M", "HEAD"
    )
    for line in out.decode("utf-8", "replace").splitlines() if code == 0 else ():
        environment.console.print(line, style="cyan")
