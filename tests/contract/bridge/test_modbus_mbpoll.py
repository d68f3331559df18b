"""A master that we did not write, Debian's mbpoll, reads and writes our simulated Modbus units, RTU and TCP."""

import asyncio
import random
import re
from contextlib import asynccontextmanager

import pytest

from firmware_bridge.profiles import DeviceProfile
from firmware_bridge.simulators.modbus_profile import ProfileSlave
from firmware_bridge.simulators.paced_net import PacedTcp
from firmware_bridge.simulators.paced_pty import PacedPty

pytestmark = [pytest.mark.contract, pytest.mark.parametrize("way", ["rtu", "tcp"])]

UNIT, BAUD = 7, 9600
COILS, DISCRETE, INPUT, HOLDING = "-t0", "-t1", "-t3", "-t4"
BOARD = DeviceProfile.model_validate(
    {
        "vendor": "V",
        "model": "M",
        "kind": "io_module",
        "protocol": "modbus",
        "source": "made up for mbpoll",
        "verified": "unverified",
        "points": [
            *(
                {"name": f"relay_{number}", "space": "coil", "address": number, "type": "bit", "write": {}}
                for number in range(3)
            ),
            *({"name": f"door_{number}", "space": "discrete", "address": number, "type": "bit"} for number in range(3)),
            {"name": "room", "space": "input", "address": 5, "type": "int16", "scale": 0.1, "decimals": 1},
            *(
                {
                    "name": name,
                    "space": "holding",
                    "address": address,
                    "type": "int16",
                    "write": {"min": -50, "max": 50},
                }
                for address, name in enumerate(("low", "high"), start=10)
            ),
            {"name": "power", "space": "holding", "address": 12, "type": "float32", "word_order": "low_first"},
        ],
    }
)


@pytest.fixture
def unit(way, tmp_path, needs_program):
    """`async with unit() as (slave, mbpoll)`: what `await mbpoll(table, first, *more)` printed, by address."""
    program = needs_program("mbpoll", package="mbpoll")

    @asynccontextmanager
    async def make():
        rng = random.Random(2)
        wire = PacedTcp("unit", rng=rng) if way == "tcp" else PacedPty("unit", 10 / BAUD, rng=rng, link_dir=tmp_path)
        slave = ProfileSlave(wire, UNIT, BOARD)
        path = wire.open()
        where = ["-mtcp", f"-p{wire.port}"] if way == "tcp" else ["-mrtu", f"-b{BAUD}", "-Pnone"]
        host = "127.0.0.1" if way == "tcp" else path

        async def mbpoll(table, first, *values, count=1, fails=False):
            options = [*where, f"-a{UNIT}", "-0", "-1", "-o2", table, f"-r{first}"]
            if not values:
                options.append(f"-c{count}")
            told = await asyncio.create_subprocess_exec(
                program, *options, host, "--", *map(str, values), stdout=asyncio.subprocess.PIPE, stderr=-2
            )
            out, _ = await told.communicate()
            text = out.decode(errors="replace")
            assert (told.returncode != 0 or "failed" in text) == fails, text
            return {int(at): value for at, value in re.findall(r"^\[(\d+)\]:\s+(\S+)", text, re.M)} or text

        try:
            yield slave, mbpoll
        finally:
            wire.close()
            slave.stop()

    return make


async def test_it_reads_what_the_unit_shows(unit):
    async with unit() as (slave, mbpoll):
        slave.set("room", -5.5)
        slave.set("relay_1", True)
        slave.set("door_2", True)
        slave.set("power", 12.5)
        assert await mbpoll(INPUT, 5) == {5: "65481"}
        assert await mbpoll(COILS, 0, count=3) == {0: "0", 1: "1", 2: "0"}
        assert await mbpoll(DISCRETE, 0, count=3) == {0: "0", 1: "0", 2: "1"}
        # mbpoll's own order of words is the low one first.
        assert await mbpoll(f"{HOLDING}:float", 12) == {12: "12.5"}
        assert await mbpoll(f"{HOLDING}:hex", 12, count=2) == {12: "0x0000", 13: "0x4148"}


async def test_it_writes_one_and_many_coils_and_registers(unit):
    async with unit() as (slave, mbpoll):
        await mbpoll(COILS, 1, 1)
        assert [slave.get(f"relay_{number}") for number in range(3)] == [False, True, False]
        await mbpoll(COILS, 0, 1, 0, 1)
        assert [slave.get(f"relay_{number}") for number in range(3)] == [True, False, True]
        await mbpoll(HOLDING, 10, 21)
        assert slave.get("low") == 21
        await mbpoll(HOLDING, 10, 0xFFF9, 35)
        assert (slave.get("low"), slave.get("high")) == (-7, 35)


async def test_it_is_told_when_the_unit_refuses(unit):
    async with unit() as (slave, mbpoll):
        assert "Illegal data address" in await mbpoll(INPUT, 99, fails=True)
        assert "Illegal data value" in await mbpoll(HOLDING, 10, 99, fails=True)
        slave.refuse = True
        assert "failure" in await mbpoll(HOLDING, 10, 9, fails=True)
        assert slave.writes == 0
