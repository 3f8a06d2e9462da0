"""`submit`: what is asked, how often, and what it may cost."""

import json
from pathlib import Path

import pytest

from batch_action.sandbox import catalogue
from batch_action.sandbox.catalogue import Model
from tests.nights import BAD, DAY, GOOD, HOUR, WORSE, Night, tokens_of
from tests.repos import Repo


def test_twice_on_one_commit_sends_once(night: Night) -> None:
    night.commit({"app.js": BAD, "web.js": "eval(x);\n", "logo.png": b"\x89PNG\0\0"})
    first = night.run("submit")
    second = night.run("submit")
    assert (first.exit, second.exit) == (0, 0)
    assert first.outputs["status"] == "submitted"
    assert second.outputs["status"] == "nothing-to-do"
    assert [night.asked()] == [["app.js", "web.js"]]
    assert first.ids == [night.batches[0].id]
    assert len(night.batches) == 1
    assert len(night.bill) == len(set(night.bill)) == 2


def test_a_second_commit_selects_only_its_change(night: Night) -> None:
    night.commit({"a.js": BAD, "b.js": BAD})
    night.run("submit")
    night.commit({"b.js": WORSE})
    result = night.run("submit")
    assert [night.asked(0), night.asked(1)] == [["a.js", "b.js"], ["b.js"]]
    assert "the last run" in result.summary


def test_a_file_changed_while_its_batch_is_in_flight(night: Night) -> None:
    night.sandbox.claude.hold = True
    night.commit({"a.js": BAD, "b.js": BAD})
    night.run("submit")
    night.commit({"a.js": WORSE})
    night.run("submit")
    assert night.asked() == ["a.js"]
    night.finish()
    result = night.run("collect")
    assert result.outputs["status"] == "collected"
    assert len(night.bill) == 3
    assert "loose" in night.issue.body
    # The older blob of a.py has no say: its eval is gone from the head we reviewed.
    assert night.issue.body.count("path=a.js") == 2
    assert night.run("submit").outputs["status"] == "nothing-to-do"


def test_reverting_to_an_answered_blob_asks_nothing(night: Night) -> None:
    night.commit({"a.js": BAD})
    night.run("submit")
    night.run("collect")
    night.commit({"a.js": GOOD})
    night.run("submit")
    night.commit({"a.js": BAD})
    result = night.run("submit")
    assert result.outputs["status"] == "nothing-to-do"
    assert "same-as-before" in result.summary
    assert len(night.batches) == 2


def test_recheck_is_for_the_command_line(night: Night) -> None:
    night.commit({"a.js": BAD})
    night.run("submit")
    night.run("collect")
    again = night.run("submit", recheck="true", select="all")
    assert again.outputs["status"] == "submitted"
    assert len(night.bill) == 3  # a.py twice, README once


def test_deleted_and_renamed_files(night: Night) -> None:
    night.commit({"old.js": BAD, "gone.js": WORSE, "moved.js": big(40)})
    night.run("submit")
    night.run("collect")
    night.repo.git("mv", "old.js", "new.js")
    night.repo.git("mv", "moved.js", "here.js")
    night.commit({"gone.js": None, "here.js": big(41)})
    result = night.run("submit")
    assert night.asked() == ["here.js"]
    assert "renamed from old.js" in result.summary
    assert "deleted" in result.summary
    assert len(night.bill) == len(set(night.bill)) == 4
    night.run("collect")
    assert night.run("submit").outputs["status"] == "nothing-to-do"


def test_a_pure_rename_of_what_is_in_flight_is_not_asked_again(night: Night) -> None:
    night.sandbox.claude.hold = True
    night.commit({"old.js": BAD})
    night.run("submit")
    night.repo.git("mv", "old.js", "new.js")
    night.commit()
    night.run("submit")
    night.finish()
    night.run("collect")
    night.run("submit")
    night.finish()
    night.run("collect")
    assert "new.js" in night.issue.body
    assert len(night.bill) <= 2


def test_select_all_asks_what_has_no_verdict(night: Night) -> None:
    night.commit({"a.js": BAD})
    night.run("submit")
    night.commit({"b.js": BAD})
    night.run("submit", select="all")
    assert night.asked() == ["README", "b.js"]


@pytest.mark.parametrize(
    ("first_run", "expected"),
    [
        ("all", ["README", "a.js", "b.js"]),
        ("last-commit", ["b.js"]),
        ("none", None),
        ("HEAD~2", ["a.js", "b.js"]),
        ("main~1", ["b.js"]),
        ("2026-01-01T02:30:00Z", ["b.js"]),
        ("24h", None),
        ("9999d", ["README", "a.js", "b.js"]),
        ("0001-01-01", ["README", "a.js", "b.js"]),
    ],
)
def test_forms_of_first_run(night: Night, first_run: str, expected: list[str] | None) -> None:
    night.commit({"a.js": BAD})
    night.commit({"b.js": WORSE})
    result = night.run("submit", first_run=first_run)
    assert result.exit == 0, result.log
    assert (night.asked() if night.batches else None) == expected
    # The next night counts from here, whatever the first did.
    night.commit({"c.js": BAD})
    assert night.run("submit", first_run=first_run).exit == 0
    assert night.asked() == ["c.js"]


def test_a_wrong_first_run_is_named(night: Night) -> None:
    result = night.run("submit", first_run="yesterday-ish")
    assert result.exit == 2
    assert "yesterday-ish" in result.said("error")[0]
    assert "first-run" in result.said("error")[0]


def test_merge_commits_bring_what_they_merged(night: Night) -> None:
    night.commit({"a.js": GOOD})
    night.run("submit")
    night.repo.git("checkout", "-q", "-b", "feature")
    night.commit({"feature.js": BAD})
    night.repo.git("checkout", "-q", "main")
    night.commit({"main.js": BAD})
    night.repo.commits += 1
    night.repo.git("merge", "-q", "--no-ff", "-m", "merge", "feature")
    night.run("submit")
    assert night.asked() == ["feature.js", "main.js"]


def test_an_empty_range_still_advances_the_base(night: Night) -> None:
    night.commit({"a.js": BAD})
    night.run("submit")
    night.commit({"b.png": b"\0\0"})
    assert night.run("submit").outputs["status"] == "nothing-to-do"
    head = night.repo.head()
    night.commit({"c.js": BAD})
    result = night.run("submit")
    assert f"{head[:12]}.." in result.summary
    assert night.asked() == ["c.js"]


def test_after_a_force_push_the_trees_are_compared(night: Night) -> None:
    base = night.commit({"a.js": BAD})
    night.commit({"b.js": BAD})
    night.run("submit")
    night.repo.git("reset", "-q", "--hard", base)
    night.commit({"b.js": BAD, "c.js": WORSE})
    result = night.run("submit")
    assert night.asked() == ["c.js"]
    assert "no ancestor" in result.summary
    assert len(night.sent) == len(set(night.sent))


def test_after_a_force_push_that_lost_the_base_first_run_decides(night: Night) -> None:
    night.commit({"a.js": BAD})
    night.run("submit")
    fresh = Repo.init(night.folder / "fresh")
    fresh.commit({"x.js": GOOD})
    fresh.commit({"y.js": WORSE})
    night.repo, night.hub.git_dir = fresh, fresh.path
    result = night.run("submit")
    assert "is gone from this repository" in result.summary
    assert night.asked() == ["y.js"]


def shallow(night: Night, name: str) -> Path:
    target = night.folder / name
    night.repo.git("clone", "-q", "--depth", "1", f"file://{night.repo.path}", str(target))
    return target


def test_a_shallow_clone_at_submit(night: Night) -> None:
    night.commit({"a.js": BAD})
    clone = shallow(night, "shallow")
    result = night.start("submit", {}, workspace=clone)
    assert result.exit == 2
    assert "fetch-depth: 0" in result.said("error")[0]
    assert night.batches == []
    assert night.artifacts == []
    assert night.run("submit").exit == 0
    assert night.asked() == ["a.js"]


def test_a_shallow_clone_asks_github_once_the_base_is_known(night: Night) -> None:
    night.commit({"a.js": BAD})
    night.run("submit")
    night.commit({"b.js": BAD})
    night.commit({"c.js": BAD, "a.js": None})
    result = night.start("submit", {}, workspace=shallow(night, "shallow"))
    assert result.exit == 0, result.log
    assert night.asked() == ["b.js", "c.js"]
    assert "fetch-depth: 0" in result.summary
    assert night.run("submit").outputs["status"] == "nothing-to-do"


# Money.


def big(lines: int) -> str:
    return "".join(f"const value_{n} = {n} * {n};\n" for n in range(lines))


def test_what_does_not_fit_is_owed_named_and_goes_out_next(night: Night) -> None:
    night.commit({f"f{n}.js": big(20 + n) for n in range(4)})
    worst = json.loads(night.cli("plan", "--first-run", "last-commit", "--json").stdout)
    cap = worst["cost"]["batch_usd"] / 2
    first = night.run("submit", max_cost_usd=str(cap))
    sent = night.asked()
    left = sorted({f"f{n}.js" for n in range(4)} - set(sent))
    assert 0 < len(sent) < 4
    assert first.outputs["owed-count"] == str(len(left))
    assert all(path in first.summary for path in left)
    night.run("submit")
    assert night.asked() == left
    assert night.run("submit").outputs == {
        "status": "nothing-to-do",
        "batch-ids": "",
        "requests-count": "0",
        "owed-count": "0",
    }


def test_not_even_one_file_fits(night: Night) -> None:
    night.commit({"a.js": BAD})
    result = night.run("submit", max_cost_usd="0.0001")
    assert result.exit == 3
    assert "a.js" in result.said("error")[0]
    assert "max-cost-usd" in result.said("error")[0]
    assert night.batches == []
    assert night.run("submit").exit == 0
    assert night.asked() == ["a.js"]


def test_over_budget_fails_when_told_so(night: Night) -> None:
    night.commit({f"f{n}.js": BAD + f"// {n}\n" for n in range(4)})
    night.commit({f"f{n}.js": WORSE + f"// {n}\n" for n in range(4)})
    config = {"environ": {"BATCH_ACTION_ON_OVER_BUDGET": "fail"}}
    result = night.start("submit", {}, max_cost_usd="0.08", **config)
    assert result.exit == 3
    assert "on-over-budget" in result.said("error")[0]
    assert night.batches == []


def test_a_monthly_budget_counts_what_is_in_flight_and_what_was_spent(night: Night) -> None:
    night.sandbox.claude.hold = True
    night.commit({"a.js": BAD})
    budget = {"environ": {"BATCH_ACTION_MONTHLY_BUDGET_USD": "0.05"}}
    assert night.start("submit", {}, **budget).exit == 0
    night.commit({"b.js": WORSE})
    full = night.start("submit", {}, **budget)
    assert full.exit == 3
    assert "monthly-budget-usd" in full.said("error")[0]
    night.finish()
    # What it really cost is far below its worst case.
    assert night.run("collect").exit == 0
    assert night.start("submit", {}, **budget).exit == 0
    assert night.asked() == ["b.js"]


@pytest.mark.parametrize(
    ("model", "words"),
    [
        ("claude-nonesuch-9", "does not exist"),
        ("claude-3-5-haiku-20241022", "is retired"),
    ],
)
def test_models_that_cannot_be_used(night: Night, model: str, words: str) -> None:
    night.commit({"a.js": BAD})
    result = night.run("submit", model=model)
    assert result.exit == 2
    assert words in result.said("error")[0]
    assert model in result.said("error")[0]
    assert night.batches == []


def test_an_unpriced_model_is_refused_until_it_has_a_price(
    night: Night, monkeypatch: pytest.MonkeyPatch
) -> None:
    fresh = Model(id="claude-fresh-1", name="F", line="f", created="2026-11-20")
    monkeypatch.setattr(catalogue, "MODELS", (*catalogue.MODELS, fresh))
    night.commit({"a.js": BAD})
    result = night.run("submit", model="claude-fresh-1")
    assert result.exit == 2
    assert "no known price" in result.said("error")[0]
    assert night.batches == []
    price = "{input: 1, output: 1, write_5m: 1, write_1h: 1, read: 1}"
    night.commit({".github/batch-action.yml": f"prices:\n  claude-fresh-1: {price}\n"})
    assert night.run("submit", model="claude-fresh-1", first_run="HEAD~2").exit == 0
    assert night.asked() == [".github/batch-action.yml", "a.js"]


def test_a_model_that_retires_soon_is_warned_of(night: Night) -> None:
    night.commit({"a.js": BAD})
    result = night.run("submit", model="claude-sonnet-4-5-20250929", effort="none")
    assert result.exit == 0, result.log
    assert "retires on 2026-11-30" in result.summary


def test_a_dry_run_sends_posts_and_saves_nothing(night: Night) -> None:
    night.commit({"a.js": BAD})
    dry = night.run("submit", dry_run="true")
    assert dry.exit == 0
    assert dry.outputs["status"] == "dry-run"
    assert dry.outputs["requests-count"] == "1"
    assert (night.batches, night.artifacts, night.writes) == ([], [], [])
    night.run("submit")
    kept = [a.id for a in night.artifacts]
    dry = night.run("collect", dry_run="true")
    assert dry.outputs["status"] == "dry-run"
    assert "eval" in dry.summary
    assert (night.writes, [a.id for a in night.artifacts]) == ([], kept)
    assert night.run("run", dry_run="true").exit == 0
    assert (night.writes, [a.id for a in night.artifacts]) == ([], kept)
    assert night.run("collect").outputs["issue-action"] == "created"


# Creates whose answers are lost.


def test_a_lost_answer_is_confirmed_and_not_sent_again(night: Night) -> None:
    night.commit({"a.js": BAD, "b.js": BAD})
    night.sandbox.faults.add(
        "drop-after", service="claude", method="POST", path=r"/v1/messages/batches$"
    )
    lost = night.run("submit")
    assert lost.exit == 4
    assert "may exist" in lost.said("error")[0]
    again = night.run("submit")
    assert again.exit == 0
    assert "is ours" in again.summary
    collected = night.run("collect")
    assert collected.outputs["status"] == "collected"
    assert night.run("submit").outputs["status"] == "nothing-to-do"
    assert len(night.batches) == 1
    assert len(night.bill) == 2
    assert len(night.issues) == 1


def test_a_lost_answer_waits_while_its_batch_runs(night: Night) -> None:
    night.sandbox.claude.hold = True
    night.commit({"a.js": BAD})
    night.sandbox.faults.add(
        "drop-after", service="claude", method="POST", path=r"/v1/messages/batches$"
    )
    night.run("submit")
    night.advance(10 * HOUR)
    assert night.run("run").exit == 0
    assert night.run("submit").outputs["status"] == "nothing-to-do"
    night.finish()
    assert night.run("run").outputs["status"] in ("collected", "nothing-to-do")
    assert len(night.batches) == 1
    assert "eval" in night.issue.body


@pytest.mark.parametrize("fault", ["drop-before", "status"])
def test_a_create_that_never_was_is_owed_again_after_its_window(night: Night, fault: str) -> None:
    night.commit({"a.js": BAD})
    night.sandbox.faults.add(fault, service="claude", method="POST", path=r"/v1/messages/batches$")
    assert night.run("submit").exit == 4
    soon = night.run("submit")
    assert soon.outputs["status"] == "nothing-to-do"
    assert night.batches == []
    night.advance(HOUR)
    later = night.run("submit")
    assert later.outputs["status"] == "submitted"
    assert "owed again" in later.summary
    assert night.asked() == ["a.js"]
    night.run("collect")
    assert len(night.bill) == 1


def test_a_runner_whose_clock_is_ahead_does_not_send_twice(night: Night) -> None:
    night.clock_off = 3 * HOUR
    night.commit({"a.js": BAD})
    night.sandbox.faults.add(
        "drop-after", service="claude", method="POST", path=r"/v1/messages/batches$"
    )
    night.sandbox.claude.hold = True
    assert night.run("submit").exit == 4
    # The list lags, as lists do: our batch is not in it yet.
    night.sandbox.faults.add(
        "status",
        service="claude",
        method="GET",
        path=r"/v1/messages/batches$",
        status=200,
        body='{"data": [], "has_more": false, "first_id": null, "last_id": null}',
    )
    assert night.run("submit").outputs["status"] == "nothing-to-do"
    night.finish()
    night.run("submit")
    assert len(night.batches) == 1


def test_somebody_elses_batch_of_one_size_is_not_adopted(night: Night, tmp_path: Path) -> None:
    night.commit({"a.js": BAD})
    night.sandbox.faults.add(
        "drop-before", service="claude", method="POST", path=r"/v1/messages/batches$"
    )
    assert night.run("submit").exit == 4
    other = Night.begin(night.sandbox, tmp_path / "other")
    other.commit({"z.js": BAD})
    # Another repository in the same workspace.
    assert other.run("submit", anthropic_api_key=night.key).exit == 0
    night.advance(HOUR)
    assert night.run("submit").outputs["status"] == "submitted"
    assert night.run("collect").outputs["status"] == "collected"
    assert "z.js" not in night.issue.body
    assert [night.asked(0), night.asked(1)] == [["z.js"], ["a.js"]]


def test_a_refused_create_leaves_everything_owed(night: Night) -> None:
    night.commit({"a.js": BAD})
    night.sandbox.faults.add(
        "status",
        service="claude",
        method="POST",
        path=r"/v1/messages/batches$",
        status=400,
        message="Your credit balance is too low to access the Anthropic API.",
    )
    refused = night.run("submit")
    assert refused.exit == 4
    assert "credit balance" in refused.said("error")[0]
    assert night.run("submit").outputs["status"] == "submitted"
    assert night.asked() == ["a.js"]


def test_several_batches_of_one_submit(night: Night) -> None:
    night.commit({f"f{n}.js": BAD + f"// {n}\n" for n in range(5)})
    many = {"environ": {"BATCH_ACTION_MAX_REQUESTS_PER_BATCH": "2"}}
    night.sandbox.faults.add(
        "drop-after", service="claude", method="POST", path=r"/v1/messages/batches$", nth=2
    )
    assert night.start("submit", {}, **many).exit == 4
    assert len(night.batches) == 2
    night.start("submit", {}, **many)
    night.advance(2 * HOUR)
    night.start("submit", {}, **many)
    night.start("run", {}, **many)
    night.start("run", {}, **many)
    assert len(night.sent) == len(set(night.sent)) == 5
    assert sorted(night.bill) == sorted(night.sent)
    assert night.issue.body.count("<!-- batch-action:finding") == 10


def test_truncated_questions_get_twice_the_room(night: Night) -> None:
    night.commit({"a.js": BAD})
    night.sandbox.faults.outcome("max_tokens")
    night.run("submit")
    night.run("collect")
    night.sandbox.faults.clear()
    night.run("submit")
    first, second = (tokens_of(batch)["a.js"] for batch in night.batches)
    assert second == 2 * first
    assert night.run("collect").outputs["findings-count"] == "2"
    night.advance(DAY)
    assert night.run("submit").outputs["status"] == "nothing-to-do"


def test_a_base_given_by_hand_hides_nothing_from_the_next_night(night):
    night.commit({"a.js": BAD})
    night.run("submit")
    night.commit({"b.js": BAD})
    between = night.repo.head()
    night.commit({"c.js": BAD})
    night.run("submit", base=between)
    assert night.asked() == ["c.js"]
    assert night.run("submit").outputs["requests-count"] == "1"
    assert night.asked() == ["b.js"], "what lay before the given base is still to be seen"


def test_a_base_further_back_is_a_base_like_any_other(night):
    first = night.repo.head()
    night.commit({"a.js": BAD})
    night.run("submit")
    night.commit({"b.js": BAD})
    night.run("submit", base=first)
    assert night.asked() == ["b.js"]
    assert night.run("submit").outputs["status"] == "nothing-to-do"


def test_paths_of_one_run_hide_nothing_from_the_next_night(night):
    night.commit({"a.js": BAD})
    night.run("submit")
    night.commit({"src/b.js": BAD, "c.js": BAD})
    night.run("submit", paths="src/**")
    assert night.asked() == ["src/b.js"]
    night.run("submit")
    assert night.asked() == ["c.js"]


def test_what_was_owed_outside_the_paths_of_one_run_is_still_owed(night):
    night.commit({"a.js": BAD, "src/b.js": BAD})
    night.sandbox.faults.outcome("expired", custom_id=".*")
    night.run("submit")
    night.run("collect")
    night.sandbox.faults.clear()
    night.commit({"src/b.js": WORSE})
    night.run("submit", paths="src/**")
    assert night.asked() == ["src/b.js"]
    night.run("submit")
    assert night.asked() == ["a.js"]


def test_another_branch_has_a_memory_of_its_own(night):
    night.commit({"a.js": BAD})
    night.repo.git("branch", "side")
    elsewhere = {"branch": "side", "event": "workflow_dispatch"}
    assert night.start("submit", elsewhere).outputs["requests-count"] == "1"
    assert night.start("submit", elsewhere).outputs["requests-count"] == "0"
    assert night.start("collect", elsewhere).outputs["status"] == "collected"
    refused = [line for line in night.run("submit").said("warning") if "is refused" in line]
    assert any("state-branch: side" in line for line in refused), "nobody else believes it"
