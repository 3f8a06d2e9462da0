"""Starting workflow runs, and finding those that were started."""

from collections.abc import Mapping
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any

from batch_action.edges.github_api.client import GitHubClient
from batch_action.edges.github_api.refusals import RefusedError
from batch_action.models.waking import StartedRun

_DETAILS = "return_run_details"


class Dispatches:
    """One repository's dispatches; methods raise GitHubError as the client does.

    Neither kind is ever repeated: LostAnswerError says that a run may have been started.
    """

    def __init__(self, client: GitHubClient) -> None:
        self._client = client

    def workflow(self, file: str, ref: str, inputs: Mapping[str, str]) -> StartedRun | None:
        """Start that workflow file at a branch; the run, where GitHub tells. `actions: write`."""
        path = f"actions/workflows/{file}/dispatches"
        body: dict[str, Any] = {"ref": ref, "inputs": dict(inputs), _DETAILS: True}
        try:
            told = self._client.request("POST", path, input=body)
        except RefusedError as refused:
            # Servers older than 2026 know no such field and start nothing.
            if refused.status != HTTPStatus.UNPROCESSABLE_ENTITY or _DETAILS not in refused.said:
                raise
            del body[_DETAILS]
            told = self._client.request("POST", path, input=body)
        if not (isinstance(told, dict) and told.get("workflow_run_id")):
            return None
        return StartedRun(
            id=str(told["workflow_run_id"]),
            title="",
            url=str(told.get("html_url") or ""),
            created_at="",
        )

    def repository(self, kind: str, payload: Mapping[str, str]) -> None:
        """Start every workflow that listens to this type of event. `contents: write`."""
        body = {"event_type": kind, "client_payload": dict(payload)}
        self._client.request("POST", "dispatches", input=body)

    def runs(self, event: str, since: datetime, file: str | None = None) -> list[StartedRun]:
        """The runs that *event* has started since then, of one workflow file or of all."""
        path = f"actions/workflows/{file}/runs" if file else "actions/runs"
        stamp = f"{since.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
        query = {"event": event, "created": f">={stamp}"}
        return [
            StartedRun(
                id=str(item["id"]),
                title=str(item.get("display_title") or ""),
                url=str(item.get("html_url") or ""),
                created_at=str(item.get("created_at") or ""),
            )
            for item in self._client.pages(path, query, key="workflow_runs")
        ]
