"""docs/devices/ has words for every driver, every option and every device profile that there is."""

from pathlib import Path

import pytest

from firmware_bridge.drivers import DRIVERS

ROOT = Path(__file__).parents[3]
INDEX = (ROOT / "docs" / "devices.md").read_text(encoding="utf-8")
PAGES = {path.name: path.read_text(encoding="utf-8") for path in sorted((ROOT / "docs" / "devices").glob("*.md"))}
SECTIONS = {
    section.split("\n", 1)[0].strip(): section for page in PAGES.values() for section in page.split("\n## ")[1:]
}


@pytest.mark.parametrize("driver", sorted(DRIVERS))
def test_every_driver_and_every_option_has_its_words(driver):
    section = SECTIONS[driver]
    for option in DRIVERS[driver].options.model_fields:
        assert f"`{option}`" in section


@pytest.mark.parametrize("driver", sorted(DRIVERS))
def test_every_driver_has_its_row_with_a_tier_in_the_index(driver):
    (row,) = [line for line in INDEX.splitlines() if line.startswith(f"| `{driver}` |")]
    assert any(tier in row for tier in ("bronze", "silver", "gold"))


@pytest.mark.parametrize("page", sorted(PAGES))
def test_every_page_is_linked_from_the_index(page):
    assert f"(devices/{page})" in INDEX


@pytest.mark.parametrize("profile", sorted(path.stem for path in (ROOT / "config" / "devices").glob("*.toml")))
def test_every_device_profile_is_listed(profile):
    assert f"`{profile}`" in PAGES["profiles.md"]
