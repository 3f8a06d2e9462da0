"""Expected errors, each with its exit code and a fix for the user."""

from typing import ClassVar


class Advice:
    """What users can do is said in the words of the place where the program runs."""

    in_workflow: ClassVar[bool] = True
    """The command line sets it, for one execution."""


def advice(workflow: str, shell: str) -> str:
    """Return the sentence for the place where the program runs."""
    return workflow if Advice.in_workflow else shell


def full_history(more: str = "") -> str:
    """Return how to get the whole history of a shallow clone; *more* ends the sentence."""
    fix = advice("Set `fetch-depth: 0` at actions/checkout", "Run `git fetch --unshallow`")
    return f"{fix}{more}."


class BatchActionError(Exception):
    """An expected failure, with one sentence for the user and the exit code of the process."""

    exit_code = 70

    def __init__(self, problem: str, *, fix: str = "") -> None:
        self.problem = problem
        """What is wrong, with the name of the input or resource."""
        self.fix = fix
        """What the user can do about it."""
        super().__init__(f"{problem} {fix}".strip())


class ConfigError(BatchActionError):
    """The inputs are invalid, or the command cannot run with them."""

    exit_code = 2


class BudgetError(BatchActionError):
    """The budget covers no request, or not all of them with `on-over-budget: fail`."""

    exit_code = 3


class AnthropicError(BatchActionError):
    """Anthropic's API refused a call or failed."""

    exit_code = 4


class AmbiguousCreateError(AnthropicError):
    """The response to a create was lost: the batch may exist. The intent stays open."""


class TransientError(AnthropicError):
    """Anthropic's API failed temporarily: the next run continues."""

    retry_after: float = 0.0
    """Seconds to wait, from the response's `retry-after` header."""


class QuotaError(AnthropicError):
    """A spend limit, credit or contract is exhausted: a retry fails until a person acts."""


class GitHubError(BatchActionError):
    """GitHub's API refused a call or failed."""

    exit_code = 5


class NameTakenError(GitHubError):
    """The run, or an earlier attempt of it, already has an artifact of the name."""


class Interrupted(BaseException):
    """SIGINT or SIGTERM. Not an Exception, so that no library's retry loop swallows it."""

    exit_code = 130
