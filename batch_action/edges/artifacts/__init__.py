"""GitHub's artifact service: what a run leaves for later runs."""

from batch_action.edges.artifacts.service import (
    ArtifactService,
    NameTakenError,
    check_name,
    why_not,
)

__all__ = ["ArtifactService", "NameTakenError", "check_name", "why_not"]
