"""Take the pictures of the documents: `make screenshots`.

Runs the action on the sample shop and the sandbox with every destination, then opens the pages of
the sandbox in headless Chromium, light and dark. A table that is cut off on a phone is an error.
"""

import io
import re
import shutil
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
from playwright.sync_api import Browser, Page, Route, sync_playwright

from batch_action.sandbox import sample_repositories
from batch_action.sandbox.github.annotation_page import render_annotations
from batch_action.sandbox.github.page import render_markdown
from batch_action.sandbox.sample_answers import answer_function
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
WIDTH, PHONE_WIDTH, COLORS = 880, 375, 128
SCHEMES = ("light", "dark")
# Only what a destination shows: no bar, no sidebar, no footer.
CROP = ".bar, .side, footer { display: none } .columns { display: block } main { padding: 16px }"
OPENED = ".text details:has(.add)"
"""The first finding with a suggested change."""
CUT_OFF = """() => [...document.querySelectorAll(".text table:not(.lines), .text p, .text summary")]
  .filter(e => e.scrollWidth > e.clientWidth + 1 && e.checkVisibility())
  .map(e => e.textContent.slice(0, 80))"""
PROPOSED = {"report": "draft-pr, summary", "task": "test-generation"}


@dataclass(frozen=True, kw_only=True)
class Scene:
    """One picture: its file name, and the page or its part that it shows."""

    name: str
    url: str = ""
    html: str = ""
    part: str = "main"
    """A CSS selector; a folded part is unfolded."""


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
        _answer(sandbox, "code-review")
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
        _answer(sandbox, PROPOSED["task"])
        proposed = _submit_and_collect(workflow, select="all", **PROPOSED)
        assert proposed.exit == 0, proposed.log
        draft = max(workflow.github_repository.issues)
        shutil.rmtree(results)
        _answer(sandbox, "code-review")
        pull = PullRequestHarness.open(
            workflow,
            {"shop/orders.py": workflow.repo.git("show", "HEAD~1:shop/orders.py") + "\n"},
            branch="search",
            title="Search for orders by the customer's name again",
        )
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


def _answer(sandbox: Sandbox, task: str) -> None:
    """Let the answers come from those that are written for the sample."""
    answer, by_hand = answer_function(sample_repositories.SHOP, task)
    assert by_hand
    sandbox.anthropic.answer_with(answer)


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
        Scene(name="finding", url=f"{url}/issues/{rolling}", part=OPENED),
        Scene(name="issue", url=f"{url}/issues/{rolling}"),
        Scene(name="issue-list", url=f"{url}/issues"),
        Scene(name="issue-per-finding", url=f"{url}/issues/{single}"),
        Scene(name="sarif-list", url=f"{url}/security/code-scanning"),
        Scene(name="sarif-alert", url=f"{url}/security/code-scanning/2"),
        Scene(name="pr-review", url=f"{url}/pull/{pull}"),
        Scene(name="draft-pr", url=f"{url}/pull/{draft}"),
        Scene(
            name="summary",
            html=render_markdown("Job summary", summary, workflow.github_repository),
        ),
        Scene(name="annotations", html=annotations),
        Scene(
            name="files",
            html=render_markdown("report.md", report, workflow.github_repository),
        ),
        Scene(name="slack", html=_slack(slack_message)),
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
        '<!doctype html><meta name="viewport" content="width=device-width">'
        "<style>:root { color-scheme: light dark }</style>"
        '<body style="font-family:sans-serif;margin:0"><main style="max-width:760px">'
        '<div style="border:1px solid #8886;border-radius:8px;padding:16px 20px">'
        f"<b>batch-action</b> <small>APP</small>{body}</div></main></body>"
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
    html = re.sub(r"`([^`]+)`", r"<code>\1</code>", html)
    parts = html.split("*")
    return "".join(f"<b>{p}</b>" if n % 2 else p for n, p in enumerate(parts))


def _block_other_hosts(route: Route) -> None:
    """Block every request that does not go to the sandbox."""
    address = urlsplit(route.request.url)
    if address.hostname in ("127.0.0.1", "localhost") or address.scheme in ("data", "about"):
        route.continue_()
    else:
        route.abort()


def _open(browser: Browser, scene: Scene, width: int, scheme: Any) -> Page:
    context = browser.new_context(
        viewport={"width": width, "height": 800},
        device_scale_factor=2,
        color_scheme=scheme,
        bypass_csp=True,
    )
    context.route("**/*", _block_other_hosts)
    page = context.new_page()
    if scene.url:
        page.goto(scene.url)
    else:
        page.set_content(scene.html)
    page.add_style_tag(content=CROP)
    page.locator(scene.part).first.evaluate("e => { if (e.tagName == 'DETAILS') e.open = true }")
    return page


def _save(page: Page, scene: Scene, path: Path) -> None:
    box = page.locator(scene.part).first.bounding_box()
    assert box, scene.name
    margin = 0 if scene.part == "main" else 12
    image = page.screenshot(
        full_page=True,
        clip={
            "x": box["x"] - margin,
            "y": box["y"] - margin,
            "width": box["width"] + 2 * margin,
            "height": box["height"] + 2 * margin,
        },
    )
    # A palette makes the file a third of its size; this method keeps the colors of the few dots
    # for the severities.
    Image.open(io.BytesIO(image)).convert("RGB").quantize(
        COLORS, Image.Quantize.MAXCOVERAGE, kmeans=1
    ).save(path, optimize=True)


def main() -> int:
    chromium = next(filter(None, map(shutil.which, ("chromium", "google-chrome", "chrome"))), None)
    if chromium is None:
        print("Chromium is not installed: install the package chromium.", file=sys.stderr)  # noqa: T201
        return 1
    cut_off = []
    with run_scenes() as (_, scenes), sync_playwright() as play:
        browser = play.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        for scene in scenes:
            for scheme in SCHEMES:
                page = _open(browser, scene, WIDTH, scheme)
                name = scene.name if scheme == "light" else f"{scene.name}-{scheme}"
                _save(page, scene, ROOT / "docs" / "images" / f"{name}.png")
                page.context.close()
            page = _open(browser, scene, PHONE_WIDTH, "light")
            cut_off += [f"{scene.name}: {text}" for text in page.evaluate(CUT_OFF)]
            page.context.close()
        browser.close()
    print(*cut_off, sep="\n", file=sys.stderr)  # noqa: T201
    return 1 if cut_off else 0


if __name__ == "__main__":
    sys.exit(main())
