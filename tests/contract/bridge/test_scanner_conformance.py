"""What every scanner must do, on a paced line: each text once, stamped with its last byte, noise or not."""

import asyncio
import os
import time
import tty
from contextlib import contextmanager
from dataclasses import replace

import pytest

from firmware_bridge.capabilities import Scan
from firmware_bridge.codecs.scanner import Framing
from firmware_bridge.codecs.scanner_commands import COMMAND_SETS
from firmware_bridge.config import DeviceConfig, LineConfig
from firmware_bridge.simulators.paced_pty import NO_FAULTS, Faults, PacedPty
from firmware_bridge.simulators.qr_scanner import QrScanner
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


@contextmanager
def raw_scanner(directory):
    """A pty behind a stable name, as udev gives a USB-CDC scanner one: bytes are written as a manual prints them."""
    master, slave = os.openpty()
    tty.setraw(slave)
    os.set_blocking(master, False)
    link = directory / "scanner"
    link.symlink_to(os.ttyname(slave))
    try:
        yield master, link
    finally:
        link.unlink()
        os.close(master)
        os.close(slave)


def on(link, **options):
    device = DeviceConfig(driver="serial_scanner", line="scanner", options=options)
    return {"scanner": LineConfig(url=str(link), baud=9600)}, {"scanner": device}


async def written(master):
    """What the bridge wrote next."""
    loop = asyncio.get_running_loop()
    ready = loop.create_future()
    loop.add_reader(master, ready.set_result, None)
    try:
        await asyncio.wait_for(ready, 10)
    finally:
        loop.remove_reader(master)
    return os.read(master, 4096)


async def test_the_gm65s_printed_trigger_and_answer_are_followed_by_a_code(tmp_path, bridge_on):
    with raw_scanner(tmp_path) as (master, link):
        async with bridge_on(*on(link, commands="gm65", trigger_s=5)) as told:
            assert await written(master) == bytes.fromhex("7E 00 08 01 00 02 01 AB CD")
            os.write(master, bytes.fromhex("02 00 00 01 00 33 31") + b"YZ1:CODE\r")
            await told.until(told.texts)
            assert told.texts() == ["YZ1:CODE"]
            # It reads one code for each trigger, so it is told to look again.
            assert await written(master) == bytes.fromhex("7E 00 08 01 00 02 01 AB CD")


async def test_a_scanner_that_comes_back_as_another_device_is_found_by_its_name(tmp_path, bridge_on):
    codes = []
    with raw_scanner(tmp_path) as (master, link):
        async with bridge_on(*on(link)) as told:
            await told.until(lambda: told.health("scanner") == ["online"])
            first = link.readlink()
            os.write(master, b"FIRST\r")
            await told.until(lambda: told.texts() == ["FIRST"])
            os.write(master, b"HALF OF A CO")
            link.rename(tmp_path / "gone")
            # A pty of its own keeps the next one from getting the same number.
            with raw_scanner(tmp_path) as (next_master, _):
                assert link.readlink() != first
                os.dup2(next_master, master)  # the first one's master closes: the agent's side is hung up
                await told.until(lambda: told.health("scanner") == ["online", "offline", "online"])
                os.write(next_master, b"SECOND\r")
                await told.until(lambda: len(told.texts()) == 2)
                codes = told.texts()
            (tmp_path / "gone").rename(link)
    assert codes == ["FIRST", "SECOND"]


async def test_a_scanner_without_end_marks_is_read_by_its_silence(tmp_path, bridge_on, simulator_context):
    wire = PacedPty("scanner", 10 / 9600, rng=simulator_context.rng, link_dir=tmp_path)
    scanner = QrScanner(wire, framing=Framing.IDLE)
    try:
        async with bridge_on(*on(wire.open(), framing="idle", idle_ms=50)) as told:
            await told.until(lambda: told.health("scanner") == ["online"])
            for count in (1, 2):
                began = time.monotonic()
                scanner.scan(CODE)
                await told.until(lambda: len(told.texts()) == count)  # noqa: B023
                took_s = time.monotonic() - began
                assert took_s >= len(CODE) * 10 / 9600 + 0.05
            assert told.texts() == [CODE, CODE]
            last = [event for event in told.events if isinstance(event, Scan)][-1]
            assert 0 <= last.mono_s - scanner.scan_ends_s[-1] < 0.02
    finally:
        wire.close()


@pytest.mark.parametrize("name", sorted(COMMAND_SETS))
async def test_a_scanner_of_each_command_set_shows_which_it_is(name, tmp_path, bridge_on, simulator_context):
    wire = PacedPty("scanner", 10 / 115200, rng=simulator_context.rng, link_dir=tmp_path)
    scanner = QrScanner(wire, framing=Framing.STX_ETX, commands=COMMAND_SETS[name], triggered=True)
    try:
        async with bridge_on(*on(wire.open(), framing="stx_etx", commands=name, trigger_s=10)) as told:
            await told.until(lambda: told.health("scanner") == ["online"])
            said = await told.bridge.devices["scanner"].driver.identify(0.05)
            assert ("beeps" in said) == (scanner.beeps > 0)
            scanner.looking = True
            assert scanner.scan("AFTER")
            await told.until(told.texts)
            assert told.texts() == ["AFTER"]
    finally:
        wire.close()
