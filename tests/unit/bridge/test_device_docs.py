"""docs/devices.md names every driver, every option and every device profile that there is."""

from pathlib import Path

import pytest

from firmware_bridge.drivers import DRIVERS

ROOT = Path(__file__).parents[3]
DOCS = (ROOT / "docs" / "devices.md").read_text(encoding="utf-8")
SECTIONS = {section.split("\n", 1)[0].strip(): section for section in DOCS.split("\n### ")}


@pytest.mark.parametrize("driver", sorted(DRIVERS))
def test_every_driver_and_every_option_has_its_words(driver):
    section = SECTIONS[driver]
    for option in DRIVERS[driver].options.model_fields:
        assert f"`{option}`" in section


@pytest.mark.parametrize("profile", sorted(path.stem for path in (ROOT / "config" / "devices").glob("*.toml")))
def test_every_device_profile_is_listed(profile):
    assert f"`{profile}`" in DOCS
