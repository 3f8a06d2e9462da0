"""Text shared by messages, reports and names: plurals and the name of a task with its state key."""


def plural(count: int, noun: str) -> str:
    """Format a count with its noun: `1 file`, `2 files`."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def task_title(task: str, state_key: str) -> str:
    """Format a task and its `state-key` for people: `code-review (web)`."""
    return f"{task} ({state_key})" if state_key else task


def task_slug(task: str, state_key: str) -> str:
    """Format a task and its `state-key` for a file, branch or artifact: `code-review-web`."""
    return f"{task}-{state_key}" if state_key else task
