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
