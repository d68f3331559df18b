"""The command line against a running virtual station, as a technician would use it."""

import asyncio
import json
import subprocess
import sys
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

pytestmark = pytest.mark.contract

PROFILES = Path(__file__).parents[3] / "config" / "devices"
BRIDGE = (sys.executable, "-m", "firmware_bridge.cli")


@asynccontextmanager
async def simulation(directory):
    process = await asyncio.create_subprocess_exec(
        *BRIDGE, "simulate", "--json", "--link-dir", str(directory), stdout=subprocess.PIPE
    )
    try:
        first = await asyncio.wait_for(process.stdout.readline(), 20)
        yield json.loads(first)["lines"]
    finally:
        process.terminate()
        await asyncio.wait_for(process.communicate(), 10)
        assert process.returncode == 0


async def bridge(*arguments):
    process = await asyncio.create_subprocess_exec(
        *BRIDGE, *map(str, arguments), stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    out, err = await asyncio.wait_for(process.communicate(), 30)
    return process.returncode, out.decode(), err.decode()


async def test_devices_of_a_virtual_station_are_probed_from_another_process(tmp_path):
    async with simulation(tmp_path / "lines") as lines:
        assert set(lines) == {"door", "air", "scanner", "sign"}
        common = ("--profiles", PROFILES, "--json")
        wiring = ("--option", "contact=0", "--option", 'buttons={"face": 1}')
        climate, lock, sign = await asyncio.gather(
            bridge("probe", "modbus_sensor", lines["air"], "--profile", "xy_md02", "--address", 2, *common),
            bridge(
                "probe",
                "modbus_lock",
                lines["door"],
                "--profile",
                "waveshare_relay_d",
                "--baud",
                38400,
                *wiring,
                *common,
            ),
            bridge("probe", "alpha_sign", lines["sign"], "--option", "width=128", "--option", "height=16", *common),
        )
    assert climate[0] == 0
    readings = json.loads(climate[1])["readings"]
    assert readings["temperature"] == {"value": 21.5, "unit": "°C", "quality": "good"}
    assert lock[0] == 0
    assert json.loads(lock[1])["status"] == {"released": False, "contact_open": False}
    assert json.loads(lock[1])["inputs"] == {"contact": False, "face": False}
    assert sign[0] == 0
    assert json.loads(sign[1])["health"] == "online"
    assert list((tmp_path / "lines").iterdir()) == []


async def test_a_device_that_is_not_there_is_said_so_and_the_exit_status_is_one(tmp_path):
    status, out, _ = await bridge(
        "probe", "modbus_sensor", tmp_path / "nothing", "--profile", "xy_md02", "--profiles", PROFILES
    )
    assert status == 1
    assert "offline line line: cannot be opened" in out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("modbus_lock", "/dev/x"), "profile: driver modbus_lock needs one"),
        (("nope", "/dev/x"), "driver: 'nope' is none of"),
        (("alpha_sign", "ftp://x"), "is no line"),
        (("alpha_sign", "/dev/x", "--option", "width"), "option 'width' is not key=value"),
        (("serial_scanner", "/dev/x", "--option", "framing=morse"), "options.framing: Input should be"),
    ],
)
async def test_a_mistake_is_named_and_the_exit_status_is_two(arguments, message):
    status, _, err = await bridge("probe", *arguments, "--profiles", PROFILES)
    assert status == 2
    assert message in err
    assert "Traceback" not in err
