"""What all destinations that remember have in common: read once, then written once."""

from typing import Protocol

from batch_action.models.findings import PublishedState, Reconciliation
from batch_action.models.report import DestinationResult, RunReport


class Publisher(Protocol):
    """One destination on one night; it keeps what it has read for what it then writes."""

    def read_state(self) -> PublishedState:
        """Read what the destination holds, and what people asked for there. Writes nothing.

        Raises:
            GitHubError: it cannot be read.

        """
        ...

    def publish(self, reconciled: Reconciliation, report: RunReport) -> DestinationResult:
        """Bring it to what tonight says, and read back what was written.

        `reconciled` joins what all destinations remember: a finding may be unknown here. A second
        delivery of the same night changes nothing.

        Raises:
            GitHubError: GitHub refused, or what was written is not there.

        """
        ...
