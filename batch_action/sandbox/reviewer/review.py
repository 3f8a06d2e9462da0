"""Review the files of a prompt by rules, in place of a model."""

import re

from batch_action.sandbox.reviewer.findings import Finding
from batch_action.sandbox.reviewer.licenses import review_licenses
from batch_action.sandbox.reviewer.patterns import review_lines
from batch_action.sandbox.reviewer.prompts import Prompt, SourceFile
from batch_action.sandbox.reviewer.ruff_rules import review_python
from batch_action.sandbox.reviewer.verdicts import compare_versions

NOT_REVIEWED = re.compile(
    r"(^|/)(tests?|testing|__tests__|testdata|specs?|fixtures?|examples?|samples?|docs?)/"
    r"|(^|/)(test_[^/]*|conftest)\.py$|[._](test|spec)\.[a-z]+$|[a-z]Tests?\.[a-z]+$|(?i:_test\.)"
    r"|\.(md|rst|adoc|txt|pyi)$"
)
"""Paths of tests, of examples and of prose: there, code that looks wrong is often meant."""


def review(prompt: Prompt, *, trifles: bool = True) -> list[Finding]:
    """Return the findings in the files of a prompt, ordered by path, line and rule.

    Without *trifles* only what a maintainer would want to know, and nothing in tests and prose.
    """
    if prompt.before is not None and prompt.files:
        findings = compare_versions(prompt.before, prompt.files[0])[1]
    else:
        findings = [
            finding for file in prompt.files for finding in _review_file(file, trifles=trifles)
        ]
        if prompt.checks_licenses:
            for file in prompt.files:
                findings += review_licenses(file, prompt)
    return sorted(findings, key=lambda finding: (finding.path, finding.start, finding.rule))


def _review_file(file: SourceFile, *, trifles: bool) -> list[Finding]:
    if not trifles and NOT_REVIEWED.search(file.path):
        return []
    findings = review_lines(file, trifles=trifles)
    if file.language.lower() == "python" or file.path.endswith((".py", ".pyi")):
        findings += review_python(file, trifles=trifles)
    # Several rules can match the same problem; only the first is reported.
    first: dict[tuple[int, tuple[str, ...]], Finding] = {}
    for finding in findings:
        first.setdefault((finding.start, finding.keywords), finding)
    return list(first.values())
