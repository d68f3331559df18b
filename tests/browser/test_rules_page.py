"""Rules changed on the page reach the real agent, which says so; a guest's code is shown once."""

import re
from typing import Any

import pytest
from playwright.async_api import Page, expect

from tests.browser.conftest import DESKTOP, log_in

pytestmark = [pytest.mark.browser, pytest.mark.timeout(120)]


async def give_reason(page: Page, reason: str) -> None:
    await page.get_by_test_id("reason").fill(reason)
    await page.get_by_test_id("reason-ok").click()


async def test_extreme_cold_is_switched_on_runs_at_the_station_and_is_taken_back(manager: Any, door: Any) -> None:
    await manager.open_station()
    page = manager.page
    await page.get_by_test_id("rules-link").click()
    cold, version = page.get_by_test_id("cold"), page.get_by_test_id("rules-version")
    await expect(cold).to_have_attribute("data-on", "false")

    await page.get_by_test_id("cold-switch").click()
    await page.get_by_test_id("reason-ok").click()
    await expect(page.get_by_text("请写明原因")).to_be_visible()
    await expect(cold).to_have_attribute("data-on", "false")
    await give_reason(page, "寒潮红色预警，零下三十二度")
    await expect(cold).to_have_attribute("data-on", "true")
    await expect(cold).to_contain_text("寒潮红色预警")
    await expect(version).to_have_attribute("data-state", "running")
    ran = await version.text_content()

    await page.get_by_test_id("cold-switch").click()
    await page.get_by_test_id("reason-ok").click()  # taking back has its reason already
    await expect(cold).to_have_attribute("data-on", "false")
    await expect(version).not_to_have_text(ran or "")
    await expect(version).to_have_attribute("data-state", "running")


async def test_a_guests_code_is_shown_large_and_once(manager: Any, door: Any) -> None:
    page = manager.page
    await page.goto(f"{manager.hub_url}/stations/demo-01/rules")
    await page.get_by_test_id("give-guest").click()
    await page.get_by_test_id("guest-phone").fill("13800001234")
    await page.get_by_test_id("reason").fill("送件，没有会员码")
    await page.get_by_test_id("give-ok").click()
    digits = page.get_by_test_id("given-digits")
    await expect(digits).to_have_text(re.compile(r"^\d{4} \d{4}$"))
    shown = await digits.text_content() or ""
    await page.keyboard.press("Escape")
    await expect(digits).to_have_count(0)
    await expect(page.get_by_test_id("codes")).to_contain_text("13800001234")
    await page.reload()
    await expect(page.get_by_test_id("codes")).to_contain_text("送件，没有会员码")
    text = await page.locator("body").inner_text()
    assert shown not in text
    assert shown.replace(" ", "") not in text
    await expect(page.get_by_test_id("rules-version")).to_have_attribute("data-state", "running")


async def test_a_remote_opening_waits_until_somebody_else_confirms_it(
    manager: Any, browser: Any, door: Any, demo: Any
) -> None:
    context = await browser.new_context(viewport=DESKTOP, locale="zh-CN", reduced_motion="reduce")
    admin = (await log_in(context, demo, "admin")).page

    async def set_second(option: str) -> None:
        await admin.goto(f"{manager.hub_url}/stations/demo-01/rules")
        await admin.get_by_role("combobox", name="远程开门要第二人确认").click()
        await admin.get_by_title(option).click()
        await admin.get_by_test_id("rules-save").click()
        await give_reason(admin, "夜间值守")
        await expect(admin.get_by_test_id("rules-version")).to_have_attribute("data-state", "running")

    await set_second("每次都要")
    before = (await door.state())["releases"]
    await admin.goto(f"{manager.hub_url}/stations/demo-01")
    await manager.open_station()
    page = manager.page
    await page.get_by_test_id("remote-open").click()
    await page.get_by_test_id("open-reason").fill("会员手机没电，已核对身份")
    await page.get_by_test_id("open-confirm").click()
    await expect(page.get_by_text("要第二人确认")).to_be_visible()
    await expect(page.get_by_test_id("confirm-command")).to_have_count(0)
    assert (await door.state())["releases"] == before, "one person alone moved the lock"
    await admin.get_by_test_id("confirm-command").click()
    await expect(page.get_by_test_id("open-progress")).to_have_attribute("data-status", "done")
    assert (await door.state())["releases"] == before + 1
    await expect(admin.get_by_test_id("commands")).to_contain_text("admin 确认")
    await set_second("不用")
