"""Tokens, their holders and their permissions."""

import base64
import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from batch_action.sandbox.github.records import Repository

_LEVELS = {"none": 0, "read": 1, "triage": 2, "write": 3, "maintain": 4, "admin": 5}
_NEVER_PUBLIC = {"security_events"}


@dataclass(slots=True, kw_only=True)
class Actor:
    """The holder of a token: a person, or one attempt of a workflow run."""

    login: str
    repository_id: int | None = None
    """The repository of a workflow token; None for a person."""
    permissions: Mapping[str, str] = field(default_factory=dict)
    """The `permissions:` of a workflow token."""
    active: bool = True
    """False once the job of a workflow token has ended."""
    requests: int = 0

    @property
    def is_workflow(self) -> bool:
        """Whether the token belongs to a workflow run."""
        return self.repository_id is not None

    def level(self, repository: Repository) -> int:
        """Return a person's role in a repository as a number."""
        default = "none" if repository.private else "read"
        return _LEVELS[repository.permissions.get(self.login, default)]

    def can_read(self, repository: Repository) -> bool:
        """Return whether the token can see the repository at all."""
        if not repository.private:
            return True
        if self.is_workflow:
            return self.repository_id == repository.id
        return self.level(repository) > 0

    def can_push(self, repository: Repository) -> bool:
        """Return whether GitHub accepts labels and assignees of a new issue from the token."""
        if self.is_workflow:
            return any(
                self.has_permission(repository, f"{scope}=write")
                for scope in ("issues", "pull_requests")
            )
        return self.level(repository) >= _LEVELS["write"]

    def has_permission(
        self, repository: Repository, permission: str, person_role: str | None = None
    ) -> bool:
        """Return whether the token has a `scope=level` of `X-Accepted-GitHub-Permissions`.

        `person_role`: the role that a person needs, where it is not the level.
        """
        scope, _, level = permission.partition("=")
        if scope == "metadata" or _is_public(repository, scope, level):
            return True
        if not self.is_workflow:
            return self.level(repository) >= _LEVELS[person_role or level]
        if self.repository_id != repository.id:
            return False
        return _LEVELS[self.permissions.get(scope.replace("_", "-"), "none")] >= _LEVELS[level]


def _is_public(repository: Repository, scope: str, level: str) -> bool:
    return not repository.private and level == "read" and scope not in _NEVER_PUBLIC


class Tokens:
    """All tokens that were issued."""

    def __init__(self) -> None:
        self._actors: dict[str, Actor] = {}

    def issue(self, prefix: str, actor: Actor) -> str:
        """Create a token for an actor."""
        token = prefix + secrets.token_hex(18)
        self._actors[token] = actor
        return token

    def holder(self, authorization: str) -> Actor | None:
        """Find the holder of the token in an `Authorization` header; None if it is not valid."""
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() not in {"bearer", "token"}:
            return None
        actor = self._actors.get(token.strip())
        return actor if actor and actor.active else None


def unsigned_jwt(claims: Mapping[str, Any]) -> str:
    """Encode claims as a JWT with a random signature."""
    parts = [{"typ": "JWT", "alg": "none"}, claims]
    encoded = [_base64url(json.dumps(part, separators=(",", ":")).encode()) for part in parts]
    return ".".join([*encoded, _base64url(secrets.token_bytes(32))])


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
