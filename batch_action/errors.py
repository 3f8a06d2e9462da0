"""Errors own their exit code and say what to do."""


class BatchActionError(Exception):
    """An expected failure: one clear sentence for the user, and the process's exit code."""

    exit_code = 70

    def __init__(self, problem: str, *, fix: str = "") -> None:
        self.problem = problem
        """What is wrong, naming the input or the thing."""
        self.fix = fix
        """What the user can do about it."""
        super().__init__(f"{problem} {fix}".strip())


class ConfigError(BatchActionError):
    """A mistake in the inputs, or a usage that cannot work."""

    exit_code = 2


class BudgetError(BatchActionError):
    """Not even one request fits under the cap, or `on-over-budget: fail`."""

    exit_code = 3


class AnthropicError(BatchActionError):
    """Anthropic refused or failed."""

    exit_code = 4


class AmbiguousCreateError(AnthropicError):
    """A batch was perhaps created: the answer was lost. The intent stays open."""


class TransientError(AnthropicError):
    """Anthropic failed in a way that passes: the next run goes on."""

    wait: float = 0.0
    """Seconds Anthropic asked us to wait."""


class QuotaError(AnthropicError):
    """A spend limit, credit or contract is exhausted: retrying is useless until a person acts."""


class GitHubError(BatchActionError):
    """GitHub refused or failed."""

    exit_code = 5


class Interrupted(BaseException):
    """SIGINT or SIGTERM. Not an Exception, so that no retry loop of a library swallows it."""

    exit_code = 130
