"""The texts of the demo: introduction, comments on each cycle, and next steps."""

from pathlib import Path

from batch_action.commands.demo.console import DemoConsole
from batch_action.commands.demo.environment import DemoEnvironment
from batch_action.commands.demo.rendering import DESCRIPTIONS, shorten
from batch_action.sandbox.github.records import Issue
from batch_action.sandbox.sample_repositories import Sample

NO_CLAUDE = (
    "The reviewer here is NOT Claude: the sandbox finds bugs with ruff and a few simple rules.",
    "Everything else is real: selection, prices, batch, artifact, ledger, issue.",
)
NEXT_WITH_OWN_CODE = (
    "Your own repository, still free:",
    "   batch-action demo --repo . --base HEAD~5",
    "With Claude:",
)
NEXT_WITH_SAME_REPOSITORY = (
    "Commit something and run the same command again: only the new change is selected.",
    "With Claude:",
)


def introduce_demo(console: DemoConsole) -> None:
    """Introduce the demo."""
    lines = [
        "Nightly code review at half price, simulated on this machine:",
        "no key, no account, no network, no cost.",
        "",
        *NO_CLAUDE,
    ]
    console.panel(lines, "batch-action demo")


def introduce_sample(environment: DemoEnvironment, sample: Sample) -> None:
    """Introduce the sample."""
    console = environment.console
    console.step(f"A small repository: {sample.title}")
    _print_log(environment, 5)
    console.print(f"The first run reviews what changed in {environment.target.first_run_text}.")


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
        console.print(f"The first run reviews {target.first_run_text}; choose with --base.")


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
            "Nothing to review has changed: nothing was sent, nothing was paid."
        )
    if issue is not None and sent:
        show_issue(environment)
    elif issue is not None:
        environment.console.print(f"The issue is unchanged: {headline(issue)}")
    elif sent:
        _report_no_issue(environment)


def show_next_steps(environment: DemoEnvironment, written: list[str], out: Path) -> None:
    """List the files written and what to do next."""
    console = environment.console
    console.chapter("Files written")
    width = max((len(str(out / name)) + 2 for name in written), default=0)
    for name in written:
        console.print(f"{out / name!s:<{max(width, 40)}}{DESCRIPTIONS[name]}")
    console.console.print()
    lines = [
        *([f"Open {out / 'issue.html'} in a browser.", ""] if "issue.html" in written else []),
        *(NEXT_WITH_SAME_REPOSITORY if environment.target.saves_state else NEXT_WITH_OWN_CODE),
        "   batch-action plan    shows what a run would cost with Claude; free, needs no API key",
        "   batch-action init    writes the nightly workflow into your repository",
        "Then store your key as the repository secret ANTHROPIC_API_KEY, commit and push.",
        "",
        NO_CLAUDE[0],
    ]
    console.panel(lines, "Next")


def headline(issue: Issue) -> str:
    """Return the first line of an issue, its summary."""
    lines = shorten(issue.body or "").splitlines()
    return lines[0].strip("*") if lines else ""


def _print_issue(environment: DemoEnvironment, issue: Issue, *, example: bool = True) -> None:
    title = f"{issue.title} #{issue.number} · {issue.state} · {', '.join(issue.labels)}"
    environment.console.markdown(shorten(issue.body or "", example=example), title)


def _report_no_issue(environment: DemoEnvironment) -> None:
    environment.console.step("No issue: there are no open findings")
    environment.console.print(
        "The sandbox's simple rules found nothing in these files, so no issue is opened. Claude "
        "finds more than they do."
    )


def _print_log(environment: DemoEnvironment, count: int) -> None:
    code, out, _ = environment.target.git.runner.call(
        "log", f"--max-count={count}", "--format=%h  %ad  %s", "--date=format:%b %d %H:%M", "HEAD"
    )
    for line in out.decode("utf-8", "replace").splitlines() if code == 0 else ():
        environment.console.print(line, style="cyan")
