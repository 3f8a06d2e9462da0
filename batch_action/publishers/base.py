"""The interface of the destinations that keep findings between runs."""

from typing import Protocol

from batch_action.models.findings import PublishedState, Reconciliation
from batch_action.models.report import DestinationResult, RunReport

UNDELIVERED = ("refused", "failed")
"""The actions of a `DestinationResult` that say that nothing was delivered."""


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
