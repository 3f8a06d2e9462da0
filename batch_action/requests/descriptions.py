"""What the author says about a change: text of commits or of the pull request, as data."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

from batch_action.clients.secrets import mask
from batch_action.context import RunContext
from batch_action.models.files import SourceFile
from batch_action.tasks.task import ContextNeeds
from batch_action.text import shorten

MAX_COMMITS = 1_000
"""The newest commits of a range whose messages are read."""
MAX_CHARS = 2_000
"""Characters of the description in one request."""
MIN_MESSAGE_CHARS = 200
"""Of a message, when many share them: rather are the oldest left out."""
MAX_CONFIGURED_CHARS = 8_000
"""Characters of `refactor-description`."""
MAX_READ_CHARS = 20_000
"""Of one message or text of a pull request."""
SEPARATOR = "\n\n---\n\n"

_TRAILER = re.compile(
    r"^(?:(?:[a-z]+(?:-[a-z]+)*-by|cc|change-id|reviewed-on|git-svn-id)[ \t]*:.*"
    r"|\(cherry picked from commit [0-9a-f]+\)[ \t]*|-{9}[ \t]*)$\n?",
    re.IGNORECASE | re.MULTILINE,
)
"""With the line that GitHub puts before the trailers of a squashed commit."""
_COMMENT = re.compile(r"<!--.*?(?:-->|\Z)", re.DOTALL)
"""What a template says to the author of a pull request."""


@dataclass
class Descriptions:
    """The descriptions of the files of one run; its commits are read once, for all files."""

    ctx: RunContext
    base: str | None
    """The commit to compare with; without one there is no change to describe."""
    head: str
    waiting_since: Mapping[str, str | None] = field(default_factory=dict)
    """Path of a file in the backlog to the commit with which it was compared at first."""
    _read: dict[str, dict[str, list[str]]] = field(default_factory=dict)
    """Commit to compare with to the messages by path."""
    _cleaned: dict[str, str] = field(default_factory=dict)
    """Message to what `clean` returns: many files share one."""

    def describe(self, file: SourceFile) -> SourceFile:
        """Return the file with what was said about its change as its first hint, if anything was.

        That is `refactor-description`, the pull request's text, or the messages of the commits that
        touched the file; masked, and as untrusted as the change itself.
        """
        text = self._text(file)
        return replace(file, hints=(("description", text), *file.hints)) if text else file

    def _text(self, file: SourceFile) -> str:
        if text := self._of_all_files:
            return text
        paths = dict.fromkeys(path for path in (file.old_path, file.path) if path)
        messages = (self._clean(text) for path in paths for text in self._messages_of(path))
        return join_messages(list(filter(None, dict.fromkeys(messages))))

    def _clean(self, message: str) -> str:
        if message not in self._cleaned:
            self._cleaned[message] = clean(message)
        return self._cleaned[message]

    @cached_property
    def _of_all_files(self) -> str:
        """What was said about the whole change."""
        compares = self.ctx.task.context_needs is ContextNeeds.BEFORE
        configured = (self.ctx.settings.refactor_description or "").strip()
        if configured and compares:
            return shorten(mask(configured)[0], MAX_CONFIGURED_CHARS)
        pull = self.ctx.github_context.pull_request
        texts = (clean(pull.title), clean(_COMMENT.sub("", pull.body))) if pull else ()
        return shorten("\n\n".join(filter(None, texts)), MAX_CHARS)

    def _messages_of(self, path: str) -> Sequence[str]:
        base = self.waiting_since.get(path) or self.base
        # A patch has a commit of its own, which says nothing.
        if base is None or self.ctx.settings.patch_file:
            return ()
        if base not in self._read:
            self._read[base] = self.ctx.git.messages_by_path(base, self.head, MAX_COMMITS)
        return self._read[base].get(path, ())


def clean(text: str) -> str:
    """Return a message without trailers, its secrets masked before anything is cut."""
    text = text.replace("\r\n", "\n")
    if len(text) > MAX_READ_CHARS:
        text = text[:MAX_READ_CHARS].rpartition("\n")[0] or text[:MAX_READ_CHARS]
    return mask(_TRAILER.sub("", text).strip())[0]


def join_messages(messages: Sequence[str]) -> str:
    """Return messages in their order, each cut to its share; of too many, the last ones."""
    whole = SEPARATOR.join(messages)
    if len(whole) <= MAX_CHARS:
        return whole
    share = max(MIN_MESSAGE_CHARS, MAX_CHARS // len(messages)) - len(SEPARATOR)
    return SEPARATOR.join(
        shorten(message, share) for message in messages[-(MAX_CHARS // (share + len(SEPARATOR))) :]
    )
