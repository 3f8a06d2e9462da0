"""What an evaluation found, scored against the labels: pure."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from math import comb

from pydantic import BaseModel, ConfigDict

TOLERANCE = 3
"""A finding is at a defect when at most so many lines are between them."""


class _Record(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Defect(_Record):
    """A labelled defect."""

    file: str
    start_line: int
    end_line: int
    problem: str

    @property
    def place(self) -> str:
        """Its file and first line."""
        return f"{self.file}:{self.start_line}"


class Claim(_Record):
    """A finding of an answer."""

    id: str
    """Its fingerprint; of one that is not anchored a digest of its text."""
    file: str
    start_line: int
    end_line: int
    anchored: bool
    """Whether the code that it quotes is in the file; else it would not be reported."""
    severity: str
    rule: str
    title: str
    explanation: str

    @property
    def lines(self) -> str:
        """Its lines, as a label writes them."""
        if self.start_line == self.end_line:
            return str(self.start_line)
        return f"{self.start_line}-{self.end_line}"

    def is_at(self, defect: Defect) -> bool:
        """Return whether the finding is where a defect is."""
        return (
            self.file == defect.file
            and self.start_line <= defect.end_line + TOLERANCE
            and self.end_line >= defect.start_line - TOLERANCE
        )


class CaseResult(_Record):
    """What the answers of one case say."""

    name: str
    defects: tuple[Defect, ...]
    answered: tuple[str, ...] = ()
    """The files that have an answer."""
    unanswered: dict[str, str] = {}
    """The other files that were to be asked about, and those with a defect: path to reason."""
    claims: tuple[Claim, ...] = ()
    cost_usd: float | None = 0.0
    """None: of some answers it is not known."""

    @property
    def anchored(self) -> tuple[Claim, ...]:
        """The findings that would be reported."""
        return tuple(claim for claim in self.claims if claim.anchored)

    def outcomes(self) -> Iterator[tuple[Defect, bool]]:
        """Yield each defect of an answered file, and whether a finding is at its place."""
        for defect in self.defects:
            if defect.file in self.answered:
                yield defect, any(claim.is_at(defect) for claim in self.anchored)

    def unlabelled(self) -> Iterator[Claim]:
        """Yield the reported findings that are at no defect."""
        return (c for c in self.anchored if not any(c.is_at(d) for d in self.defects))


class Evaluation(_Record):
    """What is kept of an evaluation, for reports and comparisons."""

    schema_version: int = 1
    task: str
    model: str
    effort: str
    prompt: str
    """The digest of the instructions, and of the settings that decide what a request shows."""
    cases: tuple[CaseResult, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Scores:
    """The numbers of an evaluation; a share without cases is None."""

    defects: int
    """Labelled defects in files that were answered."""
    found: int
    unanswered_defects: int
    findings: int
    """All findings of the answers."""
    anchored: int
    """Those that quote code which is in the file."""
    unlabelled: int
    """Anchored ones at no labelled defect."""
    judged: int
    """Unlabelled ones with a verdict."""
    right: int
    """Those that a person found right."""
    clean_cases: int
    """Cases without defects, with at least one answer."""
    clean_findings: int
    """Anchored findings in them that no verdict calls right."""
    cost_usd: float | None
    """None: not known of all answers."""

    @property
    def recall(self) -> float | None:
        """The share of the defects that were found."""
        return _share(self.found, self.defects)

    @property
    def anchored_share(self) -> float | None:
        """The share of the findings that quote code which is there."""
        return _share(self.anchored, self.findings)

    @property
    def precision(self) -> float | None:
        """The share of the reported findings that are right; None until all have a verdict."""
        if self.judged < self.unlabelled:
            return None
        return _share(self.anchored - self.unlabelled + self.right, self.anchored)

    @property
    def usd_per_found(self) -> float | None:
        """US dollars per labelled defect that was found."""
        return None if self.cost_usd is None or not self.found else self.cost_usd / self.found

    @property
    def findings_per_clean_case(self) -> float | None:
        """How many findings a change without defects has."""
        return _share(self.clean_findings, self.clean_cases)


def score(cases: Iterable[CaseResult], verdicts: Mapping[tuple[str, str], bool | None]) -> Scores:
    """Score the cases; *verdicts*: by case and id, what people say of unlabelled findings."""
    cases = tuple(cases)
    outcomes = [is_found for case in cases for _, is_found in case.outcomes()]
    unlabelled = [verdicts.get((c.name, claim.id)) for c in cases for claim in c.unlabelled()]
    clean = [case for case in cases if not case.defects and case.answered]
    costs = [case.cost_usd for case in cases]
    known = [cost for cost in costs if cost is not None]
    return Scores(
        defects=len(outcomes),
        found=sum(outcomes),
        unanswered_defects=sum(len(case.defects) for case in cases) - len(outcomes),
        findings=sum(len(case.claims) for case in cases),
        anchored=sum(len(case.anchored) for case in cases),
        unlabelled=len(unlabelled),
        judged=sum(verdict is not None for verdict in unlabelled),
        right=sum(verdict is True for verdict in unlabelled),
        clean_cases=len(clean),
        clean_findings=sum(
            verdicts.get((case.name, claim.id)) is not True
            for case in clean
            for claim in case.anchored
        ),
        cost_usd=sum(known) if len(known) == len(costs) else None,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Two evaluations on the defects that both have an answer about."""

    both: int
    only_first: tuple[str, ...]
    """Case and place of each defect that only the first one found."""
    only_second: tuple[str, ...]
    neither: int

    @property
    def p_value(self) -> float:
        """The exact two-sided sign test: how likely so unequal a split is by chance."""
        counts = len(self.only_first), len(self.only_second)
        total = sum(counts)
        tail = sum(comb(total, k) for k in range(min(counts) + 1))
        return min(1.0, 2 * tail / float(2**total))


def compare(first: Iterable[CaseResult], second: Iterable[CaseResult]) -> Comparison:
    """Pair the defects of two evaluations."""
    ours, theirs = _by_defect(first), _by_defect(second)
    shared = sorted(ours.keys() & theirs.keys())
    pairs = [(name, ours[name], theirs[name]) for name in shared]
    return Comparison(
        both=sum(a and b for _, a, b in pairs),
        only_first=tuple(" ".join(map(str, name[:2])) for name, a, b in pairs if a and not b),
        only_second=tuple(" ".join(map(str, name[:2])) for name, a, b in pairs if b and not a),
        neither=sum(not (a or b) for _, a, b in pairs),
    )


def _by_defect(cases: Iterable[CaseResult]) -> dict[tuple[str, str, int, str], bool]:
    return {
        (case.name, defect.place, defect.end_line, defect.problem): is_found
        for case in cases
        for defect, is_found in case.outcomes()
    }


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None
