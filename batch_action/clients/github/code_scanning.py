"""The client of code scanning: SARIF uploads, analyses and alerts."""

import base64
import time
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any

from batch_action.clients.github.client import GitHubClient
from batch_action.clients.github.errors import (
    ForeignAnswerError,
    LostResponseError,
    RefusedError,
    checked,
    reads,
)
from batch_action.errors import GitHubError
from batch_action.models.github import TOOL_NAME, CodeScanningAlert, CodeScanningAnalysis

_PATH = "code-scanning"
_PROCESSING_DELAYS = (1, 1, 2, 3, 5, 8, 10, 15, 20, 25, 30)
"""Seconds between two polls of an upload: two minutes in total, as GitHub's own action waits."""
_LOST_UPLOAD_DELAYS = (2, 5, 10)
"""Seconds before each search for an upload whose response was lost."""
_INCOMPLETE_STATUSES = (400, 422)
"""The statuses for a request that is permitted, but incomplete."""
# https://docs.github.com/rest/code-scanning/code-scanning#update-a-code-scanning-alert
_MAX_COMMENT_CHARS = 280


@checked
class CodeScanning:
    """One repository's code scanning; methods raise GitHubError as the client does."""

    def __init__(
        self, client: GitHubClient, *, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        """Use a client; `sleep` waits while uploads are processed."""
        self._client = client
        self._sleep = sleep

    def check_upload_permission(self) -> None:
        """Check that uploads are permitted, without writing anything.

        GitHub does not show a token's permissions, so this sends an empty upload, which is refused
        as incomplete if uploads are permitted, and as forbidden if not.

        Raises:
            RefusedError: a permanent one that names the missing permission or setting.
            GitHubError: the request fails for another reason.
        """
        try:
            self._client.request("POST", f"{_PATH}/sarifs", input={})
        except RefusedError as refused:
            if refused.status not in _INCOMPLETE_STATUSES:
                raise

    def latest_analysis(self, ref: str, category: str) -> CodeScanningAnalysis | None:
        """Return the newest analysis of a category on a ref; None when there is none."""
        query = {"tool_name": TOOL_NAME, "ref": ref, "direction": "desc", "sort": "created"}
        for item in self._paginate("analyses", query):
            if item.get("category") == category and not item.get("error"):
                return _parse_analysis(item)
        return None

    def analysis_of_upload(self, upload: str) -> CodeScanningAnalysis | None:
        """Return the analysis of an upload; None when there is none."""
        items = self._paginate("analyses", {"sarif_id": upload})
        return next((_parse_analysis(item) for item in items), None)

    def document(self, analysis: int) -> Any:
        """Return an analysis as SARIF: the part of it that GitHub stores, with its additions."""
        accept = {"Accept": "application/sarif+json"}
        document = self._client.request("GET", f"{_PATH}/analyses/{analysis}", headers=accept)
        if "runs" not in document:
            raise ForeignAnswerError("it contains no SARIF")
        return document

    def upload(self, packed: bytes, *, commit: str, ref: str) -> str:
        """Upload compressed SARIF, once, and return the upload's id; processing comes later."""
        body = {
            "commit_sha": commit,
            "ref": ref,
            "sarif": base64.b64encode(packed).decode(),
            "tool_name": TOOL_NAME,
        }
        # PyGithub has no uploads.
        return _parse_id(self._client.request("POST", f"{_PATH}/sarifs", input=body))

    def find_lost_upload(
        self, ref: str, category: str, *, after: int | None
    ) -> CodeScanningAnalysis | None:
        """Return an analysis newer than `after`, from an upload whose response was lost."""
        for delay in _LOST_UPLOAD_DELAYS:
            self._sleep(delay)
            analysis = self.latest_analysis(ref, category)
            if analysis is not None and analysis.id != after:
                return analysis
        return None

    def wait_for_processing(self, upload: str) -> tuple[str, ...]:
        """Wait until an upload is processed, and return GitHub's error messages.

        Raises:
            GitHubError: that takes more than two minutes.
        """
        for delay in (*_PROCESSING_DELAYS, None):
            status = self._client.request("GET", f"{_PATH}/sarifs/{upload}")
            match status.get("processing_status"):
                case "complete":
                    return ()
                case "failed":
                    errors = status.get("errors")
                    messages = errors if isinstance(errors, list) else []
                    return tuple(map(str, messages)) or ("no reason given",)
                case "pending":
                    pass
                case _:
                    raise ForeignAnswerError("it contains no status of an upload")
            if delay is not None:
                self._sleep(delay)
        raise GitHubError(
            "Code scanning is still processing the uploaded findings.",
            fix="The next run checks whether they have arrived, and goes on.",
        )

    def alerts(self, ref: str, state: str, *, limit: int | None = None) -> list[CodeScanningAlert]:
        """Return our alerts on a ref in a state, the most recently updated first."""
        query = {"tool_name": TOOL_NAME, "ref": ref, "state": state}
        query |= {"sort": "updated", "direction": "desc"}
        return [_parse_alert(item) for item in islice(self._paginate("alerts", query), limit)]

    def dismiss(self, number: int, comment: str) -> None:
        """Dismiss an alert as `won't fix`; after a lost response, check whether it is dismissed."""
        path = f"{_PATH}/alerts/{number}"
        body = {
            "state": "dismissed",
            "dismissed_reason": "won't fix",
            "dismissed_comment": comment[:_MAX_COMMENT_CHARS],
        }
        try:
            self._client.request("PATCH", path, input=body)
        except LostResponseError:
            if self._client.request("GET", path).get("state") != "dismissed":
                raise

    def _paginate(self, listing: str, query: dict[str, str]) -> Iterator[dict[str, Any]]:
        """Yield the items of a listing; before the first upload GitHub responds with a 404."""
        try:
            # PyGithub has no analyses, and its alerts lack who dismissed them.
            yield from self._client.paginate(f"{_PATH}/{listing}", query)
        except RefusedError as refused:
            if refused.status != 404 or "no analysis" not in refused.message:  # noqa: PLR2004 - HTTP
                raise


@reads("upload")
def _parse_id(data: dict[str, Any]) -> str:
    return str(data["id"])


@reads("analysis")
def _parse_analysis(item: dict[str, Any]) -> CodeScanningAnalysis:
    return CodeScanningAnalysis(
        id=int(item["id"]),
        commit=str(item["commit_sha"]),
        results=int(item.get("results_count") or 0),
        error=str(item.get("error") or ""),
    )


@reads("alert")
def _parse_alert(item: dict[str, Any]) -> CodeScanningAlert:
    instance = item.get("most_recent_instance") or {}
    reasons = (item.get("dismissed_reason"), item.get("dismissed_comment"))
    return CodeScanningAlert(
        number=int(item["number"]),
        url=str(item.get("html_url") or ""),
        state=str(item.get("state") or ""),
        rule=str((item.get("rule") or {}).get("id") or ""),
        message=str((instance.get("message") or {}).get("text") or ""),
        path=str((instance.get("location") or {}).get("path") or ""),
        dismissed_by=str((item.get("dismissed_by") or {}).get("login") or ""),
        dismissed_reason=": ".join(str(reason) for reason in reasons if reason),
        fixed_at=str(item.get("fixed_at") or ""),
    )
