"""The interface of the destinations that keep findings between runs."""

from dataclasses import dataclass
from typing import Protocol

from batch_action.config.settings import Settings
from batch_action.models.findings import PublishedState, Reconciliation
from batch_action.models.report import DestinationResult, RunReport


@dataclass(frozen=True, slots=True, kw_only=True)
class PublisherOptions:
    """The inputs that decide how a publisher writes."""

    max_findings: int
    """How many findings a text shows in full."""
    max_issues: int
    """How many issues `issue-per-finding` opens in one run."""
    labels: tuple[str, ...]
    """More labels for new issues."""
    assignees: tuple[str, ...]
    """Logins to assign new issues to."""


def options_of(settings: Settings) -> PublisherOptions:
    """Return the options of every publisher of one task."""
    return PublisherOptions(
        max_findings=settings.max_findings,
        max_issues=settings.max_issues,
        labels=settings.labels,
        assignees=settings.assignees,
    )


class Publisher(Protocol):
    """One destination in one run: `read_state` is called once, then `publish`."""

    def read_state(self) -> PublishedState:
        """Read the findings that the destination holds, and the requests people made there.

        Writes nothing.

        Raises:
            GitHubError: when the destination cannot be read.
        """
        ...

    def publish(self, reconciled: Reconciliation, report: RunReport) -> DestinationResult:
        """Write the reconciled findings to the destination, and read back what was written.

        `reconciled` joins the states of all destinations, so some of its findings may be new to
        this one. Publishing the same run twice changes nothing.

        Raises:
            GitHubError: when GitHub refuses the write, or what was written is not there.
        """
        ...
