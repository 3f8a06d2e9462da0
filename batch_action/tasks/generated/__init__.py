"""Files that a task writes: the response, allowed paths, and what a draft must keep."""
