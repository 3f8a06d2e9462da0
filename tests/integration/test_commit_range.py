"""Commit ranges: every way to find a base, and the warnings without one."""

from datetime import timedelta

import pytest

from batch_action.errors import ConfigError
from batch_action.ledger.view import LedgerView
from batch_action.models.ledger import Ledger, Selected
from batch_action.selection import commit_range
from tests.harness.contexts import NOW, context_of
from tests.harness.git_repositories import Repo
from tests.harness.replayed_runs import EMPTY, hours, ledger


@pytest.fixture
def repo(tmp_path):
    """Return a repository of eleven commits, one an hour until an hour ago."""
    repo = Repo.init(tmp_path / "repo")
    for n in range(1, 12):
        repo.commit({"a.py": f"x = {n}\n"})
    return repo


def back(repo, number):
    return repo.git("rev-parse", f"HEAD~{number}")


def runs(*heads: str) -> Ledger:
    return ledger(
        *(
            Selected(head=head, base=None, branch="main", at=hours(n), files=())
            for n, head in enumerate(heads)
        )
    )


def choose(repo, known=EMPTY, last_reported_head=None, **flags):
    """Return the range and the warnings."""
    with context_of(repo.path, **flags) as ctx:
        return commit_range.choose_range(ctx, LedgerView(known), last_reported_head), ctx.warnings


@pytest.mark.parametrize(
    ("first_run", "commits_back"),
    [
        ("24h", None),
        ("5h", 4),
        ("5 h", 4),
        ("1d", None),
        ("1w", None),
        ("last-commit", 1),
        ("none", 0),
        ("all", None),
        ("HEAD~3", 3),
        ("2026-01-01T05:00:00", 6),
        ("2026-01-01T06:00:00+01:00", 6),
        ("2026-01-01", None),
    ],
)
def test_the_forms_of_first_run(repo, first_run, commits_back):
    chosen, warnings = choose(repo, first_run=first_run)
    expected = None if commits_back is None else back(repo, commits_back)
    assert (chosen.head, chosen.base, chosen.all_files) == (repo.head(), expected, False)
    assert chosen.explanation == f"first run: {first_run}"
    assert warnings == []


@pytest.mark.parametrize("first_run", ["24 hours", "yesterday", "-1", "--all", "2026-13-01"])
def test_an_invalid_first_run_is_rejected(repo, first_run):
    with pytest.raises(ConfigError, match="`first-run`"):
        choose(repo, first_run=first_run)


def test_a_single_commit_has_no_base(tmp_path):
    repo = Repo.init(tmp_path / "one")
    repo.commit({"a.py": "x\n"})
    assert choose(repo, first_run="last-commit")[0].base is None


def test_the_nearest_recorded_ancestor_is_the_base_not_the_newest_record(repo):
    known = runs(back(repo, 2), back(repo, 7), back(repo, 5))
    chosen, warnings = choose(repo, known)
    assert (chosen.base, chosen.explanation, warnings) == (
        back(repo, 2),
        "the last run's commit",
        [],
    )


def test_on_a_recorded_head_nothing_changed(repo):
    chosen, _ = choose(repo, runs(repo.head(), back(repo, 4)))
    assert (chosen.base, chosen.head) == (repo.head(), repo.head())
    assert "this commit" in chosen.explanation


def test_a_run_on_an_older_commit_does_not_look_ahead(repo):
    chosen, _ = choose(repo, runs(back(repo, 6), repo.head()), head=back(repo, 3))
    assert (chosen.head, chosen.base) == (back(repo, 3), back(repo, 6))


def test_an_input_overrides_the_ledger(repo):
    known = runs(back(repo, 2))
    chosen, _ = choose(repo, known, base="HEAD~5")
    assert (chosen.base, chosen.explanation) == (back(repo, 5), "`base`")
    chosen, _ = choose(repo, known, select="all")
    assert (chosen.base, chosen.all_files) == (None, True)
    with pytest.raises(ConfigError, match="`base`"):
        choose(repo, known, base="nowhere")


def test_after_a_force_push_the_last_tree_is_compared_with_a_warning(repo):
    lost = repo.head()
    repo.git("reset", "--quiet", "--hard", "HEAD~3")
    repo.commit({"b.py": "y\n"})
    chosen, warnings = choose(repo, runs(lost))
    assert (chosen.base, chosen.explanation) == (lost, "the last run's tree")
    assert len(warnings) == 1
    assert "force push" in warnings[0]
    assert lost[:12] in warnings[0]


def test_a_force_push_prefers_an_ancestor_that_is_left(repo):
    lost, kept = repo.head(), back(repo, 5)
    repo.git("reset", "--quiet", "--hard", "HEAD~3")
    repo.commit({"b.py": "y\n"})
    assert choose(repo, runs(kept, lost))[0].base == kept


def test_a_last_commit_that_is_gone_makes_a_first_run_with_a_warning(repo):
    chosen, warnings = choose(repo, runs("d" * 40), first_run="last-commit")
    assert (chosen.base, chosen.explanation) == (back(repo, 1), "first run again")
    assert "force push" in warnings[0]
    assert "`first-run: last-commit`" in warnings[0]


def test_without_a_ledger_the_last_reported_head_is_the_base_with_a_warning(repo):
    chosen, warnings = choose(repo, last_reported_head=back(repo, 4))
    assert chosen.base == back(repo, 4)
    assert "No trusted ledger" in warnings[0]
    # A head that git does not have is ignored; a ledger takes precedence.
    assert choose(repo, last_reported_head="d" * 40, first_run="none")[0].base == repo.head()
    assert choose(repo, runs(back(repo, 2)), last_reported_head=back(repo, 4))[0].base == back(
        repo, 2
    )


@pytest.mark.parametrize(
    ("known", "trace", "options", "is_first"),
    [
        pytest.param([], None, {}, True, id="nothing-known"),
        pytest.param([], None, {"select": "all"}, True, id="all-files"),
        pytest.param([], None, {"base": "HEAD~5"}, True, id="from-a-base"),
        pytest.param([2], None, {}, False, id="a-later-run"),
        pytest.param([2], None, {"select": "all"}, False, id="all-files-later"),
        pytest.param([], 4, {}, False, id="lost-ledger"),
        pytest.param([], 4, {"select": "all"}, False, id="lost-ledger-all-files"),
    ],
)
def test_the_first_run_is_one_without_a_trace_of_another(repo, known, trace, options, is_first):
    reported = None if trace is None else back(repo, trace)
    view = runs(*(back(repo, n) for n in known))
    chosen, _ = choose(repo, view, last_reported_head=reported, **options)
    assert chosen.first is is_first


class TestShallow:
    @pytest.fixture
    def shallow(self, repo, tmp_path):
        clone = Repo(tmp_path / "shallow")
        repo.git("clone", "--quiet", "--depth=1", f"file://{repo.path}", str(clone.path))
        return clone

    @pytest.mark.parametrize("first_run", ["24h", "last-commit", "2026-01-01"])
    def test_the_first_run_reports_what_is_missing(self, shallow, first_run):
        with pytest.raises(ConfigError) as caught:
            choose(shallow, first_run=first_run)
        assert f"`first-run: {first_run}`" in str(caught.value)
        assert "fetch-depth: 0" in str(caught.value)

    def test_a_missing_ref_is_reported_too(self, shallow):
        with pytest.raises(ConfigError, match="fetch-depth: 0"):
            choose(shallow, first_run="HEAD~3")

    @pytest.mark.parametrize(("first_run", "all_files"), [("all", True), ("none", False)])
    def test_what_needs_no_history_works(self, shallow, first_run, all_files):
        chosen, _ = choose(shallow, first_run=first_run)
        assert chosen.base == (None if all_files else shallow.head())

    def test_a_last_commit_outside_the_clone_is_left_to_the_compare_api(self, repo, shallow):
        chosen, warnings = choose(shallow, runs(back(repo, 3)))
        assert (chosen.base, warnings) == (back(repo, 3), [])

    def test_a_recent_time_needs_no_more_history(self, shallow):
        late = NOW + timedelta(days=30)
        with context_of(shallow.path, now=late, first_run="24h") as ctx:
            assert commit_range.choose_range(ctx, LedgerView(EMPTY)).base == shallow.head()
