"""The phone scans the door: the member's page reads the code from the door page's pixels, and a real agent opens."""

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import zxingcpp
from PIL import Image
from playwright.async_api import BrowserContext, Page, expect

from tests.browser.conftest import PHONE

pytestmark = [pytest.mark.browser, pytest.mark.timeout(120)]

CAMERA = (1280, 720)
FRAMES = 30
SCANS, PHOTOGRAPHS = 6, 7  # people of the demo whose visits no other test reads


async def member_s_page(context: BrowserContext, demo: Any, person: int) -> Page:
    page = await context.new_page()
    await page.goto(f"{demo.hub_url}/m")
    await page.locator(".person").nth(person).click()
    await expect(page.locator(".qr")).to_be_visible()
    return page


@pytest.fixture
async def door_page(desktop: BrowserContext, demo: Any) -> Page:
    page = await desktop.new_page()
    await page.goto(demo.door_url)
    await expect(page.get_by_test_id("code-screen")).to_be_visible()
    return page


def film_of(picture: bytes) -> bytes:
    """The screen at the door as somebody's camera sees it: not straight, not filling the picture, not sharp."""
    screen = Image.open(io.BytesIO(picture)).convert("RGB").resize((460, 460))
    frame = Image.new("RGB", CAMERA, (70, 66, 62))
    frame.paste(screen, (430, 120))
    frame = frame.rotate(7, Image.Resampling.BICUBIC, fillcolor=(70, 66, 62))
    jpeg = io.BytesIO()
    frame.save(jpeg, "JPEG", quality=70)
    return jpeg.getvalue() * FRAMES


async def test_the_phone_scans_the_door_and_it_opens(
    demo: Any, door: Any, door_page: Page, launch: Callable[..., Any], tmp_path: Path
) -> None:
    before = (await door.state())["releases"]
    film = tmp_path / "door.mjpeg"
    camera = "--use-fake-device-for-media-stream", f"--use-file-for-fake-video-capture={film}"
    browser = await launch("--use-fake-ui-for-media-stream", *camera)
    context = await browser.new_context(viewport=PHONE, locale="zh-CN", has_touch=True, is_mobile=True)
    page = await member_s_page(context, demo, SCANS)
    film.write_bytes(film_of(await door_page.get_by_test_id("code-screen").screenshot()))
    await page.get_by_test_id("scan-door").click()
    outcome = page.get_by_test_id("knock-outcome")
    await expect(outcome).to_have_attribute("data-outcome", "granted")
    await expect(outcome).to_contain_text("门锁开了")
    await expect(outcome).to_contain_text("请进")
    await door.until(lambda now: now["releases"] == before + 1, "the door that was scanned opens")
    await page.get_by_role("button", name="好的").click()
    await expect(page.locator(".visit").first).to_contain_text("扫门码", timeout=40_000)


async def test_where_the_camera_is_not_given_away_a_photo_does(
    phone: BrowserContext, demo: Any, door: Any, door_page: Page
) -> None:
    before = (await door.state())["releases"]
    page = await member_s_page(phone, demo, PHOTOGRAPHS)
    await page.get_by_test_id("scan-door").click()
    await expect(page.get_by_role("status")).to_contain_text("用不了摄像头")
    photo = page.get_by_test_id("door-photo")
    await photo.set_input_files({"name": "1.png", "mimeType": "image/png", "buffer": await page.screenshot()})
    await expect(page.get_by_role("status")).to_contain_text("照片里没有门码")
    picture = await door_page.get_by_test_id("code-screen").screenshot()
    await photo.set_input_files({"name": "2.png", "mimeType": "image/png", "buffer": picture})
    await expect(page.get_by_test_id("knock-outcome")).to_have_attribute("data-outcome", "granted")
    await door.until(lambda now: now["releases"] == before + 1, "the photographed code opens")
    # The same photo once more, as if it had been kept: the station says why not, in the language that is read.
    await page.get_by_role("button", name="好的").click()
    await page.get_by_role("button", name="English").click()
    await page.get_by_test_id("scan-door").click()
    await photo.set_input_files({"name": "2.png", "mimeType": "image/png", "buffer": picture})
    await expect(page.get_by_role("alert")).to_contain_text("This door code was used already; scan the new one")
    assert (await door.state())["releases"] == before + 1


async def test_a_link_that_another_camera_app_opened_asks_before_it_opens(
    phone: BrowserContext, demo: Any, door: Any, door_page: Page
) -> None:
    before = (await door.state())["releases"]
    link = await scanned(door_page)
    page = await phone.new_page()
    await page.goto(link)
    await page.locator(".person").nth(PHOTOGRAPHS).click()  # the demo's way of being somebody
    await expect(page.get_by_role("heading")).to_contain_text("人民广场驿站")
    assert page.url == f"{demo.hub_url}/m", "the code does not stay in the address"
    assert (await door.state())["releases"] == before, "a link alone opens nothing"
    await page.get_by_test_id("knock-open").click()
    await expect(page.get_by_test_id("knock-outcome")).to_have_attribute("data-outcome", "granted")
    await door.until(lambda now: now["releases"] == before + 1, "the door of the link opens")


async def scanned(door_page: Page) -> str:
    """The link in the code on the door page."""
    picture = await door_page.get_by_test_id("code-screen").screenshot()
    return str(zxingcpp.read_barcodes(Image.open(io.BytesIO(picture)))[0].text)


async def test_a_phone_without_a_network_is_sent_back_to_its_own_code(phone: BrowserContext, demo: Any) -> None:
    page = await member_s_page(phone, demo, PHOTOGRAPHS)
    await phone.set_offline(True)
    await page.get_by_test_id("scan-door").click()
    await expect(page.get_by_role("alert")).to_contain_text("手机没有联网。请出示会员码，没有网络也能开门")
    await page.get_by_role("button", name="返回我的会员码").click()
    await expect(page.locator(".qr")).to_be_visible()
