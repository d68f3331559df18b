"""Live view in a real Chromium: from the camera's emission of a barcoded frame to its pixels on the page.

The way is RTSP camera -> station -> hub -> page, each over a real socket of this machine, so one clock measures all.
A slow link is a TCP relay that passes three quarters of the stream's own rate.
"""

import asyncio
import contextlib
import dataclasses
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit

from playwright.async_api import Browser, Page, async_playwright

from tests.bench.harness import BenchFailed, Row, quantile
from tests.harness import chromium
from tests.integration.video.live_bench import Bench, a_bench, built_player, until

BENCH = "video"
GLASS_GOAL_MS = 300.0
JOIN_GOAL_MS = 1000.0
CHUNK_BYTES = 512
RATE_S = 4.0
SETTLED_FRAMES = 15  # the first second is the join, told by its own row
WAIT_MS = 30_000


async def run(quick: bool) -> list[Row]:
    seconds, joins = (6.0, 3) if quick else (60.0, 20)
    with tempfile.TemporaryDirectory() as folder:
        player = await asyncio.to_thread(built_player, Path(folder))
        if player is None:
            raise BenchFailed("the web build's packages are not installed; `python3 run.py test` installs them")
        async with a_bench(player=player, linger_s=0.1) as bench, _chromium() as browser:
            rows: list[Row] = []
            for element, name in (("video", "MSE"), ("canvas", "WebCodecs")):
                rows += await _joins(bench, browser, element, name, joins)
                rows += await _glass(bench.url, browser, element, name, seconds)
            rows += await _slow(bench, browser, seconds)
            return rows


@asynccontextmanager
async def _chromium() -> AsyncIterator[Browser]:
    chosen = chromium.executable()
    if chosen is None:
        raise BenchFailed("no Chromium on this machine")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chosen, args=["--no-sandbox"])
        try:
            yield browser
        finally:
            await browser.close()


async def _open(browser: Browser, url: str, element: str) -> Page:
    page = await browser.new_page()
    await page.goto(f"{url}/watch?on={element}")
    await page.wait_for_function("window.ready", timeout=WAIT_MS)
    return page


async def _joins(bench: Bench, browser: Browser, element: str, name: str, count: int) -> list[Row]:
    """From the click to the first picture, when nobody watched before: the station must be asked first."""
    taken = []
    for _ in range(count):
        page = await _open(browser, bench.url, element)
        await page.evaluate("window.play()")
        await page.wait_for_function("window.seen.length > 0", timeout=WAIT_MS)
        taken.append(float(await page.evaluate("window.seen[0][1] - window.began")))
        await page.close()
        await until(lambda: not bench.pusher.watched)
    return [
        Row(BENCH, f"{name} first picture median", quantile(taken, 0.5), "ms", samples=tuple(taken)),
        Row(BENCH, f"{name} first picture longest", max(taken), "ms", JOIN_GOAL_MS),
    ]


async def _glass(url: str, browser: Browser, element: str, name: str, seconds: float) -> list[Row]:
    page = await _open(browser, url, element)
    await page.evaluate("window.play()")
    await asyncio.sleep(seconds)
    frames = await page.evaluate("window.seen")
    await page.close()
    delays = [shown - emitted for emitted, shown in frames][SETTLED_FRAMES:]
    if not delays:
        raise BenchFailed(f"{name} showed {len(frames)} frames in {seconds:g} s")
    return [
        Row(BENCH, f"{name} glass to glass median", quantile(delays, 0.5), "ms", samples=tuple(delays)),
        Row(BENCH, f"{name} glass to glass p95", quantile(delays, 0.95), "ms", GLASS_GOAL_MS),
    ]


async def _slow(bench: Bench, browser: Browser, seconds: float) -> list[Row]:
    """A viewer whose link passes three quarters of what the camera sends."""
    rate = await _rate(bench)
    async with _narrow(bench.url, rate * 0.75) as url:
        rows = await _glass(url, browser, "video", "MSE on a 75 % link", max(seconds, 12.0))
    return [dataclasses.replace(row, baseline=None) for row in rows]


async def _rate(bench: Bench) -> float:
    """What the camera's stream takes, in bytes a second, over a few GOPs."""
    async with bench.watching() as viewer:
        await viewer.recv()
        before = bench.pusher.media_bytes
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(RATE_S):
                async for _ in viewer:
                    continue
        return (bench.pusher.media_bytes - before) / RATE_S


@asynccontextmanager
async def _narrow(url: str, bytes_per_s: float) -> AsyncIterator[str]:
    """The same address over a TCP relay that lets so much through towards the browser, all connections together."""
    parts = urlsplit(url)
    way = asyncio.Lock()

    async def pipe(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, narrow: bool) -> None:
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(CHUNK_BYTES):
                if narrow:
                    async with way:
                        await asyncio.sleep(len(data) / bytes_per_s)
                writer.write(data)
                await writer.drain()
        writer.close()

    async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        up_reader, up_writer = await asyncio.open_connection(parts.hostname, parts.port)
        await asyncio.gather(pipe(reader, up_writer, narrow=False), pipe(up_reader, writer, narrow=True))

    server = await asyncio.start_server(relay, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
