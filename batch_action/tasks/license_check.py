"""License check: headers that are missing or say otherwise, and code under other licenses."""

from collections.abc import Iterator
from dataclasses import replace
from enum import StrEnum
from typing import Annotated

from batch_action.models.findings import Confidence, Remark, Severity
from batch_action.models.licenses import Licensed, Policy, satisfied, spdx_expression
from batch_action.models.readings import Reading
from batch_action.tasks.answers import Answer, BaseRemark, Folded, to_remarks
from batch_action.tasks.licenses import headers
from batch_action.tasks.task import Policing, Task


class Category(StrEnum):
    """What the model looks for; the prompt defines each."""

    CONTRADICTION = "contradiction"
    COPIED_CODE = "copied-code"
    NOTICE_REMOVED = "notice-removed"
    OTHER = "other"


MISSING = "missing-header"
"""The category that needs no model: there is nothing to quote."""


class LicenseRemark(BaseRemark):
    """A problem with rights in code."""

    category: Annotated[Category, Folded]
    license: str | None


class LicenseReport(Answer):
    """All problems with rights in one file; an empty list is a good answer."""

    findings: list[LicenseRemark]


def reading(answer: LicenseReport) -> Reading:
    """The remarks, each with its license where the SPDX list knows it."""
    remarks = to_remarks(answer.findings, security=frozenset())
    told = (
        replace(remark, why=f"{remark.why.rstrip()} SPDX: {name}.")
        if (name := spdx_expression(item.license or ""))
        else remark
        for item, remark in zip(answer.findings, remarks, strict=True)
    )
    return Reading(remarks=tuple(told))


def inspect(path: str, language: str, text: str, policy: Policy) -> tuple[Remark, ...]:
    """What can be told of a file's header without a model."""
    return (*_header(path, language, text, policy), *_tags(path, text, policy))


def _header(path: str, language: str, text: str, policy: Policy) -> Iterator[Remark]:
    if language not in policy.headers:
        return
    expected = " ".join(policy.header) or "as the other files have it"
    if not headers.has_header(text):
        own = policy.license_of(path)
        tag = (
            f", for example with `SPDX-License-Identifier: {own.expression}`"
            if (own is not None and own.expression and not policy.header)
            else ""
        )
        yield _remark(
            rule="missing-license-header",
            category=MISSING,
            severity=Severity.LOW,
            title="This file has no license header",
            why="Files of this kind have one here. Without it nobody who meets the file alone can "
            "tell whose it is and what may be done with it.",
            remedy=f"Begin the file with the license header {expected}{tag}.",
            whole_file=True,
        )
        return
    if (line := headers.missing_line(text, policy.header)) is not None:
        number = headers.first_line(text) or 1
        yield _remark(
            rule="unexpected-license-header",
            category=Category.CONTRADICTION.value,
            severity=Severity.LOW,
            title="The license header is not the expected one",
            why=f"The configured header has the line `{line}`, and this one has not.",
            remedy=f"Write the header as configured: {expected}",
            line=number,
            evidence=headers.head_of(text)[number - 1],
        )


def _tags(path: str, text: str, policy: Policy) -> Iterator[Remark]:
    own = policy.license_of(path)
    for number, tag in headers.tags(text):
        evidence = headers.head_of(text)[number - 1]
        expression = spdx_expression(tag)
        if expression is None and "LicenseRef-" in tag:
            continue
        if expression is None:
            yield _remark(
                rule="unknown-license-identifier",
                category=Category.OTHER.value,
                severity=Severity.MEDIUM,
                title="The SPDX list does not have this license",
                why=f"`{tag}` is no license expression of the SPDX list, so tools that read it "
                "cannot tell what may be done with the file.",
                remedy="Use an identifier of the list, or LicenseRef-… for a text of your own.",
                line=number,
                evidence=evidence,
            )
        elif (problem := _problem(expression, own, policy)) is not None:
            severity, why = problem
            yield _remark(
                rule="contradicting-license-identifier",
                category=Category.CONTRADICTION.value,
                severity=severity,
                title=f"This file says it is under {expression}",
                why=why,
                remedy="Keep the file out, get another license for it, or allow this one in the "
                "configuration.",
                line=number,
                evidence=evidence,
            )


def _problem(expression: str, own: Licensed | None, policy: Policy) -> tuple[Severity, str] | None:
    """Why a license is not one for this place; None when it is."""
    denied = {_plain(name) for name in policy.denied}
    if not satisfied(expression, lambda name: _plain(name) not in denied):
        return Severity.HIGH, f"{expression} is among `denied-licenses`."
    if own is None or own.expression is None or expression == own.expression:
        return None
    known = {_plain(name) for name in (own.expression, *policy.allowed)}
    if satisfied(expression, lambda name: _plain(name) in known):
        return None
    place = own.folder or "this repository"
    why = f"{own.source} puts {place} under {own.expression}, and {expression} is not allowed."
    return Severity.MEDIUM, why


def _plain(name: str) -> str:
    """A license's text does not tell whether later versions may be chosen."""
    return name.removesuffix("-only").removesuffix("-or-later")


def _remark(
    *,
    rule: str,
    category: str,
    severity: Severity,
    title: str,
    why: str,
    remedy: str,
    line: int = 1,
    evidence: str = "",
    whole_file: bool = False,
) -> Remark:
    return Remark(
        rule=rule,
        category=category,
        severity=severity,
        confidence=Confidence.HIGH,
        start_line=line,
        end_line=line,
        evidence=evidence,
        title=title,
        why=why,
        remedy=remedy,
        whole_file=whole_file,
    )


def facts(policy: Policy) -> str:
    """What the model must know of the repository's own licenses."""
    lines = ["## This repository's licenses", ""]
    for one in reversed(policy.licensed):
        where = f"Folder `{one.folder}`" if one.folder else "The repository"
        lines.append(
            f"- {where}: {one.expression or 'a license of its own'} (from `{one.source}`)."
        )
        lines += [f"  > {line}" for line in one.text.splitlines()]
    if not policy.licensed:
        lines.append("- No license was found: code from elsewhere is a problem whatever it is.")
    if policy.allowed:
        lines.append(f"- Also allowed here: {', '.join(sorted(policy.allowed))}.")
    if policy.denied:
        lines.append(f"- Never allowed here: {', '.join(sorted(policy.denied))}.")
    return "\n".join(lines)


TASK = Task(
    name="license-check",
    description="License headers, and code that came under another license",
    answer=LicenseReport,
    reading=reading,
    whole_file=frozenset({MISSING}),
    policing=Policing(inspect=inspect, facts=facts),
)
