"""The status page: its text, and its layout in a real browser, on a phone and in dark mode."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from batch_action.server import status_page
from batch_action.server.status_page import duration
from tests.harness.serve import WebServer, begin, open_service
from tests.harness.status_page_data import (
    BATCHES,
    EMPTY,
    FAILED,
    FULL,
    HOSTILE,
    LEDGERS,
    RUN,
    STARTED,
    PageData,
)
from tests.harness.workflow import WorkflowHarness

NAMES = ("chromium", "chromium-browser", "google-chrome")
CHROMIUM = next(filter(None, map(shutil.which, NAMES)), None)
OpenPage = Callable[..., AbstractContextManager[Page]]
PHONE = {"width": 360, "height": 740}


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    if CHROMIUM is None:
        pytest.skip("there is no Chromium on this machine")
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield opened
        opened.close()


@pytest.fixture(scope="module")
def server() -> Iterator[WebServer]:
    opened = WebServer()
    yield opened
    opened.close()


@pytest.fixture
def open_page(browser: Browser, server: WebServer) -> OpenPage:
    """Open HTML in the browser, and check that the page does nothing that it should not."""

    @contextmanager
    def open_(html: str, **options: Any) -> Iterator[Page]:
        problems: list[str] = []
        requests: list[str] = []
        page = browser.new_page(**{"viewport": PHONE, **options})
        page.on("console", lambda message: problems.append(message.text))
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("dialog", lambda dialog: problems.append(dialog.message))
        page.on("request", lambda request: requests.append(request.url))
        server.put(receive=None, page=lambda: html, health=lambda: (True, {}))
        page.goto(server.address)
        yield page
        assert (requests, problems) == ([f"{server.address}/"], [])
        page.close()

    return open_


def color(page: Page) -> str:
    return str(page.evaluate("getComputedStyle(document.body).backgroundColor"))


@pytest.mark.parametrize("data", [FULL, EMPTY], ids=["full", "empty"])
@pytest.mark.parametrize("width", [320, 360, 1280])
def test_nothing_is_wider_than_the_screen(
    open_page: OpenPage, tmp_path: Path, data: PageData, width: int
) -> None:
    html = data.render(tmp_path)
    with open_page(html, viewport={"width": width, "height": 740}) as page:
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        outside = page.evaluate(
            "[...document.querySelectorAll('body *')].filter(element => {"
            " const box = element.getBoundingClientRect();"
            " return box.width && (box.right > innerWidth + 1 || box.left < -1)"
            "}).map(element => element.outerHTML)"
        )
        assert outside == []


def test_it_is_readable_on_a_phone(open_page: OpenPage, tmp_path: Path) -> None:
    with open_page(FULL.render(tmp_path)) as page:
        assert page.title() == "Needs attention · batch-action"
        assert page.get_by_role("heading", level=1).inner_text() == "Needs attention"
        sizes = page.evaluate(
            "[...document.querySelectorAll('body *')].filter(element => element.innerText)"
            ".map(element => parseFloat(getComputedStyle(element).fontSize))"
        )
        assert min(sizes) >= 12
        names = [h.inner_text() for h in page.get_by_role("heading", level=2).all()]
        assert names == [
            "Attention",
            "Pending batches",
            "Last dispatches",
            "Last deliveries",
            "Ledgers",
        ]
        pending = page.get_by_role("region", name="Pending batches").inner_text()
        assert "41 requests · 3 h 43 min old · expires in 20 h 17 min" in pending
        assert "no ledger names it yet" in pending
        assert "msgbatch_01Before" not in pending
        attention = page.get_by_role("region", name="Attention").inner_text()
        for text in (FAILED.note, "after 8 tries", "Batch of no listed repository", "ReadTimeout"):
            assert text in attention
        link = page.get_by_role("link", name="run 70112233445")
        assert link.get_attribute("href") == RUN
        page.get_by_role("link", name="health as JSON").scroll_into_view_if_needed()


def test_hostile_names_are_only_text(open_page: OpenPage, tmp_path: Path) -> None:
    with open_page(FULL.render(tmp_path)) as page:
        assert page.get_by_text(HOSTILE).count() >= 2
        assert page.locator("script, img").count() == 0


def test_it_follows_the_color_scheme(open_page: OpenPage, tmp_path: Path) -> None:
    colors = []
    for scheme in ("light", "dark"):
        with open_page(EMPTY.render(tmp_path), color_scheme=scheme) as page:
            assert page.get_by_role("heading", level=1).inner_text() == "All is well"
            colors.append(color(page))
    assert colors == ["rgb(244, 245, 242)", "rgb(19, 22, 19)"]


def test_the_page_of_a_real_service(open_page: OpenPage, workflow: WorkflowHarness) -> None:
    batch = begin(workflow)
    with open_service(workflow) as service:
        ctx, ledgers = service.ctx, service.dispatcher.ledgers
        assert "Just started" in status_page.render(ctx, ledgers)
        service.publish(batch)
        service.dispatcher.round()
        service.publish(batch)
        with open_page(status_page.render(ctx, ledgers)) as page:
            pending = page.get_by_role("region", name="Pending batches").inner_text()
            assert batch in pending
            assert "run started" in pending
            deliveries = page.get_by_role("region", name="Last deliveries").inner_text()
            assert "came 2 times, counted once" in deliveries
            href = page.get_by_role("link", name="run ").get_attribute("href")
            # The emulated GitHub shows that run.
            assert page.context.request.get(str(href)).text().count(f"batch-action {batch}") >= 2


@pytest.mark.parametrize(
    ("change", "title"),
    [
        ({}, "All is well"),
        ({"problem": "x"}, "Something is being retried"),
        ({"stuck": True}, "Needs attention"),
        ({"batches": (FAILED,)}, "Needs attention"),
        ({"batches": BATCHES[-1:]}, "All is well"),
        ({"ledgers": LEDGERS[2:]}, "Just started"),
        ({"ledgers": LEDGERS}, "Something is being retried"),
    ],
)
def test_the_title_is_the_state(tmp_path: Path, change: dict[str, Any], title: str) -> None:
    assert f"<title>{title} · batch-action</title>" in PageData(**change).render(tmp_path)


def test_only_web_addresses_are_links(tmp_path: Path) -> None:
    started = replace(STARTED, url="javascript:alert(1)")
    html = PageData(batches=(started,)).render(tmp_path)
    assert started.id in html
    assert '<a href="javascript' not in html


@pytest.mark.parametrize(
    ("length", "words"),
    [
        (timedelta(seconds=-5), "0 s"),
        (timedelta(seconds=59.9), "59 s"),
        (timedelta(minutes=1), "1 min"),
        (timedelta(minutes=60), "1 h"),
        (timedelta(hours=3, minutes=20), "3 h 20 min"),
        (timedelta(hours=24), "1 d"),
        (timedelta(days=2, hours=4, minutes=59), "2 d 4 h"),
    ],
)
def test_durations(length: timedelta, words: str) -> None:
    assert duration(length.total_seconds()) == words
