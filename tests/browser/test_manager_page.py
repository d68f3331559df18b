"""A manager's work, done on the page with a keyboard and a mouse against the real hub and a real agent."""

import re
from typing import Any

import pytest
from playwright.async_api import BrowserContext, expect

pytestmark = [pytest.mark.browser, pytest.mark.timeout(120)]


async def test_a_wrong_password_is_told_in_a_sentence(desktop: BrowserContext, demo: Any) -> None:
    page = await desktop.new_page()
    await page.goto(demo.hub_url)
    await page.get_by_label("用户名").fill("nobody")
    await page.get_by_label("密码", exact=True).fill("not-the-password")
    await page.get_by_role("button", name="登录", exact=True).click()
    await expect(page.get_by_role("alert")).to_contain_text("没有登录成功")
    await expect(page.get_by_role("navigation")).to_have_count(0)


async def test_a_manager_logs_in_and_opens_the_door(manager: Any, door: Any) -> None:
    page = manager.page
    before = (await door.state())["releases"]
    await page.locator("[data-station=demo-01]").click()
    await page.get_by_test_id("remote-open").click()
    await page.get_by_test_id("open-confirm").click()
    await expect(page.get_by_text("请写明原因")).to_be_visible()
    assert (await door.state())["releases"] == before, "the lock moved without a reason"

    await page.get_by_test_id("open-reason").fill("会员手机没电，已核对身份")
    await page.get_by_test_id("open-confirm").click()
    await expect(page.get_by_test_id("open-progress")).to_have_attribute("data-status", "done")
    await expect(page.get_by_test_id("open-progress")).to_contain_text("门锁已打开")
    assert (await door.state())["releases"] == before + 1

    await expect(page.get_by_test_id("contact")).to_have_attribute("data-open", "true")
    await expect(page.get_by_test_id("timeline")).to_contain_text("远程打开了门锁")
    await expect(page.get_by_test_id("commands")).to_contain_text("会员手机没电，已核对身份")
    await door.at_rest()
    await expect(page.get_by_test_id("door-state")).to_have_attribute("data-state", "secured")


async def test_a_viewer_is_told_why_the_door_button_is_off(viewer: Any, door: Any) -> None:
    await viewer.open_station()
    await expect(viewer.page.get_by_test_id("remote-open")).to_be_disabled()
    await expect(viewer.page.get_by_text("您的账号只能查看")).to_be_visible()


async def test_a_text_reaches_the_sign_dot_by_dot(manager: Any, door: Any) -> None:
    await manager.open_station()
    page = manager.page
    await page.get_by_test_id("sign-text").fill("今日有雪，进来暖和")
    await page.get_by_test_id("sign-send").click()
    shown = await door.until(lambda now: now["sign"]["text"] == "今日有雪，进来暖和", "the text is on the sign")
    assert len(shown["sign"]["pages"]) >= 1
    await expect(page.get_by_test_id("sign-now")).to_have_text("今日有雪，进来暖和")
    await page.get_by_role("button", name="恢复空闲文字").click()
    await expect(page.get_by_test_id("sign-now")).not_to_have_text("今日有雪，进来暖和")


async def test_a_manager_looks_through_the_camera(manager: Any, door: Any) -> None:
    await manager.open_station()
    page = manager.page
    await page.get_by_test_id("take-picture").click()
    picture = page.get_by_test_id("camera-picture")
    await expect(picture).to_be_visible()
    assert await picture.evaluate("async (img) => { await img.decode(); return img.naturalWidth }") >= 320
    await page.get_by_test_id("live-view").click()
    live = page.get_by_test_id("live-box")
    await expect(live).to_have_attribute("data-state", "live")
    await expect(live.locator(".live-state")).to_contain_text("实时")
    await page.get_by_test_id("live-view").click()
    await expect(live).to_have_count(0)


async def test_readings_of_the_station_appear_and_change(manager: Any, door: Any, demo: Any) -> None:
    await manager.open_station()
    page = manager.page
    await expect(page.get_by_test_id("now-temperature")).to_contain_text(re.compile(r"\d+\.\d °C"))
    visitor = await page.context.new_page()
    await visitor.goto(demo.door_url)
    slider = visitor.get_by_test_id("temperature")
    await slider.fill("7")
    await slider.dispatch_event("change")
    await door.until(lambda now: now["temperature_c"] == 7, "the cold is simulated")
    await page.bring_to_front()
    await expect(page.get_by_test_id("now-temperature")).to_contain_text("7.0 °C", timeout=30_000)


async def test_the_page_speaks_english_when_asked(manager: Any) -> None:
    page = manager.page
    await page.get_by_role("button", name="English").click()
    await expect(page.get_by_role("navigation")).to_contain_text("Members")
    await page.reload()
    await expect(page.get_by_role("navigation")).to_contain_text("Members")
    assert await page.evaluate("document.documentElement.lang") == "en"


async def test_a_member_is_added_and_suspended(manager: Any) -> None:
    page = manager.page
    await page.goto(f"{manager.hub_url}/members")
    await page.get_by_test_id("add-member").click()
    await page.get_by_label("姓名", exact=True).fill("测试会员")
    await page.get_by_role("combobox", name="职业").click()
    await page.get_by_title("快递员").click()
    await page.get_by_role("button", name="保存").click()
    row = page.get_by_role("row", name=re.compile("测试会员"))
    await expect(row).to_contain_text("有效")
    await row.get_by_test_id("member-more").click()
    await page.get_by_role("menuitem", name="暂停资格").click()
    await page.get_by_role("dialog").get_by_role("button", name="暂停资格").click()
    await expect(row).to_contain_text("已暂停")


async def test_a_station_that_is_not_there_is_told_so(manager: Any) -> None:
    await manager.page.goto(f"{manager.hub_url}/stations/nowhere")
    await expect(manager.page.get_by_role("alert")).to_contain_text("没有这座驿站")


async def test_a_station_is_opened_from_the_map_by_keyboard(manager: Any) -> None:
    await expect(manager.page.locator(".pin-box").first).to_be_visible()
    await manager.page.locator(".leaflet-marker-icon").first.focus()
    await manager.page.keyboard.press("Enter")
    await expect(manager.page).to_have_url(re.compile("/stations/demo-"))
