"""Turn the answers of ended batches into findings, verdicts and files: what a collect publishes."""

from collections.abc import Callable, Collection, Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

from batch_action.batches.finding_texts import FindingTextsFile
from batch_action.batches.results import BatchResults, RequestAnswer
from batch_action.clients.git import GitRepo, OpenObjects
from batch_action.clients.secret_triggers import is_configuration
from batch_action.context import RunContext
from batch_action.errors import ConfigError, full_history
from batch_action.findings.anchoring import anchor_all
from batch_action.ledger.view import LedgerView
from batch_action.models.files import Hunk
from batch_action.models.findings import (
    HIDDEN_SUMMARY,
    BatchAnswers,
    FileVerdict,
    Finding,
    HeldBackFinding,
    ReviewedFile,
)
from batch_action.models.generated import GeneratedSource
from batch_action.models.github_context import PullRequestRun, Run
from batch_action.models.ledger import Selected
from batch_action.selection.commit_range import fork_point
from batch_action.selection.content import reviewed_text
from batch_action.tasks.task import Task

if TYPE_CHECKING:
    from batch_action.batches.generated_files import Validator
    from batch_action.requests.licenses import LicenseChecker

File = tuple[str, str]
"""Path and blob of a reviewed file."""


def build_answers(
    ctx: RunContext, view: LedgerView, batch_results: BatchResults, *, head: str | None = None
) -> BatchAnswers:
    """Return the findings and verdicts of these answers, oldest batch first.

    *view* must already contain the collected facts, so that a file counts as reviewed only when
    all its parts have a verdict. *head*: the commit of the answers, if it is not the one of the
    newest batch, or the newest recorded head when no batch has ended.
    """
    ended = batch_results.ended
    newest = ended[-1].intended.head if ended else next(iter(view.recorded_heads()), "")
    by_file = _available_answers(ctx.git, batch_results.answers, ctx.warn)
    heads = frozenset(pending.intended.head for pending in ended)
    changes = _ReviewedChanges(ctx.git, view, heads, ctx.run)
    texts = FindingTextsFile()
    findings: list[Finding] = []
    held_back: list[HeldBackFinding] = []
    with OpenObjects(ctx.git.runner) as objects:
        checker, validator = _license_checker(ctx, objects), _draft_validator(ctx, objects)
        for (path, blob), text in _reviewed_texts(ctx.git, by_file, ctx.task):
            answers = by_file[path, blob]
            commit = answers[-1].pending.intended.head
            reports = [answer.read_findings(ctx.task) for answer in answers]
            anchored, not_tracked = anchor_all(
                [*reports, checker.raw_findings(path, text, commit) if checker else ()],
                task=ctx.task.name,
                path=path,
                text=text,
                blob=blob,
                commit=commit,
                added=_AddedLines(changes, (path, blob)),
            )
            findings += (replace(found, texts=texts.keep(found.texts)) for found in anchored)
            held_back += (replace(held, texts=texts.keep(held.texts)) for held in not_tracked)
            if validator is None:
                continue
            drafts = tuple(draft for answer in answers for draft in answer.read_drafts(ctx.task))
            validator.validate_all(
                GeneratedSource(path=path, blob=blob, commit=commit, text=text, drafts=drafts)
            )
    reviewed = tuple(
        ReviewedFile(path=path, blob=blob, commit=answers[-1].pending.intended.head)
        for (path, blob), answers in by_file.items()
        if (path, blob) in view.reviewed_files
    )
    return BatchAnswers(
        task=ctx.task.name,
        commit=head or _find_head(ctx.git, view, newest, reviewed),
        reviewed=reviewed,
        findings=tuple(findings),
        held_back=tuple(held_back),
        file_verdicts=tuple(
            verdict
            for file, answers in by_file.items()
            for verdict in _file_verdicts(file, answers, ctx.hides_security_findings)
        ),
        generated=tuple(validator.files.values()) if validator else (),
        refused=tuple(validator.refused) if validator else (),
    )


def _license_checker(ctx: RunContext, objects: OpenObjects) -> "LicenseChecker | None":
    """Return what checks license headers without the model; None for a task that does not."""
    if not ctx.task.checks_licenses:
        return None
    # Only here, and the same below: the modules of one task.
    from batch_action.requests.licenses import LicenseChecker  # noqa: PLC0415

    return LicenseChecker(ctx, objects)


def _draft_validator(ctx: RunContext, objects: OpenObjects) -> "Validator | None":
    """Return what checks drafts; None for a task that generates no files."""
    if not ctx.task.generates_files:
        return None
    from batch_action.batches.generated_files import Validator  # noqa: PLC0415

    return Validator(ctx, objects)


def _available_answers(
    git: GitRepo, answers: Iterable[RequestAnswer], warn: Callable[[str], None]
) -> dict[File, tuple[RequestAnswer, ...]]:
    """Return by file the answers that succeeded; drop those about blobs that are missing.

    Raises ConfigError: blobs are missing in a shallow clone.
    """
    by_file: dict[File, tuple[RequestAnswer, ...]] = {}
    for answer in answers:
        file = answer.request_key.path, answer.request_key.blob
        if answer.failure is None:
            by_file[file] = (*by_file.get(file, ()), answer)
    missing = git.missing_blobs(blob for _, blob in by_file)
    if missing and git.is_shallow():
        raise ConfigError(
            f"{len(missing)} reviewed files are not in this shallow clone.",
            fix=full_history("; the answers wait for the next run"),
        )
    if missing:
        warn(f"{len(missing)} reviewed files are no longer in this repository: dropped.")
    for file in [file for file in by_file if file[1] in missing]:
        del by_file[file]
    return by_file


def _reviewed_texts(
    git: GitRepo, by_file: Mapping[File, Collection[RequestAnswer]], task: Task
) -> Iterator[tuple[File, str]]:
    """Yield the files that an answer says something about, with the text that the model saw.

    It is decoded and masked; one is in memory at a time.
    """
    files = [
        file
        for file, answers in by_file.items()
        if task.checks_licenses
        or any(answer.has_findings or answer.has_drafts for answer in answers)
    ]
    # Of equal files the one that is masked more decides.
    masked_as = {blob: path for path, blob in by_file if is_configuration(path)}
    contents = git.blobs([blob for _, blob in files])
    for file, (blob, data) in zip(files, contents, strict=True):
        yield file, reviewed_text(data, masked_as.get(blob, file[0]))


def _find_head(
    git: GitRepo, view: LedgerView, commit: str, reviewed: Sequence[ReviewedFile]
) -> str:
    """Return the newest recorded head, if a file that was reviewed at *commit* is gone there."""
    later = next(iter(view.recorded_heads()), "")
    if later in ("", commit) or not reviewed:
        return commit
    if not (git.has_commit(later) and git.has_commit(commit)):
        return commit
    paths = {file.path for file in reviewed}
    is_gone = git.is_ancestor(commit, later) and len(git.tree_blobs(later, paths)) < len(paths)
    return later if is_gone else commit


def _file_verdicts(
    file: File, answers: Sequence[RequestAnswer], hides_security: bool
) -> list[FileVerdict]:
    """Return the verdicts on one file, if the task has any."""
    path, blob = file
    return [
        FileVerdict(
            path=path,
            blob=blob,
            old_blob=answer.request_key.old_blob,
            commit=answers[-1].pending.intended.head,
            verdict=assessment.verdict,
            summary=HIDDEN_SUMMARY
            if assessment.security and hides_security
            else assessment.summary,
        )
        for answer in answers
        if (assessment := answer.response.assessment) is not None
    ]


@dataclass(frozen=True)
class _ReviewedChanges:
    """What the reviewed commits added to their files; read when it is asked for first."""

    git: GitRepo
    view: LedgerView
    commits: frozenset[str]
    run: Run

    @cached_property
    def _old_blobs(self) -> dict[File, str | None]:
        """The blob that each changed file was compared with; None for a new file.

        What a pull request added is read from git: the facts about it are from its own runs.
        """
        commits = [commit for commit in self.commits if self.git.has_commit(commit)]
        if isinstance(self.run, PullRequestRun):
            base, into = self.run.base, self.run.base_ref
            forks = {c: fork_point(self.git, c, into=into, base=base) for c in commits}
            return {
                (change.path, change.blob): change.old_blob
                for commit, fork in forks.items()
                if fork is not None
                for change in self.git.changes(fork, commit)
            }
        return {
            (entry.path, entry.blob): entry.old_blob
            for fact in self.view.facts(Selected)
            if fact.head in commits and fact.base is not None
            for entry in fact.files
        }

    @cached_property
    def _hunks(self) -> dict[tuple[str, str], tuple[Hunk, ...]]:
        pairs = {
            (old, blob) for (_, blob), old in self._old_blobs.items() if old not in (None, blob)
        }
        return self.git.hunks_of(sorted(pairs), ignore_space=True)

    def adds(self, file: File, line: int) -> bool:
        """Return whether a line was added, white space aside.

        All lines of a new file are; none where there was no base to compare with, or where the old
        blob is not in this clone.
        """
        if file not in self._old_blobs:
            return False
        old = self._old_blobs[file]
        return old is None or any(
            hunk.new_start <= line < hunk.new_start + hunk.new_lines
            for hunk in self._hunks.get((old, file[1]), ())
        )


@dataclass(frozen=True, slots=True)
class _AddedLines(Container[int]):
    """The lines that the reviewed change added to one file."""

    changes: _ReviewedChanges
    file: File

    def __contains__(self, line: object) -> bool:
        return isinstance(line, int) and self.changes.adds(self.file, line)
