"""UPS: the driver on Debian's upsd with dummy-ups, and Debian's upsc on our simulated server."""

import asyncio
import os
import shutil
import socket
import subprocess
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from firmware_bridge.capabilities import Quality
from firmware_bridge.config import DeviceConfig, LineConfig
from firmware_bridge.secrets import SecretDirectory
from firmware_bridge.simulators.nut_ups import UpsSimulation

pytestmark = pytest.mark.contract

NAME = "main_ups"
PASSWORD = "secret word"
DEVICE = """\
ups.status: {status}
battery.charge: {charge}
battery.runtime: 1234
ups.load: 17
input.voltage: 228.5
ups.id: "a \\"quoted\\" name"
"""
# Where Debian keeps the programs themselves; in /usr/sbin is a script that first asks the system's configuration.
NUT_PROGRAMS = ("/lib/nut", "/usr/lib/nut", "/usr/libexec/nut")


def nut_program(name):
    found = shutil.which(name, path=os.pathsep.join(NUT_PROGRAMS))
    if found is None:
        pytest.skip(f"no {name} here: apt install nut-server")
    return found


class Upsd:
    """upsd and dummy-ups with a configuration of their own on a port of loopback."""

    def __init__(self, home):
        self._home = home
        self._processes = {}
        self._log = None
        self.url = ""

    def configure(self):
        with socket.socket() as chooser:
            chooser.bind(("127.0.0.1", 0))
            port = chooser.getsockname()[1]
        self.url = f"tcp://127.0.0.1:{port}"
        self._home.chmod(0o700)
        self._write("ups.conf", "[main]\n  driver = dummy-ups\n  port = main.dev\n  pollinterval = 1\n  desc = Dummy\n")
        self._write("upsd.conf", f"LISTEN 127.0.0.1 {port}\nMAXAGE 2\n")
        self._write("upsd.users", f'[monuser]\n  password = "{PASSWORD}"\n  upsmon secondary\n')
        self.set(status="OL", charge="100")

    def set(self, **values):
        """What the UPS says from now on: the driver reads the file again when it changed."""
        fresh = self._home / "fresh"
        fresh.write_text(DEVICE.format(**values))
        fresh.replace(self._home / "main.dev")

    async def start(self, what):
        user = ("-u", os.environ.get("USER") or "root")
        command = {
            "driver": (nut_program("dummy-ups"), "-a", "main", *user, "-D"),
            "server": (nut_program("upsd"), *user, "-D"),
        }[what]
        home = str(self._home)
        env = {**os.environ, "NUT_CONFPATH": home, "NUT_STATEPATH": home, "NUT_ALTPIDPATH": home}
        self._log = self._log or (self._home / "log").open("ab")
        self._processes[what] = await asyncio.create_subprocess_exec(
            *command, env=env, stdin=subprocess.DEVNULL, stdout=self._log, stderr=self._log
        )
        if what == "server":
            await self._listening()

    async def _listening(self):
        """upsd tells nobody when it begins to listen, so it is asked until it does."""
        async with asyncio.timeout(20):
            while True:
                try:
                    _, writer = await asyncio.open_connection("127.0.0.1", int(self.url.rsplit(":", 1)[1]))
                except ConnectionRefusedError:
                    await asyncio.sleep(0.02)
                    continue
                writer.close()
                await writer.wait_closed()
                return

    async def stop(self, what):
        process = self._processes.pop(what)
        process.terminate()
        await asyncio.wait_for(process.wait(), 10)
        process._transport.close()

    async def close(self):
        for what in list(self._processes):
            await self.stop(what)
        if self._log is not None:
            self._log.close()

    def log(self):
        return (self._home / "log").read_text(errors="replace")

    def _write(self, name, text):
        path = self._home / name
        path.write_text(text)
        path.chmod(0o600)


@pytest.fixture
async def upsd(tmp_path):
    home = Path(tmp_path) / "nut"
    home.mkdir()
    server = Upsd(home)
    server.configure()
    try:
        await server.start("driver")
        await server.start("server")
        yield server
    finally:
        await server.close()


@pytest.fixture
def reading(bridge_on):
    """A bridge on a server, told of its first good reading."""

    @asynccontextmanager
    async def running(url, **more):
        secrets = more.pop("secrets", None)
        device = DeviceConfig(driver="nut_ups", line="ups", options={"ups": "main", "period_s": 0.5} | more)
        given = {"secrets": secrets} if secrets else {}
        async with bridge_on({"ups": LineConfig(url=url)}, {NAME: device}, **given) as told:
            await told.until(lambda: told.inputs("on_battery"))
            yield told

    return running


def newest(told, point):
    event = told.readings(point)[-1]
    return event.value, event.quality


async def test_upsd_takes_the_login_and_tells_what_it_has_and_the_mains_that_go(upsd, reading, tmp_path, caplog):
    secrets = SecretDirectory(tmp_path / "keys")
    secrets.write("ups.password", PASSWORD.encode())
    caplog.set_level("DEBUG")
    async with reading(upsd.url, secrets=secrets, username="monuser", password="ups.password") as told:
        assert newest(told, "charge") == (100.0, Quality.GOOD)
        assert newest(told, "runtime") == (1234.0, Quality.GOOD)
        assert newest(told, "load") == (17.0, Quality.GOOD)
        assert newest(told, "voltage") == (228.5, Quality.GOOD)
        assert newest(told, "status") == ("OL", Quality.GOOD)
        upsd.set(status="OB LB", charge="12")
        await told.until(lambda: told.inputs("low_battery") == [False, True])
        assert told.inputs("on_battery") == [False, True]
        await told.until(lambda: newest(told, "charge") == (12.0, Quality.GOOD))
        upsd.set(status="OL CHRG", charge="13")
        await told.until(lambda: told.inputs("on_battery") == [False, True, False])
        assert told.inputs("low_battery") == [False, True, False]
        assert told.health(NAME) == ["online"]
    assert "refused the login" not in caplog.text
    assert PASSWORD not in caplog.text
    await upsd.stop("server")
    assert "monuser@127.0.0.1 logged into UPS [main]" in upsd.log()


async def test_a_ups_and_a_server_that_go_come_back_and_a_refused_login_hinders_nothing(
    upsd, reading, tmp_path, caplog
):
    secrets = SecretDirectory(tmp_path / "keys")
    secrets.write("ups.password", b"guessed")
    async with reading(upsd.url, secrets=secrets, username="monuser", password="ups.password") as told:
        assert caplog.text.count("refused the login (ACCESS-DENIED)") == 1
        caplog.clear()  # upsd may have come up before its driver
        await upsd.stop("driver")
        await told.until(lambda: newest(told, "charge") == (None, Quality.MISSING))
        assert told.health(NAME) == ["online"]
        before = told.inputs("on_battery")
        await upsd.start("driver")
        await told.until(lambda: newest(told, "charge") == (100.0, Quality.GOOD))
        # A driver that begins gives its server one variable after the other; the status may be a moment later.
        await told.until(lambda: told.inputs("on_battery") == [*before, False])
        assert caplog.text.count("hears nothing of it") == 1
        await upsd.stop("server")
        await told.until(lambda: told.health(NAME) == ["online", "offline"])
        await told.until(lambda: newest(told, "charge") == (None, Quality.MISSING))
        await upsd.start("server")
        await told.until(lambda: told.health(NAME) == ["online", "offline", "online"])
        await told.until(lambda: newest(told, "charge") == (100.0, Quality.GOOD))


async def upsc(needs_program, *words):
    """What upsc prints, and what it complains of."""
    process = await asyncio.create_subprocess_exec(
        needs_program("upsc", package="nut-client"), *words, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    printed, complained = await asyncio.wait_for(process.communicate(), 10)
    process._transport.close()
    return printed.decode(), complained.decode()


async def test_upsc_reads_our_simulated_server(simulator_context, needs_program):
    async with UpsSimulation(simulator_context) as simulation:
        where = f"127.0.0.1:{simulation.wire.port}"
        printed, _ = await upsc(needs_program, "-l", where)
        assert printed == "station\n"
        simulation.act(["mains", "off"])
        simulation.act(["charge", "15"])
        printed, _ = await upsc(needs_program, f"station@{where}")
        assert dict(line.split(": ", 1) for line in printed.splitlines()) == simulation.server.variables
        printed, _ = await upsc(needs_program, f"station@{where}", "ups.status")
        assert printed == "OB LB\n"


@pytest.mark.parametrize(
    ("words", "complaint"), [(["nobody"], "Unknown UPS"), (["station", "no.such"], "Variable not supported by UPS")]
)
async def test_upsc_understands_how_our_server_says_no(simulator_context, needs_program, words, complaint):
    async with UpsSimulation(simulator_context) as simulation:
        ups, *rest = words
        _, complained = await upsc(needs_program, f"{ups}@127.0.0.1:{simulation.wire.port}", *rest)
        assert complaint in complained


async def test_upsc_hears_of_data_that_is_stale(simulator_context, needs_program):
    async with UpsSimulation(simulator_context) as simulation:
        simulation.act(["cable", "out"])
        _, complained = await upsc(needs_program, f"station@127.0.0.1:{simulation.wire.port}")
        assert "Data stale" in complained
