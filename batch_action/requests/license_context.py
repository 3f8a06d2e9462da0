"""The license check's work without the model: the repository's licenses and the file headers."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from batch_action.context import RunContext
from batch_action.models.files import FileChange
from batch_action.models.findings import RawFinding
from batch_action.models.licenses import LicensePolicy
from batch_action.selection.content import decode, is_binary
from batch_action.selection.languages import language_of
from batch_action.selection.patterns import PathRules
from batch_action.tasks import license_check
from batch_action.tasks.license import notices
from batch_action.tasks.license.headers import (
    check_header,
    has_comments,
    header_of,
    is_header_common,
)

MAX_SAMPLE_FILES = 200
"""Files of one language that are sampled to see whether license headers are common."""
SAMPLE_BYTES = 4_096
"""Bytes of each sampled file that are read."""
MAX_LICENSE_TEXTS = 8
"""License texts in the root folder that are read."""
REGULAR_FILE_MODES = ("100644", "100755")


def describe_licenses(ctx: RunContext, head: str) -> str:
    """Return the license policy as text for the shared instructions; empty for other tasks."""
    if not ctx.task.checks_licenses:
        return ""
    return license_check.describe_licenses(_policy(ctx, _tree(ctx, ctx.rules_commit_for(head))))


@dataclass(slots=True)
class LicenseChecker:
    """Checks license headers at collect; each commit's policy is read once."""

    ctx: RunContext
    trees: dict[str, list[FileChange]] = field(default_factory=dict)
    """Commit to its tree."""
    policies: dict[str, LicensePolicy] = field(default_factory=dict)
    """Commit to its policy."""
    headers_expected: dict[tuple[str, str], bool] = field(default_factory=dict)
    """(commit, language) to whether most files of the language have a header."""

    def raw_findings(self, path: str, text: str, commit: str) -> tuple[RawFinding, ...]:
        """Return the findings about the header of a reviewed text; none for other tasks."""
        if not self.ctx.task.checks_licenses:
            return ()
        language = language_of(path, text)
        rules_commit = self.ctx.rules_commit_for(commit)
        if rules_commit not in self.policies:
            self.trees[rules_commit] = _tree(self.ctx, rules_commit)
            self.policies[rules_commit] = _policy(self.ctx, self.trees[rules_commit])
        policy = self.policies[rules_commit]
        required = self._header_required(language, rules_commit, policy)
        return check_header(text, language, policy, required=required)

    def _header_required(self, language: str, commit: str, policy: LicensePolicy) -> bool:
        match self.ctx.settings.license_headers:
            case "required":
                return True
            case "off":
                return False
            case "auto":
                key = commit, language
                if key not in self.headers_expected:
                    texts = self._sample_texts(language, self.trees[commit])
                    headers = (header_of(text, language) for text in texts)
                    self.headers_expected[key] = is_header_common(headers, policy.header)
                return self.headers_expected[key]

    def _sample_texts(self, language: str, tree: Iterable[FileChange]) -> list[str]:
        """Return the first bytes of files of a language, sampled evenly from the tree."""
        if not has_comments(language):
            return []
        ctx = self.ctx
        rules = PathRules(
            ctx.settings.paths,
            ctx.settings.paths_ignore,
            other_tasks_patterns=ctx.other_tasks_patterns,
        )
        files = [
            entry.blob
            for entry in tree
            if entry.mode in REGULAR_FILE_MODES
            and language_of(entry.path) == language
            and rules.skip(entry.path) is None
        ]
        return [
            decode(data[:SAMPLE_BYTES])
            for _, data in ctx.git.blobs(
                _within_size_limit(ctx, _sample_evenly(files, MAX_SAMPLE_FILES))
            )
            if data.strip() and not is_binary(data)
        ]


def _sample_evenly(items: Sequence[str], limit: int) -> list[str]:
    """Return at most *limit* items, evenly spaced, so the same items give the same sample."""
    if len(items) <= limit:
        return list(items)
    return [items[number * len(items) // limit] for number in range(limit)]


def _within_size_limit(ctx: RunContext, blobs: Sequence[str]) -> list[str]:
    """Return the blobs that are in the clone, not empty and not larger than `max-file-bytes`."""
    sizes = ctx.git.sizes(blobs)
    limit = ctx.settings.max_file_bytes
    return [blob for blob in blobs if 0 < sizes.get(blob, 0) <= limit]


def _tree(ctx: RunContext, commit: str) -> list[FileChange]:
    return ctx.git.tree(commit) if ctx.git.has_commit(commit) else []


def _policy(ctx: RunContext, tree: Iterable[FileChange]) -> LicensePolicy:
    """Return the policy: the licenses named by files in the root folder, and the settings."""
    paths = {
        entry.blob: entry.path
        for entry in sorted(tree, key=lambda entry: entry.path)
        if entry.mode in REGULAR_FILE_MODES
        and "/" not in entry.path
        and notices.may_name_license(entry.path)
    }
    licenses = [
        (paths[blob], name)
        for blob, data in ctx.git.blobs(_within_size_limit(ctx, list(paths)[:MAX_LICENSE_TEXTS]))
        if (name := notices.license_in(paths[blob], decode(data)))
    ]
    settings = ctx.settings
    return LicensePolicy(
        repository_licenses=tuple(licenses),
        allowed=settings.allowed_licenses,
        denied=settings.denied_licenses,
        header=settings.license_header,
    )
