"""Requests that verify findings: one a file, with all its claims."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from batch_action.config.settings import Settings
from batch_action.context import RunContext
from batch_action.ledger.view import LedgerView
from batch_action.models.fact import Purpose
from batch_action.models.files import FilePart
from batch_action.models.findings import FindingClaim
from batch_action.models.ledger import RequestKey
from batch_action.models.requests import Request, digest
from batch_action.requests import packing, pricing, prompt
from batch_action.requests.request_file import RequestFile
from batch_action.selection.content import parts_of, reviewed_text
from batch_action.selection.paths import language_of
from batch_action.syntax.neighborhoods import neighborhood
from batch_action.tasks.registry import ABOUT_FINDINGS
from batch_action.text import format_ranges, numbers_in

File = tuple[str, str]
"""Path and blob."""


def build_requests(
    ctx: RunContext,
    view: LedgerView,
    claims: Iterable[FindingClaim],
    request_file: RequestFile,
    model_max_tokens: int | None,
) -> list[Request]:
    """Write a request for each content with claims to disk, in the order of the paths."""
    by_file: dict[File, list[FindingClaim]] = {}
    for claim in claims:
        by_file.setdefault((claim.anchor.path, claim.anchor.blob), []).append(claim)
    writer = ClaimWriter(
        ctx.settings,
        ctx.github_context.repository_id,
        view,
        "verification",
        request_file,
        model_max_tokens,
    )
    contents = dict(ctx.git.blobs(sorted({blob for _, blob in by_file})))
    requests = []
    for (path, blob), found in sorted(by_file.items(), key=lambda item: item[0]):
        if blob in contents:
            text = reviewed_text(contents[blob], path)
            ordered = sorted(found, key=lambda x: (x.anchor.start_line, x.fingerprint))
            requests.append(writer.write(ClaimedFile(path, blob, text, tuple(ordered))))
    return requests


@dataclass(frozen=True, slots=True)
class ClaimedFile:
    """A file with the claims about it, located in the text that is shown."""

    path: str
    blob: str
    text: str
    """Masked as in reviews."""
    claims: tuple[FindingClaim, ...]

    def shown_lines(self) -> frozenset[int] | None:
        """Return the lines that the reviews were shown and those around the claims; None: all."""
        lines = self.text.removesuffix("\n").split("\n")
        parts, shown = parts_of(self.text), set[int]()
        for claim in self.claims:
            first, last = claim.anchor.start_line, claim.anchor.end_line
            shown.update(range(first, last + 1))
            if not claim.raw.whole_file:
                start, end = neighborhood(lines, first, last)
                shown.update(range(start, end + 1))
            if claim.shown:
                shown |= numbers_in(claim.shown)
                continue
            for part in parts:
                if part.start_line <= last and first <= part.end_line:
                    shown.update(range(part.start_line, part.end_line + 1))
        every = frozenset(range(1, len(lines) + 1))
        return None if shown >= every else every & shown

    def render(self) -> str:
        """Return the user's message: the claims, then the file."""
        claims = "".join(_claim_text(n, claim) for n, claim in enumerate(self.claims, 1))
        lines = self.text.removesuffix("\n").split("\n")
        whole = FilePart(number=1, count=1, start_line=1, end_line=len(lines))
        language = language_of(self.path, self.text)
        element = prompt.FileElement(self.path, language, self.text, lines, whole)
        return claims + element.render(self.shown_lines())


def _claim_text(number: int, claim: FindingClaim) -> str:
    anchor, raw = claim.anchor, claim.raw
    lines = f"{anchor.start_line}-{anchor.end_line}"
    parts = [raw.title, f"Severity: {raw.severity}", raw.evidence, raw.trigger, raw.explanation]
    headings = ["Claim", "", "Quoted", "Trigger", "Explanation"]
    text = "\n".join(
        f"{heading}: {part}" if heading else part
        for heading, part in zip(headings, parts, strict=True)
        if part
    )
    return prompt.quoted_element("claim", f' number="{number}" lines="{lines}"', text)


@dataclass(frozen=True, slots=True)
class ClaimWriter:
    """Writes the requests of one purpose to disk."""

    settings: Settings
    repository_id: str
    view: LedgerView
    purpose: Purpose
    request_file: RequestFile
    model_max_tokens: int | None

    def write(self, file: ClaimedFile) -> Request:
        """Write the request about the claims of a file."""
        task, settings = ABOUT_FINDINGS[self.purpose], self.settings
        key, text = self._choose_key(file), file.render()
        tokens = pricing.estimate_tokens(len(f"{task.prompt}{text}".encode()))
        params = prompt.message_params(
            task,
            text,
            model=key.model or settings.model,
            effort=None if settings.effort == "none" else settings.effort,
            max_tokens=prompt.max_answer_tokens(
                task, tokens, self.view.failures[key.id, "truncated"], self.model_max_tokens
            ),
        )
        return self.request_file.add(key, params, tokens, is_excerpt=key.shown is not None)

    def _choose_key(self, file: ClaimedFile) -> RequestKey:
        """Return the request key: for `fallback-model` after a refusal."""
        settings = self.settings
        key, fallback = self._key_for(file, settings.model), settings.fallback_model
        if fallback and self.view.failures[key.id, "refused"]:
            return replace(self._key_for(file, fallback), model=fallback)
        return key

    def _key_for(self, file: ClaimedFile, model: str) -> RequestKey:
        task = ABOUT_FINDINGS[self.purpose]
        names = tuple(claim.fingerprint for claim in file.claims)
        request_digest = digest(
            self.repository_id,
            task.name,
            task.digest,
            model,
            self.settings.effort,
            file.path,
            file.blob,
            *names,
        )
        shown = file.shown_lines()
        return RequestKey(
            id=packing.custom_id(task.name, file.path, file.blob, request_digest),
            path=file.path,
            blob=file.blob,
            shown=None if shown is None else format_ranges(shown),
            purpose=self.purpose,
            findings=names,
        )
