"""Code scanning: SARIF goes up, analyses and alerts are read back."""

import base64
import time
from collections.abc import Callable, Iterator
from typing import Any

from batch_action.clients.github.client import GitHubClient
from batch_action.clients.github.errors import LostAnswerError, RefusedError
from batch_action.errors import GitHubError
from batch_action.models.github import TOOL, AlertInfo, AnalysisInfo

_HOME = "code-scanning"
_PAUSES = (1, 1, 2, 3, 5, 8, 10, 15, 20, 25, 30)
"""Seconds between looks at an upload: two minutes together, as GitHub's own action waits."""
_SOON = (2, 5, 10)
"""Seconds between looks for an upload whose answer was lost."""
_UNTOUCHED = (400, 422)
"""How a request is refused that is allowed, but says nothing."""
# https://docs.github.com/rest/code-scanning/code-scanning#update-a-code-scanning-alert
_LONGEST_COMMENT = 280


class CodeScanning:
    """One repository's code scanning; all methods raise GitHubError as the client does."""

    def __init__(
        self, client: GitHubClient, *, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        """Wait by `sleep` while uploads are processed."""
        self._client = client
        self._sleep = sleep

    def may_upload(self) -> None:
        """Ask whether an upload would be let in; nothing is written.

        Raises a lasting RefusedError naming the permission or the setting, or GitHubError when
        GitHub does not say. The token's permissions can be seen nowhere: an empty upload is
        refused as incomplete if it is allowed, and as forbidden if not.
        """
        try:
            self._client.request("POST", f"{_HOME}/sarifs", input={})
        except RefusedError as refused:
            if refused.status not in _UNTOUCHED:
                raise

    def latest(self, ref: str, category: str) -> AnalysisInfo | None:
        """Give the newest analysis of a category on a ref; None when there is none."""
        query = {"tool_name": TOOL, "ref": ref, "direction": "desc", "sort": "created"}
        for item in self._listed("analyses", query):
            if item.get("category") == category and not item.get("error"):
                return _analysis(item)
        return None

    def of_upload(self, upload: str) -> AnalysisInfo | None:
        """Give the analysis that an upload became; None when it became none."""
        found = self._listed("analyses", {"sarif_id": upload})
        return next((_analysis(item) for item in found), None)

    def document(self, analysis: int) -> Any:
        """Give an analysis as SARIF: the part of it that GitHub keeps, with its own additions."""
        accept = {"Accept": "application/sarif+json"}
        return self._client.request("GET", f"{_HOME}/analyses/{analysis}", headers=accept)

    def upload(self, packed: bytes, *, commit: str, ref: str) -> str:
        """Send compressed SARIF, once, and give the upload's id; it is processed afterwards."""
        draft = {
            "commit_sha": commit,
            "ref": ref,
            "sarif": base64.b64encode(packed).decode(),
            "tool_name": TOOL,
        }
        return str(self._client.request("POST", f"{_HOME}/sarifs", input=draft)["id"])

    def arrived(self, ref: str, category: str, *, after: int | None) -> AnalysisInfo | None:
        """Look for an analysis newer than `after`: the upload whose answer was lost."""
        for pause in _SOON:
            self._sleep(pause)
            found = self.latest(ref, category)
            if found is not None and found.id != after:
                return found
        return None

    def problems(self, upload: str) -> tuple[str, ...]:
        """Wait until an upload is processed, and give what GitHub found wrong with it.

        Raises GitHubError when that takes more than two minutes.
        """
        for pause in (*_PAUSES, None):
            found = self._client.request("GET", f"{_HOME}/sarifs/{upload}")
            match found.get("processing_status"):
                case "complete":
                    return ()
                case "failed":
                    errors = found.get("errors")
                    told = errors if isinstance(errors, list) and errors else ["no reason given"]
                    return tuple(str(one) for one in told)
            if pause is not None:
                self._sleep(pause)
        raise GitHubError(
            "Code scanning is still processing the uploaded findings.",
            fix="The next run looks whether they have arrived, and goes on.",
        )

    def alerts(self, ref: str, state: str, *, most: int | None = None) -> list[AlertInfo]:
        """Give our alerts on a ref in a state, those that changed last first."""
        query = {"tool_name": TOOL, "ref": ref, "state": state}
        query |= {"sort": "updated", "direction": "desc"}
        found = []
        for item in self._listed("alerts", query):
            found.append(_alert(item))
            if len(found) == most:
                break
        return found

    def dismiss(self, number: int, comment: str) -> None:
        """Dismiss an alert as `won't fix`; when the answer is lost, look whether it was done."""
        path = f"{_HOME}/alerts/{number}"
        draft = {
            "state": "dismissed",
            "dismissed_reason": "won't fix",
            "dismissed_comment": comment[:_LONGEST_COMMENT],
        }
        try:
            self._client.request("PATCH", path, input=draft)
        except LostAnswerError:
            if self._client.request("GET", path).get("state") != "dismissed":
                raise

    def _listed(self, what: str, query: dict[str, str]) -> Iterator[dict[str, Any]]:
        """The items of a listing; before the first upload GitHub says 404 instead of none."""
        try:
            yield from self._client.pages(f"{_HOME}/{what}", query)
        except RefusedError as refused:
            if refused.status != 404 or "no analysis" not in refused.said:  # noqa: PLR2004 - HTTP
                raise


def _analysis(item: dict[str, Any]) -> AnalysisInfo:
    return AnalysisInfo(
        id=int(item["id"]),
        commit=str(item["commit_sha"]),
        results=int(item.get("results_count") or 0),
        error=str(item.get("error") or ""),
    )


def _alert(item: dict[str, Any]) -> AlertInfo:
    instance = item.get("most_recent_instance") or {}
    told = (item.get("dismissed_reason"), item.get("dismissed_comment"))
    return AlertInfo(
        number=int(item["number"]),
        url=str(item.get("html_url") or ""),
        state=str(item.get("state") or ""),
        rule=str((item.get("rule") or {}).get("id") or ""),
        text=str((instance.get("message") or {}).get("text") or ""),
        path=str((instance.get("location") or {}).get("path") or ""),
        dismissed_by=str((item.get("dismissed_by") or {}).get("login") or ""),
        reason=": ".join(str(one) for one in told if one),
        fixed_at=str(item.get("fixed_at") or ""),
    )
