"""The web pages of the emulated GitHub, which need no login."""

from collections.abc import Callable

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from batch_action.sandbox.github import alert_page, page, pull_page, run_page
from batch_action.sandbox.github.instance import GitHubInstance
from batch_action.sandbox.github.records import Repository

_POLICY = "default-src 'none'; style-src 'unsafe-inline'"


def routes(instance: GitHubInstance) -> list[Route]:
    """Create the routes of issues, pull requests, alerts and workflow runs."""

    def runs(repository: Repository, _request: Request) -> str:
        return run_page.render_runs(instance.runs_of(repository), repository)

    def run(repository: Repository, request: Request) -> str | None:
        number = request.path_params["number"]
        found = [attempt for attempt in instance.runs_of(repository) if attempt.id == number]
        return run_page.render_run(found[0]) if found else None

    return [
        _route(instance, "/{owner}/{name}/actions", runs),
        _route(instance, "/{owner}/{name}/actions/runs/{number:int}", run),
        _route(instance, "/{owner}/{name}/issues", _issues),
        _route(instance, "/{owner}/{name}/pulls", _pulls),
        _route(instance, "/{owner}/{name}/issues/{number:int}", _issue),
        _route(instance, "/{owner}/{name}/pull/{number:int}", _issue),
        _route(instance, "/{owner}/{name}/security/code-scanning", _alerts),
        _route(instance, "/{owner}/{name}/security/code-scanning/{number:int}", _alert),
    ]


def _route(
    instance: GitHubInstance, path: str, render: Callable[[Repository, Request], str | None]
) -> Route:
    def serve(request: Request) -> Response:
        parameters = request.path_params
        with instance.lock:
            repository = instance.repository(f"{parameters['owner']}/{parameters['name']}")
            html = render(repository, request) if repository else None
        if html is None:
            return HTMLResponse("<h1>404</h1>", status_code=404)
        return HTMLResponse(html, headers={"Content-Security-Policy": _POLICY})

    return Route(path, serve, methods=["GET"])


def _issues(repository: Repository, _request: Request) -> str:
    issues = [issue for issue in repository.issues.values() if issue.pull is None]
    return page.render_list("Issues", issues, repository)


def _pulls(repository: Repository, _request: Request) -> str:
    pulls = [issue for issue in repository.issues.values() if issue.pull is not None]
    return page.render_list("Pull requests", pulls, repository)


def _issue(repository: Repository, request: Request) -> str | None:
    issue = repository.issues.get(request.path_params["number"])
    if issue is None:
        return None
    reviews = pull_page.timeline_entries(issue, repository)
    return page.render_issue(issue, issue.comments, repository, reviews)


def _alerts(repository: Repository, _request: Request) -> str:
    return alert_page.render_list(repository)


def _alert(repository: Repository, request: Request) -> str | None:
    alert = repository.alerts.get(request.path_params["number"])
    return alert_page.render_alert(alert, repository) if alert else None
