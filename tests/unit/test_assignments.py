"""Assignments of files to tasks: the first rule that matches a file gets it."""

import yaml
from hypothesis import given
from hypothesis import strategies as st

from batch_action.config.loading import Assignment, assign_tasks, load_settings
from batch_action.config.settings import Settings
from batch_action.selection.patterns import PathRules

PATTERNS = ("web/", "services/**", "services/pay/", "!services/pay/", "*.js", "*.py", "/docs/*")
PATHS = ("web/a.js", "services/pay/card.py", "services/mail.js", "docs/x.md", "deep/web/b.py", "a")


def settings(text: str) -> Settings:
    return load_settings(
        flags={}, action_inputs={}, environ={}, file=yaml.safe_load(text) or {}, file_name="f"
    )


def selects(assignment: Assignment, path: str) -> bool:
    chosen = assignment.settings
    rules = PathRules(
        chosen.paths,
        ["!**", *chosen.paths_ignore],
        other_tasks_patterns=assignment.other_tasks_patterns,
    )
    return rules.skip(path) is None


def test_without_rules_every_task_gets_all_files():
    assignments = assign_tasks(settings("task: [code-review, security-scan, code-review]"))
    assert [item.task for item in assignments] == ["code-review", "security-scan"]
    assert [item.other_tasks_patterns for item in assignments] == [(), ()]


def test_a_rule_overrides_only_its_own_keys():
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
    general, web, services, scan = (item.settings for item in assign_tasks(settings(text)))
    assert (general.paths, general.state_key, general.rules) == (("src/",), "mono", ())
    assert (web.model, web.effort, web.labels, web.assignees) == ("special", "low", (), ("ana",))
    assert (web.paths, web.paths_ignore, web.state_key) == (("web/",), ("*.gen.js",), "mono.web")
    assert (services.model, services.assignees) == ("general", ("bob",))
    assert (services.task, scan.task) == (("code-review",), ("security-scan",))
    assert services.state_key == scan.state_key
    assert services.state_key.startswith("mono.services-")


def test_only_the_named_tasks():
    text = "task: [a, b]\nrules: [{paths: x, task: b, name: r}, {paths: y, task: a}]"
    assignments = assign_tasks(settings(text), ("b",))
    assert [(item.task, item.settings.state_key) for item in assignments] == [
        ("b", ""),
        ("b", "r"),
    ]


_rule = st.builds(
    lambda paths, tasks: {"paths": paths} | ({"task": tasks} if tasks else {}),
    st.lists(st.sampled_from(PATTERNS), min_size=1, max_size=3),
    st.lists(st.sampled_from(["a", "b"]), unique=True),
)
_rules = st.lists(_rule, max_size=4, unique_by=lambda rule: tuple(rule["paths"]))


@given(rules=_rules, path=st.sampled_from(PATHS))
def test_a_task_gets_a_file_once(rules, path):
    assignments = assign_tasks(settings(yaml.safe_dump({"task": ["a", "b"], "rules": rules})))
    for task in ("a", "b"):
        selecting = [item for item in assignments if item.task == task and selects(item, path)]
        assert len(selecting) <= 1
        first = next(
            (r for r in rules if task in r.get("task", ["a", "b"]) and matches(r, path)), None
        )
        if first is not None:
            assert [item.settings.paths for item in selecting] == [tuple(first["paths"])]
        else:
            assert [item.settings.paths for item in selecting] == [()]


def matches(rule, path: str) -> bool:
    return PathRules(rule["paths"], ["!**"]).skip(path) is None


@given(rules=_rules, data=st.data())
def test_state_keys_do_not_depend_on_the_order_of_rules(rules, data):
    other = data.draw(st.permutations(rules))

    def state_keys(order):
        assignments = assign_tasks(settings(yaml.safe_dump({"rules": order})))
        return {(item.task, item.settings.paths): item.settings.state_key for item in assignments}

    assert state_keys(rules) == state_keys(other)
    assert len(set(state_keys(rules).values())) == len(rules) + 1
