"""The labelled commits of an evaluation: what a user writes, and the verdicts on what was found."""

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from batch_action.commands.evaluate.scores import CaseResult, Claim, Defect
from batch_action.config.yaml_files import parse_model, read_yaml
from batch_action.errors import ConfigError

DOCUMENT = "docs/EVALUATE.md"
_LINES = re.compile(r"(\d{1,7})(?:\s*-\s*(\d{1,7}))?")
_SLUG = re.compile(r"[^A-Za-z0-9_.]+")
SHORT_ID = 12


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


def _as_text(value: object) -> object:
    """Accept a commit id that consists of digits: YAML reads it as a number."""
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _parse_lines(value: object) -> tuple[int, int]:
    match = _LINES.fullmatch(str(value).strip())
    first, last = (int(match[1]), int(match[2] or match[1])) if match else (0, 0)
    if not 0 < first <= last:
        raise ValueError("must be a line such as `7`, or lines such as `7-9`")
    return first, last


Text = Annotated[str, BeforeValidator(_as_text), Field(min_length=1, max_length=500)]


class LabelledDefect(_Model):
    """A defect that a change has brought, as its label says."""

    file: Text
    lines: Annotated[tuple[int, int], BeforeValidator(_parse_lines)]
    problem: Text

    def located(self) -> Defect:
        """Return the defect as the scores take it."""
        first, last = self.lines
        return Defect(file=self.file, start_line=first, end_line=last, problem=self.problem)


class LabelledCommit(_Model):
    """A change whose defects are known; without defects it is a clean case."""

    repository: Text
    """The folder of a clone, relative to the file with the cases."""
    base: Text
    head: Text
    name: Text | None = None
    defects: tuple[LabelledDefect, ...] = ()

    @property
    def title(self) -> str:
        """Its name, or else its repository and commit."""
        return self.name or f"{Path(self.repository).name}@{self.head[:SHORT_ID]}"

    @property
    def folder(self) -> str:
        """A file name for what belongs to this case only."""
        return _SLUG.sub("-", self.title).strip("-.") or "case"


class CasesFile(_Model):
    """The file with the cases."""

    cases: Annotated[tuple[LabelledCommit, ...], Field(min_length=1)]


class ClaimVerdict(_Model):
    """A person's verdict on a finding that no label names; null: none yet."""

    case: str
    id: str
    file: str
    lines: str
    severity: str
    title: str
    explanation: str
    verdict: Annotated[bool, Field(strict=True)] | None = None


class VerdictsFile(_Model):
    """The file with the verdicts."""

    findings: tuple[ClaimVerdict, ...] = ()


def read_cases(path: Path) -> tuple[LabelledCommit, ...]:
    """Read the cases. Raises ConfigError: the file is missing or not valid."""
    cases = parse_model(CasesFile, read_yaml(_read(path), path.name), path.name, DOCUMENT).cases
    for attribute in ("title", "folder"):
        names = [str(getattr(case, attribute)).lower() for case in cases]
        doubles = sorted({name for name in names if names.count(name) > 1})
        if doubles:
            raise ConfigError(
                f"{path.name} has several cases called {', '.join(doubles)}.",
                fix="Give each a `name` of its own, different in letters and digits.",
            )
    return cases


def read_verdicts(path: Path) -> dict[tuple[str, str], ClaimVerdict]:
    """Read the verdicts by case and id; none without a file. Raises ConfigError: not valid."""
    if not path.exists():
        return {}
    content = read_yaml(_read(path), path.name) or {}
    found = parse_model(VerdictsFile, content, path.name, DOCUMENT).findings
    return {(each.case, each.id): each for each in found}


def write_verdicts(
    path: Path,
    known: dict[tuple[str, str], ClaimVerdict],
    unlabelled: Iterable[tuple[CaseResult, Claim]],
) -> None:
    """Write the findings that no label names; verdicts that are known stay, also of other runs.

    Raises ConfigError: the file cannot be written.
    """
    rows = dict(known)
    for case, claim in unlabelled:
        key = case.name, claim.id
        rows.setdefault(
            key,
            ClaimVerdict(
                case=case.name,
                id=claim.id,
                file=claim.file,
                lines=claim.lines,
                severity=claim.severity,
                title=claim.title,
                explanation=claim.explanation,
            ),
        )
    head = "# Write `verdict: true` where the finding is right, `verdict: false` where it is not.\n"
    content = {"findings": [row.model_dump() for _, row in sorted(rows.items())]}
    text = yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=100)
    write_text(path, head + text)


def write_text(path: Path, text: str) -> None:
    """Write a file as a whole. Raises ConfigError: it cannot be written."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f"{path.name}.new")
        temporary.write_text(text, "utf-8", errors="replace")
        temporary.replace(path)
    except OSError as error:
        raise ConfigError(
            f"{path} cannot be written: {error.strerror}.", fix="Choose another `--out`."
        ) from None


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ConfigError(
            f"{path} cannot be read: {error.strerror}.", fix=f"{DOCUMENT} has an example."
        ) from None
