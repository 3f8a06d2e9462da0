"""Findings: where they are, whether two are the same, and how their state changes."""
