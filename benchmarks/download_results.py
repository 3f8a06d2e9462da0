"""Download the results of a batch by our client and read each once, as `collect` does.

python -m benchmarks.download_results URL COUNT

The batch is sent first: COUNT requests about a line of code each.
"""

import json
import sys
from collections.abc import Iterator

from batch_action.clients.anthropic.client import AnthropicClient
from batch_action.models.requests import OutcomeKind

SCHEMA = {"$defs": {"Finding": {"properties": {"evidence": {}}}}}


def main(url: str, count: str) -> None:
    """Send, download and read."""
    ids = [f"code-review-{number:052d}" for number in range(int(count))]
    with AnthropicClient(api_key="sk-ant-none", base_url=url) as client:
        state = client.create(_body(ids), sum(map(len, _body(ids))))
        outcomes = client.outcomes(state, ids)
        read = sum(outcome.kind is OutcomeKind.SUCCEEDED for outcome in outcomes.values())
    if read != len(ids):
        raise RuntimeError(f"{read} of {len(ids)} results were read")


def _body(ids: list[str]) -> Iterator[bytes]:
    params = {
        "model": "claude-opus-5-5",
        "messages": [
            {"role": "user", "content": "<file a.py>\n1| if value == unreachable_name:\n"}
        ],
        "output_config": {"format": {"schema": SCHEMA}},
    }
    yield b'{"requests":['
    for number, custom_id in enumerate(ids):
        request = json.dumps({"custom_id": custom_id, "params": params})
        yield f"{',' if number else ''}{request}".encode()
    yield b"]}"


if __name__ == "__main__":
    main(*sys.argv[1:])
