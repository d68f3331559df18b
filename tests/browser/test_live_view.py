"""A person watches the camera in a real Chromium: what the pixels say is live, and stops being sent when they leave."""

import importlib.util
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from playwright.async_api import Page, async_playwright

pytestmark = pytest.mark.browser
LIVE_BENCH = Path(__file__).parents[1] / "integration" / "video" / "live_bench.py"
FRAMES = 20
WAIT_MS = 20_000


def live_bench() -> ModuleType:
    """By path, since tests are no package."""
    name = LIVE_BENCH.stem
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, LIVE_BENCH)
        assert spec is not None
        assert spec.loader is not None
        sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[name])
    return sys.modules[name]


@pytest.fixture(scope="module")
def player(tmp_path_factory: pytest.TempPathFactory) -> Path:
    script = live_bench().built_player(tmp_path_factory.mktemp("player"))
    if script is None:
        pytest.skip("the web build's packages are not installed; `python3 run.py test` installs them")
    return script


@pytest.fixture
async def bench(player: Path) -> AsyncIterator[Any]:
    async with live_bench().a_bench(player=player) as made:
        yield made


@pytest.fixture
async def page(chromium: Path) -> AsyncIterator[Page]:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        try:
            yield await browser.new_page()
        finally:
            await browser.close()


async def seen(page: Page, count: int) -> list[list[float]]:
    """The first `count` frames that the page showed from now on: [emitted, shown] in ms since 1970."""
    await page.evaluate("window.seen = []")
    await page.wait_for_function(f"window.seen.length >= {count}", timeout=WAIT_MS)
    return (await page.evaluate("window.seen"))[:count]


async def last_state(page: Page) -> dict[str, Any]:
    return await page.evaluate("window.states.at(-1)")


@pytest.mark.parametrize("element", ["video", "canvas"])
async def test_the_picture_on_the_page_is_the_camera_s_and_goes_on(bench: Any, page: Page, element: str) -> None:
    await page.goto(f"{bench.url}/watch?on={element}")
    await page.wait_for_function("window.ready", timeout=WAIT_MS)
    assert bench.pusher.media_bytes == 0, "media left the station before anybody watched"
    began_ms = await page.evaluate("(window.play(), window.began)")
    frames = await seen(page, FRAMES)
    emitted = [frame[0] for frame in frames]
    assert len(set(emitted)) > FRAMES // 2  # a player short of frames may show one again
    assert emitted[-1] > max(began_ms, emitted[0])
    assert all(shown >= left for left, shown in frames)
    await page.wait_for_function("window.states.at(-1).kind === 'live'", timeout=WAIT_MS)
    state = await last_state(page)
    assert (state["width"], state["height"]) == (640, 360)


async def test_the_video_stops_being_sent_when_the_viewer_leaves(bench: Any, page: Page) -> None:
    await page.goto(f"{bench.url}/watch?on=video")
    await page.wait_for_function("window.ready", timeout=WAIT_MS)
    await page.evaluate("window.play()")
    await seen(page, 3)
    await page.evaluate("window.player.close()")
    await live_bench().until(lambda: not bench.pusher.watched)
    sent, seq = bench.pusher.media_bytes, (await bench.camera.after(-1))[-1].seq
    for _ in range(5):
        seq = (await bench.camera.after(seq))[-1].seq
    assert bench.pusher.media_bytes == sent > 0


async def test_the_page_says_that_the_camera_is_silent_and_goes_on_after(bench: Any, page: Page) -> None:
    await page.goto(f"{bench.url}/watch?on=video")
    await page.wait_for_function("window.ready", timeout=WAIT_MS)
    await page.evaluate("window.play()")
    await seen(page, 3)
    await bench.simulator.close()
    await page.wait_for_function("window.states.at(-1).kind === 'silent'", timeout=WAIT_MS)
    assert "door" in (await last_state(page))["detail"]
    await bench.simulator.start()
    await seen(page, 3)
    await page.wait_for_function("window.states.at(-1).kind === 'live'", timeout=WAIT_MS)


async def test_a_view_that_broke_off_begins_again_by_itself(bench: Any, page: Page) -> None:
    await page.goto(f"{bench.url}/watch?on=video")
    await page.wait_for_function("window.ready", timeout=WAIT_MS)
    await page.evaluate("window.play()")
    await seen(page, 3)
    await bench.relay.close()  # as when the hub is restarted
    await page.wait_for_function("window.states.some(s => s.kind === 'ended' && s.again)", timeout=WAIT_MS)
    await seen(page, 3)


async def test_a_user_cut_off_is_told_so_and_not_asked_again(bench: Any, page: Page) -> None:
    await page.goto(f"{bench.url}/watch?on=video")
    await page.wait_for_function("window.ready", timeout=WAIT_MS)
    await page.evaluate("window.play()")
    await seen(page, 3)
    bench.relay.cut("manager")
    await page.wait_for_function("window.states.at(-1).kind === 'ended'", timeout=WAIT_MS)
    state = await last_state(page)
    assert (state["code"], state["again"]) == (4403, False)
    assert "right to watch" in state["reason"]
