"""The door board's real firmware is replaced: uploads, trials, what is refused, power that is cut on the way."""

import asyncio

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from firmware_bridge.capabilities import DeviceError, DeviceRefused, FirmwareVersion, Priority
from firmware_bridge.drivers.door_board_map import write
from firmware_bridge.drivers.door_board_update import BoardUpdate
from firmware_bridge.flashing.image import HEADER_BYTES, ImageError, pack
from firmware_bridge.flashing.upload import flash
from tests.contract.bridge.door_board.boards import (
    ACTIVE_START,
    BACKUP_START,
    BAUD,
    BITS_PER_BYTE,
    CUT_STATUS,
    FAST,
    HARDWARE,
    KEY,
    NEW,
    OLD,
    OLDER,
    STAGED_START,
    TRUSTED,
    Progress,
    image_of,
)

pytestmark = pytest.mark.contract


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
