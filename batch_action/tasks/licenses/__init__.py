"""Licenses as files tell of them: whole texts, manifests and headers."""
