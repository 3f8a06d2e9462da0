"""What all tasks share that generate files: the answer model, path checks, restoring a draft."""
