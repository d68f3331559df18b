"""Independent peers for the bridge's contract tests, and a bridge that is opened on whatever line they are on.

PyPI peers live in environments of their own (`tests/harness/peers.py`). The libmodbus slave is compiled by gcc.
"""

import asyncio
import hashlib
import os
import random
import shutil
import subprocess
import tty
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from firmware_bridge.bridge import Bridge
from firmware_bridge.capabilities import HealthChanged, InputChanged, Reading, Scan
from firmware_bridge.clock import SystemClock
from firmware_bridge.config import LineConfig
from firmware_bridge.secrets import SecretDirectory
from firmware_bridge.simulators.base import SimulatorContext
from firmware_bridge.simulators.paced_pty import PacedPty
from tests.harness import peers as environments
from tests.harness.peers import ENVIRONMENTS, LOCKS, ROOT, one_at_a_time

PROFILES = ROOT / "config" / "devices"
PEERS = LOCKS
WAIT_S = 30.0
BITS_PER_BYTE = 10


@pytest.fixture(scope="session")
def peer_python():
    """`peer_python("pymodbus")`: the Python of that peer's environment."""
    return environments.peer_python


@pytest.fixture(scope="session")
def pymodbus_python():
    return environments.peer_python("pymodbus")


@pytest.fixture(scope="session")
def alphasignpy_python():
    return environments.peer_python("alphasignpy")


@pytest.fixture(scope="session")
def needs_program():
    """`needs_program("mbpoll", package="mbpoll")`: where it is; skips with how to install it where it is not."""

    def find(program, *, package):
        found = shutil.which(program, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")
        if found is None:
            pytest.skip(f"no {program} here: apt install {package}")
        return Path(found)

    return find


@pytest.fixture
def simulator_context(tmp_path):
    """Links, secrets and profiles for a simulated device."""
    links = tmp_path / "lines"
    links.mkdir()
    return SimulatorContext(links, random.Random(9), SecretDirectory(tmp_path / "keys"), PROFILES)


@pytest.fixture(scope="session")
def libmodbus_slave():
    """The compiled slave; Debian: apt install gcc libc6-dev libmodbus-dev."""
    header = Path("/usr/include/modbus/modbus.h")
    if shutil.which("gcc") is None or not header.exists():
        pytest.skip("no libmodbus slave here: apt install gcc libc6-dev libmodbus-dev")
    source = PEERS / "libmodbus_slave.c"
    digest = hashlib.sha256(source.read_bytes()).hexdigest()[:16]
    binary = ENVIRONMENTS / "libmodbus" / digest
    with one_at_a_time("libmodbus"):
        if not binary.exists():
            binary.parent.mkdir(parents=True, exist_ok=True)
            flags = ["-O1", "-Wall", "-Wextra", "-Werror", f"-I{header.parent}"]
            subprocess.run(["gcc", *flags, str(source), "-o", str(binary), "-lmodbus"], check=True, timeout=60)
    return binary


@pytest.fixture
def only_camera_here():
    """Meanwhile no other test process simulates a camera: all of this machine's answer a search by multicast."""
    with one_at_a_time("cameras"):
        yield


class PeerWire:
    """A paced line whose far end is a second pty: a peer opens that as its serial port."""

    def __init__(self, baud, link_dir):
        self.baud = baud
        self.paced = PacedPty("peer", BITS_PER_BYTE / baud, rng=random.Random(5), link_dir=link_dir)
        self._master, self._slave = os.openpty()
        tty.setraw(self._slave)
        os.set_blocking(self._master, False)
        self.peer_path = os.ttyname(self._slave)
        self.paced.listen(lambda data, first_byte_s: os.write(self._master, data))

    def open(self):
        asyncio.get_running_loop().add_reader(self._master, lambda: self.paced.send(os.read(self._master, 4096)))
        return self.paced.open()

    def close(self):
        asyncio.get_running_loop().remove_reader(self._master)
        self.paced.close()
        os.close(self._master)
        os.close(self._slave)


class PeerProcess:
    """A slave program that takes commands on stdin and answers each with a line."""

    def __init__(self, process):
        self._process = process

    async def say(self, command):
        self._process.stdin.write(f"{command}\n".encode())
        await self._process.stdin.drain()
        return await self.line()

    async def line(self):
        line = await asyncio.wait_for(self._process.stdout.readline(), WAIT_S)
        return line.decode().strip()


@asynccontextmanager
async def running_peer(*command):
    process = await asyncio.create_subprocess_exec(*map(str, command), stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        peer = PeerProcess(process)
        assert await peer.line() == "ready"
        yield peer
    finally:
        process.stdin.close()
        try:
            await asyncio.wait_for(process.wait(), WAIT_S)
        except TimeoutError:
            process.kill()
            await process.wait()
        process._transport.close()


class OpenBridge:
    """A running bridge and everything it told."""

    def __init__(self):
        self.events = []
        self.bridge = None
        self._told = asyncio.Event()

    def emit(self, event):
        self.events.append(event)
        self._told.set()

    async def until(self, condition, *, timeout_s=WAIT_S):
        """Wait until `condition()` holds; it is asked again after every event."""
        async with asyncio.timeout(timeout_s):
            while not condition():
                self._told.clear()
                await self._told.wait()

    def inputs(self, name):
        return [event.active for event in self._of(InputChanged) if event.input == name]

    def health(self, device):
        return [event.health.value for event in self._of(HealthChanged) if event.device == device]

    def readings(self, point):
        return [event for event in self._of(Reading) if event.point == point]

    def texts(self):
        return [event.text for event in self._of(Scan)]

    def _of(self, kind):
        return [event for event in self.events if isinstance(event, kind)]


@asynccontextmanager
async def open_bridge(lines, devices, *, profiles_dir=PROFILES, **more):
    told = OpenBridge()
    async with Bridge.open(
        lines, devices, profiles_dir=profiles_dir, emit=told.emit, clock=SystemClock(), rng=random.Random(3), **more
    ) as bridge:
        told.bridge = bridge
        services = [asyncio.create_task(run(), name=name) for name, run in bridge.services]
        try:
            yield told
        finally:
            for service in services:
                service.cancel()
            results = await asyncio.gather(*services, return_exceptions=True)
            broken = [result for result in results if not isinstance(result, asyncio.CancelledError)]
            assert broken == []


@pytest.fixture
def bridge_on():
    """`async with bridge_on(lines, devices) as told:` a bridge with its services running."""
    return open_bridge


@pytest.fixture
def start_peer():
    return running_peer


@pytest.fixture
def peer_wire(tmp_path):
    """Makes a PeerWire of a baud; the test's own code opens and closes it."""
    return lambda baud: PeerWire(baud, tmp_path)


@pytest.fixture
def line_config():
    return lambda path, baud: LineConfig(url=str(path), baud=baud)
