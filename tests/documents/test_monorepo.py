"""The example of a monorepo: its config does what its comments say; its workflow is valid."""

from typing import Any

import yaml

from batch_action.config.loading import assign_tasks, load_settings
from batch_action.selection.patterns import PathRules
from tests.documents.test_action_yml import ACTION
from tests.documents.texts import read

CONFIG = "docs/monorepo.config.yml"
WORKFLOW: dict[str, Any] = yaml.safe_load(read("workflows-examples/monorepo.yml"))
FILES = {
    "services/payments/card.go": [
        ("code-review", "payments", "claude-opus-5-5", ("team-payments", "security")),
        ("security-scan", "payments", "claude-opus-5-5", ("team-payments", "security")),
    ],
    "services/mail/send.go": [("code-review", "", "claude-sonnet-5-5", ("tech-debt",))],
    "packages/ui/button.tsx": [("code-review", "web", "claude-sonnet-5-5", ("team-web",))],
    "services/payments/deploy.sh": [
        ("code-review", "payments", "claude-opus-5-5", ("team-payments", "security")),
        ("security-scan", "payments", "claude-opus-5-5", ("team-payments", "security")),
    ],
    "release.sh": [("code-review", "scripts", "claude-haiku-5-5", ("tech-debt",))],
    "apps/web/api.generated.ts": [],
}


def test_every_file_has_the_tasks_of_the_comments():
    settings = load_settings(
        flags={}, action_inputs={}, environ={}, file=yaml.safe_load(read(CONFIG)), file_name=CONFIG
    )
    tasks: dict[str, list[Any]] = {path: [] for path in FILES}
    for assignment in assign_tasks(settings):
        chosen = assignment.settings
        rules = PathRules(
            chosen.paths, chosen.paths_ignore, other_tasks_patterns=assignment.other_tasks_patterns
        )
        for path in FILES:
            if rules.skip(path) is None:
                tasks[path].append((assignment.task, chosen.state_key, chosen.model, chosen.labels))
    assert tasks == FILES


def test_the_workflow_is_nightly_yml_with_a_longer_timeout():
    nightly = yaml.safe_load(read("workflows-examples/nightly.yml"))
    job, usual = WORKFLOW["jobs"]["upkeep"], nightly["jobs"]["upkeep"]
    assert job["permissions"] == usual["permissions"]
    assert job["steps"] == usual["steps"]
    assert job["timeout-minutes"] > usual["timeout-minutes"]
    assert set(job["steps"][-1]["with"]) <= set(ACTION["inputs"])
    assert CONFIG in read("workflows-examples/monorepo.yml")
