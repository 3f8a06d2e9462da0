"""The stories: one module a verb, its steps called in order."""
