"""The command line against a running virtual station, as a technician would use it."""

import asyncio
import json
import random
import subprocess
import sys
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

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


async def test_a_scan_finds_a_unit_and_proposes_a_row_that_probe_takes(tmp_path):
    async with simulation(tmp_path / "lines") as lines:
        scanning = ("--protocol", "modbus", "--framing", "9600-8N1", "--no-network", "--profiles", PROFILES, "--json")
        status, out, err = await bridge("scan", lines["air"], *scanning)
        assert status == 0, err
        found = json.loads(out)
        assert (found["address"], found["driver"]) == (2, "modbus_sensor")
        assert found["line"] == {"url": lines["air"], "baud": 9600}
        status, out, _ = await bridge(
            "probe",
            found["driver"],
            lines["air"],
            *("--profile", found["profile"], "--address", found["address"], "--profiles", PROFILES),
        )
        assert status == 0
        status, out, err = await bridge("scan", lines["scanner"], "--protocol", "at", "--no-network")
        assert (status, "nobody answered" in out) == (1, True)
    status, _, err = await bridge("scan", tmp_path / "gone", "--no-network", "--framing", "9600-8N1")
    assert (status, "cannot be opened" in err) == (1, True)


async def test_a_capture_is_kept_by_probe_and_read_by_monitor(tmp_path):
    kept = tmp_path / "air.cap"
    async with simulation(tmp_path / "lines") as lines:
        common = ("--profile", "xy_md02", "--address", 2, "--profiles", PROFILES)
        await bridge("probe", "modbus_sensor", lines["air"], *common, "--capture", kept, "--protocol", "modbus")
    status, out, _ = await bridge("monitor", "--read", kept, "--json")
    frames = [json.loads(line) for line in out.splitlines()]
    assert status == 0
    assert [(frame["direction"], frame["ok"]) for frame in frames[:2]] == [(">", True), ("<", True)]
    assert frames[0]["bytes"] == "0204000100022038"
    assert "unit 2" in frames[0]["text"]


async def test_a_monitor_hears_a_line_that_it_does_not_speak_on(tmp_path):
    async with simulation_of("serial_scanner", tmp_path) as (url, say, _):
        listening = asyncio.create_task(bridge("monitor", url, "--baud", 115200, "--seconds", 6, "--json"))
        while not listening.done():
            await say("scan HELLO")
            await asyncio.wait([listening], timeout=0.5)
        status, out, err = listening.result()
    assert status == 0, err
    assert {json.loads(line)["bytes"] for line in out.splitlines()} >= {b"HELLO\r".hex()}


@asynccontextmanager
async def simulation_of(driver, directory):
    """One simulated device in a process: its url, what takes an action, and what reads its next state."""
    process = await asyncio.create_subprocess_exec(
        *BRIDGE,
        *("simulate", driver, "--json", "--link-dir", str(directory / "lines"), "--profiles", str(PROFILES)),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )

    async def state():
        return json.loads(await asyncio.wait_for(process.stdout.readline(), 20))["state"]

    async def say(words):
        process.stdin.write(f"{words}\n".encode())
        await process.stdin.drain()
        return await state()

    try:
        row = json.loads(await asyncio.wait_for(process.stdout.readline(), 20))
        assert row["driver"] == driver
        await state()
        yield row["line"]["url"], say, process
    finally:
        process.terminate()
        await asyncio.wait_for(process.communicate(), 10)


async def test_a_simulated_device_does_what_a_person_types(tmp_path):
    async with simulation_of("modbus_lock", tmp_path) as (_, say, process):
        assert (await say("press"))["button"] is True
        assert (await say("let-go"))["button"] is False
        assert (await say("force"))["door_open"] is True
        await say("fly away")
        assert b"cannot be done here; there are: close" in await asyncio.wait_for(process.stderr.readline(), 10)


async def test_only_a_device_that_can_shows_itself(tmp_path):
    status, _, err = await bridge("identify", "modbus_sensor", "/dev/x", "--profile", "xy_md02")
    assert (status, "cannot show itself" in err) == (2, True)
    async with simulation_of("alpha_sign", tmp_path) as (url, _, _):
        size = ("--option", "width=128", "--option", "height=16", "--option", "settle_s=0.05", "--for-s", 0.5)
        status, out, err = await bridge("identify", "alpha_sign", url, *size)
    assert (status, err) == (0, "")
    assert "device" in out


@pytest.fixture
def signer(tmp_path):
    """A private and a public key as files."""
    key = Ed25519PrivateKey.generate()
    private, public = tmp_path / "signer.pem", tmp_path / "signer.pub"
    private.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    public.write_bytes(key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    return private, public


async def test_a_firmware_is_signed_and_brought_to_a_board(tmp_path, signer):
    private, public = signer
    firmware = tmp_path / "app.bin"
    firmware.write_bytes(random.Random(1).randbytes(3000))
    status, out, err = await bridge("image", firmware, "--version", "9.1.2", "--key", private, "--json")
    assert (status, json.loads(out)["version"]) == (0, "9.1.2"), err
    async with simulation_of("door_board", tmp_path) as (url, _, _):
        line = (url, tmp_path / "app.img", "--baud", 38400, "--json")
        status, out, err = await bridge("flash", *line, "--key", public, "--dry-run")
        assert (status, json.loads(out)["after"]) == (0, None), err
        status, out, err = await bridge("flash", *line, "--key", public)
        assert (status, json.loads(out)["after"]) == (0, "9.1.2"), err
        status, _, err = await bridge("image", firmware, "--version", "9.1.1", "--key", private)
        status, _, err = await bridge("flash", *line, "--key", public)
        assert (status, "needs --allow-downgrade" in err) == (1, True)


async def test_an_image_that_nobody_trusted_signed_is_not_sent(tmp_path, signer):
    private, _ = signer
    stranger = Ed25519PrivateKey.generate().public_key()
    (tmp_path / "other.pub").write_bytes(stranger.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    (tmp_path / "app.bin").write_bytes(b"firmware")
    await bridge("image", tmp_path / "app.bin", "--version", "1.0.0", "--key", private)
    status, _, err = await bridge("flash", "/dev/none", tmp_path / "app.img", "--key", tmp_path / "other.pub")
    assert (status, "none of the 1 trusted keys signed it" in err) == (2, True)
    status, _, err = await bridge("flash", "/dev/none", tmp_path / "app.bin", "--key", tmp_path / "other.pub")
    assert (status, "are no image" in err) == (2, True)
