"""The monorepo's example: its config says what its comments say, its workflow what it needs."""

from typing import Any

import yaml

from batch_action.config.assignments import assignments
from batch_action.config.loading import gather
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


def test_every_file_goes_where_the_comments_say():
    settings = gather(
        flags={}, action_inputs={}, environ={}, file=yaml.safe_load(read(CONFIG)), file_name=CONFIG
    )
    found: dict[str, list[Any]] = {path: [] for path in FILES}
    for one in assignments(settings):
        chosen = one.settings
        rules = PathRules(
            chosen.paths, chosen.paths_ignore, other_tasks_patterns=one.other_tasks_patterns
        )
        for path in FILES:
            if rules.skip(path) is None:
                found[path].append((one.task, chosen.state_key, chosen.model, chosen.labels))
    assert found == FILES


def test_the_workflow_is_the_nightly_one_with_more_time():
    nightly = yaml.safe_load(read("workflows-examples/nightly.yml"))
    job, usual = WORKFLOW["jobs"]["upkeep"], nightly["jobs"]["upkeep"]
    assert job["permissions"] == usual["permissions"]
    assert job["steps"] == usual["steps"]
    assert job["timeout-minutes"] > usual["timeout-minutes"]
    assert set(job["steps"][-1]["with"]) <= set(ACTION["inputs"])
    assert CONFIG in read("workflows-examples/monorepo.yml")
