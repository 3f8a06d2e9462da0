"""Test frameworks, the layout of tests, and how existing tests may be extended."""
