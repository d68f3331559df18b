"""The door board's real firmware, built and put on a simulated ATmega1284P (simavr), with our driver as its host."""

import shutil
import subprocess
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from firmware_bridge.config import DeviceConfig
from tests.contract.bridge.door_board.boards import BUILD_S_MAX, CACHE, FIRMWARE, OLD, PEER, Board, digest_of
from tests.harness.peers import one_at_a_time


@pytest.fixture(scope="session")
def firmware_of():
    """`firmware_of((1, 0, 0))`: the directory with boot.elf, app.elf and app.bin of a version."""
    libc = Path("/usr/lib/avr/include/avr/io.h")
    if shutil.which("avr-gcc") is None or shutil.which("make") is None or not libc.exists():
        pytest.skip("no avr-gcc here: apt install gcc-avr binutils-avr avr-libc make")
    home = CACHE / digest_of(*FIRMWARE.glob("*.[ch]"), FIRMWARE / "Makefile")

    def build(version):
        name = ".".join(map(str, version))
        with one_at_a_time("door_board"):
            subprocess.run(
                ["make", "--silent", "-C", str(FIRMWARE), f"VERSION={name}", f"OUT={home / name}"],
                check=True,
                timeout=BUILD_S_MAX,
            )
        return home / name

    return build


@pytest.fixture(scope="session")
def simulator():
    """The compiled peer; Debian: apt install gcc libc6-dev libsimavr-dev."""
    if shutil.which("gcc") is None or not Path("/usr/include/simavr/sim_avr.h").exists():
        pytest.skip("no simavr here: apt install gcc libc6-dev libsimavr-dev")
    binary = CACHE / f"simavr-{digest_of(PEER)}"
    with one_at_a_time("door_board"):
        if not binary.exists():
            binary.parent.mkdir(parents=True, exist_ok=True)
            flags = ["-O2", "-Wall", "-Wextra", "-Werror", "-I/usr/include/simavr"]
            subprocess.run(
                ["gcc", *flags, str(PEER), "-o", str(binary), "-lsimavr", "-lutil"], check=True, timeout=BUILD_S_MAX
            )
    return binary


@pytest.fixture
def board(tmp_path, simulator, start_peer):
    return Board(tmp_path, simulator, start_peer)


@pytest.fixture
def old(firmware_of):
    return firmware_of(OLD)


@pytest.fixture
def driven(board, bridge_on):
    """`async with driven(**options) as (door, told):` the board as a bridge's device, online."""

    @asynccontextmanager
    async def make(**options):
        device = DeviceConfig(driver="door_board", line="door", options=options)
        async with bridge_on({"door": board.line}, {"door": device}) as told:
            await told.until(lambda: told.inputs("tamper"))
            yield told.bridge.devices["door"].driver, told

    return make
