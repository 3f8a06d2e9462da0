"""The runner of GitHub Actions: what it tells a step, and what a step may tell it."""

from batch_action.edges.runner.commands import Runner
from batch_action.edges.runner.surroundings import context_from, inputs_from, payload_from

__all__ = ["Runner", "context_from", "inputs_from", "payload_from"]
