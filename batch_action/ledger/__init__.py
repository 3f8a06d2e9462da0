"""The ledger: facts about all runs of a task, their storage, and which artifacts are trusted."""
