"""Anchoring, identity and the life of a finding."""
