"""The job summary: what this run did, for the person who opens the run's page."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from batch_action.batches.results import Harvest
from batch_action.batches.synchronous import is_batch
from batch_action.context import World
from batch_action.escape import html_code, markdown, ours
from batch_action.ledger import store as memories
from batch_action.ledger import view
from batch_action.ledger.store import Memory
from batch_action.models.files import Selection, Skipped
from batch_action.models.findings import LIVE, Standing
from batch_action.models.report import Night, Published
from batch_action.models.requests import BatchState, Plan, Way
from batch_action.publishers import charts, tables, wording
from batch_action.publishers.templates import fill
from batch_action.publishers.visibility import guarded, hidden, limits_sentence, shown
from batch_action.publishers.wording import dollars
from batch_action.requests.planner import Prepared
from batch_action.text import plural

SUMMARY_MAX_CHARS = 80_000
"""Bytes of one table: the runner drops a summary of more than 1 MiB as a whole, and both halves of
a run share it."""
MOST_WAITING = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """A batch that has not ended."""

    batch: str
    requests: int
    age_hours: float
    expires: str


def render_submitted(
    *,
    task: str,
    selection: Selection,
    why: str,
    plan: Plan,
    sent: Sequence[BatchState],
    dry_run: bool,
) -> str:
    """What was selected and sent, what it can cost at most, and every file that was left out."""
    return fill(
        "job_summary_submitted.md.j2",
        task=markdown(task, 60),
        range=f"{selection.base[:12] if selection.base else ''}..{selection.head[:12]}",
        why=markdown(why),
        files=plural(len(selection.files) - len(plan.owed), "file"),
        requests=plural(len(plan.requests), "request"),
        batches=[(batch.id, batch.total, f"{batch.expires_at:%Y-%m-%d %H:%M}") for batch in sent],
        costs=_costs(plan),
        note=ours(plan.note, 500),
        tokens=plan.tokens,
        owed=_listed([file.path for file in plan.owed]),
        skipped=tables.table(
            ("File", "Reason", ""),
            [_skipped(item) for item in selection.skipped],
            SUMMARY_MAX_CHARS,
        ),
        skipped_count=len(selection.skipped),
        owed_count=len(plan.owed),
        dry_run=dry_run,
        nothing=not plan.requests,
    )


def _costs(plan: Plan) -> list[str]:
    """The three columns, the one that counts tonight in bold."""
    cost, now = plan.cost, plan.way is Way.INTERACTIVE
    columns = [cost.interactive_usd, cost.batch_usd, cost.batch_cached_usd]
    ours = 0 if now else 1
    return [
        f"**{wording.dollars(usd)}**" if n == ours else wording.dollars(usd)
        for n, usd in enumerate(columns)
    ]


def render_collected(
    published: Published | None, *, waiting: Sequence[Waiting], dry_run: bool = False
) -> str:
    """What came back, where it went, what it cost, and what is still running.

    None: nothing had ended. Always far below the 1 MiB at which the runner drops a summary.
    """
    told = _told(published) if published else {}
    return fill(
        "job_summary_collected.md.j2",
        night=published is not None,
        waiting=waiting[:MOST_WAITING],
        waiting_more=max(0, len(waiting) - MOST_WAITING),
        dry_run=dry_run,
        **told,
    )


def _told(published: Published) -> dict[str, object]:
    night = published.night
    standings = shown(published.standings, night)
    news = [s for s in standings if s.changed]
    older = [s for s in standings if not s.changed and s.known.state in LIVE]
    spending = night.spending
    return {
        "task": markdown(night.title, 60),
        "pull": f" on #{night.pull}" if night.pull else "",
        "verdict": wording.verdict(standings, guarded=guarded(night)),
        "charts": [
            chart
            for chart in (
                charts.severities(standings),
                charts.costs(spending.cost) if spending else "",
            )
            if chart
        ],
        "destinations": [wording.deed(d) for d in published.delivered],
        "news": _findings(news, night),
        "guarded": bool(hidden(published)),
        "older": _findings(older, night),
        "older_summary": f"Open since earlier nights: {len(older)}",
        "judgements": tables.judgements(published.night, SUMMARY_MAX_CHARS),
        "generated": tables.generated(published.night, SUMMARY_MAX_CHARS),
        "cost": wording.cost_line(spending) if spending else "",
        "receipt": wording.receipt_line(night.receipt),
        "entries": tables.receipt(night.receipt, SUMMARY_MAX_CHARS),
        "skipped": wording.skipped_line(night.receipt),
        "held": limits_sentence(published),
    }


def _findings(standings: Sequence[Standing], night: Night) -> str:
    rows = [wording.row(standing, night) for standing in standings]
    return tables.table(("Severity", "Finding", "Where", "State"), rows, SUMMARY_MAX_CHARS)


def warnings(sentences: Sequence[str]) -> str:
    """The sentences that need attention, as a list; empty when there are none."""
    if not sentences:
        return ""
    return "\n".join(["**Attention**", "", *(f"- {ours(s)}" for s in sentences)])


def _skipped(item: Skipped) -> tuple[str, str, str]:
    return html_code(item.path), item.reason.value, markdown(item.detail)


def _listed(paths: Sequence[str]) -> list[str]:
    """Lines of a list that fit, the last one telling how many do not."""
    lines: list[str] = []
    room = SUMMARY_MAX_CHARS
    for path in paths:
        line = html_code(path)
        room -= len(line.encode()) + 3
        if room < 0:
            return [*lines, f"… and {len(paths) - len(lines)} more"]
        lines.append(line)
    return lines


OVERVIEW_MAX_CHARS = 20_000
COLUMNS = {
    "Status": "status",
    "Requests": "requests-count",
    "Owed": "owed-count",
    "Open": "findings-count",
    "New": "new-findings-count",
    "Fixed": "fixed-findings-count",
    "Cost ($)": "cost-usd",
}


def overview(told: Sequence[tuple[str, Mapping[str, str]]]) -> str:
    """A row for each task, from the outputs it has set; empty where nobody has set any."""
    if not any("status" in outputs for _, outputs in told):
        return ""
    rows = [
        (markdown(title, 60), *(_cell(outputs, name) for name in COLUMNS.values()))
        for title, outputs in told
    ]
    return "\n".join(
        ["### All tasks", "", tables.table(("Task", *COLUMNS), rows, OVERVIEW_MAX_CHARS)]
    )


def _cell(outputs: Mapping[str, str], name: str) -> str:
    return outputs.get(name, "failed" if name == "status" else "")


def submitted(
    world: World,
    memory: Memory,
    prepared: Prepared,
    sent: Sequence[BatchState],
    found: Harvest | None = None,
) -> None:
    """Tell what was sent, what it can cost at most, and what is owed.

    *found*: the answers, where they were asked for at once.
    """
    plan, runner, dry = prepared.plan, world.runner, world.settings.dry_run
    waits = bool(plan.requests) and not plan.due
    status = (
        "dry-run"
        if dry
        else "submitted"
        if memory.sent or found
        else "accumulated"
        if waits and plan.way is Way.ACCUMULATE
        else "pending"
        if waits
        else "nothing-to-do"
    )
    ledger = memories.scope(world, memory.ledger)
    owed = view.owed(ledger, max_attempts=world.settings.max_attempts, scope=world.scope)
    if status in ("dry-run", "submitted") or "status" not in runner.told:
        # After a collect in the same run, that nothing was sent is no news.
        runner.set_output("status", status)
        runner.set_output("batch-ids", ",".join(batch.id for batch in memory.sent))
    asked = len(plan.requests) if found or dry else 0
    runner.set_output("requests-count", asked + sum(batch.total for batch in memory.sent))
    runner.set_output("owed-count", len(plan.owed) if dry else len(owed))
    _summarise(world, _submission(world, prepared, sent, dry_run=dry))
    _say_submitted(world, plan, going=bool(sent or found or dry))


def _say_submitted(world: World, plan: Plan, *, going: bool) -> None:
    if plan.note:
        world.screen.say(plan.note)
    if not (plan.due and going):
        world.screen.say("Nothing was sent." if plan.requests else "Nothing new to send.")
        return
    told = "Would send" if world.settings.dry_run else "Sent"
    count = sum(len(batch) for batch in plan.due)
    world.screen.say(
        f"{told} {plural(count, 'request')} {_in_batches(plan)}: at most {dollars(plan.worst_usd)}."
    )


def _in_batches(plan: Plan) -> str:
    if plan.way is Way.INTERACTIVE:
        return "at once, at full price"
    count = len(plan.due)
    return "in 1 batch" if count == 1 else f"in {count} batches"


def planned(world: World, prepared: Prepared) -> None:
    """Tell what would be sent."""
    world.runner.set_output("status", "planned")
    world.runner.set_output("requests-count", len(prepared.plan.requests))
    world.runner.set_output("owed-count", len(prepared.plan.owed))
    _summarise(world, _submission(world, prepared, (), dry_run=True))


def _submission(
    world: World, prepared: Prepared, sent: Sequence[BatchState], *, dry_run: bool
) -> str:
    return render_submitted(
        task=world.title,
        selection=prepared.selection,
        why=prepared.why,
        plan=prepared.plan,
        sent=sent,
        dry_run=dry_run,
    )


def waiting(world: World, memory: Memory) -> list[Waiting]:
    """The batches that have not ended, for the summary and `status`."""
    now = world.now()
    return [
        Waiting(
            batch=pending.sent.batch,
            requests=len(pending.questions),
            age_hours=(now - pending.sent.created_at).total_seconds() / 3600,
            expires=f"{pending.sent.expires_at:%Y-%m-%d %H:%M} UTC",
        )
        for pending in view.pending(memories.scope(world, memory.ledger))
    ]


def collected(world: World, memory: Memory, published: Published | None) -> None:
    """Tell what came back, where it went and what it cost; None: nothing had ended."""
    runner = world.runner
    still = waiting(world, memory)
    if published is None:
        runner.set_output("status", "pending" if still else "nothing-to-do")
        world.screen.say(f"Nothing to collect; {len(still)} still running.")
    else:
        _outputs(world, published)
        for sentence in published.warnings:
            world.warn(sentence)
    if published is not None or still:
        dry = world.settings.dry_run
        _summarise(world, render_collected(published, waiting=still, dry_run=dry))


def pulls(world: World, memory: Memory, published: Sequence[Published]) -> None:
    """From a branch's run: tell what came back for pull requests, each by itself."""
    for one in published:
        for delivered in one.delivered:
            world.screen.say(
                f"#{one.night.pull}: {delivered.action} {delivered.url or ''}".rstrip()
            )
        dry = world.settings.dry_run
        _summarise(world, render_collected(one, waiting=(), dry_run=dry))
    if published and world.runner.told.get("status") in ("pending", "nothing-to-do"):
        world.runner.set_output("status", "dry-run" if world.settings.dry_run else "collected")
        ids = [batch for one in published for batch in one.night.batch_ids]
        world.runner.set_output("batch-ids", ",".join(ids))
    if still := waiting(world, memory):
        world.screen.say(f"For pull requests, {len(still)} still running.")


def interrupted(world: World) -> None:
    """Say where the run stopped; what was known then is saved already."""
    doing = world.screen.doing or "starting"
    _summarise(
        world, f"**Interrupted while {doing}.** What was known is saved; the next run goes on."
    )


def attention(*worlds: World) -> None:
    """Write what became of each task, and the run's warnings, to the summary, once, at its end."""
    for world in worlds:
        _file(world)
    several = [(world.title, world.runner.told) for world in worlds] if len(worlds) > 1 else []
    for text in (overview(several), warnings(worlds[0].warnings)):
        if text:
            _summarise(worlds[0], text)


def _file(world: World) -> None:
    if world.artifacts is None and memories.path_of(world).is_file():
        where = memories.path_of(world)
        if where.is_relative_to(world.context.workspace):
            where = where.relative_to(world.context.workspace)
        world.runner.set_output("state-file", str(where))


def _outputs(world: World, published: Published) -> None:
    runner, night = world.runner, published.night
    changed = [s.known.state.value for s in published.standings if s.changed]
    live = [s for s in published.standings if s.known.state in LIVE]
    runner.set_output("status", "dry-run" if world.settings.dry_run else "collected")
    runner.set_output("batch-ids", ",".join(filter(is_batch, night.batch_ids)))
    runner.set_output("findings-count", len(live))
    new, fixed = (int(_before(world, f"{name}-findings-count")) for name in ("new", "fixed"))
    runner.set_output("new-findings-count", new + changed.count("new"))
    runner.set_output("fixed-findings-count", fixed + changed.count("fixed"))
    runner.set_output("generated-count", len(published.night.generated))
    for delivered in published.delivered:
        if delivered.destination == "issue":
            runner.set_output("issue-number", delivered.number or "")
            runner.set_output("issue-url", delivered.url or "")
            runner.set_output("issue-action", delivered.action)
        world.screen.say(
            f"{delivered.destination}: {delivered.action} {delivered.url or ''}".rstrip()
        )
    if night.spending and night.spending.cost.priced:
        paid, less = night.spending.paid_usd or 0, night.spending.saved_usd or 0
        runner.set_output("cost-usd", f"{_before(world, 'cost-usd') + paid:.6f}")
        runner.set_output("savings-usd", f"{_before(world, 'savings-usd') + less:.6f}")
        world.screen.say(f"Cost {dollars(paid)}, saved {dollars(less)}.")


def _before(world: World, name: str) -> float:
    """What an earlier collect of this run has told: one waits for a warm-up, then for the rest."""
    return float(world.runner.told.get(name) or 0)


def _summarise(world: World, text: str) -> None:
    if "summary" in world.settings.report:
        world.runner.summary(text)
