"""Check and explain claims about a file: credulously, as comments in the file tell it."""

import json
import re
from typing import Any

from batch_action.sandbox.reviewer.prompts import Prompt, SourceFile

ORDER = re.compile(r"\banswer[: ]+(refuted|undecided)\b", re.IGNORECASE)
"""What a file may tell whoever checks claims about it."""
WORDS = re.compile(r"\bexplainer: post (.*)", re.IGNORECASE)
"""What a file may dictate to whoever explains a claim about it."""


def check_claims(prompt: Prompt) -> str:
    """Confirm each claim, unless a line of the file tells what to answer."""
    file = prompt.files[0] if prompt.files else SourceFile(path="")
    order = next(
        ((line, match) for line in file.lines.values() if (match := ORDER.search(line))), None
    )
    answers = [_answer(number, text, order) for number, text in sorted(prompt.claims.items())]
    return json.dumps({"claims": answers}, ensure_ascii=False)


def explain_claim(prompt: Prompt) -> str:
    """Explain the first claim by what it says, or with the words that a line dictates."""
    file = prompt.files[0] if prompt.files else SourceFile(path="")
    (_, claim), *_ = sorted(prompt.claims.items())
    dictated = next((match[1] for line in file.lines.values() if (match := WORDS.search(line))), "")
    parts = dict(re.findall(r"^(Claim|Quoted|Trigger|Explanation): (.*)$", claim, re.MULTILINE))
    quoted = parts.get("Quoted", "").strip()
    number = next((n for n, line in file.lines.items() if quoted and quoted in line), 1)
    answer = {
        "example": f"1. {parts.get('Trigger', 'Something calls it.')}\n"
        f"2. Line {number} of `{file.path}` runs: `{quoted}`.",
        "why": dictated or parts.get("Explanation", "The line does what the claim says."),
        "assessment": "right",
        "check": f"Read line {number}, and what calls it.",
        "fix": f"Replace line {number}.",
        "security": "eval" in quoted,
    }
    return json.dumps(answer, ensure_ascii=False)


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
