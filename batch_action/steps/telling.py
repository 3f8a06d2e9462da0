"""Outputs and job summary: what a run tells the workflow and the person who opens its page."""

from collections.abc import Sequence

from batch_action.history import batches, files
from batch_action.models.findings import LIVE
from batch_action.models.report import Published
from batch_action.models.requests import BatchState, Plan, Way
from batch_action.report import overview, summary
from batch_action.report.text import dollars, plural
from batch_action.steps import memory as memories
from batch_action.steps.answers import Harvest
from batch_action.steps.interactive import is_batch
from batch_action.steps.memory import Memory
from batch_action.steps.preparing import Prepared
from batch_action.steps.world import World


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
    owed = files.owed(ledger, max_attempts=world.settings.max_attempts, scope=world.scope)
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
    return summary.submitted(
        task=world.title,
        selection=prepared.selection,
        why=prepared.why,
        plan=prepared.plan,
        sent=sent,
        dry_run=dry_run,
    )


def waiting(world: World, memory: Memory) -> list[summary.Waiting]:
    """The batches that have not ended, for the summary and `status`."""
    now = world.now()
    return [
        summary.Waiting(
            batch=pending.sent.batch,
            requests=len(pending.questions),
            age_hours=(now - pending.sent.created_at).total_seconds() / 3600,
            expires=f"{pending.sent.expires_at:%Y-%m-%d %H:%M} UTC",
        )
        for pending in batches.pending(memories.scope(world, memory.ledger))
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
        _summarise(world, summary.collected(published, waiting=still, dry_run=dry))


def pulls(world: World, memory: Memory, published: Sequence[Published]) -> None:
    """From a branch's run: tell what came back for pull requests, each by itself."""
    for one in published:
        for delivered in one.delivered:
            world.screen.say(
                f"#{one.night.pull}: {delivered.action} {delivered.url or ''}".rstrip()
            )
        dry = world.settings.dry_run
        _summarise(world, summary.collected(one, waiting=(), dry_run=dry))
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
    for text in (overview.overview(several), summary.warnings(worlds[0].warnings)):
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
