"""List a ledger's artifacts, decide which to trust, and read those.

Anybody who can run a workflow in the repository can upload an artifact with our name, so the run of
each is checked before it is opened. A refused artifact does not affect the others.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from http import HTTPStatus
from itertools import chain
from typing import TYPE_CHECKING

from batch_action.clients.git import GitRepo
from batch_action.clients.github.errors import ArtifactRefusedError, RefusedError
from batch_action.errors import GitHubError
from batch_action.ledger import codec, pull_requests, trust
from batch_action.ledger.names import LONGEST_LOOK, OwnArtifact, RunArtifacts
from batch_action.ledger.trust import BranchHistory, LedgerAccess
from batch_action.ledger.view import LedgerView
from batch_action.models.github_context import PULL_REQUEST_EVENT
from batch_action.models.ledger import Fact, Ledger, PersonsVerdict, disagree, merge

if TYPE_CHECKING:  # PyGithub takes long to import
    from batch_action.clients.github.actions import Actions
    from batch_action.models.github import Artifact, WorkflowRun

MAX_LOOKS = 8
FULL_PAGE = 100
"""A list's page with fewer artifacts is the last one."""
MAX_NAMED = 2000
"""Merged artifacts that a ledger names: more than one name has in a year."""
MAX_OF_OTHER_BRANCH = 6
"""Artifacts read in one load of each branch that is not a trusted one."""
MAX_OPENED = 60
"""Ledgers opened in one load; each names the artifacts merged into it, so two or three suffice."""


class _ArtifactVanishedError(Exception):
    """A listed artifact is gone: perhaps it was replaced by one with more facts."""


@dataclass(slots=True, kw_only=True)
class ArtifactReader:
    """List and read the artifacts of a ledger; the results are filled in place."""

    access: LedgerAccess
    actions: "Actions"
    clock: Callable[[], datetime]
    git: GitRepo | None = None
    """The clone, if there is one: it is asked about commits before GitHub is."""
    known: frozenset[int] = frozenset()
    """Artifacts whose facts are known already."""
    refused_ids: set[int] = field(default_factory=set)
    """Artifacts that are not read, those refused before among them."""
    ledgers: list[Ledger] = field(default_factory=list)
    artifacts: "list[Artifact]" = field(default_factory=list)
    """Those of `ledgers`, in the same order."""
    claims: dict[int, Ledger] = field(default_factory=dict)
    """By artifact: what the run of a pull request has saved about this one pull request."""
    contested: dict[int, Ledger] = field(default_factory=dict)
    """By pull request: the claims that disagree with other facts; filled by `merge_into`."""
    opened_ids: set[int] = field(default_factory=set)
    """Artifacts that were read."""
    own: RunArtifacts = field(default_factory=lambda: RunArtifacts(()))
    """Those of this run whose facts were read."""
    refused: list[str] = field(default_factory=list)
    """One sentence for each refused artifact."""
    newer: list[str] = field(default_factory=list)
    """One sentence for each trusted artifact that a newer version has written."""
    expired_count: int = 0
    newest: "Artifact | None" = None
    distrusted: set[int] = field(default_factory=set)
    """Artifacts that were refused for their origin, which does not change."""
    listed: "dict[int, Artifact]" = field(default_factory=dict)
    """By id: those in the lists that have not expired."""
    is_complete: bool = False
    """Whether every page of the lists was read."""
    _seen: Counter[str] = field(default_factory=Counter)
    _history: BranchHistory | None = None
    _vanished_ids: set[int] = field(default_factory=set)
    _runs: "dict[str, WorkflowRun]" = field(default_factory=dict)

    def read(self) -> None:
        """Read every trusted artifact, but for known ones and those merged into another.

        An artifact that vanishes between list and download was replaced by one with more facts, so
        the artifacts are listed again. Raises GitHubError: that happened too often.
        """
        for _ in range(MAX_LOOKS):
            try:
                self._scan_once()
            except _ArtifactVanishedError:
                continue
            return
        raise GitHubError(
            "The ledger's artifacts keep changing while they are read.",
            fix="Too many runs at the same time: use a `concurrency` group.",
        )

    def merge_into(self, ledger: Ledger) -> tuple[Ledger, list[str]]:
        """Return *ledger* with the facts that were read, and a warning for each conflict.

        The run of one pull request must not change the facts of others: a claim with a fact that is
        known with another value stays out, and is read again by every run.
        """
        ledgers = self.ledgers
        if self.is_complete:
            ledgers = [self._without_unlisted(each) for each in ledgers]
        merged, conflicts = merge(ledger, *ledgers)
        known: dict[tuple[str, ...], Fact] = {}
        facts = chain(merged.facts, *(claim.facts for claim in self.claims.values()))
        disputed = {x.key() for x in facts if disagree(known.setdefault(x.key(), x), x)}
        absorbed = {
            number: claim
            for number, claim in self.claims.items()
            if disputed.isdisjoint(fact.key() for fact in claim.facts)
        }
        for number in self.claims.keys() - absorbed.keys():
            claim = self.claims[number]
            (pull,) = pull_requests.numbers_in(LedgerView(claim))
            self.contested[pull] = merge(claim, self.contested.get(pull, claim))[0]
        ids = absorbed.keys() | {i for claim in absorbed.values() for i in claim.merged_artifacts}
        if self.access.own_pull is None:
            # The artifact of a pull request's run contains its own facts only.
            ids |= {*merged.merged_artifacts, *(self.opened_ids - self.claims.keys())}
        refused = {*merged.refused_artifacts, *((i, self.access.digest) for i in self.distrusted)}
        update = {
            "merged_artifacts": tuple(sorted(ids)[-MAX_NAMED:]),
            "refused_artifacts": tuple(sorted(x for x in refused if x[0] in self.listed)),
        }
        merged, _ = merge(merged, *absorbed.values())
        return merged.model_copy(update=update), conflicts

    def _without_unlisted(self, ledger: Ledger) -> Ledger:
        remaining = tuple(i for i in ledger.merged_artifacts if i in self.listed)
        return ledger.model_copy(update={"merged_artifacts": remaining})

    def _scan_once(self) -> None:
        """List the artifacts and read those that are wanted.

        A list's next page is asked for unless everything on this one is merged: whatever is older
        is merged, too.
        """
        self._seen.clear()
        self.listed.clear()
        self.expired_count, self.is_complete = 0, True
        lists, pages = self._look()
        while True:
            self._read_listed([artifact for page in pages.values() for artifact in page])
            unmerged = [name for name, page in pages.items() if not self._is_merged_page(page)]
            skipped = (page for name, page in pages.items() if name not in unmerged)
            self.is_complete &= all(len(page) < FULL_PAGE for page in skipped)
            pages = {name: page for name in unmerged if (page := next(lists[name], None))}
            if not pages:
                break

    def _look(self) -> "tuple[dict[str, Iterator[list[Artifact]]], dict[str, list[Artifact]]]":
        """List the first page of every name, in the order of the names.

        Returns the lists' further pages, and the first ones. What another run replaces meanwhile is
        in one of them, if all are listed within `LONGEST_LOOK`. Raises GitHubError: GitHub is too
        slow for that.
        """
        for _ in range(MAX_LOOKS):
            started = self.clock()
            lists = {name: self.actions.artifact_pages(name) for name in self.access.names}
            pages = {name: next(pages, []) for name, pages in lists.items()}
            if self.clock() - started <= LONGEST_LOOK:
                return lists, pages
        raise GitHubError(
            "GitHub is too slow: the ledger's artifacts could not be listed at one time.",
            fix="The next run goes on; see https://www.githubstatus.com.",
        )

    def _merged_ids(self) -> set[int]:
        """Return the artifacts whose facts are known: opened, or named by one that was."""
        read = (*self.ledgers, *self.claims.values())
        return {i for x in read for i in x.merged_artifacts} | self.known | self.opened_ids

    def _is_merged_page(self, page: "list[Artifact]") -> bool:
        """Return whether a page has the newest first, and all of them are merged or expired."""
        merged, ids = self._merged_ids(), [artifact.id for artifact in page]
        is_known = all(artifact.expired or artifact.id in merged for artifact in page)
        return is_known and ids == sorted(ids, reverse=True)

    def _read_listed(self, artifacts: "list[Artifact]") -> None:
        """Read those of these artifacts that are wanted."""
        self.expired_count += sum(artifact.expired for artifact in artifacts)
        listed = [artifact for artifact in artifacts if not artifact.expired]
        if (pull := self.access.own_pull) is not None:
            branches = {pull.branch, *self.access.branches}
            listed = [artifact for artifact in listed if artifact.head_branch in branches]
        self.listed |= {artifact.id: artifact for artifact in listed}
        # Those of trusted branches first: they name what else is known, and the others are many
        # when somebody wants them to be.
        listed.sort(key=lambda a: (a.created_at, a.id), reverse=True)
        listed.sort(key=lambda artifact: artifact.head_branch not in self.access.branches)
        merged = self._merged_ids()
        for artifact in listed:
            if artifact.id not in merged | self.refused_ids and self._is_wanted(artifact):
                if len(self.opened_ids) == MAX_OPENED:
                    break
                if self._read_artifact(artifact):
                    merged = self._merged_ids()
        for artifact in listed:
            if artifact.run_id == self.access.run_id and artifact.id in merged:
                self._record_own(artifact)

    def _read_artifact(self, artifact: "Artifact") -> bool:
        """Read one artifact; return whether it is trusted."""
        ledger = self._open_artifact(artifact)
        if ledger is None:
            return False
        self.newest = self.newest or artifact
        self.opened_ids.add(artifact.id)
        is_claim = self._is_claim(artifact)
        # Only older artifacts can be merged into it; into a claim those of its branch.
        named = (
            {i for i in ledger.merged_artifacts if i < artifact.id} if self.access.absorbs else ()
        )
        remaining = {
            i
            for i in named
            if not is_claim
            or ((other := self.listed.get(i)) and other.head_branch == artifact.head_branch)
        }
        ledger = ledger.model_copy(update={"merged_artifacts": tuple(sorted(remaining))})
        if is_claim:
            self.claims[artifact.id] = ledger
        else:
            self.ledgers.append(ledger)
            self.artifacts.append(artifact)
            known = (i for i, by in ledger.refused_artifacts if by == self.access.digest)
            self.refused_ids.update(known)
        return True

    def _record_own(self, artifact: "Artifact") -> None:
        """Record an artifact of this run, and which other one has its facts."""
        ids = (a.id for a in self.artifacts)
        read = (*zip(ids, self.ledgers, strict=True), *self.claims.items())
        cover = next((i for i, x in read if artifact.id in x.merged_artifacts), None)
        known = self.own.held.get(artifact.name)
        if known is None or known.id < artifact.id:
            at = self.clock() if cover is not None else None
            self.own.held[artifact.name] = OwnArtifact(artifact.id, cover, at)

    def _is_wanted(self, artifact: "Artifact") -> bool:
        """Return whether it is among the newest of its branch, each of which has all its facts."""
        if artifact.head_branch in self.access.branches or not self.access.absorbs:
            return True
        self._seen[artifact.head_branch] += 1
        return self._seen[artifact.head_branch] <= MAX_OF_OTHER_BRANCH

    def _open_artifact(self, artifact: "Artifact") -> Ledger | None:
        """Return the ledger of one artifact, or None after recording why it is refused."""
        try:
            reason = self._refusal_reason(artifact)
            if reason is not None:
                self.distrusted.add(artifact.id)
            else:
                data = self.actions.download(artifact, codec.MAX_ZIPPED_BYTES)
                if data is not None:
                    ledger = self.access.open(data)
                    return self._claim_of(artifact, ledger) if self._is_claim(artifact) else ledger
                if artifact.id not in self._vanished_ids:
                    self._vanished_ids.add(artifact.id)
                    raise _ArtifactVanishedError
                reason = f"it is listed, but its content is gone; {trust.NO_SETTING}"
        except RefusedError as error:
            if error.status != HTTPStatus.NOT_FOUND:
                raise
            reason = f"its run was deleted, so its origin is unknown; {trust.NO_SETTING}"
        except codec.RefusedLedgerError as error:
            reason = f"{error}; {error.fix}"
            if isinstance(error, codec.NewerLedgerError) and self._is_of_this_run(artifact):
                self.newer.append(f"Ledger artifact {artifact.id} cannot be read: {error}.")
        except ArtifactRefusedError as error:
            reason = str(error)
        self.refused_ids.add(artifact.id)
        self.refused.append(
            f"Ledger artifact {artifact.id} of run {artifact.run_id} is refused: {reason}."
        )
        return None

    def _is_claim(self, artifact: "Artifact") -> bool:
        """Return whether the run of a pull request has uploaded it."""
        if not self.access.absorbs:
            return False
        if artifact.run_id == self.access.run_id:
            return self.access.own_pull is not None
        return self._runs[artifact.run_id].event == PULL_REQUEST_EVENT

    def _is_of_this_run(self, artifact: "Artifact") -> bool:
        """Return whether this run depends on it: the pull request of somebody else stops none."""
        own = self.access.own_pull
        return not self._is_claim(artifact) or (
            own is not None and artifact.head_branch == own.branch
        )

    def _claim_of(self, artifact: "Artifact", ledger: Ledger) -> Ledger:
        """Return the facts about the pull request of the run that has uploaded this ledger.

        What people decided in another run is read again where they said it. Raises
        RefusedLedgerError.
        """
        view, own = LedgerView(ledger), self.access.own_pull
        numbers = pull_requests.numbers_in(view)
        number = next(iter(numbers), 0)
        if own is not None:
            is_own = number == own.number
        else:
            run = self._runs[artifact.run_id]
            is_own = len(numbers) == 1 and self.actions.has_pull(run, number)
        if len(numbers) != 1 or not is_own:
            raise codec.RefusedLedgerError("it is not about one pull request, that of its run")
        facts = pull_requests.facts_of(view, number)
        return facts if own else facts.keep(lambda fact: not isinstance(fact, PersonsVerdict))

    def _refusal_reason(self, artifact: "Artifact") -> str | None:
        """Return why an artifact is refused before it is opened: by the list, then by its run."""
        access = self.access
        reason = trust.refusal_of_artifact(artifact, access.repository_id, codec.MAX_ZIPPED_BYTES)
        if reason is not None or artifact.run_id == access.run_id:
            return reason
        if artifact.run_id not in self._runs:
            self._runs[artifact.run_id] = self.actions.run(artifact.run_id)
        self._history = self._history or BranchHistory(self.actions, self.git)
        return trust.refusal_of_run(self._runs[artifact.run_id], artifact, access, self._history)
