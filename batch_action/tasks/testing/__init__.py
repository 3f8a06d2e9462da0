"""Test frameworks: their names, their layout, and how existing tests may grow."""
