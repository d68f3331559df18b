"""A start pays for the devices that it has: code that no row of the profile names is not imported."""

import json
import subprocess
import sys

import pytest

pytestmark = pytest.mark.contract


def imported(code: str, under: str) -> set[str]:
    """Modules under `under` that a fresh interpreter has after `code`."""
    ask = f"{code}\nimport json, sys\nprint(json.dumps([m for m in sys.modules if m.startswith({under!r})]))"
    ended = subprocess.run([sys.executable, "-c", ask], capture_output=True, text=True, timeout=60, check=True)
    return {name.removeprefix(under) for name in json.loads(ended.stdout)}


def test_the_table_of_drivers_imports_no_driver():
    assert imported("import firmware_bridge.bridge", "firmware_bridge.drivers.") == {"base"}
    assert imported("import firmware_bridge.bridge", "firmware_bridge.sessions.") == set()


def test_a_checked_profile_imports_its_own_drivers_only():
    check = """
from pathlib import Path
from firmware_bridge.bridge import check
from firmware_bridge.config import DeviceConfig, LineConfig
lines = {"door": LineConfig(url="/dev/ttyS0")}
device = DeviceConfig(driver="serial_scanner", line="door")
assert check(lines, {"scanner": device}, Path()) == []
"""
    assert imported(check, "firmware_bridge.drivers.") == {"base", "scanner"}


def test_the_table_of_simulated_devices_imports_none():
    code = "from firmware_bridge.simulators.table import SIMULATORS\nassert SIMULATORS"
    assert "station_devices" not in imported(code, "firmware_bridge.simulators.")
    assert imported(code, "firmware_bridge.drivers.") == set()
