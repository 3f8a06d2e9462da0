"""Answer the params of a message by the rules of the reviewer."""

from collections.abc import Mapping
from typing import Any

from batch_action.sandbox.reviewer.claims import check_claims, explain_claim
from batch_action.sandbox.reviewer.fill_schema import fill_schema, plain_answer
from batch_action.sandbox.reviewer.prompts import read_prompt
from batch_action.sandbox.reviewer.review import review


def answer_by_rules(params: Mapping[str, Any], *, trifles: bool = True) -> str:
    """Answer in the schema of the params; `trifles` as in `review`."""
    prompt = read_prompt(params)
    output_format = (params.get("output_config") or {}).get("format")
    if prompt.claims and "assessment" in (output_format or {}).get("schema", {})["properties"]:
        return explain_claim(prompt)
    if prompt.claims:
        return check_claims(prompt)
    findings = review(prompt, trifles=trifles)
    if output_format is None:
        return plain_answer(findings)
    return fill_schema(output_format["schema"], findings, prompt)
