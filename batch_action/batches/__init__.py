"""Message batches: create them, find lost ones, read their results."""
