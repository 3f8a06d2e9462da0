"""The destination `pr-review`, and the collection of answers about pull requests."""
