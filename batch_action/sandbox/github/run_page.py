"""Web pages of workflow runs: the list, and a single run with its inputs."""

from collections.abc import Sequence
from html import escape

from batch_action.sandbox.github import page
from batch_action.sandbox.github.records import Repository
from batch_action.sandbox.github.runs import Run


def render_runs(runs: Sequence[Run], repository: Repository) -> str:
    """Render all runs of a repository, newest first."""
    rows = "".join(_row(run) for run in runs)
    number = f"{len(runs)} workflow run{'' if len(runs) == 1 else 's'}"
    body = f'<div class="list"><header>{number}</header>{rows}</div>'
    return page.page_html("Actions", repository, body)


def render_run(run: Run) -> str:
    """Render one run: its title, event and inputs."""
    inputs = run.payload.get("inputs") or run.payload.get("client_payload") or {}
    items = "".join(
        f"<li><code>{escape(k)}: {escape(str(v))}</code></li>" for k, v in inputs.items()
    )
    body = f"""<h1 class="title">{escape(_title(run))} <span>#{run.number}</span></h1>
<div class="meta"><span>{_details(run)}</span></div>
<article class="card"><header><b>Inputs</b></header>
<div class="text"><ul>{items or "<li>none</li>"}</ul></div></article>"""
    return page.page_html(_title(run), run.repository, body)


def _row(run: Run) -> str:
    url = f"/{run.repository.full_name}/actions/runs/{run.id}"
    state = "completed" if run.status == "completed" else "open"
    return f"""<div class="row"><span class="{state}">●</span><div>
<a href="{escape(url)}">{escape(_title(run))}</a><small>{_details(run)}</small></div></div>"""


def _title(run: Run) -> str:
    return run.title or run.event


def _details(run: Run) -> str:
    ended = f", {run.conclusion}" if run.conclusion else ""
    details = f"{run.workflow_path.rpartition('/')[2]} by {run.event}, {run.status}{ended}"
    return f"{escape(details)} · {run.created_at:%Y-%m-%d %H:%M} UTC"
