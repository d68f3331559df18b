"""From a manager's click to the door contact seen open, on the page, in a real Chromium.

The hub, the agent and the simulated devices are real processes. Most of the time is the virtual lock's own: the bolt
takes 250 ms and the door 150 ms, which the baseline of the second figure says.
"""

import asyncio
import tempfile
from pathlib import Path

import httpx
from playwright.async_api import Page, async_playwright

from firmware_bridge.simulators.station import DEFAULT_DOOR
from tests.bench.harness import BenchFailed, Row, quantile
from tests.harness import chromium
from tests.harness.demo import STATION, Demo, running_demo

GOAL_MS = 1000.0
WAIT_MS = 15_000
TRAVEL_MS = (DEFAULT_DOOR.bolt_s + DEFAULT_DOOR.swing_s) * 1000

WATCH = """() => {
  const contact = document.querySelector("[data-testid=contact]");
  document.querySelector("[data-testid=open-confirm]").addEventListener("click", () => {
    const began = performance.now();
    new MutationObserver((_, watch) => {
      if (contact.dataset.open !== "true") return;
      watch.disconnect();
      requestAnimationFrame(() => { document.body.dataset.tookMs = String(performance.now() - began); });
    }).observe(contact, { attributes: true });
  }, { once: true });
  delete document.body.dataset.tookMs;
}"""


async def run(quick: bool) -> list[Row]:
    count = 3 if quick else 30
    with tempfile.TemporaryDirectory(prefix="yizhan-bench-") as name:
        demo_context = running_demo(Path(name))
        demo = await asyncio.to_thread(demo_context.__enter__)
        try:
            samples = await _clicks(demo, count)
        finally:
            await asyncio.to_thread(demo_context.__exit__, None, None, None)
    p95 = quantile(samples, 0.95)
    return [
        Row("command", "click to contact open median", quantile(samples, 0.5), "ms", samples=tuple(samples)),
        Row("command", "click to contact open p95", p95, "ms", GOAL_MS),
        Row("command", "click to contact open p95, over the lock's own travel", p95, "ms", TRAVEL_MS),
        Row("command", "click to contact open p99", quantile(samples, 0.99), "ms"),
    ]


async def _clicks(demo: Demo, count: int) -> list[float]:
    executable = chromium.executable()
    if executable is None:
        raise BenchFailed("command: no Chromium; `python3 run.py test` finds or installs one")
    async with async_playwright() as playwright, httpx.AsyncClient(base_url=demo.door_url) as door:
        browser = await playwright.chromium.launch(executable_path=executable, args=["--no-sandbox"])
        try:
            page = await browser.new_page(locale="zh-CN")
            page.set_default_timeout(WAIT_MS)
            await page.goto(demo.hub_url)
            await page.get_by_label("用户名").fill("operator")
            await page.get_by_label("密码", exact=True).fill(demo.password("operator"))
            await page.keyboard.press("Enter")
            await page.locator(f"[data-station={STATION}]").click()
            return [await _click(page, door) for _ in range(count)]
        finally:
            await browser.close()


async def _click(page: Page, door: httpx.AsyncClient) -> float:
    """Milliseconds of one remote opening; the door is shut and locked again afterwards."""
    await page.wait_for_selector("[data-testid=door-state][data-state=secured]")
    await page.get_by_test_id("remote-open").click()
    await page.get_by_test_id("open-reason").fill("bench")
    await page.evaluate(WATCH)
    await page.get_by_test_id("open-confirm").click()
    body = page.locator("body[data-took-ms]")
    took_ms = float(await body.get_attribute("data-took-ms") or "nan")
    await page.wait_for_selector("[data-testid=open-progress][data-status=done]")
    await page.keyboard.press("Escape")
    await page.wait_for_selector("[data-testid=open-progress]", state="detached")
    await door.post("/api/door", json={"action": "close"})
    return took_ms
