"""What goes wrong in a batch is told before it hurts, and asked again in a better way."""

from tests.nights import BAD, DAY, HOUR, WORSE, Night


def test_a_refused_question_goes_to_the_fallback_model(night: Night) -> None:
    night.commit({"a.js": BAD, "b.js": WORSE})
    night.sandbox.faults.outcome("refused", custom_id="a_js")
    night.run("submit")
    collected = night.run("collect")
    assert "refused by the model" in night.issue.body
    assert collected.exit == 0
    night.sandbox.faults.clear()
    sent = night.run("submit", fallback_model="claude-opus-5-5")
    assert sent.outputs["requests-count"] == "1"
    [request] = night.batches[-1].requests
    assert request["params"]["model"] == "claude-opus-5-5"
    assert night.run("collect", fallback_model="claude-opus-5-5").exit == 0
    assert "a.js" in night.issue.body
    again = night.run("submit", fallback_model="claude-opus-5-5")
    assert again.outputs["requests-count"] == "0", "it has its verdict, from the other model"


def test_a_fallback_model_that_does_not_exist_is_told_before_anything_is_sent(night: Night) -> None:
    night.commit({"a.js": BAD})
    result = night.run("submit", fallback_model="claude-nothing")
    assert result.exit == 2
    assert "claude-nothing" in result.said("error")[0]
    assert night.batches == []


def test_given_up_files_are_asked_again_when_the_model_changes(night: Night) -> None:
    night.commit({"a.js": BAD})
    night.sandbox.faults.outcome("unreadable", custom_id=".*")
    for _ in range(3):
        night.run("submit")
        night.run("collect")
    assert night.run("submit").outputs["requests-count"] == "0"
    night.sandbox.faults.clear()
    other = night.run("submit", model="claude-opus-5-5")
    assert other.outputs["requests-count"] == "1"


def test_a_batch_about_to_expire_and_results_about_to_go_are_told(night: Night) -> None:
    night.commit({"a.js": BAD})
    night.sandbox.claude.hold = True
    night.run("submit")
    night.advance(23 * HOUR)
    soon = night.run("collect")
    assert any("expires at" in line for line in soon.said("warning"))
    night.finish()
    night.advance(26 * DAY)
    late = night.run("collect")
    assert any("deletes the results" in line for line in late.said("warning"))
    assert late.outputs["status"] == "collected"


def test_a_lost_create_whose_batch_expired_is_still_ours_and_costs_nothing(night: Night) -> None:
    night.commit({"a.js": BAD})
    night.sandbox.claude.hold = True
    create = {"service": "claude", "method": "POST", "path": r"/v1/messages/batches$"}
    night.sandbox.faults.add("drop-after", **create)
    assert night.run("submit").exit == 4
    night.advance(25 * HOUR)
    night.sandbox.claude.hold = False
    assert night.run("collect").exit == 0
    assert night.bill == []
    assert night.run("submit").outputs["requests-count"] == "1", "expired: owed again"
    night.run("collect")
    assert len(night.bill) == 1


def test_two_lost_creates_of_one_size_find_each_their_own(night: Night) -> None:
    create = {"service": "claude", "method": "POST", "path": r"/v1/messages/batches$"}
    for name in ("a.js", "b.js"):
        night.commit({name: BAD})
        night.sandbox.faults.add("drop-after", **create)
        assert night.run("submit").exit == 4
    assert [night.asked(0), night.asked(1)] == [["a.js"], ["b.js"]]
    night.advance(HOUR)
    assert night.run("collect").outputs["status"] == "collected"
    assert sorted(night.bill) == sorted(night.sent)
    assert night.run("submit").outputs["status"] == "nothing-to-do"


def test_an_older_commit_looked_at_again_moves_and_forgets_nothing(night: Night) -> None:
    """Last week's run is run again, while newer files are owed."""
    night.commit({"a.js": BAD})
    older = night.repo.head()
    night.run("submit")
    night.run("collect")
    night.commit({"a.js": WORSE, "new.js": BAD})
    night.sandbox.faults.outcome("expired", custom_id=".*")
    night.run("submit")
    night.run("collect")
    night.sandbox.faults.clear()
    again = night.start("run", {"head_sha": older})
    assert again.exit == 0, again.log
    assert night.run("submit").outputs["requests-count"] == "2"
    assert night.asked() == ["a.js", "new.js"]


def test_counting_that_fails_falls_back_to_the_estimate(night: Night) -> None:
    night.commit({"a.js": BAD})
    night.sandbox.faults.add("status", path="count_tokens", status=404, times=9)
    result = night.run("submit")
    assert result.outputs["requests-count"] == "1"
    assert any("estimated offline" in line for line in result.said("warning"))


def test_a_create_answered_409_by_a_proxy_may_have_arrived(night: Night) -> None:
    night.commit({"a.js": BAD})
    create = {"service": "claude", "method": "POST", "path": r"/v1/messages/batches$"}
    night.sandbox.faults.add("status", **create, status=409)
    assert night.run("submit").exit == 4
    assert night.run("submit").outputs["requests-count"] == "0", "it may exist: in flight"
    night.advance(HOUR)
    night.run("collect")
    assert night.run("submit").outputs["requests-count"] == "1", "it does not: owed"


def test_a_listed_artifact_without_content_hides_no_older_one(night: Night) -> None:
    night.commit({"a.js": BAD})
    night.run("submit")
    night.run("collect")
    night.commit({"b.js": WORSE})
    night.run("submit")
    newest = max(night.artifacts, key=lambda item: item.id)
    zipped = {"service": "github", "path": rf"/artifacts/{newest.id}/zip$"}
    night.sandbox.faults.add("status", **zipped, status=410, times=99)
    result = night.run("collect")
    assert any(f"artifact {newest.id}" in line for line in result.said("warning")), result.log
    assert "first run" not in night.run("plan").log


def test_equal_files_with_like_names_are_both_recovered(night: Night) -> None:
    twins = [f"packages/{name}/components/Button/index.js" for name in ("one", "two")]
    night.commit(dict.fromkeys(twins, BAD))
    [batch] = night.run("submit").ids
    night.hub.artifacts.clear()
    assert night.run("collect", batch_id=batch).outputs["status"] == "collected"
    assert all(path in night.issue.body for path in twins)


def test_a_state_dir_that_is_a_file_is_named(night: Night) -> None:
    night.commit({"a.js": BAD})
    (night.folder / "taken").write_text("x")
    result = night.cli("submit", "--first-run", "all", "--state-dir", str(night.folder / "taken"))
    assert result.exit == 2
    assert "state-dir" in result.log
    assert night.batches == []


def test_expired_ledgers_are_told_when_nothing_else_is_left(night: Night) -> None:
    night.commit({"a.js": BAD})
    night.run("submit", retention_days="1")
    night.advance(2 * DAY)
    told = night.run("collect").said("warning")
    assert any("have expired" in line and "retention-days" in line for line in told)


def test_a_batch_that_is_gone_can_be_let_go_of_by_name(night: Night) -> None:
    night.commit({"a.js": BAD})
    [batch] = night.run("submit").ids
    gone = {"service": "claude", "path": rf"/batches/{batch}"}
    night.sandbox.faults.add("status", **gone, status=404, times=99)
    run = night.open({})
    environ = night.step(run, "submit")
    environ |= {"GITHUB_TOKEN": run.token, "ANTHROPIC_API_KEY": night.key}
    assert night._enter(["cancel", "--batch-id", batch], environ, run).exit == 0
    run.finish()
    night.run("collect")
    assert night.cli("status", "--json").exit == 0
    waiting = night.run("status").log
    assert batch not in waiting


def test_a_batch_collected_before_says_so(night: Night) -> None:
    night.commit({"a.js": BAD})
    [batch] = night.run("submit").ids
    night.run("collect")
    again = night.run("collect", batch_id=batch)
    assert any("was collected before" in line for line in again.said("warning"))
