"""What a license check knows without the model: the repository's licenses, and every header."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from batch_action.context import RunContext
from batch_action.models.files import FileChange
from batch_action.models.findings import RawFinding
from batch_action.models.licenses import Licensing
from batch_action.selection.content import decode, is_binary
from batch_action.selection.languages import language_of
from batch_action.selection.patterns import PathRules
from batch_action.tasks import license_check
from batch_action.tasks.license import repository
from batch_action.tasks.license.comments import has_comments
from batch_action.tasks.license.headers import check, header_of, most_have_one

SAMPLE = 200
"""Files of a language whose headers tell whether headers are the custom."""
READ = 4_096
"""Bytes of each that are read for it."""
MOST_TEXTS = 8
"""License texts at the root that are looked at."""
REGULAR = ("100644", "100755")


def facts(ctx: RunContext, head: str) -> str:
    """What all requests of a night are told of licenses; empty for other tasks."""
    if not ctx.task.licenses:
        return ""
    return license_check.facts(_licensing(ctx, _tree(ctx, ctx.rules_at(head))))


@dataclass(slots=True)
class LicenseChecker:
    """Checks headers at collect; what a commit says is read once for all its files."""

    ctx: RunContext
    trees: dict[str, list[FileChange]] = field(default_factory=dict)
    licensings: dict[str, Licensing] = field(default_factory=dict)
    customs: dict[tuple[str, str], bool] = field(default_factory=dict)
    """(commit, language): whether most files have a header there."""

    def raw_findings(self, path: str, text: str, commit: str) -> tuple[RawFinding, ...]:
        """What is wrong with the header of a reviewed text; nothing for other tasks."""
        if not self.ctx.task.licenses:
            return ()
        language = language_of(path, text)
        ruling = self.ctx.rules_at(commit)
        if ruling not in self.licensings:
            self.trees[ruling] = _tree(self.ctx, ruling)
            self.licensings[ruling] = _licensing(self.ctx, self.trees[ruling])
        licensing = self.licensings[ruling]
        wanted = self._wanted(language, ruling, licensing)
        return check(text, language, licensing, wanted=wanted)

    def _wanted(self, language: str, commit: str, licensing: Licensing) -> bool:
        match self.ctx.settings.license_headers:
            case "required":
                return True
            case "off":
                return False
            case "auto":
                key = commit, language
                if key not in self.customs:
                    texts = self._sample(language, self.trees[commit])
                    headers = (header_of(text, language) for text in texts)
                    self.customs[key] = most_have_one(headers, licensing.header)
                return self.customs[key]

    def _sample(self, language: str, tree: Iterable[FileChange]) -> list[str]:
        """The beginnings of files of a language, evenly from the tree."""
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
            if entry.mode in REGULAR
            and language_of(entry.path) == language
            and rules.skip(entry.path) is None
        ]
        return [
            decode(data[:READ])
            for _, data in ctx.git.blobs(_small(ctx, _spread(files, SAMPLE)))
            if data.strip() and not is_binary(data)
        ]


def _spread(items: Sequence[str], most: int) -> list[str]:
    """At most so many, evenly from all, always the same."""
    if len(items) <= most:
        return list(items)
    return [items[number * len(items) // most] for number in range(most)]


def _small(ctx: RunContext, blobs: Sequence[str]) -> list[str]:
    """Those that are here and no larger than a file that is reviewed."""
    sizes = ctx.git.sizes(blobs)
    most = ctx.settings.max_file_bytes
    return [blob for blob in blobs if 0 < sizes.get(blob, 0) <= most]


def _tree(ctx: RunContext, commit: str) -> list[FileChange]:
    return ctx.git.tree(commit) if ctx.git.has_commit(commit) else []


def _licensing(ctx: RunContext, tree: Iterable[FileChange]) -> Licensing:
    """The licenses the root's files name in a tree, with what the settings say."""
    named = {
        entry.blob: entry.path
        for entry in sorted(tree, key=lambda entry: entry.path)
        if entry.mode in REGULAR and "/" not in entry.path and repository.tells(entry.path)
    }
    own = [
        (named[blob], said)
        for blob, data in ctx.git.blobs(_small(ctx, list(named)[:MOST_TEXTS]))
        if (said := repository.license_in(named[blob], decode(data)))
    ]
    settings = ctx.settings
    return Licensing(
        own=tuple(own),
        allowed=settings.allowed_licenses,
        denied=settings.denied_licenses,
        header=settings.license_header,
    )
