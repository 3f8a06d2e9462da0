"""From an HTTP request to an endpoint and back: tokens, scopes, pages, headers, refusals."""

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from batch_action.sandbox.github.instance import GitHubInstance
from batch_action.sandbox.github.state import Issue, Repository
from batch_action.sandbox.github.tokens import Actor

_DOCS = "https://docs.github.com/rest"
_VERSIONS = {"2022-11-28", "2026-03-10"}
BODY_LIMIT = 65_536
_T = TypeVar("_T")


class Refusal(Exception):  # noqa: N818
    """An error answer of GitHub's."""

    def __init__(
        self,
        status: int,
        message: str,
        errors: list[Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.content: dict[str, Any] = {"message": message}
        if errors is not None:
            self.content["errors"] = errors
        self.content |= {"documentation_url": _DOCS, "status": str(status)}
        self.headers = dict(headers or {})


def not_found() -> Refusal:
    """What GitHub says of the missing and of the hidden alike."""
    return Refusal(404, "Not Found")


def invalid(resource: str, field_name: str, code: str, message: str | None = None) -> Refusal:
    """A 422 in GitHub's words."""
    error = {"resource": resource, "field": field_name, "code": code}
    return Refusal(422, "Validation Failed", [error | ({"message": message} if message else {})])


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What an endpoint found."""

    data: Any = None
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One request to one endpoint, already let in."""

    instance: GitHubInstance
    actor: Actor
    request: Request
    raw: bytes
    target: Repository | None = None

    @property
    def repository(self) -> Repository:
        """The repository in the path."""
        if self.target is None:
            raise not_found()
        return self.target

    def part(self, name: str) -> str:
        """A piece of the path."""
        return str(self.request.path_params[name])

    def number(self, name: str) -> int:
        """A number in the path; nothing else is ever found."""
        text = self.part(name)
        if not text.isdecimal():
            raise not_found()
        return int(text)

    def query(self, name: str, default: str = "") -> str:
        """A query parameter."""
        return self.request.query_params.get(name, default)

    def issue(self) -> Issue:
        """The issue or pull request in the path."""
        found = self.repository.issues.get(self.number("number"))
        if found is None:
            raise not_found()
        return found

    def body(self) -> dict[str, Any]:
        """The request's JSON object."""
        if not self.raw.strip():
            return {}
        try:
            found = json.loads(self.raw)
        except ValueError:
            raise Refusal(400, "Problems parsing JSON") from None
        if not isinstance(found, dict):
            raise Refusal(422, "Invalid request.\n\nFor 'links/0/schema', not an object.")
        return found

    def insist(self, *needs: str, person: str | None = None) -> None:
        """Refuse an actor without any of these scopes, naming them as GitHub does."""
        if not needs or any(self.actor.may(self.repository, need, person) for need in needs):
            return
        if not self.actor.is_workflow:
            raise Refusal(403, "Must have admin rights to Repository.")
        accepted = {"X-Accepted-GitHub-Permissions": "; ".join(needs)}
        raise Refusal(403, "Resource not accessible by integration", headers=accepted)

    def page(
        self, items: Iterable[_T], shape: Callable[[_T], Any], around: str | None = None
    ) -> Answer:
        """The asked-for page of a list, inside an object when the API wraps that list."""
        everything = list(items)
        size = max(1, min(_number(self.query("per_page"), 30), 100))
        number = max(1, _number(self.query("page"), 1))
        here = [shape(item) for item in everything[(number - 1) * size : number * size]]
        last = max(1, -(-len(everything) // size))
        link = self._link(number, last)
        data = here if around is None else {"total_count": len(everything), around: here}
        return Answer(data=data, headers={"Link": link} if link else {})

    def _link(self, number: int, last: int) -> str:
        wanted = {"prev": number - 1, "next": number + 1, "last": last, "first": 1}
        hidden = {"prev", "first"} if number == 1 else set()
        hidden |= {"next", "last"} if number >= last else set()
        path = self.instance.origin + self.request.url.path
        return ", ".join(
            f'<{path}?{self.request.url.include_query_params(page=page).query}>; rel="{relation}"'
            for relation, page in wanted.items()
            if relation not in hidden
        )


def _number(text: str, default: int) -> int:
    return int(text) if text.isdecimal() else default


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """One line of GitHub's API."""

    method: str
    path: str
    answer: Callable[[Call], Answer]
    needs: tuple[str, ...] = ()
    person: str | None = None
    prefix: str = "/api/v3"

    def route(self, instance: GitHubInstance) -> Route:
        """The same, bound to a world."""

        async def serve(request: Request) -> Response:
            raw = await request.body()
            return await run_in_threadpool(self._serve, instance, request, raw)

        return Route(self.prefix + self.path, serve, methods=[self.method])

    def _serve(self, instance: GitHubInstance, request: Request, raw: bytes) -> Response:
        with instance.lock:
            actor = instance.tokens.holder(request.headers.get("authorization", ""))
            try:
                answer = self._answer(instance, actor, request, raw)
            except Refusal as refusal:
                answer = Answer(
                    status=refusal.status, data=refusal.content, headers=refusal.headers
                )
            if actor and answer.status < 400 and self.method != "GET" and self._counts(raw):
                path = request.url.path.removeprefix(self.prefix)
                instance.writes.append((self.method, path, actor.login))
        return _response(request, actor, answer)

    def _answer(
        self, instance: GitHubInstance, actor: Actor | None, request: Request, raw: bytes
    ) -> Answer:
        if actor is None:
            raise Refusal(401, "Bad credentials")
        if request.headers.get("x-github-api-version", "2022-11-28") not in _VERSIONS:
            raise Refusal(400, "API version is not supported.")
        actor.requests += 1
        target = None
        if "owner" in request.path_params:
            owner, name = request.path_params["owner"], request.path_params["name"]
            target = instance.repository(f"{owner}/{name}")
            if target is None or not actor.sees(target):
                raise not_found()
        call = Call(instance=instance, actor=actor, request=request, raw=raw, target=target)
        call.insist(*self.needs, person=self.person)
        return self.answer(call)

    def _counts(self, raw: bytes) -> bool:
        """Whether this was a write; a GraphQL query isn't, although it is a POST."""
        return self.path != "/graphql" or b"mutation" in raw


def on(what: str, answer: Callable[[Call], Answer], *needs: str, person: str = "") -> Endpoint:
    """An endpoint from `"GET ~/issues"`, where `~` stands for `/repos/{owner}/{name}`."""
    method, _, path = what.partition(" ")
    path = path.replace("~", "/repos/{owner}/{name}")
    return Endpoint(method=method, path=path, answer=answer, needs=needs, person=person or None)


def _response(request: Request, actor: Actor | None, answer: Answer) -> Response:
    headers = {"X-GitHub-Media-Type": "github.v3; format=json"} | dict(answer.headers)
    headers["X-GitHub-Request-Id"] = f"{id(request) & 0xFFFFFFFF:08X}"
    headers["X-GitHub-Api-Version-Selected"] = request.headers.get(
        "x-github-api-version", "2022-11-28"
    )
    if actor:
        limit = 1000 if actor.is_workflow else 5000
        headers |= {
            "X-RateLimit-Limit": str(limit),
            "X-RateLimit-Remaining": str(max(1, limit - actor.requests)),
            "X-RateLimit-Used": str(min(actor.requests, limit - 1)),
            "X-RateLimit-Reset": "4102444800",
            "X-RateLimit-Resource": "core",
        }
    if answer.status in {204, 302} or isinstance(answer.data, bytes):
        return Response(answer.data, status_code=answer.status, headers=headers)
    content = json.dumps(answer.data, ensure_ascii=False).encode()
    if request.method == "GET" and answer.status == 200:
        headers["ETag"] = f'W/"{hashlib.sha256(content).hexdigest()}"'
        if request.headers.get("if-none-match") == headers["ETag"]:
            return Response(status_code=304, headers=headers)
    media = "application/json; charset=utf-8"
    return Response(content, status_code=answer.status, headers=headers, media_type=media)
