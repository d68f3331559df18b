"""What a sensor of a station sees reaches the manager's page as an alarm, in words."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.async_api import Page, expect

pytestmark = pytest.mark.browser

ALARM_S = 40.0
"""Two seconds until the sensor is read, five that the profile waits, one to the page; on a busy machine far more."""


async def turn_thermometer(page: Page, celsius: int) -> None:
    slider = page.get_by_test_id("temperature")
    await slider.fill(str(celsius))
    await slider.dispatch_event("change")


async def test_cold_inside_is_an_alarm_on_the_managers_page_until_it_is_warm(
    manager: Any, door: Any, demo: Any
) -> None:
    await manager.open_station()
    page = manager.page
    alarm = page.get_by_role("alert").filter(has_text="温度过低 · room")
    visitor = await page.context.new_page()
    await visitor.goto(demo.door_url)
    await expect(alarm).to_have_count(0)
    try:
        await turn_thermometer(visitor, 1)
        await expect(alarm).to_be_visible(timeout=ALARM_S * 1000)
        await expect(alarm).to_contain_text("climate.temperature is 1 °C, below 5 for 5 s")
    finally:
        await turn_thermometer(visitor, 18)
    await expect(alarm).to_have_count(0, timeout=ALARM_S * 1000)
