"""The destination `issue`: one rolling issue per task."""
