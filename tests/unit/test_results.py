"""The results as data: the published schemas, what they contain, and what is hidden."""

import json
from dataclasses import replace
from datetime import UTC, datetime

import jsonschema
import pytest
from hypothesis import given

from batch_action.errors import BatchActionError, BudgetError, ConfigError, GitHubError, QuotaError
from batch_action.models.findings import FindingState
from batch_action.models.github_context import GitHubContext
from batch_action.models.requests import Cost
from batch_action.publishers import results
from tests.documents.texts import ROOT
from tests.harness.hostile_text import texts as hostile
from tests.harness.reports import (
    SPENDING,
    C,
    file_verdict,
    finding_status,
    generated,
    held_back,
    published,
    refused,
    report,
)

AT = datetime(2026, 3, 2, 6, 17, tzinfo=UTC)
SCHEMAS = {"results": results.Results, "failure": results.Failure}
WRITE = (
    'python -c "import json; from batch_action.publishers import results as r; '
    'print(json.dumps(r.json_schema(r.{model}, {name!r}), indent=2))" > docs/{name}.schema.json'
)

CONTEXT = GitHubContext(
    workspace=ROOT,
    repository="octo/demo",
    repository_id="42",
    run_id="local",
    run_attempt=1,
    workflow="",
    event="local",
    sha=None,
    branch="main",
    default_branch="main",
    server_url="https://github.com",
    api_url="https://api.github.com",
    private=None,
    from_fork=False,
)


def results_json(whole) -> dict:
    return json.loads(b"".join(results.encode_results(whole, AT)))


def failure_json(error: BatchActionError) -> dict:
    value = results.build_failure(error, AT, "code-review", CONTEXT)
    return json.loads(results.encode(value))


def valid(value: dict, name: str) -> None:
    schema = json.loads((ROOT / f"docs/{name}.schema.json").read_text("utf-8"))
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.Draft202012Validator(schema).validate(value)


@pytest.mark.parametrize("name", SCHEMAS)
def test_the_published_schema_is_that_of_the_code(name):
    written = json.loads((ROOT / f"docs/{name}.schema.json").read_text("utf-8"))
    how = WRITE.format(model=SCHEMAS[name].__name__, name=name)
    assert written == results.json_schema(SCHEMAS[name], name), f"write it anew: {how}"


def test_complete_results_match_the_schema():
    whole = published(
        finding_status(1),
        finding_status(2, FindingState.FIXED),
        finding_status(3, FindingState.RECHECKING),
        finding_status(4, FindingState.DISMISSED),
        finding_status(5, FindingState.IGNORED, ignored_by="baseline"),
        held_back=held_back("min-severity", 2),
        file_verdicts=(file_verdict("No."),),
        generated=(generated("Tests."),),
        refused=(refused("../x"),),
        warnings=("Careful.",),
    )
    value = results_json(whole)
    valid(value, "results")
    assert value["schema"] == "batch-action/results/1"
    assert value["at"] == "2026-03-02T06:17:00Z"
    assert value["counts"] == {
        "new": 1,
        "fixed": 1,
        "back": 0,
        "open": 2,
        "disputed": 0,
        "dismissed": 1,
        "ignored": 1,
    }
    first = value["findings"][0]
    assert first["location"]["url"].endswith("/src/db.py#L10-L12")
    assert first["evidence"] == "run(q % name)"
    assert value["findings"][1]["closing_commit"] == C
    assert value["spending"]["saved_usd"] == pytest.approx(0.58)
    assert value["file_statuses"]["skipped"] == {"binary": 3}
    suppressed = {h["filter"]: h["count"] for h in value["file_statuses"]["suppressed"]}
    assert suppressed == {"min-severity": 2, "baseline": 1, "dismissed": 1}
    assert value["destinations"][0]["url"] == "https://github.com/octo/demo/issues/12"


def test_results_without_price_or_repository_match_the_schema():
    unpriced = Cost(interactive_usd=None, batch_usd=None, batch_cached_usd=None)
    spending = replace(SPENDING, cost=unpriced, month_to_date_usd=None)
    bare = report(repository=None, run_url=None, spending=spending, batch_ids=())
    valid(results_json(published(finding_status(1), report=bare)), "results")
    valid(results_json(published(report=report(spending=None, pull_request=3))), "results")


def test_an_unknown_field_is_refused():
    value = results_json(published())
    with pytest.raises(jsonschema.ValidationError):
        valid({**value, "more": 1}, "results")


def test_a_public_repository_shows_only_the_count():
    value = results_json(
        published(finding_status(1, title="Stolen", security=True), hides_security=True)
    )
    assert value["findings"] == []
    assert "Stolen" not in json.dumps(value)
    assert value["file_statuses"]["suppressed"] == [
        {"filter": "public", "count": 1, "destination": None}
    ]


@given(hostile)
def test_hostile_text_is_preserved_as_data(text):
    whole = published(
        finding_status(
            1, title=text, explanation=text, suggestion=text, rule=text, path=f"a{text}"
        ),
        file_verdicts=(file_verdict(text, text),),
        generated=(generated(text, text),),
        refused=(refused(text, text),),
    )
    data = b"".join(results.encode_results(whole, AT))
    assert data.isascii()
    json.loads(data)


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (ConfigError("a"), "configuration"),
        (BudgetError("a", fix="b"), "over-budget"),
        (QuotaError("a"), "anthropic"),
        (GitHubError("a"), "github"),
        (BatchActionError("a"), "other"),
    ],
)
def test_a_failure_matches_its_schema(error, kind):
    value = failure_json(error)
    valid(value, "failure")
    assert (value["kind"], value["exit_code"]) == (kind, error.exit_code)
    assert value["problem"] == "a"


def test_each_run_has_its_own_id():
    first = published(finding_status(1))
    again = published(finding_status(1), warnings=("warned again",))
    assert results.build_id(first) == results.build_id(again)
    others = [
        report(batch_ids=("msgbatch_2",)),
        report(task="security-scan"),
        report(state_key="web"),
        report(pull_request=4),
        report(repository_id="43"),
        report(batch_ids=()),
        report(batch_ids=(), date="2026-03-03"),
    ]
    ids = {results.build_id(published(finding_status(1), report=other)) for other in others}
    assert len(ids | {results.build_id(first)}) == len(others) + 1
    quiet = report(batch_ids=())
    dismissed = published(finding_status(1, FindingState.DISMISSED), report=quiet)
    assert results.build_id(dismissed) != results.build_id(
        published(finding_status(1), report=quiet)
    )
