"""The claims of a submit: findings that a collect has reported and that are to be verified.

Their wording is in no ledger. In `run` the collect hands it on; else the results of the batch that
reported them are fetched again, once: nothing is fetched for what cannot be asked yet, and what can
never be asked is recorded as undecided.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from batch_action.batches.earlier_answers import EarlierAnswers
from batch_action.batches.results import BatchResults, RequestAnswer
from batch_action.clients.git import GitRepo
from batch_action.context import RunContext
from batch_action.errors import AnthropicError
from batch_action.findings.anchoring import SourceText, find_quotation
from batch_action.ledger import verification
from batch_action.ledger.view import LedgerView
from batch_action.models.findings import Anchor, FindingClaim, FindingStatus, RawFinding
from batch_action.models.ledger import RequestKey
from batch_action.models.verification import Verification, VerificationResult
from batch_action.models.verification_facts import VerificationDue, Verified
from batch_action.selection import commit_range
from batch_action.selection.content import reviewed_text
from batch_action.tasks.task import Task
from batch_action.text import plural

Due = tuple[VerificationDue, FindingClaim]
_Reported = tuple[VerificationDue, RequestKey, RawFinding]


def reported_claims(
    statuses: Iterable[FindingStatus], answers: Iterable[RequestAnswer], task: Task
) -> Iterator[Due]:
    """Yield the findings that these answers report and that are to be verified."""
    unconfirmed = [
        (status.tracked.fingerprint, finding)
        for status in statuses
        if (finding := status.finding) and status.tracked.is_unconfirmed
    ]
    by_file: dict[tuple[str, str], list[RequestAnswer]] = {
        (finding.reported.path, finding.reported.blob): [] for _, finding in unconfirmed
    }
    for answer in answers if by_file else ():
        file = answer.request_key.path, answer.request_key.blob
        if file in by_file:
            by_file[file].append(answer)
    for name, finding in unconfirmed:
        place, raw = finding.reported, finding.texts.read().raw
        for answer in by_file[place.path, place.blob]:
            # Of several answers about a file one reports it.
            raw_findings = answer.read_findings(task)
            if raw in raw_findings:
                due = VerificationDue(
                    fingerprint=name,
                    batch=answer.pending.sent.batch,
                    request=answer.request_key.id,
                    number=raw_findings.index(raw),
                )
                shown = answer.request_key.shown
                claim = FindingClaim(fingerprint=name, anchor=place, raw=raw, shown=shown)
                yield due, claim
                break


def gather(
    ctx: RunContext, earlier: EarlierAnswers, known: Sequence[FindingClaim]
) -> tuple[tuple[FindingClaim, ...], tuple[Verified, ...]]:
    """Return the claims to ask about, and the findings about which nothing can be asked any more.

    Each claim is located in the content to show. *known*: the claims that this run has collected.
    What Anthropic cannot tell at the moment waits for the next run.
    """
    view = earlier.view
    due = () if ctx.run.pull_number else verification.waiting(view, ctx.settings.verify)
    if not due:
        return (), ()
    contents = _Contents.at_head(ctx, view)
    at_hand = {claim.fingerprint: claim for claim in known}
    claims = [at_hand[x.fingerprint] for x in due if x.fingerprint in at_hand]
    gone: list[VerificationDue] = []
    missing: dict[str, list[VerificationDue]] = {}
    for each in due:
        if each.fingerprint not in at_hand:
            missing.setdefault(each.batch, []).append(each)
    for batch, wanted in missing.items():
        try:
            found, lost = _fetch(earlier, contents, batch, wanted)
        except AnthropicError as error:
            ctx.warn(f"What {batch} reported is verified later: {error}")
            continue
        claims += found
        gone += lost
    located, unlocated = contents.locate(claims)
    paths = {claim.fingerprint: claim.anchor.path for claim in unlocated}
    gone += (
        each
        for each in due
        if (path := paths.get(each.fingerprint)) and contents.has_later_review(path, each.batch)
    )
    return tuple(sorted(located, key=lambda claim: claim.fingerprint)), undecided(gone)


def undecided(gone: Iterable[VerificationDue]) -> tuple[Verified, ...]:
    """Return the facts that nothing can be asked about findings any more."""
    return tuple(
        Verified(fingerprint=each.fingerprint, batch=each.batch, result=Verification.UNDECIDED)
        for each in gone
    )


@dataclass(frozen=True)
class _Contents:
    """The files at head, and which of them may be shown with a claim."""

    git: GitRepo
    view: LedgerView
    blobs: Mapping[str, str]
    """By path."""

    @classmethod
    def at_head(cls, ctx: RunContext, view: LedgerView) -> "_Contents":
        tree = ctx.git.tree(commit_range.find_head(ctx))
        return cls(ctx.git, view, {entry.path: entry.blob for entry in tree})

    @cached_property
    def _all(self) -> frozenset[str]:
        return frozenset(self.blobs.values())

    def to_show(self, path: str, blob: str) -> str | None:
        """Return the content at head, or the reviewed one of a file that was only renamed.

        None while that has no review: it may report the finding anew.
        """
        now = self.blobs.get(path)
        if now == blob or (now is None and blob in self._all):
            return blob
        return now if now is not None and (path, now) in self.view.reviewed_files else None

    def has_later_review(self, path: str, batch: str) -> bool:
        """Return whether a later batch than this one has reviewed the file as it is at head.

        Else the next collect decides what became of the finding: it may go back to older content.
        """
        at = {sent.batch: sent.created_at for sent, _ in self.view.sent_batches}
        reviews = self.view.verdicts.get((path, self.blobs[path]), ())
        return batch in at and any(at[review] > at[batch] for review in reviews)

    def locate(
        self, claims: Iterable[FindingClaim]
    ) -> tuple[list[FindingClaim], list[FindingClaim]]:
        """Return the claims with their lines in the content to show, and those that it lacks.

        Claims without such content are in neither.
        """
        located: list[FindingClaim] = []
        unlocated: list[FindingClaim] = []
        moved: dict[str, list[FindingClaim]] = {}
        for claim in claims:
            blob = self.to_show(claim.anchor.path, claim.anchor.blob)
            if blob == claim.anchor.blob:
                located.append(claim)
            elif blob is not None:
                moved.setdefault(blob, []).append(claim)
        for blob, data in self.git.blobs(sorted(moved)):
            sources: dict[str, SourceText] = {}
            for claim in moved[blob]:
                path = claim.anchor.path
                if path not in sources:
                    sources[path] = SourceText(reviewed_text(data, path))
                found = _move(claim, blob, sources[path])
                (unlocated if found is None else located).append(found or claim)
        return located, unlocated


def _move(claim: FindingClaim, blob: str, source: SourceText) -> FindingClaim | None:
    """Return a claim with its lines in another content; None when that lacks its evidence."""
    anchor = replace(claim.anchor, blob=blob)
    if claim.raw.whole_file:
        return replace(claim, anchor=anchor)
    match = find_quotation(claim.raw.evidence, source, (anchor.start_line, anchor.end_line))
    if match is None:
        return None
    anchor = replace(anchor, start_line=match.first, end_line=match.last)
    return replace(claim, anchor=anchor, shown=None)  # As it is now.


def _fetch(
    earlier: EarlierAnswers,
    contents: _Contents,
    batch: str,
    wanted: Sequence[VerificationDue],
) -> tuple[list[FindingClaim], Sequence[VerificationDue]]:
    """Read again what a collected batch reported; also return what it does not have any more.

    Nothing is fetched for a finding while no content is to be shown. Raises AnthropicError: it
    cannot be read at the moment.
    """
    if batch not in earlier.batches:
        return [], wanted
    answer = None if earlier.is_over(batch) else _read(earlier, contents, batch, wanted)
    if answer is not None:
        reported, lost = answer
        _, intended = earlier.batches[batch]
        return _anchored(contents.git, intended.head, reported), lost
    if not earlier.is_deleted(batch):
        earlier.ctx.warn(
            f"{plural(len(wanted), 'finding')} of batch {batch} cannot be verified any more, "
            "because Anthropic has deleted its results (29 days): undecided."
        )
    return [], wanted


def _read(
    earlier: EarlierAnswers,
    contents: _Contents,
    batch: str,
    wanted: Sequence[VerificationDue],
) -> tuple[list[_Reported], list[VerificationDue]] | None:
    """Return what the answers of a batch say, and what they lack; None: there are no results."""
    sent, intended = earlier.batches[batch]
    keys = {key.id: key for key in intended.batches[sent.index]}
    reported: list[_Reported] = []
    lost: list[VerificationDue] = []
    for due in wanted:
        key = keys.get(due.request)
        if key is None:
            lost.append(due)
            continue
        if contents.to_show(key.path, key.blob) is None:
            continue
        findings = earlier.findings(batch, key.id)
        if findings is None:
            return None
        if due.number < len(findings):
            reported.append((due, key, findings[due.number]))
        else:
            lost.append(due)
    return reported, lost


def _anchored(git: GitRepo, commit: str, found: Sequence[_Reported]) -> list[FindingClaim]:
    """Locate findings again in the reviewed texts, as the collect did that reported them."""
    quoted = {(key.blob, key.path) for _, key, raw in found if not raw.whole_file}
    data = dict(git.blobs(sorted({blob for blob, _ in quoted})))
    sources = {
        (blob, path): SourceText(reviewed_text(data[blob], path))
        for blob, path in quoted
        if blob in data
    }
    claims = []
    for due, key, raw in found:
        first, last = (1, 1) if raw.whole_file else (raw.start_line, raw.end_line)
        source = None if raw.whole_file else sources.get((key.blob, key.path))
        if source and (match := find_quotation(raw.evidence, source, (first, last))):
            first, last = match.first, match.last
        anchor = Anchor(
            path=key.path,
            blob=key.blob,
            commit=commit,
            start_line=first,
            end_line=last,
            scope_start=first,
            scope_end=last,
        )
        claims.append(
            FindingClaim(fingerprint=due.fingerprint, anchor=anchor, raw=raw, shown=key.shown)
        )
    return claims


def with_given_up(batch_results: BatchResults, view: LedgerView, max_attempts: int) -> BatchResults:
    """Return the results with the findings that are undecided, because no request is sent again.

    *view*: the facts before this run's results.
    """
    if not batch_results.ended:
        return batch_results
    given_up = verification.given_up(view.add(*batch_results.facts), max_attempts)
    results = tuple(
        VerificationResult(fingerprint=fact.fingerprint, result=Verification.UNDECIDED)
        for fact in given_up
    )
    return replace(
        batch_results,
        facts=(*batch_results.facts, *given_up),
        verifications=(*batch_results.verifications, *results),
    )
