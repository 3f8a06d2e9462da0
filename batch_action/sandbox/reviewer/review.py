"""Review the files of a prompt by rules, in place of a model."""

from batch_action.sandbox.reviewer.findings import Finding
from batch_action.sandbox.reviewer.licenses import review_licenses
from batch_action.sandbox.reviewer.patterns import review_lines
from batch_action.sandbox.reviewer.prompts import Prompt, SourceFile
from batch_action.sandbox.reviewer.ruff_rules import review_python
from batch_action.sandbox.reviewer.verdicts import compare_versions


def review(prompt: Prompt) -> list[Finding]:
    """Return the findings in the files of a prompt, ordered by path, line and rule."""
    if prompt.before is not None and prompt.files:
        findings = compare_versions(prompt.before, prompt.files[0])[1]
    else:
        findings = [finding for file in prompt.files for finding in _review_file(file)]
        if prompt.checks_licenses:
            for file in prompt.files:
                findings += review_licenses(file, prompt)
    return sorted(findings, key=lambda finding: (finding.path, finding.start, finding.rule))


def _review_file(file: SourceFile) -> list[Finding]:
    findings = review_lines(file)
    if file.language.lower() == "python" or file.path.endswith((".py", ".pyi")):
        findings += review_python(file)
    # Several rules can match the same problem; only the first is reported.
    first: dict[tuple[int, tuple[str, ...]], Finding] = {}
    for finding in findings:
        first.setdefault((finding.start, finding.keywords), finding)
    return list(first.values())
