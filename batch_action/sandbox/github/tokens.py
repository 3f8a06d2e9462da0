"""Who holds which token, and what the token may do."""

import base64
import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from batch_action.sandbox.github.state import Repository

_LEVELS = {"none": 0, "read": 1, "triage": 2, "write": 3, "maintain": 4, "admin": 5}
_NEVER_PUBLIC = {"security_events"}


@dataclass(slots=True, kw_only=True)
class Actor:
    """The holder of a token: a person, or one attempt of a workflow run."""

    login: str
    repository_id: int | None = None
    """The only repository of a workflow's token; None for a person."""
    permissions: Mapping[str, str] = field(default_factory=dict)
    """A workflow token's `permissions:` block."""
    alive: bool = True
    """A workflow's token dies with its job."""
    requests: int = 0

    @property
    def is_workflow(self) -> bool:
        """Whether this is a workflow's own token."""
        return self.repository_id is not None

    def level(self, repository: Repository) -> int:
        """A person's rank in a repository, as a number."""
        floor = "none" if repository.private else "read"
        return _LEVELS[repository.permissions.get(self.login, floor)]

    def sees(self, repository: Repository) -> bool:
        """Whether the repository exists at all for this token."""
        if not repository.private:
            return True
        if self.is_workflow:
            return self.repository_id == repository.id
        return self.level(repository) > 0

    def pushes(self, repository: Repository) -> bool:
        """Whether labels and assignees given at creation are kept."""
        if self.is_workflow:
            return any(self.may(repository, f"{s}=write") for s in ("issues", "pull_requests"))
        return self.level(repository) >= _LEVELS["write"]

    def may(self, repository: Repository, need: str, person: str | None = None) -> bool:
        """Whether one `scope=level` (as in X-Accepted-GitHub-Permissions) is granted.

        `person` is the rank a person needs where it isn't the same word.
        """
        scope, _, level = need.partition("=")
        if scope == "metadata" or self._reads_publicly(repository, scope, level):
            return True
        if not self.is_workflow:
            return self.level(repository) >= _LEVELS[person or level]
        if self.repository_id != repository.id:
            return False
        return _LEVELS[self.permissions.get(scope.replace("_", "-"), "none")] >= _LEVELS[level]

    def _reads_publicly(self, repository: Repository, scope: str, level: str) -> bool:
        return not repository.private and level == "read" and scope not in _NEVER_PUBLIC


class Tokens:
    """All tokens ever handed out."""

    def __init__(self) -> None:
        self._actors: dict[str, Actor] = {}

    def issue(self, prefix: str, actor: Actor) -> str:
        """A new token for an actor."""
        token = prefix + secrets.token_hex(18)
        self._actors[token] = actor
        return token

    def holder(self, authorization: str) -> Actor | None:
        """Who sent this Authorization header; None for a wrong or dead token."""
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() not in {"bearer", "token"}:
            return None
        actor = self._actors.get(token.strip())
        return actor if actor and actor.alive else None


def unsigned_jwt(claims: Mapping[str, Any]) -> str:
    """Something shaped like a JWT, with claims one can read and a signature nobody should check."""
    parts = [{"typ": "JWT", "alg": "none"}, claims]
    encoded = [_base64url(json.dumps(part, separators=(",", ":")).encode()) for part in parts]
    return ".".join([*encoded, _base64url(secrets.token_bytes(32))])


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
