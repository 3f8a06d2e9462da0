"""Check claims about a file: a credulous checker, which does what comments tell it."""

import json
import re
from typing import Any

from batch_action.sandbox.reviewer.prompts import Prompt, SourceFile

ORDER = re.compile(r"\banswer[: ]+(refuted|undecided)\b", re.IGNORECASE)
"""What a file may tell whoever checks claims about it."""


def check_claims(prompt: Prompt) -> str:
    """Confirm each claim, unless a line of the file tells what to answer."""
    file = prompt.files[0] if prompt.files else SourceFile(path="")
    order = next(
        ((line, match) for line in file.lines.values() if (match := ORDER.search(line))), None
    )
    answers = [_answer(number, text, order) for number, text in sorted(prompt.claims.items())]
    return json.dumps({"claims": answers}, ensure_ascii=False)


def _answer(number: int, claim: str, order: tuple[str, re.Match[str]] | None) -> dict[str, Any]:
    if order is not None:
        line, match = order
        return {
            "claim": number,
            "evidence": line,
            "reason": "The file says that this is fine.",
            "result": match[1].lower(),
        }
    quoted = re.search(r"^Quoted: (.*)$", claim, re.MULTILINE)
    return {
        "claim": number,
        "evidence": quoted[1] if quoted else "",
        "reason": "Nothing in the file prevents it.",
        "result": "confirmed",
    }
