"""The demo as a visitor meets it: the real hub, a real agent on simulated devices, a real Chromium.

The processes live as long as the test session; every browser as long as its test. `Door` follows the virtual
station's own event stream, so that tests wait for what happens and never for a time.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.async_api import Browser, BrowserContext, Page, ViewportSize, async_playwright, expect

from tests.harness.chromium import executable
from tests.harness.demo import STATION, Demo, running_demo

ROOT = Path(__file__).resolve().parents[2]
DIST = ROOT / "cloud_hub" / "web" / "dist"
OPEN = ("open", "held_open", "forced")
WAIT_S = 15.0
"""For one thing to happen on a page or at the door; it takes a second, on a busy machine several."""

DESKTOP: ViewportSize = {"width": 1440, "height": 900}
PHONE: ViewportSize = {"width": 390, "height": 844}
CHROMIUM_ARGS = ("--no-sandbox", "--lang=zh-CN")

expect.set_options(timeout=WAIT_S * 1000)


class Door:
    """What the virtual station's devices do, as its door page is told."""

    def __init__(self, url: str) -> None:
        self.url = url

    async def state(self) -> dict[str, Any]:
        async with httpx.AsyncClient(base_url=self.url) as http:
            return dict((await http.get("/api/state")).json())

    async def until(self, true: Callable[[dict[str, Any]], bool], what: str) -> dict[str, Any]:
        """The first state for which `true` holds."""
        last: dict[str, Any] = {}
        try:
            async with (
                asyncio.timeout(WAIT_S),
                httpx.AsyncClient(base_url=self.url, timeout=WAIT_S) as http,
                http.stream("GET", "/api/live") as stream,
            ):
                async for line in stream.aiter_lines():
                    if line.startswith("data: "):
                        last = json.loads(line.removeprefix("data: "))
                        if true(last):
                            return last
        except TimeoutError:
            pytest.fail(f"{what}: not within {WAIT_S} s; the door's last state: {last}")
        raise AssertionError("the door's stream ended")

    async def at_rest(self) -> dict[str, Any]:
        """Nobody's visit is under way: shut, and locked again."""
        if (await self.state())["door_open"]:
            # A door that shuts before the agent has looked once was never open to it, and counts as jammed.
            await self.until(lambda now: now["door_state"] in OPEN or not now["door_open"], "the agent sees it open")
            async with httpx.AsyncClient(base_url=self.url) as http:
                await http.post("/api/door", json={"action": "close"})
        return await self.until(
            lambda now: now["door_state"] == "secured" and not now["lock_released"] and not now["door_open"],
            "the door is locked again",
        )


@pytest.fixture(scope="session")
def chromium() -> Path:
    """A Chromium's executable."""
    chosen = executable()
    if chosen is None:
        pytest.skip("no Chromium on this machine; `python3 run.py test` provides one")
    return chosen


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    if not (DIST / "index.html").is_file():
        pytest.skip("the pages are not built; `python3 run.py test` builds them")
    with running_demo(tmp_path_factory.mktemp("demo")) as running:
        yield running


@pytest.fixture
async def door(demo: Demo) -> Door:
    """The virtual door, shut and locked when the test begins."""
    door = Door(demo.door_url)
    await door.at_rest()
    return door


@pytest.fixture
async def launch(chromium: Path) -> AsyncIterator[Callable[..., Any]]:
    """`await launch(*more_arguments)` gives a browser that ends with the test."""
    browsers: list[Browser] = []
    async with async_playwright() as playwright:

        async def launched(*more: str) -> Browser:
            browser = await playwright.chromium.launch(executable_path=chromium, args=[*CHROMIUM_ARGS, *more])
            browsers.append(browser)
            return browser

        try:
            yield launched
        finally:
            for browser in browsers:
                await browser.close()


@pytest.fixture
async def browser(launch: Callable[..., Any]) -> Browser:
    opened: Browser = await launch()
    return opened


@pytest.fixture
async def desktop(browser: Browser) -> BrowserContext:
    return await browser.new_context(viewport=DESKTOP, locale="zh-CN", reduced_motion="reduce")


@pytest.fixture
async def phone(browser: Browser) -> BrowserContext:
    return await browser.new_context(
        viewport=PHONE, locale="zh-CN", reduced_motion="reduce", has_touch=True, is_mobile=True
    )


@dataclass(frozen=True)
class Manager:
    """A manager's browser, logged in."""

    page: Page
    hub_url: str

    async def open_station(self) -> None:
        await self.page.goto(f"{self.hub_url}/stations/{STATION}")
        await expect(self.page.get_by_test_id("door-state")).to_have_attribute("data-state", "secured")


async def log_in(context: BrowserContext, demo: Demo, user: str) -> Manager:
    page = await context.new_page()
    await page.goto(demo.hub_url)
    await page.get_by_label("用户名").fill(user)
    await page.get_by_label("密码", exact=True).fill(demo.password(user))
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("navigation")).to_be_visible()
    return Manager(page, demo.hub_url)


@pytest.fixture
async def manager(desktop: BrowserContext, demo: Demo) -> Manager:
    return await log_in(desktop, demo, "operator")


@pytest.fixture
async def viewer(desktop: BrowserContext, demo: Demo) -> Manager:
    return await log_in(desktop, demo, "viewer")
