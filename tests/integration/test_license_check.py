"""License check: headers are checked without the model, the rest with the policy in the prompt."""

import pytest

from tests.harness.pull_requests import PullRequestHarness
from tests.harness.workflow import WorkflowHarness

CONFIG = ".github/batch-action.yml"
MIT = (
    "MIT License\n\nPermission is hereby granted, free of charge, to any person obtaining a copy\n"
    "of this software, subject to the following conditions:\n\nThe above copyright notice and this "
    "permission notice shall be included in all\ncopies or substantial portions of the Software.\n"
)
HEADER = "// SPDX-License-Identifier: MIT\n"
CODE = "export const one = 1;\n"
DENYING = "denied-licenses: [GPL-3.0-only, gpl-3.0-or-later]\nallowed-licenses: [ISC]\n"


@pytest.fixture
def licensed(workflow: WorkflowHarness) -> WorkflowHarness:
    """A repository under the MIT license, most of whose scripts have a header."""
    workflow.inputs |= {"task": "license-check"}
    headed = {f"src/{name}.ts": HEADER + CODE for name in "abc"}
    workflow.commit({"LICENSE": MIT, "LICENSES/GPL.txt": "x\n", "tool.py": "x = 1\n", **headed})
    return workflow


def issue_after_run(workflow: WorkflowHarness, **inputs: str) -> str:
    """Submit, collect, and return the body of the issue."""
    assert workflow.run("submit", **inputs).exit == 0
    assert workflow.run("collect").exit == 0
    return "\n".join(issue.body for issue in workflow.issues)


def system(workflow: WorkflowHarness) -> str:
    texts = {r["params"]["system"][0]["text"] for r in workflow.batches[-1].requests}
    (text,) = texts
    return str(text)


def test_a_missing_header_is_found_without_the_model(licensed: WorkflowHarness) -> None:
    workflow = licensed
    workflow.commit({"src/new.ts": CODE, "tool.py": "x = 2\n", "package.json": "{}\n"})
    body = issue_after_run(workflow)
    assert workflow.requested_paths() == ["package.json", "src/new.ts", "tool.py"]
    assert "The license header is missing" in body
    assert "src/new.ts" in body
    assert "SPDX-License-Identifier: MIT" in body
    # Most Python files here have no header, and JSON has no comments.
    assert "tool.py" not in body.split("<summary>Files reviewed")[0]
    assert len(workflow.billed_ids) == 3


REGION = "#region License\n// Licensed to us under one or more agreements.\n#endregion\n"


@pytest.mark.parametrize(
    ("suffix", "header"),
    [
        ("cs", REGION),
        ("h", f"#pragma once\n\n{HEADER}"),
        ("php", "<?php\n\ndeclare(strict_types=1);\n\n/* Copyright (c) 2024 A */\n"),
        ("m", "% Copyright 2024 A\n"),
        ("tsx", f"'use client';\n\nimport a from 'a';\n\n{HEADER}"),
    ],
)
def test_the_one_file_of_ten_without_a_header_is_found(
    workflow: WorkflowHarness, suffix: str, header: str
) -> None:
    workflow.inputs |= {"task": "license-check"}
    workflow.commit({f"src/a{n}.{suffix}": f"{header}f({n});\n" for n in range(9)})
    workflow.commit({f"src/new.{suffix}": "f();\n", f"src/a1.{suffix}": f"{header}g();\n"})
    body = issue_after_run(workflow).split("<summary>Files reviewed")[0]
    assert f"src/new.{suffix}" in body
    assert f"src/a1.{suffix}" not in body


ANNOTATIONS = """
version = 1

[[annotations]]
path = ["src/*.ts", "assets/**"]
SPDX-FileCopyrightText = "2024 A"
SPDX-License-Identifier = "MIT"
"""


@pytest.mark.parametrize(
    "files",
    [
        {"src/new.ts.license": "SPDX-License-Identifier: MIT\n"},
        {"REUSE.toml": ANNOTATIONS},
    ],
)
def test_a_notice_beside_the_file_is_its_header(
    licensed: WorkflowHarness, files: dict[str, str]
) -> None:
    workflow = licensed
    workflow.commit({"src/new.ts": CODE, "src/deep/other.ts": CODE, **files})
    body = issue_after_run(workflow, paths="/src").split("<summary>Files reviewed")[0]
    assert "src/new.ts" not in body
    assert "src/deep/other.ts" in body


def test_it_is_fixed_when_the_header_is_there(licensed: WorkflowHarness) -> None:
    workflow = licensed
    workflow.commit({"src/new.ts": CODE})
    issue_after_run(workflow)
    fixed = workflow.commit({"src/new.ts": HEADER + CODE})
    body = issue_after_run(workflow)
    assert fixed[:7] in body
    assert workflow.issue.state == "closed"


def test_it_stays_one_finding_while_nothing_changes(licensed: WorkflowHarness) -> None:
    workflow = licensed
    workflow.commit({"src/new.ts": CODE})
    issue_after_run(workflow)
    workflow.commit({"src/new.ts": CODE + "export const two = 2;\n"})
    assert workflow.run("submit").exit == 0
    result = workflow.run("collect")
    assert (result.outputs["findings-count"], result.outputs["new-findings-count"]) == ("1", "0")


def test_required_and_off(licensed: WorkflowHarness) -> None:
    workflow = licensed
    workflow.commit({CONFIG: "license-headers: required\n", "tool.py": "x = 2\n"})
    assert "tool.py" in issue_after_run(workflow)
    workflow.commit({CONFIG: "license-headers: 'off'\n", "src/new.ts": CODE})
    workflow.run("submit")
    assert workflow.run("collect").outputs["new-findings-count"] == "0"


def test_the_expected_header_is_configurable(licensed: WorkflowHarness) -> None:
    workflow = licensed
    lines = 'license-headers: required\nlicense-header: ["Copyright {year} {name}"]\n'
    workflow.commit(
        {CONFIG: lines, "src/new.ts": HEADER + CODE, "src/fine.ts": "// Copyright 2024 A\n"}
    )
    body = issue_after_run(workflow)
    assert "The license header lacks a line" in body
    assert "src/fine.ts" not in body.split("<summary>Files reviewed")[0]


def test_all_requests_get_the_license_policy(licensed: WorkflowHarness) -> None:
    workflow = licensed
    workflow.commit({CONFIG: DENYING, "package.json": '{"license": "Apache-2.0"}', "a.ts": CODE})
    workflow.run("submit")
    text = system(workflow)
    assert "- Its own license: `MIT` (from LICENSE), `Apache-2.0` (from package.json)." in text
    assert "- Also allowed here: `ISC`." in text
    assert "- Denied here: `GPL-3.0-only`, `GPL-3.0-or-later`." in text
    # The policy is not part of the request key.
    workflow.commit({CONFIG: None})
    workflow.run("collect")
    workflow.run("submit", select="all", paths="/a.ts")
    assert len(workflow.batches) == 1


def test_a_denied_license_is_one_finding_at_its_line(licensed: WorkflowHarness) -> None:
    workflow = licensed
    code = "// Words.\n// SPDX-License-Identifier: GPL-3.0-only\n" + CODE
    workflow.commit({CONFIG: DENYING, "src/copied.ts": code})
    workflow.run("submit", paths="src")
    result = workflow.run("collect", fail_on_severity="high")
    assert result.exit == 1
    # The sandbox's reviewer reports it, too.
    assert result.outputs["findings-count"] == "1"
    assert "denied" in workflow.issue.body
    assert "src/copied.ts" in workflow.issue.body
    assert "L2" in workflow.issue.body


def test_another_license_in_the_header_is_reported_once(licensed: WorkflowHarness) -> None:
    workflow = licensed
    workflow.commit({"src/copied.ts": "// SPDX-License-Identifier: EPL-2.0\n" + CODE})
    workflow.run("submit")
    # Both the sandbox's reviewer and the header check report it.
    assert workflow.run("collect").outputs["findings-count"] == "1"
    words = "// Copyright 2020 A.\n// Licensed under the Apache License, Version 2.0.\n"
    workflow.commit({"src/more.ts": words + CODE})
    assert "The header names `Apache-2.0`" in issue_after_run(workflow)
    workflow.commit({"src/copied.ts": "// SPDX-License-Identifier: Eclipse 2\n" + CODE})
    body = issue_after_run(workflow)
    assert "The license is not on the SPDX list" in body


def test_other_tasks_get_no_license_policy(licensed: WorkflowHarness) -> None:
    workflow = licensed
    workflow.commit({"src/new.ts": CODE})
    workflow.run("submit", task="code-review")
    assert "Its own license" not in system(workflow)
    assert workflow.run("collect", task="code-review").outputs["findings-count"] == "0"


def test_a_pull_request_cannot_change_the_policy_it_is_reviewed_by(
    licensed: WorkflowHarness,
) -> None:
    workflow = licensed
    other = "// SPDX-License-Identifier: Apache-2.0\n" + CODE
    apache = "Apache License\nVersion 2.0, January 2004\n"
    lax = {CONFIG: "license-headers: 'off'\nallowed-licenses: [Apache-2.0]\n", "LICENSE": apache}
    pull = PullRequestHarness.open(workflow, {**lax, "src/other.ts": other, "src/new.ts": CODE})
    assert pull.run("submit").exit == 0
    assert "- Its own license: `MIT` (from LICENSE)." in system(workflow)
    assert pull.collect().exit == 0
    comments = "\n".join(
        [review.body for review in pull.pull.reviews] + [one.body for one in pull.pull.comments]
    )
    assert "The license header is missing" in comments
    assert "category contradicting-header" in comments


def test_what_is_found_without_the_model_is_not_verified(licensed: WorkflowHarness) -> None:
    workflow = licensed
    workflow.commit({CONFIG: f"{DENYING}verify: high\n"})
    workflow.commit({"src/gpl.ts": f"// SPDX-License-Identifier: GPL-3.0-only\n{CODE}"})
    body = issue_after_run(workflow)
    assert "which is denied here" in body
    assert "unconfirmed" not in body
