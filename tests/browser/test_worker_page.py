"""A worker's code, read from the pixels of `/m`, opens a real agent's door; with no network too, and once only."""

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
import zxingcpp
from PIL import Image
from playwright.async_api import Browser, BrowserContext, Page, expect

from station_agent.wire import membership_code

pytestmark = [pytest.mark.browser, pytest.mark.timeout(120)]

CAMERA = (1280, 720)
CAMERA_FRAMES = 30
PERIOD_MS = 15_000
CODE_SIDE_PX_MIN = 300
PERSON = 5


async def worker(phone: BrowserContext, demo: Any, person: int) -> Page:
    """The page of the demo member `person`, showing a code."""
    page = await phone.new_page()
    await page.goto(f"{demo.hub_url}/m")
    await page.locator(".person").nth(person).click()
    await expect(page.locator(".qr")).to_be_visible()
    return page


def text_in(picture: bytes) -> str:
    found = zxingcpp.read_barcodes(Image.open(io.BytesIO(picture)))
    assert len(found) == 1, "one QR code is on the page"
    return str(found[0].text)


async def show_to_the_door(context: BrowserContext, demo: Any, picture: bytes) -> Page:
    """Chooses the picture on the virtual door's page; the page finds the code in it and holds it to the scanner."""
    page = await context.new_page()
    await page.goto(demo.door_url)
    await page.get_by_test_id("code-file").set_input_files(
        {"name": "phone.png", "mimeType": "image/png", "buffer": picture}
    )
    await expect(page.get_by_test_id("log")).to_contain_text("图中有码")
    return page


async def test_a_code_read_from_the_pixels_of_the_phone_opens_the_door(
    phone: BrowserContext, demo: Any, door: Any
) -> None:
    before = (await door.state())["releases"]
    page = await worker(phone, demo, 0)
    box = await page.locator(".qr").bounding_box()
    assert box is not None
    assert min(box["width"], box["height"]) >= CODE_SIDE_PX_MIN
    shown = await page.get_by_test_id("code").get_attribute("data-code")
    picture = await page.screenshot()
    assert text_in(picture) == shown
    await show_to_the_door(phone, demo, picture)
    await door.until(lambda now: now["releases"] == before + 1, "the code opens the door")
    await door.until(lambda now: now["door_open"], "the visitor goes in")
    await page.bring_to_front()
    await expect(page.locator(".visit")).to_contain_text("扫码", timeout=40_000)


async def test_the_laptop_s_camera_sees_the_code_and_the_door_opens(
    phone: BrowserContext, demo: Any, door: Any, launch: Callable[..., Any], tmp_path: Path
) -> None:
    before = (await door.state())["releases"]
    page = await worker(phone, demo, 1)
    film = tmp_path / "phone.mjpeg"
    film.write_bytes(_film_of(await page.screenshot()))
    camera = "--use-fake-device-for-media-stream", f"--use-file-for-fake-video-capture={film}"
    with_camera = await launch("--use-fake-ui-for-media-stream", *camera)
    visitor = await (await with_camera.new_context(locale="zh-CN")).new_page()
    await visitor.goto(demo.door_url)
    await visitor.get_by_test_id("scan-camera").click()
    await door.until(lambda now: now["releases"] == before + 1, "the code seen by the camera opens the door")
    await expect(visitor.get_by_test_id("log")).to_contain_text("锁打开了")


def _film_of(picture: bytes) -> bytes:
    """A phone held to a camera: the screenshot in the middle of a landscape picture, as motion JPEG."""
    screen = Image.open(io.BytesIO(picture)).convert("RGB")
    screen = screen.resize((round(screen.width * CAMERA[1] / screen.height), CAMERA[1]))
    frame = Image.new("RGB", CAMERA, (90, 90, 90))
    frame.paste(screen, ((CAMERA[0] - screen.width) // 2, 0))
    jpeg = io.BytesIO()
    frame.save(jpeg, "JPEG", quality=92)
    return jpeg.getvalue() * CAMERA_FRAMES


async def test_a_screenshot_shown_again_opens_nothing_and_says_why(
    phone: BrowserContext, demo: Any, door: Any, manager: Any
) -> None:
    before = (await door.state())["releases"]
    picture = await (await worker(phone, demo, 2)).screenshot()
    await show_to_the_door(phone, demo, picture)
    await door.until(lambda now: now["releases"] == before + 1, "the code opens once")
    await door.at_rest()
    await show_to_the_door(phone, demo, picture)
    await manager.open_station()
    await expect(manager.page.get_by_test_id("timeline")).to_contain_text("这个会员码已经用过一次")
    assert (await door.state())["releases"] == before + 1


async def test_codes_go_on_without_a_network_after_a_reload_and_open_the_door(
    phone: BrowserContext, demo: Any, door: Any
) -> None:
    before = (await door.state())["releases"]
    page = await worker(phone, demo, 3)
    first = await page.get_by_test_id("code").get_attribute("data-code")
    await page.evaluate("navigator.serviceWorker.ready.then((kept) => kept.scope)")
    await phone.set_offline(True)
    await page.reload()
    await expect(page.locator(".qr")).to_be_visible()
    await expect(page.locator(".network")).to_contain_text("未联网")
    picture = await page.screenshot()
    assert text_in(picture) != first, "a new code was made offline"
    async with httpx.AsyncClient(base_url=demo.door_url) as http:
        answer = await http.post("/api/scan-picture", content=picture, headers={"Content-Type": "image/png"})
    assert answer.json()["found"]
    await door.until(lambda now: now["releases"] == before + 1, "the offline code opens the door")


async def test_the_code_changes_every_fifteen_seconds(phone: BrowserContext, demo: Any) -> None:
    page = await phone.new_page()
    await page.clock.install()
    await page.goto(f"{demo.hub_url}/m")
    await page.locator(".person").nth(4).click()
    code = page.get_by_test_id("code")
    await expect(page.locator(".qr")).to_be_visible()
    first = await code.get_attribute("data-code")
    await page.clock.fast_forward(PERIOD_MS)
    await expect(code).not_to_have_attribute("data-code", str(first))


async def test_the_private_key_cannot_be_read_by_the_page(phone: BrowserContext, demo: Any) -> None:
    page = await worker(phone, demo, PERSON)
    refused = await page.evaluate(
        """async () => {
          const open = indexedDB.open("yizhan-member");
          const database = await new Promise((done) => open.addEventListener("success", () => done(open.result)));
          const get = database.transaction("phone").objectStore("phone").get("holder");
          const kept = await new Promise((done) => get.addEventListener("success", () => done(get.result)));
          try { await crypto.subtle.exportKey("pkcs8", kept.keys.privateKey); return "exported"; }
          catch (error) { return error.name; }
        }"""
    )
    assert refused == "InvalidAccessError"


async def test_a_lost_phone_is_reported_on_the_other_one_and_registers_a_new_key_when_it_is_found(
    phone: BrowserContext, browser: Browser, demo: Any
) -> None:
    lost_context = await browser.new_context(locale="zh-CN")
    lost = await worker(lost_context, demo, PERSON)
    code = await lost.get_by_test_id("code").get_attribute("data-code")
    assert code is not None
    page = await worker(phone, demo, PERSON)
    rows = page.get_by_test_id("phones").locator(".phone-row")
    await expect(rows.first).to_contain_text("这部手机")
    before = await rows.count()
    newest = page.get_by_test_id("revoke").first  # newest first: the lost one
    await newest.click()
    await expect(newest).to_contain_text("确定挂失")
    await newest.click()
    await expect(rows).to_have_count(before - 1)
    # It was found again: opened from the mini-program anew, it has a key that nobody revoked.
    ticket = await lost_context.request.post(
        f"{demo.hub_url}/api/v1/demo/phone-ticket",
        data={"member": membership_code.parse(code).member},
        headers={"Origin": demo.hub_url},
    )
    await lost.goto(demo.hub_url + (await ticket.json())["url"])
    await expect(lost.get_by_test_id("phones").locator(".phone-row").first).to_contain_text("这部手机")
    await lost_context.close()


async def test_a_used_link_is_told_in_a_sentence(phone: BrowserContext, demo: Any) -> None:
    page = await phone.new_page()
    await page.goto(f"{demo.hub_url}/m?t=used-before")
    await expect(page.get_by_role("alert")).to_contain_text("入口链接已失效")
    assert page.url == f"{demo.hub_url}/m", "the ticket does not stay in the address"
