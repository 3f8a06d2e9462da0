"""The status page: its words, and how it looks in a real browser, on a phone and in the dark."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from batch_action.server import status_page
from batch_action.server.app import Handlers
from batch_action.server.status_page import render_page, span
from tests.harness.serve import Stage, begin, open_service
from tests.harness.status_page_data import EMPTY, FULL, HOSTILE, NOW, RUN
from tests.harness.workflow import WorkflowHarness

NAMES = ("chromium", "chromium-browser", "google-chrome")
CHROMIUM = next(filter(None, map(shutil.which, NAMES)), None)
Looking = Callable[..., AbstractContextManager[Page]]
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
def stage() -> Iterator[Stage]:
    opened = Stage()
    yield opened
    opened.close()


@pytest.fixture
def looking(browser: Browser, stage: Stage) -> Looking:
    """A browser that looks at a page, and complains of whatever a page should not do."""

    @contextmanager
    def look(html: str, **how: Any) -> Iterator[Page]:
        complaints: list[str] = []
        asked: list[str] = []
        page = browser.new_page(**{"viewport": PHONE, **how})
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("dialog", lambda dialog: complaints.append(dialog.message))
        page.on("request", lambda request: asked.append(request.url))
        stage.put(Handlers(receive=None, page=lambda: html, health=lambda: (True, {})))
        page.goto(stage.address)
        yield page
        assert (asked, complaints) == ([f"{stage.address}/"], [])
        page.close()

    return look


def colour(page: Page) -> str:
    return str(page.evaluate("getComputedStyle(document.body).backgroundColor"))


@pytest.mark.parametrize("board", [FULL, EMPTY], ids=["full", "empty"])
@pytest.mark.parametrize("width", [320, 360, 1280])
def test_nothing_sticks_out(looking: Looking, board, width: int) -> None:
    with looking(render_page(board), viewport={"width": width, "height": 740}) as page:
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        outside = page.evaluate(
            "[...document.querySelectorAll('body *')].filter(one => {"
            " const box = one.getBoundingClientRect();"
            " return box.width && (box.right > innerWidth + 1 || box.left < -1)"
            "}).map(one => one.outerHTML)"
        )
        assert outside == []


def test_a_phone_can_read_it(looking: Looking) -> None:
    with looking(render_page(FULL)) as page:
        assert page.title() == "Needs a person · batch-action"
        assert page.get_by_role("heading", level=1).inner_text() == "Needs a person"
        sizes = page.evaluate(
            "[...document.querySelectorAll('body *')].filter(one => one.innerText)"
            ".map(one => parseFloat(getComputedStyle(one).fontSize))"
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
        assert "expired 1 h ago" in pending
        link = page.get_by_role("link", name="run 70112233445")
        assert link.get_attribute("href") == RUN
        page.get_by_role("link", name="health as JSON").scroll_into_view_if_needed()


def test_hostile_names_are_only_text(looking: Looking) -> None:
    with looking(render_page(FULL)) as page:
        assert page.get_by_text(HOSTILE).count() >= 2
        assert page.locator("script, img").count() == 0


def test_it_follows_the_light_of_the_room(looking: Looking) -> None:
    colours = []
    for scheme in ("light", "dark"):
        with looking(render_page(EMPTY), color_scheme=scheme) as page:
            assert page.get_by_role("heading", level=1).inner_text() == "All is well"
            colours.append(colour(page))
    assert colours == ["rgb(244, 245, 242)", "rgb(19, 22, 19)"]


def test_a_real_service_fills_it(looking: Looking, workflow: WorkflowHarness) -> None:
    batch = begin(workflow)
    with open_service(workflow) as service:
        ctx, ledgers = service.ctx, service.dispatcher.ledgers
        assert "Just started" in status_page.render(ctx, ledgers)
        service.publish(batch)
        service.dispatcher.round()
        service.publish(batch)
        with looking(status_page.render(ctx, ledgers)) as page:
            pending = page.get_by_role("region", name="Pending batches").inner_text()
            assert batch in pending
            assert "run started" in pending
            deliveries = page.get_by_role("region", name="Last deliveries").inner_text()
            assert "came 2 times, counted once" in deliveries
            href = page.get_by_role("link", name="run ").get_attribute("href")
            # The emulated GitHub shows that run.
            assert page.context.request.get(str(href)).text().count(f"batch-action {batch}") >= 2


@pytest.mark.parametrize(
    ("change", "mood"),
    [
        ({}, "All is well"),
        ({"troubles": ("x",)}, "Something is tried again"),
        ({"stuck": ("watcher",)}, "Needs a person"),
        ({"dispatches": FULL.dispatches}, "Needs a person"),
        ({"ledgers": FULL.ledgers}, "Just started"),
    ],
)
def test_the_heading_is_the_mood(change: dict[str, Any], mood: str) -> None:
    assert f"<title>{mood} · batch-action</title>" in render_page(replace(EMPTY, **change))


def test_an_address_that_is_none_is_no_link() -> None:
    bad = replace(FULL.dispatches[1], url="javascript:alert(1)")
    assert '<a href="javascript' not in render_page(replace(EMPTY, dispatches=(bad,)))


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
def test_lengths_of_time_are_words(length: timedelta, words: str) -> None:
    assert span(length.total_seconds()) == words
    assert NOW + length  # the board's own clock can bear it
