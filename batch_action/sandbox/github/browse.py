"""The pages of the emulated GitHub, open to every visitor of the sandbox."""

from collections.abc import Callable

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from batch_action.sandbox.github import page, pull_page
from batch_action.sandbox.github.state import Repository
from batch_action.sandbox.github.world import World

_POLICY = "default-src 'none'; style-src 'unsafe-inline'"


def routes(world: World) -> list[Route]:
    """The list of issues, and an issue or pull request."""
    return [
        _route(world, "/{owner}/{name}/issues", _list),
        _route(world, "/{owner}/{name}/issues/{number:int}", _issue),
        _route(world, "/{owner}/{name}/pull/{number:int}", _issue),
    ]


def _route(world: World, path: str, answer: Callable[[Repository, Request], str | None]) -> Route:
    def serve(request: Request) -> Response:
        place = request.path_params
        with world.lock:
            repository = world.repository(f"{place['owner']}/{place['name']}")
            html = answer(repository, request) if repository else None
        if html is None:
            return HTMLResponse("<h1>404</h1>", status_code=404)
        return HTMLResponse(html, headers={"Content-Security-Policy": _POLICY})

    return Route(path, serve, methods=["GET"])


def _list(repository: Repository, _request: Request) -> str:
    return page.render_list(list(repository.issues.values()), repository)


def _issue(repository: Repository, request: Request) -> str | None:
    issue = repository.issues.get(request.path_params["number"])
    if issue is None:
        return None
    reviews = pull_page.entries(issue, repository)
    return page.render_issue(issue, issue.comments, repository, reviews)
