"""The REST machinery: tokens, permissions, pagination, headers and errors."""

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
from batch_action.sandbox.github.records import Issue, Repository
from batch_action.sandbox.github.tokens import Actor

_DOCS = "https://docs.github.com/rest"
_VERSIONS = {"2022-11-28", "2026-03-10"}
MAX_BODY_CHARS = 65_536
_T = TypeVar("_T")


class GitHubError(Exception):
    """An error response of the GitHub API."""

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


def not_found() -> GitHubError:
    """Create the error for what does not exist and for what the token cannot see."""
    return GitHubError(404, "Not Found")


def invalid(resource: str, field_name: str, code: str, message: str | None = None) -> GitHubError:
    """Create the 422 error of a validation that failed."""
    error = {"resource": resource, "field": field_name, "code": code}
    return GitHubError(
        422, "Validation Failed", [error | ({"message": message} if message else {})]
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiResponse:
    """The response of an endpoint."""

    data: Any = None
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One authenticated request to one endpoint."""

    instance: GitHubInstance
    actor: Actor
    request: Request
    raw: bytes
    target: Repository | None = None

    @property
    def repository(self) -> Repository:
        """Return the repository in the path.

        Raises GitHubError: when the path has none.
        """
        if self.target is None:
            raise not_found()
        return self.target

    def path_part(self, name: str) -> str:
        """Return a path parameter."""
        return str(self.request.path_params[name])

    def path_number(self, name: str) -> int:
        """Return a numeric path parameter.

        Raises GitHubError: 404 when it is not a number.
        """
        text = self.path_part(name)
        if not text.isdecimal():
            raise not_found()
        return int(text)

    def query(self, name: str, default: str = "") -> str:
        """Return a query parameter."""
        return self.request.query_params.get(name, default)

    def issue(self) -> Issue:
        """Return the issue or pull request in the path.

        Raises GitHubError: 404 when there is none.
        """
        issue = self.repository.issues.get(self.path_number("number"))
        if issue is None:
            raise not_found()
        return issue

    def body(self) -> dict[str, Any]:
        """Return the JSON object in the request body; empty when there is no body.

        Raises GitHubError: 400 when the body is no JSON object.
        """
        if not self.raw.strip():
            return {}
        try:
            body = json.loads(self.raw)
        except ValueError:
            raise GitHubError(400, "Problems parsing JSON") from None
        if not isinstance(body, dict):
            raise GitHubError(422, "Invalid request.\n\nFor 'links/0/schema', not an object.")
        return body

    def require_permission(self, *permissions: str, person_role: str | None = None) -> None:
        """Require any of the permissions (none: no requirement).

        Raises GitHubError: 403, naming the permissions as GitHub does.
        """
        if not permissions or any(
            self.actor.has_permission(self.repository, permission, person_role)
            for permission in permissions
        ):
            return
        if not self.actor.is_workflow:
            raise GitHubError(403, "Must have admin rights to Repository.")
        headers = {"X-Accepted-GitHub-Permissions": "; ".join(permissions)}
        raise GitHubError(403, "Resource not accessible by integration", headers=headers)

    def page(
        self, items: Iterable[_T], to_json: Callable[[_T], Any], wrapper: str | None = None
    ) -> ApiResponse:
        """Return the requested page of a list, in the field `wrapper` of an object if given."""
        everything = list(items)
        size = max(1, min(_number(self.query("per_page"), 30), 100))
        number = max(1, _number(self.query("page"), 1))
        data: Any = [to_json(item) for item in everything[(number - 1) * size : number * size]]
        last = max(1, -(-len(everything) // size))
        link = self._link(number, last)
        if wrapper is not None:
            data = {"total_count": len(everything), wrapper: data}
        return ApiResponse(data=data, headers={"Link": link} if link else {})

    def _link(self, number: int, last: int) -> str:
        pages = {"prev": number - 1, "next": number + 1, "last": last, "first": 1}
        omitted = {"prev", "first"} if number == 1 else set()
        omitted |= {"next", "last"} if number >= last else set()
        path = self.instance.origin + self.request.url.path
        return ", ".join(
            f'<{path}?{self.request.url.include_query_params(page=page).query}>; rel="{relation}"'
            for relation, page in pages.items()
            if relation not in omitted
        )


def _number(text: str, default: int) -> int:
    return int(text) if text.isdecimal() else default


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """One endpoint of the GitHub API."""

    method: str
    path: str
    handler: Callable[[Call], ApiResponse]
    permissions: tuple[str, ...] = ()
    person_role: str | None = None
    prefix: str = "/api/v3"

    def route(self, instance: GitHubInstance) -> Route:
        """Create the route that serves this endpoint for an instance."""

        async def serve(request: Request) -> Response:
            raw = await request.body()
            return await run_in_threadpool(self._serve, instance, request, raw)

        return Route(self.prefix + self.path, serve, methods=[self.method])

    def _serve(self, instance: GitHubInstance, request: Request, raw: bytes) -> Response:
        with instance.lock:
            actor = instance.tokens.holder(request.headers.get("authorization", ""))
            try:
                response = self._call(instance, actor, request, raw)
            except GitHubError as error:
                response = ApiResponse(
                    status=error.status, data=error.content, headers=error.headers
                )
            if actor and response.status < 400 and self.method != "GET" and self._is_write(raw):
                path = request.url.path.removeprefix(self.prefix)
                instance.writes.append((self.method, path, actor.login))
        return _http_response(request, actor, response)

    def _call(
        self, instance: GitHubInstance, actor: Actor | None, request: Request, raw: bytes
    ) -> ApiResponse:
        if actor is None and self._is_open_to_all(request):
            actor = Actor(login="")
        if actor is None:
            raise GitHubError(401, "Bad credentials")
        if request.headers.get("x-github-api-version", "2022-11-28") not in _VERSIONS:
            raise GitHubError(400, "API version is not supported.")
        actor.requests += 1
        target = None
        if "owner" in request.path_params:
            owner, name = request.path_params["owner"], request.path_params["name"]
            target = instance.repository(f"{owner}/{name}")
            if target is None or not actor.can_read(target):
                raise not_found()
        call = Call(instance=instance, actor=actor, request=request, raw=raw, target=target)
        call.require_permission(*self.permissions, person_role=self.person_role)
        return self.handler(call)

    def _is_open_to_all(self, request: Request) -> bool:
        """Return whether no token is needed: a public repository can be read without one."""
        reads = self.method == "GET" and "owner" in request.path_params
        return reads and "authorization" not in request.headers

    def _is_write(self, raw: bytes) -> bool:
        """Return whether the request writes; a GraphQL query is a POST that does not."""
        return self.path != "/graphql" or b"mutation" in raw


def endpoint(
    route: str, handler: Callable[[Call], ApiResponse], *permissions: str, person_role: str = ""
) -> Endpoint:
    """Create an endpoint from `"GET ~/issues"`; `~` is `/repos/{owner}/{name}`.

    `permissions`: any of them is enough, as in `X-Accepted-GitHub-Permissions`. `person_role`: the
    role that a person needs, where it is not the level of the permission.
    """
    method, _, path = route.partition(" ")
    path = path.replace("~", "/repos/{owner}/{name}")
    return Endpoint(
        method=method,
        path=path,
        handler=handler,
        permissions=permissions,
        person_role=person_role or None,
    )


def _http_response(request: Request, actor: Actor | None, response: ApiResponse) -> Response:
    headers = {"X-GitHub-Media-Type": "github.v3; format=json"} | dict(response.headers)
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
    if response.status in {204, 302} or isinstance(response.data, bytes):
        return Response(response.data, status_code=response.status, headers=headers)
    content = json.dumps(response.data, ensure_ascii=False).encode()
    if request.method == "GET" and response.status == 200:
        headers["ETag"] = f'W/"{hashlib.sha256(content).hexdigest()}"'
        if request.headers.get("if-none-match") == headers["ETag"]:
            return Response(status_code=304, headers=headers)
    media = "application/json; charset=utf-8"
    return Response(content, status_code=response.status, headers=headers, media_type=media)
