"""Which task looks at which files: rules of a monorepo, and the first that matches has the file."""

import yaml
from hypothesis import given
from hypothesis import strategies as st

from batch_action.config.assignments import Assignment, assign_tasks
from batch_action.config.loading import load_settings
from batch_action.config.settings import Settings
from batch_action.selection.patterns import PathRules

PATTERNS = ("web/", "services/**", "services/pay/", "!services/pay/", "*.js", "*.py", "/docs/*")
PATHS = ("web/a.js", "services/pay/card.py", "services/mail.js", "docs/x.md", "deep/web/b.py", "a")


def settings(text: str) -> Settings:
    return load_settings(
        flags={}, action_inputs={}, environ={}, file=yaml.safe_load(text) or {}, file_name="f"
    )


def wants(one: Assignment, path: str) -> bool:
    chosen = one.settings
    rules = PathRules(
        chosen.paths,
        chosen.paths_ignore,
        other_tasks_patterns=one.other_tasks_patterns,
        default_ignores=False,
    )
    return rules.skip(path) is None


def test_without_rules_every_task_looks_at_everything():
    found = assign_tasks(settings("task: [code-review, security-scan, code-review]"))
    assert [one.task for one in found] == ["code-review", "security-scan"]
    assert [one.other_tasks_patterns for one in found] == [(), ()]


def test_a_rule_says_what_it_says_and_leaves_the_rest():
    text = """
    task: code-review
    model: general
    effort: low
    labels: [one]
    assignees: [ana]
    paths: [src/]
    paths-ignore: ["*.gen.js"]
    state-key: mono
    rules:
      - {name: web, paths: [web/], model: special, labels: []}
      - {paths: "services/**", task: [code-review, security-scan], assignees: bob}
    """
    general, web, services, scan = (one.settings for one in assign_tasks(settings(text)))
    assert (general.paths, general.state_key, general.rules) == (("src/",), "mono", ())
    assert (web.model, web.effort, web.labels, web.assignees) == ("special", "low", (), ("ana",))
    assert (web.paths, web.paths_ignore, web.state_key) == (("web/",), ("*.gen.js",), "mono.web")
    assert (services.model, services.assignees) == ("general", ("bob",))
    assert (services.task, scan.task) == (("code-review",), ("security-scan",))
    assert services.state_key == scan.state_key
    assert services.state_key.startswith("mono.services-")


def test_a_task_by_name_is_the_only_one():
    text = "task: [a, b]\nrules: [{paths: x, task: b, name: r}, {paths: y, task: a}]"
    found = assign_tasks(settings(text), ("b",))
    assert [(one.task, one.settings.state_key) for one in found] == [("b", ""), ("b", "r")]


_rule = st.builds(
    lambda paths, tasks: {"paths": paths} | ({"task": tasks} if tasks else {}),
    st.lists(st.sampled_from(PATTERNS), min_size=1, max_size=3),
    st.lists(st.sampled_from(["a", "b"]), unique=True),
)
_rules = st.lists(_rule, max_size=4, unique_by=lambda rule: tuple(rule["paths"]))


@given(rules=_rules, path=st.sampled_from(PATHS))
def test_no_file_is_asked_about_twice_by_one_task(rules, path):
    found = assign_tasks(settings(yaml.safe_dump({"task": ["a", "b"], "rules": rules})))
    for task in ("a", "b"):
        having = [one for one in found if one.task == task and wants(one, path)]
        assert len(having) <= 1
        first = next(
            (r for r in rules if task in r.get("task", ["a", "b"]) and matches(r, path)), None
        )
        if first is not None:
            assert [one.settings.paths for one in having] == [tuple(first["paths"])]
        else:
            assert [one.settings.paths for one in having] == [()]


def matches(rule, path: str) -> bool:
    return PathRules(rule["paths"], default_ignores=False).skip(path) is None


@given(rules=_rules, data=st.data())
def test_the_order_of_rules_changes_no_name(rules, data):
    other = data.draw(st.permutations(rules))

    def keys(listed):
        made = assign_tasks(settings(yaml.safe_dump({"rules": listed})))
        return {(one.task, one.settings.paths): one.settings.state_key for one in made}

    assert keys(rules) == keys(other)
    assert len(set(keys(rules).values())) == len(rules) + 1
