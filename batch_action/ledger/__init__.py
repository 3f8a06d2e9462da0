"""The ledger: facts about all runs of a task, their storage, and whom to trust."""
