"""Settings from all sources, and the messages for all mistakes at once."""

from datetime import date
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from batch_action.config.loading import declared_inputs, guard, load_settings
from batch_action.errors import ConfigError
from batch_action.models.findings import Severity

FILE = ".github/batch-action.yml"
SECRETS = sorted(
    name for name, (field, _) in declared_inputs().items() if "Secret" in str(field.annotation)
)
NOT_IN_FILE = sorted(name for name, (_, declared) in declared_inputs().items() if not declared.file)


def settings(*, flags=None, action_inputs=None, environ=None, text=""):
    return load_settings(
        flags=flags or {},
        action_inputs=action_inputs or {},
        environ=environ or {},
        file=yaml.safe_load(text) or {},
        file_name=FILE,
    )


def error_message(**sources):
    with pytest.raises(ConfigError) as caught:
        settings(**sources)
    assert caught.value.exit_code == 2
    return str(caught.value)


class TestPrecedence:
    SOURCES = (
        {"flags": {"model": "flag"}},
        {"action_inputs": {"model": "input"}},
        {"environ": {"BATCH_ACTION_MODEL": "environment"}},
        {"text": "model: file"},
    )

    @pytest.mark.parametrize("first", range(len(SOURCES)))
    def test_the_first_source_wins(self, first):
        values = {k: v for source in reversed(self.SOURCES[first:]) for k, v in source.items()}
        expected = ("flag", "input", "environment", "file")[first]
        assert settings(**values).model == expected

    def test_defaults(self):
        result = settings()
        assert (result.model, result.max_cost_usd, result.mode) == ("claude-sonnet-5-5", 5.0, "run")
        assert result.first_run == "24h"
        assert result.report == ("issue", "summary")
        assert not result.allow_public_security_findings

    @pytest.mark.parametrize(
        ("variable", "name"),
        [
            ("ANTHROPIC_API_KEY", "anthropic_api_key"),
            ("GITHUB_TOKEN", "github_token"),
        ],
    )
    def test_conventional_variables_take_precedence(self, variable, name):
        variable_of_input = f"BATCH_ACTION_{name.upper()}"
        both = settings(environ={variable: "a", variable_of_input: "b"})
        assert getattr(both, name).get_secret_value() == "a"
        assert getattr(settings(environ={variable_of_input: "b"}), name).get_secret_value() == "b"

    @pytest.mark.parametrize("empty", ["", "  ", "\n"])
    def test_an_empty_text_is_unset(self, empty):
        result = settings(
            flags={"model": None, "paths": ()},
            action_inputs={"model": empty, "max-cost-usd": empty, "fail-on-severity": empty},
            environ={"BATCH_ACTION_MODEL": empty, "ANTHROPIC_API_KEY": empty},
            text="model: from-file\nmax-cost-usd:\npaths: ['*.py']",
        )
        assert (result.model, result.max_cost_usd) == ("from-file", 5.0)
        assert result.paths == ("*.py",)
        assert result.anthropic_api_key is None
        assert result.fail_on_severity is None

    def test_false_and_zero_are_values(self):
        result = settings(flags={"recheck": False, "max-cost-usd": 0}, text="max-cost-usd: 7")
        assert (result.recheck, result.max_cost_usd) == (False, 0)

    def test_a_value_is_stripped(self):
        result = settings(
            environ={"ANTHROPIC_API_KEY": "sk-ant-x\n"},
            action_inputs={"model": " claude-opus-5-5 "},
        )
        assert result.anthropic_api_key.get_secret_value() == "sk-ant-x"
        assert result.model == "claude-opus-5-5"


class TestValues:
    @pytest.mark.parametrize(
        ("name", "value", "expected"),
        [
            ("paths", "src/**\n\n  !src/gen/** \n", ("src/**", "!src/gen/**")),
            ("paths", "a, b.py", ("a", "b.py")),
            ("labels", "one, two\nthree,,", ("one", "two", "three")),
            ("report", "summary, issue", ("summary", "issue")),
            ("fail-on-severity", "high", Severity.HIGH),
            ("max-cost-usd", "2.5", 2.5),
            ("max-findings", "40", 40),
            ("dry-run", "true", True),
            ("dry-run", "False", False),
            ("state-dir", "/tmp/x", Path("/tmp/x")),
        ],
    )
    def test_texts(self, name, value, expected):
        result = settings(action_inputs={name: value})
        assert getattr(result, name.replace("-", "_")) == expected

    @pytest.mark.parametrize(
        ("value", "expected"),
        [
            ("./src/**", ["/src/**"]),
            ("!./src/gen/", ["!/src/gen/"]),
            (".", ["**"]),
            ("./", ["**"]),
            (".github/", [".github/"]),
            (".*", [".*"]),
            ("src/**/*.{ts,tsx}", ["src/**/*.ts", "src/**/*.tsx"]),
            ("{a,b}/{c, d}", ["a/c", "a/d", "b/c", "b/d"]),
            ("{a,b{c,d}}", ["a", "bc", "bd"]),
            ("!*.{js,jsx}", ["!*.js", "!*.jsx"]),
            ("app/{slug}/x", ["app/{slug}/x"]),
            ("src/, web/", ["src/", "web/"]),
            ("src/,web/,", ["src/", "web/"]),
            ("src\\app\\*.ts", ["src/app/*.ts"]),
            ("src\\\\app\\", ["src/app/"]),
            ("\\#a \\!b", ["\\#a \\!b"]),
            ('"src/**"', ["src/**"]),
            ("'*.py'", ["*.py"]),
            ('!"src/**"', ["!src/**"]),
            ("src/** # ours", ["src/**"]),
            ("# all\nsrc/", ["src/"]),
            ("a#b", ["a#b"]),
            ("app/[slug]/page.tsx", ["app/[slug]/page.tsx"]),
            ("!(auth)/", ["!(auth)/"]),
            ("a b.py", ["a b.py"]),
        ],
    )
    @pytest.mark.parametrize("name", ["paths", "paths-ignore", "test-paths", "rules"])
    def test_patterns_of_other_tools(self, name, value, expected):
        file = {name: [{"paths": value}] if name == "rules" else value}
        result = load_settings(flags={}, action_inputs={}, environ={}, file=file, file_name="f")
        got = getattr(result, name.replace("-", "_"))
        assert list(got[0].paths if name == "rules" else got) == expected

    @pytest.mark.parametrize(
        ("value", "words"),
        [
            ("src/*.@(js|ts)", "extended glob"),
            ("!(dist|vendor)/**", "extended glob"),
            ("^src/", "regular expression"),
            ("src/.*\\.py$", "regular expression"),
            ("../other/**", "root"),
            ("{a,b}" * 7, "64"),
        ],
    )
    def test_patterns_that_gitignore_does_not_know_are_refused(self, value, words):
        with pytest.raises(ConfigError, match=words):
            settings(action_inputs={"paths": value})

    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("paths: [src/**, '!x']", ("src/**", "!x")),
            ("paths: |\n  src/**\n  !x\n", ("src/**", "!x")),
            ("paths: []", ()),
            ("labels: [a, b]", ("a", "b")),
            ("labels: a, b", ("a", "b")),
            ("report: [summary]", ("summary",)),
            ("max-cost-usd: 7", 7.0),
            ("max-cost-usd: '7'", 7.0),
            ("monthly-budget-usd: 0", 0.0),
            ("max-findings: 10", 10),
            ("prompt-cache: off", "off"),
            ("task: [a, b]", ("a", "b")),
            ("task: a, b", ("a", "b")),
            ("first-run: 2026-11-01", "2026-11-01"),
            ("prices: {m: {input: 1}}", {"m": {"input": 1}}),
        ],
    )
    def test_yaml(self, text, expected):
        name = text.split(":")[0].replace("-", "_")
        assert getattr(settings(text=text), name) == expected

    def test_a_yaml_timestamp_becomes_text(self):
        assert settings(text="first-run: 2026-11-01 02:00:00").first_run == "2026-11-01T02:00:00"
        assert isinstance(yaml.safe_load("2026-11-01"), date)


class TestMistakes:
    @pytest.mark.parametrize(
        ("name", "value", "expected"),
        [
            (
                "mode",
                "runn",
                "must be one of: run, submit, collect, plan, status, propose, doctor.",
            ),
            ("effort", "off", "must be one of: low, medium, high, xhigh, max, none."),
            ("select", "everything", "must be one of: changed, all."),
            ("fail-on-severity", "bad", "must be one of: critical, high, medium, low."),
            ("report", "issue, slak", "must be one of: "),
            ("max-cost-usd", "five", "must be a plain number such as 5 or 2.5, without a unit."),
            ("max-cost-usd", "5 USD", "must be a plain number such as 5 or 2.5, without a unit."),
            ("max-cost-usd", "$5", "must be a plain number such as 5 or 2.5, without a unit."),
            ("max-cost-usd", "nan", "must be a plain number such as 5 or 2.5, without a unit."),
            ("max-cost-usd", "inf", "must be a plain number such as 5 or 2.5, without a unit."),
            ("max-cost-usd", "-1", "must be 0 or more."),
            ("wait-minutes", "1441", "must be 1440 or less."),
            ("max-findings", "ten", "must be a whole number such as 30, without a unit."),
            ("max-findings", "2.5", "must be a whole number such as 30, without a unit."),
            ("max-findings", "0", "must be 1 or more."),
            ("retention-days", "9" * 5000, "must be a whole number such as 30"),
            ("dry-run", "maybe", "must be `true` or `false`."),
            ("state-key", "a/b", "must be at most 40 letters, digits, `_`, `.` or `-`."),
            ("state-key", "web-pr", "`-pr` ends the name of the pull requests' ledger."),
            ("labels", f"ok,{'x' * 51}", "each item must have at most 50 characters."),
            ("batch-id", "../x", "must be an id such as `msgbatch_…`."),
            ("anthropic-base-url", "api.x", "must be a URL that begins with https://."),
        ],
    )
    def test_the_message_names_the_input_the_value_and_the_fix(self, name, value, expected):
        message = error_message(action_inputs={name: value})
        assert message.startswith(f"`{name}` ")
        assert f"(input {name})" in message
        assert expected in message
        assert declared_inputs()[name][1].help not in message
        assert len(message) < 500
        assert "should be" not in message
        assert "Input" not in message

    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("max-cost-usd: true", "must be a plain number"),
            ("max-findings: yes", "must be a whole number"),
            ("max-cost-usd: [5]", "must be a plain number"),
            ("model: 5", "must be text: in YAML, put it in quotes."),
            ("state-key: 010", "must be text: in YAML, put it in quotes."),
            ("model: [a]", "must be text"),
            ("paths: {a: b}", "must be a list, or text with one item per line."),
            ("paths: 5", "must be a list, or text with one item per line."),
            ("paths: [a, 5]", "5 (.github/batch-action.yml): each item must be text"),
            ("labels: [a, true]", "each item must be text"),
            ("prices: 5", "must contain `name: value` lines."),
            ("select: true", "must be one of: changed, all."),
        ],
    )
    def test_yaml_of_the_wrong_type(self, text, expected):
        message = error_message(text=text)
        assert expected in message
        assert FILE in message

    def test_the_message_shows_the_wrong_item(self):
        message = error_message(text="report: [issue, slak]")
        assert "'slak'" in message
        assert message.startswith("`report` ")

    def test_all_mistakes_are_reported_at_once(self):
        message = error_message(
            flags={"effort": "off"},
            action_inputs={"max-cost-usd": "five"},
            environ={"BATCH_ACTION_MODE": "runn"},
            text="max-findings: 0\nmaxcost: 3\ngithub-token: x",
        )
        first, *rest = message.splitlines()
        assert first == "6 inputs are not valid:"
        assert len(rest) == 6
        assert all(line.startswith("- `") for line in rest)
        for source in (
            "flag --effort",
            "input max-cost-usd",
            "BATCH_ACTION_MODE",
            f"({FILE})",
        ):
            assert source in message

    @pytest.mark.parametrize(
        ("variable", "hint"),
        [
            ("BATCH_ACTION_MODELL", "did you mean BATCH_ACTION_MODEL?"),
            ("BATCH_ACTION_MAX_COST", "did you mean BATCH_ACTION_MAX_COST_USD?"),
            ("BATCH_ACTION_max_cost_usd", "docs/INPUTS.md lists all inputs"),
            ("BATCH_ACTION_", "docs/INPUTS.md lists all inputs"),
        ],
    )
    def test_an_unknown_variable_has_a_hint(self, variable, hint):
        message = error_message(environ={variable: "x", "BATCH": "1", "BATCH_ACTIONS": "1"})
        assert f"`{variable}` in the environment is not the name of an input" in message
        assert hint in message
        assert len(message.splitlines()) == 1

    @pytest.mark.parametrize(
        "sources",
        [
            {"action_inputs": {"task": "license-check", "prompt-file": "p.md"}},
            {"flags": {"task": "license-check"}, "text": "prompt-file: p.md"},
            {"text": "task: license-check\nprompt-file: p.md"},
        ],
        ids=["inputs", "flag over file", "file"],
    )
    def test_a_task_beside_a_prompt_file_would_have_no_effect(self, sources):
        assert "has no effect beside `prompt-file`" in error_message(**sources)

    def test_a_prompt_file_replaces_the_task_of_a_source_below(self):
        result = settings(flags={"prompt-file": "p.md"}, text="task: license-check")
        assert result.prompt_file == "p.md"

    @pytest.mark.parametrize(
        ("key", "hint"),
        [
            ("max-cost", "did you mean `max-cost-usd`?"),
            ("max_findings", "did you mean `max-findings`?"),
            ("pathes", "did you mean `paths`?"),
            ("zzz", "docs/INPUTS.md lists all inputs"),
            ("5", "docs/INPUTS.md lists all inputs"),
            ("true", "docs/INPUTS.md lists all inputs"),
        ],
    )
    def test_an_unknown_key_has_a_hint(self, key, hint):
        message = error_message(text=f"{key}: 1")
        assert hint in message
        assert FILE in message

    @pytest.mark.parametrize("name", NOT_IN_FILE)
    def test_an_input_that_the_file_must_not_set(self, name):
        message = error_message(text=f"{name}: 'hunter2-hunter2'")
        assert f"`{name}` cannot be set in {FILE}" in message

    def test_the_file_must_not_set_secrets(self):
        assert set(SECRETS) == {
            "anthropic-api-key",
            "github-token",
            "state-secret",
            "state-secret-previous",
            "slack-webhook-url",
            "webhook-url",
            "webhook-secret",
        }
        assert {*SECRETS, "anthropic-base-url", "allow-public-security-findings"} <= set(
            NOT_IN_FILE
        )


SECRET_PATH = "hunter2" * 4


AUTHORS = {"trusted-authors": ["ada"]}


class TestCaps:
    @pytest.mark.parametrize(
        ("given", "text", "expected"),
        [
            ({"flags": {"max-cost-usd": 20}}, "max-cost-usd: 3", 3.0),
            ({"flags": {"max-cost-usd": "2"}}, "max-cost-usd: 3", 2.0),
            ({"action_inputs": {"max-cost-usd": "20"}}, "max-cost-usd: '3'", 3.0),
            ({"environ": {"BATCH_ACTION_MAX_COST_USD": "20"}}, "max-cost-usd: 3", 3.0),
            ({"flags": {"max-cost-usd": 20}}, "", 20.0),
            ({}, "max-cost-usd: 20", 20.0),
            ({"flags": {"max-cost-usd": 0}}, "max-cost-usd: 20", 0.0),
            ({"flags": {"max-cost-usd": 9}, "action_inputs": {"max-cost-usd": "4"}}, "", 4.0),
        ],
    )
    def test_of_a_cap_the_smallest_value_holds(self, given, text, expected):
        assert settings(**given, text=text).max_cost_usd == expected

    def test_a_cap_that_is_no_number_is_still_a_mistake(self):
        assert "`max-cost-usd` 'x'" in error_message(
            action_inputs={"max-cost-usd": "x"}, text="max-cost-usd: 3"
        )

    @pytest.mark.parametrize(
        ("file", "reference", "expected", "ignored"),
        [
            ({"max-cost-usd": 100}, {}, {}, ["max-cost-usd"]),
            ({"max-cost-usd": "100"}, {"max-cost-usd": 9}, {"max-cost-usd": 9}, ["max-cost-usd"]),
            ({"max-cost-usd": 2}, {"max-cost-usd": 9}, {"max-cost-usd": 2}, []),
            ({}, {"max-cost-usd": 1}, {"max-cost-usd": 1}, []),
            ({"max-cost-usd": "x"}, {}, {}, ["max-cost-usd"]),
            ({"max-cost-usd": float("nan")}, {}, {}, ["max-cost-usd"]),
            ({"monthly-budget-usd": 7}, {}, {"monthly-budget-usd": 7}, []),
            ({}, {"monthly-budget-usd": 7}, {"monthly-budget-usd": 7}, []),
            ({"trusted-authors": "eve"}, {}, {}, ["trusted-authors"]),
            ({"trusted-authors": "eve"}, AUTHORS, AUTHORS, ["trusted-authors"]),
            ({"prices": {"m": {"input": 0}}}, {}, {}, ["prices"]),
            ({"state-branch": "evil"}, {}, {}, ["state-branch"]),
            ({"state-workflows": "evil.yml"}, {}, {}, ["state-workflows"]),
            ({"model": "m", "paths": ["*.py"]}, {}, {"model": "m", "paths": ["*.py"]}, []),
        ],
        ids=str,
    )
    def test_another_branch_cannot_raise_what_guards(self, file, reference, expected, ignored):
        result, without_effect = guard(file, reference)
        assert result == expected
        assert list(without_effect) == ignored
        load_settings(flags={}, action_inputs={}, environ={}, file=result, file_name=FILE)


class TestSecrets:
    @given(st.sampled_from(SECRETS), st.sampled_from([5, True, ["a"], {"hunter2": "hunter2"}]))
    def test_no_message_shows_a_secret(self, name, wrong):
        with pytest.raises(ConfigError) as caught:
            load_settings(
                flags={name: {"hunter2": wrong}, "max-cost-usd": "five"},
                action_inputs={},
                environ={},
                file={name: "hunter2-in-the-file"},
                file_name=FILE,
            )
        assert "hunter2" not in str(caught.value)
        assert f"`{name}`" in str(caught.value)

    @pytest.mark.parametrize("name", SECRETS)
    def test_no_representation_shows_a_secret(self, name):
        value = f"https://x.example/{SECRET_PATH}" if name.endswith("-url") else "hunter2"
        result = settings(flags={name: value})
        assert "hunter2" not in repr(result) + str(result)
        assert value in result.secrets()

    def test_the_path_of_a_secret_url_is_a_secret_too(self):
        result = settings(flags={"webhook-url": f"https://x.example/{SECRET_PATH}?a=b"})
        assert result.secrets() == (f"https://x.example/{SECRET_PATH}?a=b", f"/{SECRET_PATH}")
        assert settings(flags={"webhook-url": "https://x.example/hook"}).secrets() == (
            "https://x.example/hook",
        )

    @pytest.mark.parametrize(
        "url", ["https://hooks.slack.com/services/x", "http://localhost:80/x", "http://[::1]/x"]
    )
    def test_urls_are_https_or_on_this_machine(self, url):
        assert settings(flags={"slack-webhook-url": url}).secrets() == (url,)

    @pytest.mark.parametrize(
        "url",
        ["http://hooks.slack.com/x", "ftp://localhost/x", "https:///x", "https://a:b@c/x", "x"],
    )
    def test_no_other_url_is_accepted(self, url):
        with pytest.raises(ConfigError, match="must be a URL that begins with https://") as caught:
            settings(flags={"slack-webhook-url": url})
        assert url not in str(caught.value) or url == "x"


class TestRules:
    @pytest.mark.parametrize(
        ("rules", "expected"),
        [
            ("7", "`rules` 7 (.github/batch-action.yml) must be a list"),
            (
                "[7]",
                "`rules` number 1 7 (.github/batch-action.yml) must contain `name: value` lines.",
            ),
            ("[{}]", "`rules` number 1, `paths` (.github/batch-action.yml) is missing."),
            (
                "[{paths: []}]",
                "`rules` number 1, `paths` [] (.github/batch-action.yml) must not be",
            ),
            (
                "[{pathes: x, paths: y}]",
                "`pathes` 'x' (.github/batch-action.yml) is not one of its",
            ),
            ("[{paths: x, effort: hgh}]", "must be one of: low, medium, high, xhigh, max, none."),
            (
                "[{paths: x, labels: [1]}]",
                "`labels` 1 (.github/batch-action.yml): each item must be",
            ),
            ("[{paths: x, name: A B}]", "a rule's name has at most 20 of"),
            ("[{paths: x, name: web-pr}]", "does not end in `pr`"),
            ("[{paths: x}, {paths: x}]", "rules 1 and 2 have the same paths"),
            ("[{paths: x, name: a}, {paths: y, name: a}]", "rules 1 and 2 have the same name"),
        ],
    )
    def test_a_message_names_the_location(self, rules, expected):
        assert expected in error_message(text=f"rules: {rules}")

    def test_all_mistakes_of_all_rules_are_reported_at_once(self):
        message = error_message(text="rules: [{path: x}, {paths: y, effort: so, model: [1]}]")
        assert message.startswith("4 inputs are not valid:")

    def test_an_empty_value_is_unset(self):
        (rule,) = settings(text="rules: [{paths: x, name: '', model: '', effort: ''}]").rules
        assert (rule.name, rule.model, rule.effort) == (None, None, None)
        assert rule.slug.startswith("x-")
