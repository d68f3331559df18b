"""A station is added on the page; a box becomes it by what the page shows; it is revoked there again."""

import asyncio
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.async_api import BrowserContext, Page, expect

from tests.browser.conftest import DIST
from tests.harness.real_hub import PASSWORD, RealHub

pytestmark = [pytest.mark.browser, pytest.mark.timeout(120)]


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealHub]:
    if not (DIST / "index.html").is_file():
        pytest.skip("the pages are not built; `python3 run.py test` builds them")
    with RealHub(tmp_path_factory.mktemp("hub")) as hub:
        yield hub


async def enter(context: BrowserContext, hub: RealHub) -> Page:
    page = await context.new_page()
    await page.goto(hub.url)
    await page.get_by_label("用户名").fill("admin")
    await page.get_by_label("密码", exact=True).fill(PASSWORD)
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("navigation")).to_be_visible()
    return page


async def test_a_box_becomes_a_station_by_what_the_page_shows(
    desktop: BrowserContext, hub: RealHub, tmp_path: Path
) -> None:
    page = await enter(desktop, hub)
    await page.get_by_test_id("add-station-link").click()
    await page.get_by_test_id("profile").set_input_files(hub.profile("page-01"))
    await page.get_by_test_id("add-station").click()
    await expect(page.get_by_test_id("claim-code")).to_have_text(re.compile(r"^[0-9A-Z]{5}(-[0-9A-Z]{5}){3}$"))
    command = await page.get_by_test_id("claim-command").text_content() or ""
    text = re.findall(r"--text '(.*)'", command)[0]
    await asyncio.to_thread(hub.box, text, tmp_path / "box")

    await page.keyboard.press("Escape")  # leads to the station's identity
    certificates, claims = page.get_by_test_id("certificates"), page.get_by_test_id("claims")
    await expect(certificates).to_contain_text("有效")
    await expect(claims).to_contain_text("已使用")

    await page.get_by_role("button", name="吊销").click()
    await page.get_by_test_id("reason").fill("设备被盗")
    await page.get_by_test_id("reason-ok").click()
    await expect(certificates).to_contain_text("已吊销")
    await expect(certificates).to_contain_text("设备被盗")

    await page.get_by_test_id("new-claim").click()
    await page.get_by_test_id("reason").fill("换新设备")
    await page.get_by_test_id("reason-ok").click()
    code = await page.get_by_test_id("claim-code").text_content() or ""
    await page.keyboard.press("Escape")
    await expect(page.get_by_test_id("claim-code")).to_have_count(0)
    await page.reload()
    await expect(claims).to_contain_text("等待使用")
    assert code not in await page.locator("body").inner_text()  # shown once


async def test_a_profile_with_a_mistake_is_refused_by_its_path_on_a_phone(
    phone: BrowserContext, hub: RealHub, tmp_path: Path
) -> None:
    page = await enter(phone, hub)
    await page.goto(f"{hub.url}/add-station")
    broken = tmp_path / "broken.toml"
    broken.write_text(hub.profile("page-02").read_text("utf-8").replace("latitude", "latitud"), "utf-8")
    await page.get_by_test_id("profile").set_input_files(broken)
    await page.get_by_test_id("add-station").click()
    await expect(page.get_by_role("alert")).to_contain_text("station.place.latitud")
    width = await page.evaluate("document.documentElement.scrollWidth")
    assert width <= 390
