"""What the guide says at the beginning, between the nights, and at the end."""

from pathlib import Path

from batch_action.commands.demo.artifacts import NOTES
from batch_action.commands.demo.console import Guide
from batch_action.commands.demo.environment import Stage
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


def welcome(guide: Guide) -> None:
    """Say what this is before anything happens."""
    lines = [
        "Nightly code review at half price, played through on this machine:",
        "no key, no account, no network, no cost.",
        "",
        *NO_CLAUDE,
    ]
    guide.box(lines, "batch-action demo")


def sample_repository(stage: Stage, chosen: Sample) -> None:
    """Introduce the sample."""
    guide = stage.guide
    guide.step(f"A small repository: {chosen.title}")
    _log(stage, 5)
    guide.say(f"The first run looks at what changed in {stage.subject.look_back}.")


def own_repository(stage: Stage, *, again: bool) -> None:
    """Introduce the user's repository, and what an earlier demo knows of it."""
    guide, chosen = stage.guide, stage.subject
    guide.step(f"Your repository: {chosen.folder}")
    _log(stage, 3)
    guide.say("It is only read, at its last commit: nothing is written there.")
    if chosen.base:
        guide.say(f"You asked for what changed since {chosen.base[:12]}.")
    elif again:
        guide.say(
            "An earlier demo reviewed it: only what changed since (or is still owed) is sent now."
        )
    else:
        guide.say(f"The first run looks at {chosen.look_back}; choose with --base.")


def new_commit(stage: Stage) -> None:
    """Tell what happened during the day."""
    stage.guide.step("A day later: one bug is mended, and a new file came along")
    _log(stage, 1)
    stage.guide.say("Only what changed since is selected; nothing is asked or paid twice.")


def issue(stage: Stage) -> None:
    """Show the issue of the first night."""
    found = stage.issue()
    if found is None:
        _nothing_found(stage)
        return
    stage.guide.step("The issue, as it reads on GitHub (shortened)")
    _show(stage, found)


def issue_again(stage: Stage) -> None:
    """Show that the second night edited the same issue."""
    found = stage.issue()
    if found is None:
        _nothing_found(stage)
        return
    guide = stage.guide
    guide.step("The same issue, edited in place: nothing is told twice")
    _show(stage, found, example=False)
    count = len(stage.repository.issues)
    guide.say(
        f"Issues in the repository: {count}. "
        f"Comments on it: {len(found.comments)}, the one notification of what changed."
    )


def own_issue(stage: Stage, *, sent: bool) -> None:
    """Show the issue of the user's repository, or say kindly why there is none."""
    found = stage.issue()
    if not sent:
        stage.guide.say("Nothing to review has changed: nothing was sent, nothing was paid.")
    if found is not None and sent:
        issue(stage)
    elif found is not None:
        stage.guide.say(f"The issue stays as it was: {verdict(found)}")
    elif sent:
        _nothing_found(stage)


def farewell(stage: Stage, written: list[str], out: Path) -> None:
    """Say what was written and what to do next."""
    guide = stage.guide
    guide.chapter("What you have now")
    room = max((len(str(out / name)) + 2 for name in written), default=0)
    for name in written:
        guide.say(f"{out / name!s:<{max(room, 40)}}{NOTES[name]}")
    guide.console.print()
    lines = [
        *([f"Open {out / 'issue.html'} in a browser.", ""] if "issue.html" in written else []),
        *(AGAIN if stage.subject.keeps else OWN_CODE),
        "   batch-action plan    what tonight would cost with Claude; free, and needs no key",
        "   batch-action init    writes the nightly workflow into your repository",
        "Then store your key as the repository secret ANTHROPIC_API_KEY, commit and push.",
        "",
        NO_CLAUDE[0],
    ]
    guide.box(lines, "Next")


def verdict(found: Issue) -> str:
    """The issue's one sentence."""
    lines = shortened(found.body or "").splitlines()
    return lines[0].strip("*") if lines else ""


def _show(stage: Stage, found: Issue, *, example: bool = True) -> None:
    title = f"{found.title} #{found.number} · {found.state} · {', '.join(found.labels)}"
    stage.guide.markdown(shortened(found.body or "", example=example), title)


def _nothing_found(stage: Stage) -> None:
    stage.guide.step("No issue: nothing open")
    stage.guide.say(
        "The sandbox's plain rules found nothing to say about these files, so no issue is opened. "
        "That is a good answer; Claude reads more deeply than they do."
    )


def _log(stage: Stage, count: int) -> None:
    code, out, _ = stage.subject.git.call(
        "log", f"--max-count={count}", "--format=%h  %ad  %s", "--date=format:%b %d %H:%M", "HEAD"
    )
    for line in out.decode("utf-8", "replace").splitlines() if code == 0 else ():
        stage.guide.say(line, style="cyan")
