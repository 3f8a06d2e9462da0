"""`baseline`: accept every finding that is open now, in a file of the repository."""

from pathlib import Path

from batch_action.context import RunContext
from batch_action.errors import ConfigError
from batch_action.findings import baseline as accepted
from batch_action.models.findings import OPEN_STATES, BatchAnswers, FindingState
from batch_action.publishers import pipeline
from batch_action.text import plural


def baseline(ctx: RunContext) -> int:
    """Write the baseline file into the work tree, for a person to look at and commit.

    Returns 0. Raises GitHubError when the destinations cannot be read, ConfigError when the file
    cannot be written.
    """
    name = ctx.settings.baseline_file
    path = _below(ctx.context.workspace, name)
    batch_answers = BatchAnswers(task=ctx.task.name, commit="", reviewed=(), findings=())
    states = pipeline.read_states(ctx, batch_answers)
    if states.refused:
        raise ConfigError(f"The findings cannot be read: {states.refused[0].note}")
    if not any(r.tracked or r.head for r in states.recollections):
        raise ConfigError(
            f"Nothing that was told of {ctx.task.name} can be read here, so nothing was accepted "
            "and no file was written.",
            fix="Set GITHUB_TOKEN and GITHUB_REPOSITORY; `report` names where findings are told.",
        )
    known = {k.fingerprint: k for r in reversed(states.recollections) for k in r.tracked}
    accepted_before = (FindingState.IGNORED, "baseline")
    open_now = [
        k
        for k in known.values()
        if k.state in OPEN_STATES or (k.state, k.suppressed) == accepted_before
    ]
    public = ctx.context.private is not True
    guard = public and not ctx.settings.allow_public_security_findings
    text = accepted.written(
        ctx.task.name,
        # The file is as public as the repository: of security it names the fingerprint only.
        [accepted.unnamed(k) if guard and k.security else k for k in open_now],
        path.read_bytes() if path.is_file() else None,
        name,
    )
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    except OSError as error:
        raise ConfigError(f"{name} cannot be written: {error.strerror}.") from None
    ctx.console.say(
        f"{plural(len(open_now), 'finding')} accepted in {name}: commit it, and they are listed "
        "but no longer told."
    )
    return 0


def _below(workspace: Path, name: str) -> Path:
    path = (workspace / name).resolve()
    if not path.is_relative_to(workspace.resolve()):
        raise ConfigError(
            f"`baseline-file` {name!r} is outside of the repository.",
            fix="Give a path inside it.",
        )
    return path
