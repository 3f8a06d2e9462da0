"""Requests become a plan: tokens, dollars, what fits under the cap, and batches."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from batch_action.clients.secrets import mask
from batch_action.context import World
from batch_action.errors import AnthropicError, BudgetError, ConfigError
from batch_action.ledger import store as memories
from batch_action.ledger import view
from batch_action.ledger.store import Memory
from batch_action.ledger.view import Owed
from batch_action.models.files import Change, Reason, SelectedFile, Selection, Skipped
from batch_action.models.ledger import Ledger
from batch_action.models.requests import ModelFacts, Plan, Way
from batch_action.publishers.issue import publisher as issue
from batch_action.publishers.issue_per_finding import state
from batch_action.publishers.sarif import publisher as sarif
from batch_action.requests import builder, context_files, packing, pricing, send_strategy
from batch_action.requests.builder import Asked, all_requests
from batch_action.requests.packing import Pricing
from batch_action.requests.send_strategy import Choice
from batch_action.selection import commit_range, reader
from batch_action.selection.commit_range import Span
from batch_action.selection.patterns import Rules


@dataclass(frozen=True, slots=True)
class _Scale:
    """How bytes become tokens tonight."""

    ratio: float
    method: str
    error: float


def plan(
    world: World,
    asked: Asked,
    ledger: Ledger,
    choice: Choice = Choice(Way.BATCH),  # noqa: B008 - frozen
    *,
    exact: bool,
) -> Plan:
    """Pack what fits under the caps into batches; what does not fit is owed, whole files only.

    *ledger*: whose spending counts for the caps. *choice*: which way the requests go.
    """
    asked, scale = _counted(world, asked, exact=exact)
    shared = pricing.estimate(asked.shared_bytes, scale.ratio)
    price = Pricing(world=world, way=choice.way, shared=shared)
    chosen, owed = _fill(asked, price, _budget(world, ledger))
    requests = [request for file in chosen for request in asked.requests[file.path]]
    if choice.way is Way.WARM_UP and not send_strategy.pays(world, price.marked(requests), shared):
        choice = Choice(Way.BATCH, "No prompt cache: under the cap there are too few requests.")
        price = replace(price, way=choice.way)
    made = packing.packed(world, requests, choice.way)
    due = made[0] if choice.way is Way.WARM_UP else requests
    groups = price.groups(requests)
    return Plan(
        batches=made,
        way=choice.way,
        note=choice.note,
        worst_usd=price.worst(due),
        owed=tuple(owed),
        tokens=pricing.total(
            (request.input_tokens for request in requests),
            sum(request.max_tokens for request in requests),
            scale.method,
            scale.error,
        ),
        cost=pricing.together(
            pricing.columns(world.prices, model, usages, shared) for model, usages in groups.items()
        ),
    )


def refuse_over_budget(world: World, plan: Plan) -> None:
    """Raise BudgetError when nothing fits, or not all of it and `on-over-budget: fail`.

    Raise ConfigError when the model has no known price: no cap could be kept.
    """
    settings = world.settings
    if plan.requests and not plan.cost.priced:
        raise ConfigError(
            f"`model` {settings.model!r} has no known price, so `max-cost-usd` cannot be kept.",
            fix="Add its price to `prices` in the config file; the README shows how.",
        )
    if not plan.owed:
        return
    names = ", ".join(file.path for file in plan.owed[:3])
    if not plan.requests and world.purse.sent_usd:
        # The cap is one for all tasks of a run: this one stands in line again tomorrow.
        world.warn(f"{world.title}: the budget is used up, {len(plan.owed)} files are owed.")
        return
    if not plan.requests:
        raise BudgetError(
            f"Not even one file fits under the budget ({len(plan.owed)} wait: {names} …).",
            fix="Raise `max-cost-usd` or `monthly-budget-usd`, or narrow `paths`.",
        )
    if settings.on_over_budget == "fail":
        raise BudgetError(
            f"{len(plan.owed)} files do not fit under the budget ({names} …) and "
            "`on-over-budget` is `fail`: nothing was sent.",
            fix="Raise `max-cost-usd` or `monthly-budget-usd`, or use `on-over-budget: fill`.",
        )


def month_start(now: datetime) -> datetime:
    """The first moment of the calendar month, UTC."""
    return now.replace(day=1, hour=0, minute=0, second=0, microsecond=0)


def _budget(world: World, ledger: Ledger) -> float:
    settings, now = world.settings, world.now()
    left = settings.max_cost_usd - world.purse.sent_usd
    if settings.monthly_budget_usd is not None:
        spent = view.known_spend(ledger, month_start(now)) + world.purse.elsewhere(world.title)
        left = min(left, settings.monthly_budget_usd - spent - view.committed(ledger))
    return left


def _fill(
    asked: Asked, price: Pricing, budget: float
) -> tuple[list[SelectedFile], list[SelectedFile]]:
    """Files by risk until the worst case reaches the budget; a smaller one may still fit."""
    chosen, owed, used = [], [], 0.0
    for file in asked.selection.files:
        cost = price.worst(asked.requests[file.path])
        if cost is not None and used + cost > budget:
            owed.append(file)
            continue
        used += cost or 0.0
        chosen.append(file)
    return chosen, owed


def _counted(world: World, asked: Asked, *, exact: bool) -> tuple[Asked, _Scale]:
    """The requests with their tokens: counted, scaled from a sample, or estimated offline."""
    requests = list(all_requests(asked))
    api = world.anthropic
    if api is None or not requests:
        return asked, _Scale(pricing.BYTES_PER_TOKEN, "offline-estimate", 0.0)
    sizes = [request.size for request in requests]
    indexes = range(len(requests)) if exact else pricing.sample_indexes(sizes)
    counted: dict[int, int] = {}
    try:
        with world.screen.progress("Counting tokens", len(indexes)) as tick:
            for done, index in enumerate(indexes, 1):
                counted[index] = api.count_tokens(requests[index].params)
                tick(done, len(indexes))
    except AnthropicError as failure:
        if exact:
            raise
        world.warn(f"Tokens are estimated offline, because they could not be counted: {failure}")
        return asked, _Scale(pricing.BYTES_PER_TOKEN, "offline-estimate", 0.0)
    ratio, error = pricing.ratio_from([(sizes[i], tokens) for i, tokens in counted.items()])
    # A sample is scaled to its dear side, so that the cap holds.
    careful = ratio / (1 + error)
    tokens = [counted.get(i, pricing.estimate(size, careful)) for i, size in enumerate(sizes)]
    complete = len(counted) == len(requests)
    scale = _Scale(ratio, "counted" if complete else "sampled", 0.0 if complete else error)
    return _with_tokens(asked, tokens), scale


def _with_tokens(asked: Asked, tokens: Iterable[int]) -> Asked:
    fresh = iter(tokens)
    requests = {
        file.path: tuple(
            replace(request, input_tokens=next(fresh)) for request in asked.requests[file.path]
        )
        for file in asked.selection.files
    }
    return replace(asked, requests=requests)


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """A plan with the selection it came from."""

    selection: Selection
    why: str
    """How the base was found."""
    partial: bool
    """Whether the base leaves something out."""
    behind: bool
    """Whether a later commit was looked at before."""
    plan: Plan


def prepare(
    world: World,
    memory: Memory,
    *,
    model: ModelFacts | None = None,
    clock: datetime | None = None,
    exact: bool = False,
) -> Prepared:
    """Select, read, ask and price; nothing is sent or saved. Raises ConfigError.

    *model* and *clock*: what Anthropic says of the model, and its time, where they were asked.
    """
    settings = world.settings
    ledger = memories.scope(world, memory.ledger)
    chosen = commit_range.choose(world, ledger, _trace(world, memory))
    # A pull request is looked at as a whole each time, as is a patch: what is owed is among what it
    # changes.
    alone = chosen.behind or world.pull or settings.patch_file
    owed = {} if alone else view.unsettled(ledger, world.scope)
    with world.screen.progress("Reading files", 1) as progress:
        selection = reader.read(
            world.git,
            head=chosen.head,
            base=chosen.base,
            everything=chosen.everything,
            owed={path: item.old for path, item in owed.items()},
            rules=Rules(settings.paths, settings.paths_ignore, elsewhere=world.elsewhere),
            max_file_bytes=settings.max_file_bytes,
            attributes_from=world.rules_at(chosen.head),
            mask=mask,
            progress=progress,
            changes=_compared(world, chosen),
        )
    if chosen.behind:
        selection = _without_newer(selection, view.newest(ledger))
    selection = context_files.suit(world, selection)
    asked = builder.ask(world, ledger, selection, model.max_tokens if model else None)
    choice = send_strategy.choose(world, asked, ledger, clock or world.now())
    return Prepared(
        selection=asked.selection,
        why=chosen.why,
        partial=chosen.partial or chosen.behind,
        behind=chosen.behind,
        plan=plan(world, asked, memories.spending(world, memory), choice, exact=exact),
    )


def _without_newer(selection: Selection, newest: Mapping[str, Owed]) -> Selection:
    """An older commit's selection without the files of which a later version is known."""
    late = [file for file in selection.files if file.path in newest]
    skipped = [
        Skipped(path=file.path, reason=Reason.SAME_AS_BEFORE, detail="a later version is known")
        for file in late
    ]
    return replace(
        selection,
        files=tuple(file for file in selection.files if file.path not in newest),
        skipped=(*selection.skipped, *skipped),
    )


def _compared(world: World, chosen: Span) -> list[Change] | None:
    """What changed, asked of GitHub where a shallow clone does not reach back to the base.

    The API tells no modes and no old blobs: modes come from head's tree, and the files are
    reviewed whole. Raises GitHubError naming `fetch-depth: 0` where its answer is not complete.
    """
    git = world.git
    if chosen.base is None or (git.has_commit(chosen.base) and not chosen.forked):
        return None
    if world.github is None or not git.is_shallow():
        return None
    lacking = f"This shallow clone does not hold {chosen.base[:12]}, the commit of the last run: "
    if chosen.forked:
        lacking = "This shallow clone does not hold the place where this pull request begins: "
    world.warn(
        f"{lacking}GitHub tells what changed, and those files are reviewed whole. "
        "`fetch-depth: 0` is better."
    )
    changes = world.github.client.compare(chosen.base, chosen.head, forked=chosen.forked)
    tree = {entry.path: entry for entry in git.tree(chosen.head)}
    return [
        replace(change, mode=tree[change.path].mode) if change.path in tree else change
        for change in changes
    ]


def _trace(world: World, memory: Memory) -> str | None:
    """The head our issues or alerts name, asked for only when there is no ledger to ask."""
    if world.pull or world.github is None or view.heads(memory.ledger):
        return None
    edge, key = world.github.issues, world.settings.state_key
    name, repository = world.task.name, world.context.repository_id
    head = ""
    if "issue" in world.settings.report:
        rolling = issue.remember(edge, name, repository, key)
        head = rolling.memory.head if rolling else ""
    if not head and "issue-per-finding" in world.settings.report:
        told = state.remember(edge, name, key, repository)
        head = state.newest_head(told, world.git)
    if not head and "sarif" in world.settings.report:
        head = sarif.analysed_head(world)
    return head or None
