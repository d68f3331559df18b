"""The door board's real firmware, as the ELF that is programmed, on a simulated ATmega1284P (simavr): our driver is
its host, and mbpoll is a second one that we did not write.

The board's flash and EEPROM are files: a board that dies is started again with what was written until then.
"""

import asyncio
import hashlib
import shutil
import subprocess
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from firmware_bridge.capabilities import DeviceError, DeviceRefused, FirmwareVersion, Priority
from firmware_bridge.codecs import modbus_pdu as pdu
from firmware_bridge.codecs import modbus_rtu
from firmware_bridge.config import DeviceConfig, LineConfig
from firmware_bridge.drivers.door_board_map import learn, write
from firmware_bridge.drivers.door_board_update import BoardUpdate
from firmware_bridge.flashing.image import HEADER_BYTES, ImageError, pack
from firmware_bridge.flashing.upload import flash
from firmware_bridge.simulators.door_board_points import ENTRIES

pytestmark = pytest.mark.contract

ROOT = Path(__file__).parents[3]
FIRMWARE = ROOT / "firmware_bridge" / "firmware"
PEER = ROOT / "tests" / "contract" / "peers" / "simavr_board.c"
CACHE = ROOT / ".venvs" / "door_board"
BUILD_S_MAX = 60
BAUD = 38400
HARDWARE = 0x0D01
ACTIVE_START, STAGED_START, BACKUP_START = 0x0000, 0xA000, 0x14000
BITS_PER_BYTE = 10
CUT_STATUS = 9
KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
TRUSTED = [KEY.public_key()]
OLD, NEW, OLDER = (1, 0, 0), (1, 1, 0), (0, 9, 0)
# Uploads need not take their real time to be true: board and line are this much faster then.
FAST = 8


def digest_of(*paths):
    return hashlib.sha256(b"".join(path.read_bytes() for path in sorted(paths))).hexdigest()[:16]


@pytest.fixture(scope="session")
def firmware_of():
    """`firmware_of((1, 0, 0))`: the directory with boot.elf, app.elf and app.bin of a version."""
    libc = Path("/usr/lib/avr/include/avr/io.h")
    if shutil.which("avr-gcc") is None or shutil.which("make") is None or not libc.exists():
        pytest.skip("no avr-gcc here: apt install gcc-avr binutils-avr avr-libc make")
    home = CACHE / digest_of(*FIRMWARE.glob("*.[ch]"), FIRMWARE / "Makefile")

    def build(version):
        name = ".".join(map(str, version))
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
    if not binary.exists():
        binary.parent.mkdir(parents=True, exist_ok=True)
        flags = ["-O2", "-Wall", "-Wextra", "-Werror", "-I/usr/include/simavr"]
        subprocess.run(
            ["gcc", *flags, str(PEER), "-o", str(binary), "-lsimavr", "-lutil"], check=True, timeout=BUILD_S_MAX
        )
    return binary


class Board:
    """The chip on the bench: its memories stay when it loses power."""

    def __init__(self, directory, command, start_peer):
        self.link = directory / "board"
        self.flash = directory / "flash"
        self._command = [command, self.link, self.flash, directory / "eeprom"]
        self._start_peer = start_peer
        self.line = LineConfig(url=str(self.link), baud=BAUD)

    @asynccontextmanager
    async def powered(self, firmware):
        async with self._start_peer(*self._command, firmware / "boot.elf", firmware / "app.elf") as peer:
            await peer.say("skip 50")  # boot loader and start
            yield peer


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


def image_of(firmware, version, *, hardware=HARDWARE, key=KEY):
    return pack((firmware / "app.bin").read_bytes(), hardware=hardware, version=version, key=key)


class Progress:
    def __init__(self):
        self.told = []

    def __call__(self, sent, total):
        self.told.append((sent, total))


# The door.


async def test_the_lock_is_released_for_its_time_and_secured_by_the_board(board, old, driven):
    async with board.powered(old) as peer, driven() as (door, _):
        assert await peer.say("get") == "lock=0 beacon=0"
        await door.release(1.0)
        assert await peer.say("get") == "lock=1 beacon=0"
        assert (await door.status()).released is True
        answer = await peer.say("wait lock 0 3000")
        assert answer.startswith("lock=0 after")
        assert (await door.status()).released is False


async def test_the_board_counts_its_own_time(board, old, driven):
    async with board.powered(old) as peer, driven() as (door, _):
        await door.release(10.0)
        await peer.say("skip 8000")
        assert (await peer.say("get")).startswith("lock=1")
        await peer.say("skip 2200")
        assert (await peer.say("get")).startswith("lock=0")


async def test_secure_ends_a_release(board, old, driven):
    async with board.powered(old) as peer, driven() as (door, _):
        await door.release(60)
        await door.secure()
        assert (await peer.say("wait lock 0 200")).startswith("lock=0 after")


async def test_inputs_are_told_as_they_change(board, old, driven):
    async with board.powered(old) as peer, driven() as (door, told):
        assert {name: told.inputs(name) for name in ("contact", "egress", "fire", "tamper")} == {
            "contact": [False],
            "egress": [False],
            "fire": [False],
            "tamper": [False],
        }
        for name in ("contact", "tamper"):
            await peer.say(f"set {name} 1")
            await told.until(lambda name=name: told.inputs(name) == [False, True])
        assert (await door.status()).contact_open is True
        await peer.say("set contact 0")
        await told.until(lambda: told.inputs("contact") == [False, True, False])


async def test_the_egress_button_releases_without_anybody_on_the_line(board, old):
    async with board.powered(old) as peer:
        await peer.say("set egress 1")
        assert (await peer.say("wait lock 1 100")).startswith("lock=1")
        await peer.say("set egress 0")
        await peer.say("skip 3500")
        assert (await peer.say("get")).startswith("lock=1")
        await peer.say("skip 1700")
        assert (await peer.say("get")).startswith("lock=0")


async def test_a_bounce_of_the_button_is_no_press(board, old):
    async with board.powered(old) as peer:
        for _ in range(5):
            await peer.say("pulse egress 15")
            await peer.say("skip 10")
        assert await peer.say("changes") == "0"


async def test_fire_releases_and_no_command_secures_while_it_lasts(board, old, driven):
    async with board.powered(old) as peer, driven() as (door, told):
        await peer.say("set fire 1")
        assert (await peer.say("wait lock 1 100")).startswith("lock=1")
        await told.until(lambda: told.inputs("fire") == [False, True])
        with pytest.raises(DeviceRefused, match="fire input"):
            await door.secure()
        await peer.say("skip 20000")
        assert (await peer.say("get")).startswith("lock=1")
        await peer.say("set fire 0")
        assert (await peer.say("wait lock 0 100")).startswith("lock=0")


async def test_identify_blinks_and_moves_no_lock(board, old, driven):
    async with board.powered(old) as peer, driven() as (door, _):
        assert "blinks for 2 s" in await door.identify(2)
        for lit in (1, 0, 1):
            assert (await peer.say(f"wait beacon {lit} 500")).startswith(f"beacon={lit}")
        assert await peer.say("changes") == "0"


# Watchdogs, resets, safe states.


async def test_without_heartbeat_a_fail_secure_board_secures_and_a_host_that_returns_moves_nothing(board, old, driven):
    async with board.powered(old) as peer:
        async with driven(heartbeat_s=2) as (door, _):
            await door.release(600)
            await peer.say("skip 500")
            assert (await peer.say("get")).startswith("lock=1")
        await peer.say("skip 2200")
        assert (await peer.say("get")).startswith("lock=0")
        before = await peer.say("changes")
        async with driven(heartbeat_s=2) as (door, told):
            await told.until(lambda: told.readings("host_losses"))
            assert told.readings("host_losses")[-1].value >= 1
            assert (await door.status()).released is False
        assert await peer.say("changes") == before


async def test_a_heartbeat_keeps_a_release_alive(board, old, driven):
    async with board.powered(old) as peer, driven(heartbeat_s=2) as (door, told):
        await door.release(600)
        assert await peer.say("wait lock 0 2600") == "lock=1 still"
        assert told.health("door") == ["online"]


async def test_a_fail_safe_board_releases_until_it_is_told_otherwise(board, old, driven):
    async with board.powered(old) as peer:
        async with driven(heartbeat_s=3, safe_state="released"):
            assert (await peer.say("get")).startswith("lock=0")
        await peer.say("skip 3200")
        assert (await peer.say("get")).startswith("lock=1")
        async with driven(heartbeat_s=3, safe_state="released") as (door, _):
            await peer.say("skip 100")
            assert (await door.status()).released is True
            await door.secure()
            assert (await peer.say("wait lock 0 100")).startswith("lock=0")


async def test_settings_stay_over_a_power_cut(board, old, driven):
    async with board.powered(old) as peer:
        async with driven(heartbeat_s=3, safe_state="released"):
            pass
        await peer.say("power-cycle")
        await peer.say("skip 1500")
        assert (await peer.say("get")).startswith("lock=0")  # power alone releases nothing
        await peer.say("skip 1800")
        assert (await peer.say("get")).startswith("lock=1")  # a host that never comes does


@pytest.mark.parametrize("how", ["reset", "hang"])
async def test_a_reset_moves_no_lock(board, old, driven, how):
    async with board.powered(old) as peer, driven() as (door, _):
        await door.release(3)
        before = await peer.say("changes")
        await peer.say(how)
        await peer.say("skip 1000")
        assert (await peer.say("get")).startswith("lock=1")
        assert await peer.say("changes") == before
        await peer.say("skip 2600")
        assert (await peer.say("get")).startswith("lock=0")
        before = await peer.say("changes")
        await peer.say(how)
        await peer.say("skip 1000")
        assert await peer.say("changes") == before
        readings = {reading.point: reading.value for reading in await door.read()}
        assert readings["resets"] == 2
        assert readings["reset_cause"] == {"reset": 2, "hang": 8}[how]


async def test_power_that_comes_back_releases_nothing(board, old, driven):
    async with board.powered(old) as peer, driven() as (door, _):
        await door.release(600)
        await peer.say("power-cycle")
        await peer.say("skip 1000")
        assert (await peer.say("get")).startswith("lock=0")


async def test_power_that_comes_back_while_it_burns_releases(board, old):
    async with board.powered(old) as peer:
        await peer.say("set fire 1")
        await peer.say("power-cycle")
        await peer.say("skip 60")
        assert (await peer.say("get")).startswith("lock=1")


async def test_a_board_that_goes_and_returns_is_told_once_each(board, old, driven):
    async with board.powered(old) as peer, driven() as (_, told):
        await peer.say("speed 1")
        await told.until(lambda: told.health("door") == ["online"])
        # The pty goes with the simulator: offline, once.
        process = peer._process
        process.kill()
        await told.until(lambda: told.health("door") == ["online", "offline"])
        async with board.powered(old):
            await told.until(lambda: told.health("door") == ["online", "offline", "online"])


# The dictionary, and a master that we did not write.


async def test_the_dictionary_of_the_elf_is_the_one_of_the_simulator(board, old, driven):
    async with board.powered(old), driven() as (door, _):
        published = await learn(door._unit, priority=Priority.TELEMETRY)
        assert tuple(published.entries.values()) == ENTRIES


async def test_points_of_the_dictionary_are_readings(board, old, driven):
    async with board.powered(old) as peer, driven() as (door, _):
        await peer.say("skip 3000")
        readings = {reading.point: reading for reading in await door.read()}
        assert readings["supply"].unit == "V"
        assert readings["supply"].value == pytest.approx(5.0, abs=0.05)
        assert readings["uptime"].value >= 3
        assert readings["host_lost"].value is False
        assert readings["in_use"].value is False


async def test_mbpoll_is_served_as_well(board, old, needs_program):
    mbpoll = needs_program("mbpoll", package="mbpoll")

    async def poll(*arguments, fails=False):
        done = await asyncio.create_subprocess_exec(
            mbpoll, "-m", "rtu", "-a", "1", "-b", str(BAUD), "-P", "none", "-1", "-q", *arguments,
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        out, error = await asyncio.wait_for(done.communicate(), 20)
        assert (done.returncode != 0) == fails, error.decode()
        return (error if fails else out).decode()

    line = str(board.link)
    async with board.powered(old) as peer:
        assert "0x5944" in await poll("-t", "3:hex", "-r", str(0x1001), "-c", "4", line)
        await poll("-t", "0", "-r", "1", line, "1")
        assert (await peer.say("get")).startswith("lock=1")
        assert "[1]: \t1" in await poll("-t", "0", "-r", "1", line)
        await poll("-t", "0", "-r", "1", line, "0")
        assert (await peer.say("wait lock 0 200")).startswith("lock=0")
        await poll("-t", "4", "-r", "2", line, "300", "1")  # FC16: heartbeat_max and safe_state at once
        assert "[3]: \t1" in await poll("-t", "4", "-r", "2", "-c", "2", line)
        assert "Illegal data value" in await poll("-t", "4", "-r", "2", line, "7000", "1", fails=True)
        assert "[2]: \t300" in await poll("-t", "4", "-r", "2", "-c", "2", line)
        assert "Illegal data address" in await poll("-t", "3", "-r", "200", line, fails=True)
        await peer.say("set fire 1")
        await peer.say("skip 100")
        assert "busy" in await poll("-t", "0", "-r", "1", line, "0", fails=True)


async def test_a_frame_that_stutters_is_served_and_noise_before_it_harms_nothing(board, old):
    request = modbus_rtu.encode_request(1, pdu.WriteOne(pdu.Function.WRITE_COIL, 0, pdu.COIL_ON)).hex()
    noise = "01100002030000"  # what could begin a frame, and another unit's
    async with board.powered(old) as peer:
        # T3.5 is 1.75 ms at this baud: neither of these silences ends a frame.
        await peer.say(f"hear {noise} 8 {request[:8]} 8 {request[8:]} 30")
        assert (await peer.say("get")).startswith("lock=1")


async def test_a_frame_that_stops_is_forgotten(board, old):
    request = modbus_rtu.encode_request(1, pdu.WriteOne(pdu.Function.WRITE_COIL, 0, pdu.COIL_ON)).hex()
    async with board.powered(old) as peer:
        await peer.say(f"hear {request[:8]} 20 {request[8:]} 30")
        assert (await peer.say("get")).startswith("lock=0")
        await peer.say(f"hear {request} 30")
        assert (await peer.say("get")).startswith("lock=1")


# Updates.


@pytest.fixture
def new_image(firmware_of):
    return image_of(firmware_of(NEW), NEW)


async def upload(door, image, *, allow_downgrade=False):
    progress = Progress()
    after = await flash(door, image, trusted=TRUSTED, allow_downgrade=allow_downgrade, progress=progress)
    assert progress.told[-1] == (len(image), len(image))
    assert [sent for sent, _ in progress.told] == sorted(sent for sent, _ in progress.told)
    return after


async def shorten_trial(door, trial_s):
    """So long until an image that nobody confirms goes back, instead of sixty seconds."""
    await write(door._unit, await door._known(), "trial", trial_s, priority=Priority.ALARM, deadline_s=2)


async def test_a_new_firmware_is_uploaded_started_and_confirmed(board, old, new_image, driven):
    async with board.powered(old) as peer:
        await peer.say(f"speed {FAST}")
        async with driven() as (door, told):
            await shorten_trial(door, 30)
            assert await door.firmware() == FirmwareVersion("0D01", OLD)
            assert await upload(door, new_image) == FirmwareVersion("0D01", NEW)
            await told.until(lambda: told.health("door")[-1] == "online")
        assert await peer.say("changes") == "0"
        await peer.say("power-cycle")
        await peer.say("skip 31000")
        async with driven() as (door, _):
            assert await door.firmware() == FirmwareVersion("0D01", NEW)


async def steps_of(door):
    return BoardUpdate(door._unit, 1, door._bus, await door._known(), BITS_PER_BYTE / BAUD)


async def update_without_confirming(door, image):
    """The driver's own steps, by a host that dies before the last of them."""
    steps = await steps_of(door)
    async with door._speaking_alone():
        await steps.send(image, older=False, progress=Progress())
        return await steps.boot()


async def test_a_firmware_that_nobody_confirms_is_taken_back(board, old, new_image, driven):
    async with board.powered(old) as peer:
        await peer.say(f"speed {FAST}")
        async with driven() as (door, _):
            await shorten_trial(door, 20)
            assert await update_without_confirming(door, new_image) == FirmwareVersion("0D01", NEW, confirmed=False)
        await peer.say("skip 23000")
        async with driven() as (door, _):
            assert await door.firmware() == FirmwareVersion("0D01", OLD)
        assert await peer.say("changes") == "0"


async def test_a_power_cut_on_trial_takes_the_firmware_back(board, old, new_image, driven):
    async with board.powered(old) as peer:
        await peer.say(f"speed {FAST}")
        async with driven() as (door, _):
            await update_without_confirming(door, new_image)
        await peer.say("power-cycle")
        await peer.say("skip 1000")
        async with driven() as (door, _):
            assert await door.firmware() == FirmwareVersion("0D01", OLD)


async def test_a_firmware_that_does_not_start_is_taken_back(board, old, driven):
    endless = pack(b"\xff\xcf" * 512, hardware=HARDWARE, version=NEW, key=KEY)  # rjmp to itself
    async with board.powered(old) as peer:
        await peer.say(f"speed {FAST}")
        async with driven() as (door, _):
            with pytest.raises(DeviceRefused, match=r"went back to 1\.0\.0: 1\.1\.0 did not start"):
                await upload(door, endless)
            assert await door.firmware() == FirmwareVersion("0D01", OLD)


async def test_an_older_firmware_needs_leave(board, old, firmware_of, driven):
    older = image_of(firmware_of(OLDER), OLDER)
    async with board.powered(old) as peer:
        await peer.say(f"speed {FAST}")
        async with driven() as (door, _):
            with pytest.raises(DeviceRefused, match=r"image is 0\.9\.0, and 1\.0\.0 runs"):
                await upload(door, older)
            assert await upload(door, older, allow_downgrade=True) == FirmwareVersion("0D01", OLDER)


async def test_what_is_not_signed_or_not_for_this_board_is_not_sent(board, old, new_image, firmware_of, driven):
    stranger = Ed25519PrivateKey.from_private_bytes(bytes(32))
    foreign = image_of(firmware_of(NEW), NEW, hardware=0x0D02)
    damaged = new_image[:-1] + bytes((new_image[-1] ^ 1,))
    async with board.powered(old), driven() as (door, _):
        sent = []
        door._bus.lease = lambda *arguments, **more: sent.append(1)
        with pytest.raises(ImageError, match="none of the 1 trusted keys"):
            await upload(door, image_of(firmware_of(NEW), NEW, key=stranger))
        with pytest.raises(ImageError, match="damaged"):
            await upload(door, damaged)
        with pytest.raises(DeviceRefused, match="for hardware 0D02, this is 0D01"):
            await upload(door, foreign)
        assert sent == []


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda image, firmware: image_of(firmware, NEW, hardware=0x0D02), "other hardware"),
        (lambda image, firmware: b"YZDC" + image[4:], "no image"),
        (lambda image, firmware: image[:-1] + bytes((image[-1] ^ 1,)), "not what was signed"),
        (lambda image, firmware: image_of(firmware, OLDER), "older"),
    ],
    ids=["hardware", "header", "body", "older"],
)
async def test_the_board_itself_refuses_what_a_careless_host_sends(
    board, old, new_image, firmware_of, driven, spoil, says
):
    async with board.powered(old) as peer, driven() as (door, _):
        await peer.say(f"speed {FAST}")
        steps = await steps_of(door)
        async with door._speaking_alone():
            with pytest.raises(DeviceRefused, match=says):
                await steps.send(spoil(new_image, firmware_of(NEW)), older=False, progress=Progress())
            with pytest.raises(DeviceRefused, match="illegal value"):
                await steps.boot()
        assert await door.firmware() == FirmwareVersion("0D01", OLD)


async def test_no_update_while_the_door_is_in_use(board, old, new_image, driven):
    async with board.powered(old) as peer, driven() as (door, _):
        await door.release(1)
        with pytest.raises(DeviceRefused, match="door is in use"):
            await upload(door, new_image)
        await peer.say("skip 2000")  # secured again, and just been used
        with pytest.raises(DeviceRefused, match="door is in use"):
            await upload(door, new_image)
        await peer.say("set contact 1")
        await peer.say("skip 12000")  # open
        with pytest.raises(DeviceRefused, match="door is in use"):
            await upload(door, new_image)


async def test_the_door_is_served_during_an_upload(board, old, new_image, driven):
    async with board.powered(old) as peer, driven() as (door, _):
        await peer.say(f"speed {FAST}")
        half = asyncio.Event()

        def progress(sent, total):
            if sent > total / 2:
                half.set()

        steps = await steps_of(door)
        async with door._speaking_alone():
            sending = asyncio.create_task(steps.send(new_image, older=False, progress=progress))
            await half.wait()
            await peer.say("set fire 1")
            assert (await peer.say("wait lock 1 200")).startswith("lock=1")
            await peer.say("set fire 0")
            await sending
            with pytest.raises(DeviceRefused, match="door is in use"):
                await steps.boot()


async def test_power_cut_in_an_upload_leaves_the_old_firmware(board, old, new_image, driven):
    async with board.powered(old) as peer:
        await peer.say(f"speed {FAST}")
        async with driven() as (door, _):
            assert await peer.say(f"cut {STAGED_START + 4096:x}") == "armed"
            with pytest.raises(DeviceError):
                await upload(door, new_image)
            assert await peer._process.wait() == CUT_STATUS
    assert board.flash.read_bytes()[STAGED_START : STAGED_START + 256] == new_image[HEADER_BYTES : HEADER_BYTES + 256]
    async with board.powered(old) as peer, driven() as (door, _):
        await peer.say(f"speed {FAST}")
        assert await door.firmware() == FirmwareVersion("0D01", OLD)
        assert await upload(door, new_image) == FirmwareVersion("0D01", NEW)


@pytest.mark.parametrize("at", [BACKUP_START + 4096, ACTIVE_START + 4096], ids=["backup", "copy"])
async def test_power_cut_while_it_installs_is_made_good_at_the_next_start(board, old, new_image, driven, at):
    async with board.powered(old) as peer:
        await peer.say(f"speed {FAST}")
        async with driven() as (door, _):
            steps = await steps_of(door)
            async with door._speaking_alone():
                await steps.send(new_image, older=False, progress=Progress())
                assert await peer.say(f"cut {at:x}") == "armed"
                booting = asyncio.create_task(steps.boot())
                assert await peer._process.wait() == CUT_STATUS
                async with board.powered(old) as again:
                    await again.say(f"speed {FAST}")
                    assert await booting == FirmwareVersion("0D01", NEW, confirmed=False)
                    await steps.confirm()
                    assert await steps.firmware() == FirmwareVersion("0D01", NEW)
