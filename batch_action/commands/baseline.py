"""`baseline`: accept every open finding in a file of the repository."""

from batch_action.commands.repository_files import is_inside, write_files
from batch_action.context import RunContext
from batch_action.errors import ConfigError
from batch_action.findings import baseline as baseline_file
from batch_action.models.findings import OPEN_STATES, FindingState
from batch_action.publishers import pipeline
from batch_action.text import plural


def baseline(ctx: RunContext, *, data: list[dict[str, object]] | None = None) -> int:
    """Write the baseline file into the working tree, to be reviewed and committed.

    *data* receives its name and how many findings it accepts. Returns 0. Raises GitHubError when
    the destinations cannot be read, ConfigError when the file cannot be written.
    """
    name = ctx.settings.baseline_file
    workspace = ctx.github_context.workspace
    path = workspace / name
    if not is_inside(workspace, name):
        raise ConfigError(
            f"`baseline-file` {name!r} is outside of the repository.",
            fix="Give a path inside of it.",
        )
    states = pipeline.read_states(ctx)
    if states.unreadable:
        raise ConfigError(f"The findings cannot be read: {states.unreadable[0].note}")
    if not any(state.tracked or state.head for state in states.newest_first):
        raise ConfigError(
            f"No reported findings of {ctx.task.name} can be read, so nothing was accepted and no "
            "file was written.",
            fix="Set GITHUB_TOKEN and GITHUB_REPOSITORY; `report` names the destinations.",
        )
    tracked = (f for state in reversed(states.newest_first) for f in state.tracked)
    findings = {finding.fingerprint: finding for finding in tracked}
    accepted_before = (FindingState.IGNORED, "baseline")
    accepted = [
        finding
        for finding in findings.values()
        if finding.state in OPEN_STATES or (finding.state, finding.ignored_by) == accepted_before
    ]
    redacts = ctx.hides_security_findings
    text = baseline_file.render(
        ctx.task.name,
        # In a public repository, security findings are listed by their fingerprint only.
        [baseline_file.redact(f) if redacts and f.security else f for f in accepted],
        path.read_bytes() if path.is_file() else None,
        name,
    )
    write_files(workspace, {name: text})
    if data is not None:
        named = {"task": ctx.task.name, "state_key": ctx.settings.state_key}
        data.append({**named, "file": name, "accepted": len(accepted)})
    ctx.console.print(
        f"{plural(len(accepted), 'finding')} accepted in {name}: once it is committed, they are "
        "listed but no longer reported."
    )
    return 0
