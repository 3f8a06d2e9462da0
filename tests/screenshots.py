"""Take the pictures of the documents: `make screenshots`.

Runs the action on the sample shop and the sandbox with every destination, then opens the pages of
the sandbox in headless Chromium. The reviewer is the sandbox's (ruff and patterns).
"""

import io
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from PIL import Image
from playwright.sync_api import Page, Route, sync_playwright

from batch_action.sandbox import sample_repositories
from batch_action.sandbox.github.annotation_page import render_annotations
from batch_action.sandbox.github.page import render_markdown
from batch_action.sandbox.server import Sandbox
from tests.documents.texts import ROOT
from tests.harness.git_repositories import Repo
from tests.harness.pull_requests import PullRequestHarness
from tests.harness.webhook_receiver import webhook_receiver
from tests.harness.workflow import DAY, WorkflowHarness

NAME = "octo/corner-shop"
REPORT = "issue, issue-per-finding, sarif, summary, annotations, files, slack"
PERMISSIONS = {
    "contents": "write",
    "actions": "read",
    "issues": "write",
    "security-events": "write",
    "pull-requests": "write",
}
WIDTH, COLORS = 1000, 128
PROPOSED = {"report": "draft-pr, summary", "task": "test-generation"}
CHANGE = (
    "import json\n\n\ndef load(path, cache=[]):\n"
    "    cache.append(json.load(open(path)))\n    return cache[-1]\n"
)


@dataclass(frozen=True, kw_only=True)
class Scene:
    """One picture: its file name, the page, and the maximum height in pixels."""

    name: str
    url: str = ""
    html: str = ""
    max_height: int = 1500


@contextmanager
def run_scenes() -> Iterator[tuple[WorkflowHarness, list[Scene]]]:
    """Run the action with all destinations, and yield what to take pictures of."""
    with tempfile.TemporaryDirectory() as temp, Sandbox() as sandbox, webhook_receiver() as slack:
        folder = Path(temp)
        sample_repositories.create_repository(folder / "shop", sandbox.clock.now())
        repository = sandbox.github.add_repository(NAME, git_dir=folder / "shop", private=True)
        repository.actions_can_open_pull_requests = repository.code_scanning = True
        workflow = WorkflowHarness(
            sandbox=sandbox,
            folder=folder,
            repo=Repo(folder / "shop", commits=40),
            github_repository=repository,
        )
        workflow.inputs |= {"report": REPORT, "first_run": "all"}
        workflow.inputs["slack_webhook_url"] = slack.url
        first = _submit_and_collect(workflow)
        workflow.advance(DAY)
        sample_repositories.create_commit(
            folder / "shop", sample_repositories.SHOP.fix, sandbox.clock.now()
        )
        second = _submit_and_collect(workflow)
        assert first.exit == second.exit == 0, second.log
        slack_message = slack.last.json
        results = workflow.repo.path / ".batch-action"
        report = (results / "report.md").read_text("utf-8")
        del workflow.inputs["slack_webhook_url"]
        documented = _submit_and_collect(workflow, select="all", **PROPOSED)
        assert documented.exit == 0, documented.log
        draft = max(workflow.github_repository.issues)
        shutil.rmtree(results)
        pull = PullRequestHarness.open(workflow, {"shop/loading.py": CHANGE}, branch="load-orders")
        assert pull.run("submit").exit == 0
        workflow.finish()
        assert pull.collect().exit == 0
        yield (
            workflow,
            _scenes(
                workflow,
                (second.summary, report, first.log),
                slack_message,
                draft,
                pull.issue.number,
            ),
        )


def _submit_and_collect(workflow: WorkflowHarness, **inputs: str) -> Any:
    workflow.start("submit", {"permissions": PERMISSIONS}, **inputs)
    workflow.finish()
    return workflow.start("collect", {"permissions": PERMISSIONS}, **inputs)


def _scenes(
    workflow: WorkflowHarness,
    texts: tuple[str, str, str],
    slack_message: Any,
    draft: int,
    pull: int,
) -> list[Scene]:
    summary, report, log = texts
    annotations = render_annotations("batch-action", log, workflow.github_repository)
    url = f"{workflow.sandbox.github_url}/{NAME}"
    rolling = next(i.number for i in workflow.issues if i.title.startswith("Nightly"))
    single = next(
        i.number for i in workflow.issues if not i.title.startswith("Nightly") and i.state == "open"
    )
    return [
        Scene(name="issue", url=f"{url}/issues/{rolling}", max_height=2000),
        Scene(name="issue-list", url=f"{url}/issues", max_height=900),
        Scene(name="issue-per-finding", url=f"{url}/issues/{single}", max_height=1000),
        Scene(name="sarif-list", url=f"{url}/security/code-scanning", max_height=900),
        Scene(name="sarif-alert", url=f"{url}/security/code-scanning/1", max_height=1100),
        Scene(name="pr-review", url=f"{url}/pull/{pull}", max_height=2000),
        Scene(name="draft-pr", url=f"{url}/pull/{draft}", max_height=900),
        Scene(
            name="summary",
            html=render_markdown("Job summary", summary, workflow.github_repository),
            max_height=1700,
        ),
        Scene(name="annotations", html=annotations, max_height=1100),
        Scene(
            name="files",
            html=render_markdown("report.md", report, workflow.github_repository),
            max_height=1200,
        ),
        Scene(name="slack", html=_slack(slack_message), max_height=600),
    ]


def _slack(message: Any) -> str:
    """Render the blocks of a Slack message similar to Slack."""
    parts = []
    for block in message.get("blocks", []):
        texts = [block["text"]] if "text" in block else block.get("elements", [])
        size = {"header": "20px;font-weight:700", "context": "12px;color:#616061"}
        style = size.get(block["type"], "15px")
        parts += [
            f'<p style="font-size:{style};margin:6px 0">{_mrkdwn(t.get("text", ""))}</p>'
            for t in texts
        ]
    body = "".join(parts)
    return (
        '<!doctype html><body style="font-family:sans-serif;margin:24px;max-width:760px">'
        '<div style="border:1px solid #ddd;border-radius:8px;padding:16px 20px">'
        f"<b>batch-action</b> <small>APP</small>{body}</div></body>"
    )


def _mrkdwn(text: str) -> str:
    html = ""
    for piece in text.replace("\n", "<br>").split("<"):
        link, mark, rest = piece.partition(">")
        address, bar, label = link.partition("|")
        if mark and bar:
            html += f'<a href="{escape(address)}">{label}</a>{rest}'
        else:
            html += ("<" if html else "") + piece
    parts = html.split("*")
    return "".join(f"<b>{p}</b>" if n % 2 else p for n, p in enumerate(parts))


def _mermaid() -> Path | None:
    """Return the script of mermaid, which draws the charts, from npm; None without npm."""
    folder = ROOT / ".cache" / "screenshots"
    script = folder / "node_modules" / "mermaid" / "dist" / "mermaid.min.js"
    if not script.is_file():
        if shutil.which("npm") is None:
            print("npm is not installed: the charts stay text.", file=sys.stderr)  # noqa: T201
            return None
        folder.mkdir(parents=True, exist_ok=True)
        words = ["npm", "install", "--silent", "--no-fund", "--no-audit", "--prefix", str(folder)]
        subprocess.run([*words, "mermaid@11"], check=True)
    return script


def _draw_charts(page: Page, script: Path | None) -> None:
    if script is None or "%%{init" not in page.content():
        return
    page.add_script_tag(path=script)
    page.evaluate(
        """async () => {
          mermaid.initialize({startOnLoad: false, theme: "default"});
          let n = 0;
          for (const code of document.querySelectorAll("pre code")) {
            if (!code.textContent.startsWith("%%{init")) continue;
            const {svg} = await mermaid.render("chart" + n++, code.textContent);
            const box = document.createElement("div");
            box.innerHTML = svg;
            code.closest("pre").replaceWith(box);
          }
        }"""
    )


def _block_other_hosts(route: Route) -> None:
    """Block every request that does not go to the sandbox."""
    address = urlsplit(route.request.url)
    if address.hostname in ("127.0.0.1", "localhost") or address.scheme in ("data", "about"):
        route.continue_()
    else:
        route.abort()


def main() -> int:
    browser = next(filter(None, map(shutil.which, ("chromium", "google-chrome", "chrome"))), None)
    if browser is None:
        print("Chromium is not installed: install the package chromium.", file=sys.stderr)  # noqa: T201
        return 1
    script = _mermaid()
    with run_scenes() as (_, scenes), sync_playwright() as play:
        chromium = play.chromium.launch(executable_path=browser, args=["--no-sandbox"])
        for scene in scenes:
            context = chromium.new_context(
                viewport={"width": WIDTH, "height": 800},
                device_scale_factor=2,
                color_scheme="light",
                bypass_csp=True,
            )
            context.route("**/*", _block_other_hosts)
            page = context.new_page()
            if scene.url:
                page.goto(scene.url)
            else:
                page.set_content(scene.html)
            _draw_charts(page, script)
            height = min(
                scene.max_height,
                int(page.evaluate("Math.ceil(document.body.getBoundingClientRect().bottom) + 24")),
            )
            image = page.screenshot(
                full_page=True, clip={"x": 0, "y": 0, "width": WIDTH, "height": height}
            )
            # A palette makes the file a third of its size; this method keeps the colors of the few
            # dots for the severities.
            small = (
                Image.open(io.BytesIO(image))
                .convert("RGB")
                .quantize(COLORS, Image.Quantize.MAXCOVERAGE, kmeans=1)
            )
            small.save(ROOT / "docs" / "images" / f"{scene.name}.png", optimize=True)
            context.close()
        chromium.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
