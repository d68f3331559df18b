"""Takes the pictures in docs/screenshots from a running demo: `python -m tests.browser.take_screenshots`.

Every page at a desktop's and a phone's size, in Chinese and English, after a few visits so that there is something
to see. Look at them before committing them.
"""

import asyncio
import io
import os
import shutil
import sys
import tempfile
from pathlib import Path

import httpx
from PIL import Image
from playwright.async_api import Browser, Page, ViewportSize, async_playwright, expect

from tests.browser.conftest import CHROMIUM_ARGS, DESKTOP, PHONE, ROOT, WAIT_S, Door
from tests.harness.demo import Demo, running_demo

OUT = ROOT / "docs" / "screenshots"
COLOURS = 160  # of a palette: a picture of a page has few, and stays small
SIZES = {"desktop": DESKTOP, "phone": PHONE}
VISITORS = 4
STILL = """() => document.getAnimations().every(
    (one) => one.playState !== "running" || one.effect.getTiming().iterations === Infinity
        || one.effect.target.matches(".arc"))"""


async def visits(demo: Demo) -> None:
    """Some members come in by code, so that the timeline tells of them."""
    door = Door(demo.door_url)
    async with httpx.AsyncClient(base_url=demo.door_url) as http:
        for member in (await http.get("/api/members")).json()[:VISITORS]:
            await door.at_rest()
            await http.post("/api/present", json={"member": member["member"]})
            await door.until(lambda now: now["door_state"] == "open", "a visit")
        await door.at_rest()


async def keep(page: Page, name: str) -> None:
    await page.evaluate("document.fonts.ready")
    await page.wait_for_function(STILL)
    picture = Image.open(io.BytesIO(await page.screenshot())).convert("RGB")
    picture.quantize(COLOURS, dither=Image.Dither.NONE).save(OUT / f"{name}.png", optimize=True)


async def all_pages(browser: Browser, demo: Demo, size: str, language: str) -> None:
    viewport: ViewportSize = SIZES[size]
    context = await browser.new_context(
        viewport=viewport, locale="zh-CN", reduced_motion="reduce", bypass_csp=True
    )  # the policy would refuse wait_for_function
    await context.add_init_script(f"localStorage.setItem('yizhan.language', '{language}')")
    page = await context.new_page()

    def named(what: str) -> str:
        return f"{what}-{size}-{language}"

    await page.goto(demo.hub_url)
    await expect(page.locator("#user")).to_be_visible()
    await keep(page, named("login"))
    await page.locator("#user").fill("operator")
    await page.locator("#password").fill(demo.password("operator"))
    await page.keyboard.press("Enter")
    await expect(page.locator(".pin-box").first).to_be_visible()
    await expect(page.get_by_test_id("timeline").locator("li").first).to_be_visible()
    await keep(page, named("overview"))

    await page.goto(f"{demo.hub_url}/stations/demo-01")
    await expect(page.locator(".chart canvas")).to_be_visible()
    await expect(page.get_by_test_id("timeline").locator("li").first).to_be_visible()
    await keep(page, named("station"))
    await page.get_by_test_id("live-view").click()
    await expect(page.get_by_test_id("live-box")).to_have_attribute("data-state", "live")
    await page.get_by_test_id("live-box").scroll_into_view_if_needed()
    await keep(page, named("live"))
    await page.get_by_test_id("live-view").click()
    await page.get_by_test_id("remote-open").click()
    await page.get_by_role("dialog").locator(".quick button").first.click()
    await page.get_by_test_id("open-confirm").click()
    await expect(page.get_by_test_id("open-progress")).to_have_attribute("data-status", "done")
    await expect(page.get_by_test_id("contact")).to_have_attribute("data-open", "true")
    await keep(page, named("remote-open"))

    await page.goto(f"{demo.hub_url}/members")
    await expect(page.locator("table.members tbody tr").first).to_be_visible()
    await keep(page, named("members"))
    await page.get_by_test_id("member-more").first.click()
    await page.get_by_role("menuitem").first.click()
    await expect(page.locator(".consent")).to_be_visible()
    await keep(page, named("face-consent"))

    await page.goto(f"{demo.hub_url}/m")
    await page.locator(f"[data-member='{demo.phones()[0]['member']}']").click()
    await expect(page.locator(".qr")).to_be_visible()
    await expect(page.locator(".visit").first).to_be_visible()
    await keep(page, named("worker"))

    door = Door(demo.door_url)
    await door.at_rest()
    await page.goto(demo.door_url)
    screen = await page.get_by_test_id("code-screen").screenshot()
    await page.goto(f"{demo.hub_url}/m")
    await page.get_by_test_id("scan-door").click()
    photo = {"name": "door.png", "mimeType": "image/png", "buffer": screen}
    await page.get_by_test_id("door-photo").set_input_files(photo)
    await expect(page.get_by_test_id("knock-outcome")).to_have_attribute("data-outcome", "granted")
    await keep(page, named("worker-opened"))

    await door.at_rest()
    await page.goto(demo.door_url)
    await page.locator(".member").nth(1).click()
    await expect(page.locator(".scene.door-open")).to_be_visible()
    await page.evaluate("window.scrollTo(0, 0)")
    await keep(page, named("door"))
    await door.at_rest()
    await context.close()


async def main() -> None:
    chromium = os.environ.get("YIZHAN_CHROMIUM") or shutil.which("chromium")
    OUT.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, running_demo(Path(folder), "demo-02") as demo:
        await visits(demo)
        async with async_playwright() as playwright:
            browser = await playwright.chromium.launch(executable_path=chromium, args=[*CHROMIUM_ARGS])
            for size in SIZES:
                for language in ("zh", "en"):
                    await all_pages(browser, demo, size, language)
            await browser.close()


if __name__ == "__main__":
    expect.set_options(timeout=WAIT_S * 1000)
    sys.exit(asyncio.run(main()))
