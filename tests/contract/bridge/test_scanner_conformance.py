"""What every scanner must do, on a paced line: each text once, stamped with its last byte, noise or not."""

import time
from dataclasses import replace

import pytest

from firmware_bridge.capabilities import Scan
from firmware_bridge.codecs.scanner import Framing
from firmware_bridge.simulators.paced_pty import NO_FAULTS, Faults
from firmware_bridge.simulators.station import SimulatedStation, SimulationConfig

pytestmark = pytest.mark.contract

CODE = "YZ1:" + "K7Q-" * 44 + "E"  # 181 bytes, as long as a membership code


@pytest.fixture(params=[(Framing.LINE, 9600), (Framing.LINE, 115200), (Framing.STX_ETX, 115200)])
def scanning(request):
    framing, baud = request.param
    return SimulationConfig(framing=framing, scanner_baud=baud)


def devices_of(station, **options):
    device = station.device_configs()["scanner"]
    return {"scanner": device.model_copy(update={"options": device.options | options})}


def line_of(station):
    return {"scanner": station.line_configs()["scanner"]}


async def test_a_shown_code_is_one_scan_stamped_with_its_last_byte(scanning, bridge_on):
    async with SimulatedStation(scanning) as station, bridge_on(line_of(station), devices_of(station)) as told:
        await told.until(lambda: told.health("scanner") == ["online"])
        began = time.monotonic()
        station.scan(CODE)
        await told.until(told.texts)
        (scan,) = [event for event in told.events if isinstance(event, Scan)]
        assert (scan.device, scan.text) == ("scanner", CODE)
        assert 0 <= scan.mono_s - station.scan_ends_s[0] < 0.02
        # It took the time of the wire: 181 bytes and the framing around them, ten bits each.
        wire_s = (len(CODE) + 1) * 10 / scanning.scanner_baud
        assert scan.mono_s - began >= wire_s


async def test_codes_shown_one_after_another_arrive_in_order(scanning, bridge_on):
    async with SimulatedStation(scanning) as station, bridge_on(line_of(station), devices_of(station)) as told:
        await told.until(lambda: told.health("scanner") == ["online"])
        codes = [f"CODE-{index}" for index in range(10)]
        for code in codes:
            station.scan(code)
        await told.until(lambda: len(told.texts()) == 10)
        assert told.texts() == codes


async def test_a_code_held_before_the_reader_is_one_showing_when_the_profile_says_so(scanning, bridge_on):
    async with SimulatedStation(scanning) as station:
        devices = devices_of(station, same_text_s=5.0)
        async with bridge_on(line_of(station), devices) as told:
            await told.until(lambda: told.health("scanner") == ["online"])
            for text in ("SAME", "SAME", "SAME", "OTHER"):
                station.scan(text)
            await told.until(lambda: "OTHER" in told.texts())
            assert told.texts() == ["SAME", "OTHER"]


async def test_damage_loses_the_damaged_code_only(scanning, bridge_on):
    damaged = replace(scanning, seed=3)
    async with SimulatedStation(damaged) as station, bridge_on(line_of(station), devices_of(station)) as told:
        await told.until(lambda: told.health("scanner") == ["online"])
        station.set_faults("scanner", Faults(drop=0.05, flip=0.05))
        for _ in range(5):
            station.scan("DAMAGED")
        station.set_faults("scanner", NO_FAULTS)
        station.scan("first may join what lost its end")
        station.scan("WHOLE")
        await told.until(lambda: "WHOLE" in told.texts())
        assert told.health("scanner") == ["online"]


async def test_an_unplugged_scanner_is_told_and_used_again(scanning, bridge_on, tmp_path):
    linked = SimulatedStation(scanning, link_dir=tmp_path)
    async with linked as station, bridge_on(line_of(station), devices_of(station)) as told:
        await told.until(lambda: told.health("scanner") == ["online"])
        station.unplug("scanner")
        await told.until(lambda: told.health("scanner") == ["online", "offline"])
        station.plug_in("scanner")
        await told.until(lambda: told.health("scanner") == ["online", "offline", "online"])
        station.scan(CODE)
        await told.until(told.texts)
        assert told.texts() == [CODE]
