"""The planner: files by risk, whole files only, within every budget, and never without a price."""

from datetime import timedelta

import pytest

from batch_action.batches import submit
from batch_action.errors import BudgetError, ConfigError
from batch_action.ledger import spend
from batch_action.ledger.view import LedgerView
from batch_action.models.files import SkipReason
from batch_action.models.ledger import Collected, Intended, RequestKey, Sent, Usage
from batch_action.models.requests import ModelCheck, SubmissionMode
from batch_action.requests import builder, planner, pricing
from batch_action.requests.send_strategy import SendStrategy
from batch_action.selection import reader
from batch_action.selection.commit_range import CommitRange
from batch_action.selection.patterns import PathRules
from tests.harness.contexts import NOW, context_of
from tests.harness.git_repositories import Repo
from tests.harness.replayed_runs import EMPTY, MAX_ATTEMPTS, ledger

LONG = "".join(f"def f{n}(x):\n    return x + {n}\n\n\n" for n in range(4000))
"""Some 150,000 characters: more than one part."""


@pytest.fixture
def repo(tmp_path):
    made = Repo.init(tmp_path / "repo")
    made.commit(
        {
            "src/auth/login.py": "def login():\n    return 1\n" * 3,
            "b.py": "b = 1\n",
            "long.py": LONG,
            "docs/notes.md": "# Notes\n",
        }
    )
    return made


def build(ctx, known=EMPTY, *, base=None):
    backlog = LedgerView(known).backlog(max_attempts=ctx.settings.max_attempts)
    head = ctx.git.resolve("HEAD")
    candidates = reader.find_candidates(
        ctx.git,
        head,
        base,
        reader.SelectionOptions(
            rules=PathRules([], ["!*.md"]), max_file_bytes=1_000_000, attributes_from=head
        ),
        backlog=backlog,
    )
    return builder.build_requests(ctx, LedgerView(known), candidates, None)


def build_plan(repo, known=EMPTY, now=NOW, **flags):
    with context_of(repo.path, now=now, **flags) as ctx:
        request_set = build(ctx, known)
        selection = request_set.selection
        commits = CommitRange(head=selection.head, base=selection.base, explanation="")
        check = ModelCheck(model=None, clock=ctx.now(), local_clock=ctx.now())
        strategy = SendStrategy(SubmissionMode.BATCH)
        known_spend = spend.load(ctx, LedgerView(known)) if ctx.has_budget else None
        plan = planner.build_plan(ctx, request_set, commits, strategy, check, known_spend)
        return ctx, request_set, plan


def cost_of(ctx, request_set, path):
    found = [
        (r.model, Usage(input_tokens=r.input_tokens, output_tokens=r.max_tokens))
        for r in request_set.requests[path]
    ]
    return pricing.total_usd(ctx.prices, found)


def sent_paths(plan):
    return list(dict.fromkeys(r.request_key.path for r in plan.requests))


def paid(usd, *, at=NOW, worst=0.0, collected=True):
    """An earlier batch, collected or in flight."""
    request_key = RequestKey(id="past", path="past.py", blob="a" * 40)
    fields = {"intent": "0" * 16, "at": at, "run": "1.1", "head": "a" * 40, "base": None}
    facts = [
        Intended(**fields, model="m", effort=None, batches=((request_key,),), worst_case_usd=worst),
        Sent(
            intent="0" * 16,
            index=0,
            batch="msgbatch_1",
            created_at=at,
            expires_at=at + timedelta(days=1),
        ),
    ]
    if collected:
        facts.append(Collected(batch="msgbatch_1", at=at, usage=Usage(), cost_usd=usd, failed={}))
    return ledger(*facts)


def test_everything_fits_and_is_sent_by_risk(repo):
    ctx, request_set, plan = build_plan(repo)
    by_risk = [file.path for file in request_set.selection.files]
    assert sent_paths(plan) == by_risk
    assert [file.risk for file in request_set.selection.files] == sorted(
        (file.risk for file in request_set.selection.files), reverse=True
    )
    assert plan.backlog == ()
    assert len(request_set.requests["long.py"]) > 1
    total = sum(cost_of(ctx, request_set, path) for path in by_risk)
    assert plan.cost.batch_usd == pytest.approx(total)
    assert plan.cost.interactive_usd == pytest.approx(2 * total)
    assert plan.tokens.method == "offline-estimate"
    planner.check_budget(ctx, plan)


def test_within_a_budget_only_whole_files_are_sent_and_the_rest_is_backlog(repo):
    ctx, request_set, _ = build_plan(repo)
    costs = {
        file.path: cost_of(ctx, request_set, file.path) for file in request_set.selection.files
    }
    order = list(costs)
    for cap in (costs[order[0]], sum(costs.values()) * 0.5, sum(costs.values()) * 0.99):
        ctx, request_set, plan = build_plan(repo, max_cost_usd=str(cap * 1.0001))
        out, backlog = sent_paths(plan), [file.path for file in plan.backlog]
        assert sorted(out + backlog) == sorted(order)
        assert out
        assert backlog
        assert out == [path for path in order if path in out], "the riskiest goes first"
        assert plan.cost.batch_usd <= cap * 1.0001
        for path in out:
            assert sum(r.request_key.path == path for r in plan.requests) == len(
                request_set.requests[path]
            )
        for path in backlog:
            left = cap * 1.0001 - sum(costs[p] for p in out if order.index(p) < order.index(path))
            assert costs[path] > left, "it would have fitted when its turn came"
        planner.check_budget(ctx, plan)


def test_when_not_even_one_fits(repo):
    ctx, _, plan = build_plan(repo, max_cost_usd="0.0001")
    assert plan.requests == ()
    with pytest.raises(BudgetError, match="Not even one file") as caught:
        planner.check_budget(ctx, plan)
    assert caught.value.exit_code == 3
    assert "`max-cost-usd`" in str(caught.value)


def test_over_budget_can_fail(repo):
    ctx, request_set, _ = build_plan(repo)
    cap = cost_of(ctx, request_set, "b.py") * 2.1
    ctx, _, plan = build_plan(repo, max_cost_usd=str(cap), on_over_budget="fail")
    assert plan.requests
    assert plan.backlog
    with pytest.raises(BudgetError, match="nothing was sent"):
        planner.check_budget(ctx, plan)
    ctx, _, plan = build_plan(repo, on_over_budget="fail")
    planner.check_budget(ctx, plan)


@pytest.mark.parametrize(
    ("known", "fits"),
    [
        (EMPTY, True),
        (paid(9.99), False),
        (paid(9.99, at=NOW - timedelta(days=2)), True),
        (paid(0, worst=9.99, collected=False), False),
        (paid(0, worst=9.99, collected=False, at=NOW - timedelta(days=2)), False),
        (paid(1.0, worst=9.99), True),
        (paid(99.0), False),
    ],
)
def test_the_monthly_budget_counts_what_was_spent_and_what_is_in_flight(repo, known, fits):
    ctx, _, plan = build_plan(repo, known, monthly_budget_usd="10")
    assert bool(plan.requests) == bool(fits)
    if not fits:
        with pytest.raises(BudgetError, match="`monthly-budget-usd`"):
            planner.check_budget(ctx, plan)


def test_one_unpriced_batch_does_not_wipe_out_the_month(repo):
    past = paid(9.99)
    (request_key,) = (RequestKey(id="odd", path="odd.py", blob="a" * 40),)
    unpriced = ledger(
        *past.facts,
        Intended(
            intent="1" * 16,
            at=NOW,
            run="1.1",
            head="a" * 40,
            base=None,
            model="new",
            effort=None,
            batches=((request_key,),),
            worst_case_usd=None,
        ),
        Sent(
            intent="1" * 16,
            index=0,
            batch="msgbatch_2",
            created_at=NOW,
            expires_at=NOW + timedelta(days=1),
        ),
        Collected(batch="msgbatch_2", at=NOW, usage=Usage(), cost_usd=None, failed={}),
    )
    assert build_plan(repo, unpriced, monthly_budget_usd="10")[2].requests == ()


def test_a_model_without_a_price_is_refused_not_free(repo):
    ctx, _, plan = build_plan(repo, model="claude-new")
    assert plan.requests
    assert not plan.cost.is_priced
    with pytest.raises(ConfigError, match="'claude-new' has no known price") as caught:
        planner.check_budget(ctx, plan)
    assert "`prices`" in str(caught.value)


def test_batches_are_cut_in_order_by_the_setting(repo):
    _, _, whole = build_plan(repo)
    _, _, cut = build_plan(repo, max_requests_per_batch="2")
    assert cut.requests == whole.requests
    assert [len(batch) for batch in whole.batches] == [len(whole.requests)]
    assert all(len(batch) <= 2 for batch in cut.batches)


class TestAnsweredBefore:
    def workflow(self, repo, known, base=None, **flags):
        """Return what a submit would record, and the request keys by path."""
        with context_of(repo.path, max_attempts=str(MAX_ATTEMPTS), **flags) as ctx:
            request_set = build(ctx, known, base=base)
            return submit.selected_fact(ctx, request_set.selection), request_set

    def answered(self, n, request_keys, *, failed=None, done=True):
        intent, batch = f"{n:016x}", f"msgbatch_{n}"
        at = NOW + timedelta(hours=n)
        facts = [
            Intended(
                intent=intent,
                at=at,
                run="1.1",
                head="a" * 40,
                base=None,
                model="m",
                effort=None,
                batches=(tuple(request_keys),),
                worst_case_usd=None,
            ),
            Sent(
                intent=intent,
                index=0,
                batch=batch,
                created_at=at,
                expires_at=at + timedelta(days=1),
            ),
        ]
        if done:
            kinds = {q.id: failed for q in request_keys} if failed else {}
            facts.append(Collected(batch=batch, at=at, usage=Usage(), cost_usd=0, failed=kinds))
        return facts

    @pytest.mark.parametrize("done", [True, False])
    def test_a_file_reverted_to_answered_content_leaves_the_backlog(self, tmp_path, done):
        repo = Repo.init(tmp_path / "r")
        first = repo.commit({"a.py": "x = 1\n"})
        one, request_set = self.workflow(repo, EMPTY)
        request_keys = [r.request_key for r in request_set.requests["a.py"]]
        known = ledger(one, *self.answered(1, request_keys, done=done))
        second = repo.commit({"a.py": "x = 2\n"})
        two, request_set = self.workflow(repo, known, base=first)
        two = two.model_copy(update={"at": one.at + timedelta(days=1)})
        known = ledger(*known.facts, two)
        assert set(LedgerView(known).backlog(max_attempts=MAX_ATTEMPTS)) == {"a.py"}
        repo.commit({"a.py": "x = 1\n"})
        three, request_set = self.workflow(repo, known, base=second)
        three = three.model_copy(update={"at": one.at + timedelta(days=2)})
        reason = SkipReason.ALREADY_REVIEWED if done else SkipReason.IN_FLIGHT
        assert [s.reason for s in request_set.selection.skipped] == [reason]
        known = ledger(*known.facts, three)
        assert LedgerView(known).backlog(max_attempts=MAX_ATTEMPTS) == {}
        assert LedgerView(known).newest_files()["a.py"].blob == request_keys[0].blob
        if not done:
            lost = Collected(
                batch="msgbatch_1",
                at=NOW,
                usage=Usage(),
                cost_usd=0,
                failed={q.id: "expired" for q in request_keys},
            )
            known = ledger(*known.facts, lost)
            assert set(LedgerView(known).backlog(max_attempts=MAX_ATTEMPTS)) == {"a.py"}

    def test_a_changed_mode_forgets_nothing_of_what_is_in_flight(self, tmp_path):
        repo = Repo.init(tmp_path / "r")
        first = repo.commit({"a.py": "x = 1\n"})
        one, request_set = self.workflow(repo, EMPTY)
        request_keys = [r.request_key for r in request_set.requests["a.py"]]
        known = ledger(one, *self.answered(1, request_keys, done=False))
        (repo.path / "a.py").chmod(0o755)
        repo.commit()
        two, request_set = self.workflow(repo, known, base=first)
        assert [s.reason for s in request_set.selection.skipped] == [SkipReason.MODE_ONLY]
        two = two.model_copy(update={"at": one.at + timedelta(days=1)})
        lost = self.answered(1, request_keys, failed="expired")
        assert set(LedgerView(ledger(one, two, *lost)).backlog(max_attempts=MAX_ATTEMPTS)) == {
            "a.py"
        }

    def test_a_truncated_request_gets_twice_the_max_tokens(self, repo):
        one, request_set = self.workflow(repo, EMPTY)
        (request,) = request_set.requests["b.py"]
        known = ledger(one, *self.answered(1, [request.request_key], failed="truncated"))
        _, again = self.workflow(repo, known)
        (second,) = again.requests["b.py"]
        assert second.request_key == request.request_key
        assert second.max_tokens == 2 * request.max_tokens

    def test_a_request_that_failed_too_often_is_given_up_by_name(self, repo):
        one, request_set = self.workflow(repo, EMPTY)
        request_keys = [r.request_key for r in request_set.requests["b.py"]]
        known = ledger(
            one, *(f for n in (1, 2) for f in self.answered(n, request_keys, failed="expired"))
        )
        _, again = self.workflow(repo, known)
        reasons = {s.path: s.reason for s in again.selection.skipped}
        assert reasons["b.py"] is SkipReason.GIVEN_UP
        assert "b.py" not in LedgerView(known).backlog(max_attempts=MAX_ATTEMPTS)

    def test_a_pure_rename_inherits_the_verdict(self, repo):
        base = repo.head()
        one, request_set = self.workflow(repo, EMPTY)
        request_keys = [r.request_key for r in request_set.requests["b.py"]]
        known = ledger(one, *self.answered(1, request_keys))
        repo.commit({"b.py": None, "c.py": "b = 1\n"})
        _, again = self.workflow(repo, known, base=base)
        reasons = {s.path: (s.reason, s.detail) for s in again.selection.skipped}
        assert reasons["c.py"] == (SkipReason.SAME_CONTENT, "renamed from b.py")

    def test_an_answered_request_is_sent_again_only_with_recheck(self, repo):
        one, request_set = self.workflow(repo, EMPTY)
        request_keys = [r.request_key for file in request_set.requests.values() for r in file]
        known = ledger(one, *self.answered(1, request_keys))
        assert self.workflow(repo, known)[1].requests == {}
        assert len(self.workflow(repo, known, recheck=True)[1].requests) == 4
        # Another model makes another request key.
        assert len(self.workflow(repo, known, model="claude-opus-5-5")[1].requests) == 4
