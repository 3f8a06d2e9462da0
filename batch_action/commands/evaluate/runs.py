"""One labelled commit as a run with a ledger of its own: submit, collect, or read kept answers."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

from batch_action.batches import lost_creates, results
from batch_action.batches import submit as batch_submit
from batch_action.batches.answers import build_answers
from batch_action.batches.results import BatchResults
from batch_action.clients.git import GitRepo
from batch_action.commands.evaluate.cases import LabelledCommit
from batch_action.commands.evaluate.scores import CaseResult, Claim
from batch_action.context import RunContext
from batch_action.errors import BudgetError, ConfigError
from batch_action.ledger import store
from batch_action.ledger.store import LedgerSession
from batch_action.ledger.view import LedgerView, PendingBatch
from batch_action.models.findings import BatchAnswers, RawFinding
from batch_action.models.ledger import Collected, Intended, Sent
from batch_action.models.requests import ModelCheck, Outcome, digest
from batch_action.requests import planner
from batch_action.requests.planner import Plan

NOT_SELECTED = "not selected: the change does not touch it, or it is skipped"
OVER_BUDGET = "over `max-cost-usd`"
IN_FLIGHT = "the batch has not ended"
NO_ANSWER = "no answer was kept"
INTENT = "0" * 16
"""Stands for the submit of kept answers, whose ledger is not saved."""


@dataclass(slots=True)
class CaseRun:
    """A labelled commit, its context and ledger, and what is known of its answers."""

    case: LabelledCommit
    ctx: RunContext
    session: LedgerSession
    result: CaseResult
    reasons: dict[str, str] = field(default_factory=dict)
    """Why files have no request: path to reason."""

    @property
    def is_waiting(self) -> bool:
        """Whether a batch of it has not been collected."""
        view = self.session.view
        return bool(view.pending_batches or view.open_intents)

    @property
    def spent_usd(self) -> float:
        """The cost of its answers, and the worst case of what is in flight, in US dollars."""
        view = self.session.view
        return view.committed_usd + view.known_spend_usd(datetime.min.replace(tzinfo=UTC))

    def submit(self, check_model: Callable[[], ModelCheck]) -> int:
        """Send what has no answer and fits the budget; return the number of requests sent.

        Raises ConfigError; AnthropicError; BudgetError: not even one file fits.
        """
        self._find_lost_creates()
        plan = planner.prepare(self.ctx, self.session, check_model)
        self._note_reasons(plan)
        if plan.requests and not plan.cost.is_priced:
            planner.check_budget(self.ctx, plan)  # It refuses a model without a price.
        if not plan.due:
            if plan.backlog:
                raise BudgetError(
                    f"{self.case.title}: not even one file fits `max-cost-usd`.",
                    fix="Raise `--max-cost-usd`, or evaluate fewer cases.",
                )
            return 0
        selected = batch_submit.selected_fact(self.ctx, plan.selection, partial=True)
        batch_submit.send_batches(self.ctx, self.session, plan, selected)
        return len(plan.requests)

    def collect(self) -> bool:
        """Read the answers of the batches that have ended; return whether there were any.

        They are recorded in the ledger by `save`, once the result is stored. Raises AnthropicError.
        """
        self._find_lost_creates()
        batch_results = results.fetch_results(self.ctx, self.session.view.pending_batches)
        if not batch_results.ended:
            return False
        self._read(batch_results)
        return True

    def save(self) -> None:
        """Save the ledger."""
        store.save(self.ctx, self.session)

    def read_kept(self, kept: Mapping[str, Outcome]) -> None:
        """Read answers that were kept, by custom id; raises ConfigError."""
        now = self.ctx.now()
        unchecked = ModelCheck(model=None, clock=now, local_clock=now)
        plan = planner.prepare(self.ctx, self.session, lambda: unchecked)
        self._note_reasons(plan)
        for path in {request.request_key.path for request in plan.requests}:
            self.reasons[path] = NO_ANSWER
        keys = tuple(request.request_key for request in plan.requests)
        outcomes = dict(_match(kept, [key.id for key in keys]))
        answered = tuple(key for key in keys if key.id in outcomes)
        if not answered:
            self._read(BatchResults())
            return
        intended = Intended(
            intent=INTENT,
            at=now,
            run="kept answers",
            head=plan.commits.head,
            base=plan.commits.base,
            model=self.ctx.settings.model,
            batches=(answered,),
        )
        sent = Sent(intent=intended.intent, index=0, batch="kept", created_at=now, expires_at=now)
        self.session.add(batch_submit.selected_fact(self.ctx, plan.selection), intended, sent)
        pending = PendingBatch(sent=sent, intended=intended, withdrawn=False)
        self._read(results.read_batch(self.ctx, pending, outcomes))

    def describe_unanswered(self) -> None:
        """Say in the result why files have no answer."""
        view = self.session.view
        in_flight = {path for path, _ in view.in_flight_files}
        failed = {f.key.path: f"failed: {f.failure}" for f in view.failed_requests}
        wanted = {*self.reasons, *(defect.file for defect in self.result.defects)}
        reasons = {
            path: IN_FLIGHT
            if path in in_flight
            else self.reasons.get(path) or failed.get(path) or NOT_SELECTED
            for path in sorted(wanted - {*self.result.answered})
        }
        self.result = self.result.model_copy(update={"unanswered": reasons})

    def _find_lost_creates(self) -> None:
        if self.session.view.open_intents:
            api = self.ctx.require_anthropic()
            lost_creates.resolve_open_intents(api, self.session, self.ctx.warn)

    def _note_reasons(self, plan: Plan) -> None:
        self.reasons |= {s.path: s.reason.value for s in plan.selection.skipped}
        self.reasons |= {file.path: OVER_BUDGET for file in plan.backlog}
        for request in plan.requests:
            self.reasons.pop(request.request_key.path, None)

    def _read(self, batch_results: BatchResults) -> None:
        self.session.add(*batch_results.facts)
        view = self.session.view
        answers = build_answers(self.ctx, view, batch_results)
        claims = {claim.id: claim for claim in (*self.result.claims, *_claims(answers))}
        self.result = self.result.model_copy(
            update={
                "answered": tuple(sorted({path for path, _ in view.reviewed_files})),
                "claims": tuple(claims.values()),
                "cost_usd": _cost_usd(view),
            }
        )


def open_case(
    ctx: RunContext, case: LabelledCommit, cases_file: Path, out: Path, known: CaseResult | None
) -> CaseRun:
    """Return the run of a case, with the settings that are evaluated.

    *known*: what an earlier call has read. Raises ConfigError: the repository or a commit is
    missing.
    """
    folder = cases_file.parent / case.repository
    git = _open_repository(folder, case)
    settings = ctx.settings.model_copy(
        update={
            "base": _resolve(git, case, "base", case.base),
            "head": _resolve(git, case, "head", case.head),
            "select": "changed",
            "paths": (),
            "paths_ignore": (),
            "recheck": False,
            "small_workload": "submit",
            "state_dir": out / "state" / case.folder,
            "state_key": "",
            "daily_budget_usd": None,
            "monthly_budget_usd": None,
            "delete_batches": False,
            "batch_id": None,
            "on_over_budget": "fill",
            "prompt_cache": "off",
        }
    )
    own = replace(
        ctx,
        settings=settings,
        git=git,
        # What the labels are about is shown to whoever runs the evaluation.
        github_context=replace(ctx.github_context, private=True),
        state_dir=out / "state" / case.folder,
        other_tasks_patterns=(),
    )
    defects = tuple(defect.located() for defect in case.defects)
    result = known.model_copy(update={"defects": defects}) if known else None
    return CaseRun(
        case=case,
        ctx=own,
        session=store.load(own),
        result=result or CaseResult(name=case.title, defects=defects),
    )


def _open_repository(folder: Path, case: LabelledCommit) -> GitRepo:
    try:
        return GitRepo(folder)
    except ConfigError:
        raise ConfigError(
            f"{case.title}: {case.repository} is no clone of a git repository.",
            fix="Clone it, and give the folder, relative to the file with the cases.",
        ) from None


def _resolve(git: GitRepo, case: LabelledCommit, name: str, revision: str) -> str:
    try:
        return git.resolve(revision)
    except ConfigError:
        raise ConfigError(
            f"{case.title}: `{name}` {revision} is not a commit of {case.repository}.",
            fix="Fetch it into the clone.",
        ) from None


def _match(kept: Mapping[str, Outcome], wanted: Sequence[str]) -> Iterator[tuple[str, Outcome]]:
    """Yield the kept outcome of each wanted custom id.

    An id ends with a digest of the whole question. Answers to another model, prompt or setting
    about the same content have another one: where a content has one request and one kept answer,
    they belong together.
    """
    by_content: dict[str, list[str]] = {}
    for custom_id in kept:
        by_content.setdefault(_content_of(custom_id), []).append(custom_id)
    counts: dict[str, int] = {}
    for custom_id in wanted:
        counts[_content_of(custom_id)] = counts.get(_content_of(custom_id), 0) + 1
    for custom_id in wanted:
        same = by_content.get(content := _content_of(custom_id), [])
        if custom_id in kept:
            yield custom_id, kept[custom_id]
        elif counts[content] == 1 and len(same) == 1:
            yield custom_id, replace(kept[same[0]], custom_id=custom_id)


def _content_of(custom_id: str) -> str:
    return custom_id.rpartition("-")[0]


def _claims(answers: BatchAnswers) -> Iterator[Claim]:
    for finding in answers.findings:
        anchor = finding.anchor
        yield _claim(
            finding.texts.read().raw,
            name=finding.fingerprint,
            path=anchor.path,
            lines=(anchor.start_line, anchor.end_line),
            anchored=True,
        )
    for held in answers.held_back:
        if held.reason == "discarded":
            raw = held.texts.read().raw
            yield _claim(
                raw,
                name=digest(held.path, str(held.line), raw.title, raw.evidence),
                path=held.path,
                lines=(raw.start_line, raw.end_line),
                anchored=False,
            )


def _claim(
    raw: RawFinding, *, name: str, path: str, lines: tuple[int, int], anchored: bool
) -> Claim:
    return Claim(
        id=name,
        file=path,
        start_line=lines[0],
        end_line=lines[1],
        anchored=anchored,
        severity=raw.severity.value,
        rule=raw.rule,
        title=raw.title,
        explanation=raw.explanation,
    )


def _cost_usd(view: LedgerView) -> float | None:
    costs = [fact.cost_usd for fact in view.facts(Collected)]
    known = [cost for cost in costs if cost is not None]
    return sum(known) if len(known) == len(costs) else None
