"""Outputs and job summary: what a run tells the workflow and the person who opens its page."""

from collections.abc import Sequence

from batch_action.history import batches, files
from batch_action.models.report import Published
from batch_action.models.requests import BatchState
from batch_action.report import summary
from batch_action.report.text import LIVE, dollars, plural, saved
from batch_action.steps import memory as memories
from batch_action.steps.memory import Memory
from batch_action.steps.preparing import Prepared
from batch_action.steps.world import World


def submitted(world: World, memory: Memory, prepared: Prepared, sent: Sequence[BatchState]) -> None:
    """Tell what was sent, what it can cost at most, and what is owed."""
    plan, runner = prepared.plan, world.runner
    status = "dry-run" if world.settings.dry_run else "submitted" if sent else "nothing-to-do"
    ledger = memories.scope(world, memory.ledger)
    owed = files.owed(ledger, max_attempts=world.settings.max_attempts, scope=world.scope)
    if status != "nothing-to-do" or "status" not in runner.told:
        # After a collect in the same run, that there was nothing to send is no news.
        runner.set_output("status", status)
        runner.set_output("batch-ids", ",".join(batch.id for batch in sent))
    going = len(plan.requests) if sent or world.settings.dry_run else 0
    runner.set_output("requests-count", going)
    runner.set_output("owed-count", len(plan.owed) if world.settings.dry_run else len(owed))
    _summarise(world, _submission(world, prepared, sent, dry_run=world.settings.dry_run))
    if not going:
        world.screen.say("Nothing was sent." if plan.requests else "Nothing new to send.")
        return
    told = "Would send" if world.settings.dry_run else "Sent"
    world.screen.say(
        f"{told} {plural(len(plan.requests), 'request')} in {plural(len(plan.batches), 'batch')}"
        f"{'es' if len(plan.batches) > 1 else ''}: at most {dollars(plan.cost.batch_usd)} "
        f"(interactive {dollars(plan.cost.interactive_usd)})."
    )


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
        task=world.task.name,
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
        world.screen.say(f"{plural(len(still), 'batch')} of pull requests still running.")


def interrupted(world: World) -> None:
    """Say where the run stopped; what was known then is saved already."""
    doing = world.screen.doing or "starting"
    _summarise(
        world, f"**Interrupted while {doing}.** What was known is saved; the next run goes on."
    )


def attention(world: World) -> None:
    """Write the run's warnings to the summary, once, at its end."""
    if world.artifacts is None and memories.path_of(world).is_file():
        where = memories.path_of(world)
        if where.is_relative_to(world.context.workspace):
            where = where.relative_to(world.context.workspace)
        world.runner.set_output("state-file", str(where))
    text = summary.warnings(world.warnings)
    if text:
        _summarise(world, text)


def _outputs(world: World, published: Published) -> None:
    runner, night = world.runner, published.night
    changed = [s.known.state.value for s in published.standings if s.changed]
    live = [s for s in published.standings if s.known.state in LIVE]
    runner.set_output("status", "dry-run" if world.settings.dry_run else "collected")
    runner.set_output("batch-ids", ",".join(night.batch_ids))
    runner.set_output("findings-count", len(live))
    runner.set_output("new-findings-count", changed.count("new"))
    runner.set_output("fixed-findings-count", changed.count("fixed"))
    for delivered in published.delivered:
        if delivered.destination == "issue":
            runner.set_output("issue-number", delivered.number or "")
            runner.set_output("issue-url", delivered.url or "")
            runner.set_output("issue-action", delivered.action)
        world.screen.say(
            f"{delivered.destination}: {delivered.action} {delivered.url or ''}".rstrip()
        )
    if night.spending and night.spending.cost.priced:
        cost = night.spending.cost
        runner.set_output("cost-usd", f"{cost.batch_usd or 0:.6f}")
        runner.set_output("savings-usd", f"{saved(cost) or 0:.6f}")
        world.screen.say(f"Cost {dollars(cost.batch_usd)}, saved {dollars(saved(cost))}.")


def _summarise(world: World, text: str) -> None:
    if "summary" in world.settings.report:
        world.runner.summary(text)
