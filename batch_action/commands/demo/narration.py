"""What the guide says at the beginning, between the nights, and at the end."""

from pathlib import Path

from batch_action.commands.demo.artifacts import NOTES
from batch_action.commands.demo.console import DemoConsole
from batch_action.commands.demo.environment import DemoEnvironment
from batch_action.commands.demo.rendering import shortened
from batch_action.sandbox.github.state import Issue
from batch_action.sandbox.sample import Sample

NO_CLAUDE = (
    "The reviewer here is NOT Claude: the sandbox finds bugs with ruff and a few plain rules.",
    "All else is the real thing: selection, prices, batch, artifact, ledger, issue.",
)
OWN_CODE = (
    "Your own code, still free:",
    "   batch-action demo --repo . --base HEAD~5",
    "and for real:",
)
AGAIN = (
    "Commit something and run the same command again: only the new change is selected.",
    "For real:",
)


def welcome(console: DemoConsole) -> None:
    """Say what this is before anything happens."""
    lines = [
        "Nightly code review at half price, played through on this machine:",
        "no key, no account, no network, no cost.",
        "",
        *NO_CLAUDE,
    ]
    console.box(lines, "batch-action demo")


def sample_repository(environment: DemoEnvironment, chosen: Sample) -> None:
    """Introduce the sample."""
    console = environment.console
    console.step(f"A small repository: {chosen.title}")
    _log(environment, 5)
    console.say(f"The first run looks at what changed in {environment.subject.look_back}.")


def own_repository(environment: DemoEnvironment, *, again: bool) -> None:
    """Introduce the user's repository, and what an earlier demo knows of it."""
    console, chosen = environment.console, environment.subject
    console.step(f"Your repository: {chosen.folder}")
    _log(environment, 3)
    console.say("It is only read, at its last commit: nothing is written there.")
    if chosen.base:
        console.say(f"You asked for what changed since {chosen.base[:12]}.")
    elif again:
        console.say(
            "An earlier demo reviewed it: only what changed since (or is still owed) is sent now."
        )
    else:
        console.say(f"The first run looks at {chosen.look_back}; choose with --base.")


def new_commit(environment: DemoEnvironment) -> None:
    """Tell what happened during the day."""
    environment.console.step("A day later: one bug is mended, and a new file came along")
    _log(environment, 1)
    environment.console.say("Only what changed since is selected; nothing is asked or paid twice.")


def issue(environment: DemoEnvironment) -> None:
    """Show the issue of the first night."""
    found = environment.issue()
    if found is None:
        _nothing_found(environment)
        return
    environment.console.step("The issue, as it reads on GitHub (shortened)")
    _show(environment, found)


def issue_again(environment: DemoEnvironment) -> None:
    """Show that the second night edited the same issue."""
    found = environment.issue()
    if found is None:
        _nothing_found(environment)
        return
    console = environment.console
    console.step("The same issue, edited in place: nothing is told twice")
    _show(environment, found, example=False)
    count = len(environment.repository.issues)
    console.say(
        f"Issues in the repository: {count}. "
        f"Comments on it: {len(found.comments)}, the one notification of what changed."
    )


def own_issue(environment: DemoEnvironment, *, sent: bool) -> None:
    """Show the issue of the user's repository, or say kindly why there is none."""
    found = environment.issue()
    if not sent:
        environment.console.say(
            "Nothing to review has changed: nothing was sent, nothing was paid."
        )
    if found is not None and sent:
        issue(environment)
    elif found is not None:
        environment.console.say(f"The issue stays as it was: {verdict(found)}")
    elif sent:
        _nothing_found(environment)


def farewell(environment: DemoEnvironment, written: list[str], out: Path) -> None:
    """Say what was written and what to do next."""
    console = environment.console
    console.chapter("What you have now")
    room = max((len(str(out / name)) + 2 for name in written), default=0)
    for name in written:
        console.say(f"{out / name!s:<{max(room, 40)}}{NOTES[name]}")
    console.console.print()
    lines = [
        *([f"Open {out / 'issue.html'} in a browser.", ""] if "issue.html" in written else []),
        *(AGAIN if environment.subject.keeps else OWN_CODE),
        "   batch-action plan    what tonight would cost with Claude; free, and needs no key",
        "   batch-action init    writes the nightly workflow into your repository",
        "Then store your key as the repository secret ANTHROPIC_API_KEY, commit and push.",
        "",
        NO_CLAUDE[0],
    ]
    console.box(lines, "Next")


def verdict(found: Issue) -> str:
    """The issue's one sentence."""
    lines = shortened(found.body or "").splitlines()
    return lines[0].strip("*") if lines else ""


def _show(environment: DemoEnvironment, found: Issue, *, example: bool = True) -> None:
    title = f"{found.title} #{found.number} · {found.state} · {', '.join(found.labels)}"
    environment.console.markdown(shortened(found.body or "", example=example), title)


def _nothing_found(environment: DemoEnvironment) -> None:
    environment.console.step("No issue: nothing open")
    environment.console.say(
        "The sandbox's plain rules found nothing to say about these files, so no issue is opened. "
        "That is a good answer; Claude reads more deeply than they do."
    )


def _log(environment: DemoEnvironment, count: int) -> None:
    code, out, _ = environment.subject.git.call(
        "log", f"--max-count={count}", "--format=%h  %ad  %s", "--date=format:%b %d %H:%M", "HEAD"
    )
    for line in out.decode("utf-8", "replace").splitlines() if code == 0 else ():
        environment.console.say(line, style="cyan")
