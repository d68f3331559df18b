"""What holds for every page: no error on the console, readable by assistive tools, no sideways scrolling on a phone."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import BrowserContext, ConsoleMessage, Page, ViewportSize, expect

pytestmark = [pytest.mark.browser, pytest.mark.timeout(120)]

AXE = Path(__file__).resolve().parents[2] / "cloud_hub" / "web" / "node_modules" / "axe-core" / "axe.min.js"
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"]
PHONE: ViewportSize = {"width": 390, "height": 844}

MANAGER_PAGES = {
    "overview": ("/", ".pin-box"),
    "station": ("/stations/demo-01", "[data-testid=timeline] li"),
    "rules": ("/stations/demo-01/rules", "[data-testid=rules-version]"),
    "activity": ("/activity", "[data-testid=timeline] li"),
    "members": ("/members", "table.members tbody tr"),
}


def complaints_of(page: Page) -> list[str]:
    """What the browser complains about while `page` lives: scripts' errors, refusals by the security policy."""
    found: list[str] = []

    def heard(message: ConsoleMessage) -> None:
        if message.type in ("error", "warning") and "401 (Unauthorized)" not in message.text:
            found.append(message.text)

    page.on("console", heard)
    page.on("pageerror", lambda error: found.append(str(error)))
    return found


async def violations(page: Page) -> list[str]:
    if not AXE.is_file():
        pytest.skip("axe-core is not installed; `python3 run.py test` installs it")
    await page.evaluate(AXE.read_text(encoding="utf-8"))
    result = await page.evaluate("(tags) => axe.run(document, { runOnly: tags })", RULES)
    return [
        f"{one['id']}: {node['html'][:160]} {node['failureSummary'][:200]}"
        for one in result["violations"]
        for node in one["nodes"][:3]
    ]


async def sideways(page: Page) -> int:
    return int(await page.evaluate("document.documentElement.scrollWidth - window.innerWidth"))


@pytest.mark.parametrize("name", MANAGER_PAGES)
async def test_a_manager_s_page_is_accessible_and_fits_a_phone(name: str, manager: Any, door: Any) -> None:
    path, sign_of_life = MANAGER_PAGES[name]
    page = manager.page
    complaints = complaints_of(page)
    await page.goto(f"{manager.hub_url}{path}")
    await expect(page.locator(sign_of_life).first).to_be_visible()
    assert await violations(page) == []
    await page.set_viewport_size(PHONE)
    await expect(page.get_by_role("navigation")).to_be_in_viewport()
    assert await sideways(page) <= 0
    assert complaints == []


@pytest.mark.parametrize("name", ["log-in", "worker", "door"])
async def test_an_open_page_is_accessible_and_fits_a_phone(name: str, phone: BrowserContext, demo: Any) -> None:
    page = await phone.new_page()
    complaints = complaints_of(page)
    if name == "log-in":
        await page.goto(demo.hub_url)
        await expect(page.get_by_role("button", name="登录", exact=True)).to_be_visible()
    elif name == "worker":
        await page.goto(f"{demo.hub_url}/m")
        await page.locator(".person").first.click()
        await expect(page.locator(".qr")).to_be_visible()
    else:
        await page.goto(demo.door_url)
        await expect(page.locator(".member").first).to_be_visible()
    assert await violations(page) == []
    assert await sideways(page) <= 0
    assert complaints == []


async def test_the_interface_s_own_documentation_needs_no_other_host(desktop: BrowserContext, demo: Any) -> None:
    page = await desktop.new_page()
    hosts: set[str] = set()
    page.on("request", lambda request: hosts.add(request.url.split("/")[2]))
    await page.goto(f"{demo.hub_url}/docs")
    await expect(page.get_by_text("/api/v1/stations", exact=True).first).to_be_visible()
    assert hosts == {demo.hub_url.split("/")[2]}


async def test_a_hidden_tab_holds_no_stream(manager: Any, launch: Callable[..., Any]) -> None:
    page = manager.page
    streams = await page.evaluate(
        """async () => {
          let open = 0;
          const Real = window.EventSource;
          window.EventSource = class extends Real {
            constructor(url) { super(url); open += 1; }
            close() { open -= this.readyState === 2 ? 0 : 1; super.close(); }
          };
          const see = (state) => {
            Object.defineProperty(document, "visibilityState", { value: state, configurable: true });
            document.dispatchEvent(new Event("visibilitychange"));
            return open;
          };
          see("hidden"); // closes the one opened before the count began
          return [see("visible"), see("hidden"), see("visible")];
        }"""
    )
    assert streams == [1, 0, 1]
