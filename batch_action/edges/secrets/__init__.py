"""Secrets are masked before a text leaves the machine, by detect-secrets."""

from batch_action.edges.secrets.tokens import MASK, mask

__all__ = ["MASK", "mask"]
