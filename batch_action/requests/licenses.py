"""The licenses of a repository, and what is checked of license headers without the model."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from batch_action.clients.git import GitRepo, OpenObjects, read_small
from batch_action.config.settings import Settings
from batch_action.context import RunContext
from batch_action.models.files import FileChange
from batch_action.models.findings import OPEN_STATES, RawFinding, TrackedFinding
from batch_action.models.licenses import LicensePolicy
from batch_action.selection.content import decode, is_binary
from batch_action.selection.paths import language_of
from batch_action.selection.patterns import path_rules
from batch_action.tasks import license_check
from batch_action.tasks.license import notices, reuse
from batch_action.tasks.license.headers import (
    MISSING_HEADER,
    check_header,
    has_header,
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
    """Return the license policy as text for the shared instructions."""
    tree = _tree_if_present(ctx.git, ctx.rules_commit_for(head))
    return license_check.describe_licenses(_license_policy(ctx.git, ctx.settings, tree))


@dataclass(slots=True)
class LicenseChecker:
    """Checks license headers at collect, without the model; each commit is read once."""

    ctx: RunContext
    objects: OpenObjects
    trees: dict[str, dict[str, FileChange]] = field(default_factory=dict)
    """Commit to its files, by path."""
    policies: dict[str, LicensePolicy] = field(default_factory=dict)
    headers_expected: dict[tuple[str, str], bool] = field(default_factory=dict)
    """(commit, language) to whether most files of the language have a header."""

    def raw_findings(self, path: str, text: str, commit: str) -> tuple[RawFinding, ...]:
        """Return the findings about the header of a reviewed text."""
        language, settings = language_of(path, text), self.ctx.settings
        rules_commit = self.ctx.rules_commit_for(commit)
        if rules_commit not in self.policies:
            tree = self._tree(rules_commit).values()
            self.policies[rules_commit] = _license_policy(self.ctx.git, settings, tree)
        policy = self.policies[rules_commit]
        required = settings.license_headers == "required" or (
            settings.license_headers == "auto" and self._is_common(rules_commit, language, policy)
        )
        beside = "\n".join(reuse.notices_beside(path, self._texts_beside(path, commit)))
        if reuse.needs_no_notice(path) or header_of(beside).satisfies(policy.header):
            required = False
        return check_header(text, language, policy, required=required)

    def satisfied(self, known: Iterable[TrackedFinding], commit: str) -> frozenset[str]:
        """Return the findings about missing headers that a later commit gives: in another file."""
        missing = [
            finding
            for finding in known
            if finding.category == MISSING_HEADER and finding.state in OPEN_STATES
        ]
        tree = self._tree(commit) if missing else {}
        blobs = {f.anchor.path: tree[f.anchor.path].blob for f in missing if f.anchor.path in tree}
        texts = read_small(self.ctx.git, blobs.values(), self.ctx.settings.max_file_bytes)
        return frozenset(
            finding.fingerprint
            for finding in missing
            if (text := texts.get(blobs.get(path := finding.anchor.path, ""))) is not None
            and not any(
                raw.category == MISSING_HEADER
                for raw in self.raw_findings(path, decode(text), commit)
            )
        )

    def _tree(self, commit: str) -> dict[str, FileChange]:
        if commit not in self.trees:
            entries = _tree_if_present(self.ctx.git, commit)
            files = {entry.path: entry for entry in entries if entry.mode in REGULAR_FILE_MODES}
            self.trees[commit] = files
        return self.trees[commit]

    def _texts_beside(self, path: str, commit: str) -> dict[str, str]:
        """Return the texts that may hold notices about a file, by path."""
        tree = self._tree(commit)
        blobs = {place: tree[place].blob for place in reuse.places_beside(path) if place in tree}
        contents = read_small(self.objects, blobs.values(), self.ctx.settings.max_file_bytes)
        return {place: decode(contents[blob]) for place, blob in blobs.items() if blob in contents}

    def _is_common(self, commit: str, language: str, policy: LicensePolicy) -> bool:
        """Return whether files of a language have headers here."""
        if (commit, language) not in self.headers_expected:
            headers = [header_of(text) for text in self._sample(commit, language)]
            self.headers_expected[commit, language] = is_header_common(headers, policy.header)
        return self.headers_expected[commit, language]

    def _sample(self, commit: str, language: str) -> list[str]:
        """Return the first bytes of files of a language, sampled evenly from the tree."""
        if not has_header(language):
            return []
        settings = self.ctx.settings
        rules = path_rules(self.ctx)
        files = [
            entry
            for entry in self._tree(commit).values()
            if language_of(entry.path) == language and rules.skip(entry.path) is None
        ]
        count = min(len(files), MAX_SAMPLE_FILES)
        sample = [files[number * len(files) // count] for number in range(count)]
        contents = read_small(self.ctx.git, [x.blob for x in sample], settings.max_file_bytes)
        # Files with equal content count one by one.
        texts = ((x.path, contents.get(x.blob, b"")) for x in sample)
        decoded = [
            (p, decode(x[:SAMPLE_BYTES])) for p, x in texts if x.strip() and not is_binary(x)
        ]
        return [text for path, text in decoded if language_of(path, text) == language]


def _tree_if_present(git: GitRepo, commit: str) -> list[FileChange]:
    return git.tree(commit) if git.has_commit(commit) else []


def _license_policy(git: GitRepo, settings: Settings, tree: Iterable[FileChange]) -> LicensePolicy:
    """Return the policy: the licenses named by files in the root folder, and the settings."""
    paths = {
        entry.blob: entry.path
        for entry in sorted(tree, key=lambda entry: entry.path)
        if entry.mode in REGULAR_FILE_MODES
        and "/" not in entry.path
        and notices.may_name_license(entry.path)
    }
    texts = read_small(git, list(paths)[:MAX_LICENSE_TEXTS], settings.max_file_bytes)
    licenses = [
        (paths[blob], name)
        for blob, data in texts.items()
        if (name := notices.license_in(paths[blob], decode(data)))
    ]
    return LicensePolicy(
        repository_licenses=tuple(licenses),
        allowed=settings.allowed_licenses,
        denied=settings.denied_licenses,
        header=settings.license_header,
    )
