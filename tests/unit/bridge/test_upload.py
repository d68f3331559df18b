"""Who may send which image, in which order a board is brought to it, and what goes over a leased line."""

import asyncio

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from firmware_bridge.capabilities import DeviceRefused, FirmwareVersion
from firmware_bridge.flashing.image import ImageError, pack
from firmware_bridge.flashing.upload import UploadFailed, flash, transfer, update
from firmware_bridge.flashing.xmodem import ACK, CAN, END_TRIES_MAX, GIVE_UP, Receiver, TransferError
from firmware_bridge.lease import Lease

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
TRUSTED = [KEY.public_key()]
RUNNING = FirmwareVersion("0D01", (1, 0, 0))


def image(version=(1, 1, 0), *, hardware=0x0D01, key=KEY):
    return pack(b"code" * 600, hardware=hardware, version=version, key=key)


class Device:
    """Takes every image, and keeps what it was asked."""

    name = "door"

    def __init__(self):
        self.flashed = []

    async def firmware(self):
        return RUNNING

    async def flash(self, data, progress):
        self.flashed.append(data)
        return FirmwareVersion("0D01", (1, 1, 0))


async def bring(device, data, *, trusted=TRUSTED, allow_downgrade=False):
    return await flash(
        device, data, trusted=trusted, allow_downgrade=allow_downgrade, progress=lambda sent, total: None
    )


async def test_a_newer_image_of_a_trusted_key_goes_to_the_device():
    device = Device()
    assert await bring(device, image()) == FirmwareVersion("0D01", (1, 1, 0))
    assert device.flashed == [image()]


async def test_the_same_version_may_be_sent_again():
    device = Device()
    await bring(device, image((1, 0, 0)))
    assert len(device.flashed) == 1


@pytest.mark.parametrize(
    ("data", "error", "says"),
    [
        (image(key=Ed25519PrivateKey.from_private_bytes(bytes(32))), ImageError, "none of the 1 trusted keys"),
        (image()[:-1], ImageError, "after its header"),
        (image(hardware=0x0D02), DeviceRefused, "hardware 0D02, this is 0D01"),
        (image((0, 9, 9)), DeviceRefused, r"image is 0.9.9, and 1.0.0 runs; an older one needs --allow-downgrade"),
    ],
    ids=["key", "damaged", "hardware", "older"],
)
async def test_what_may_not_be_sent_never_reaches_the_device(data, error, says):
    device = Device()
    with pytest.raises(error, match=says):
        await bring(device, data)
    assert device.flashed == []


async def test_an_older_image_goes_when_it_is_allowed():
    device = Device()
    await bring(device, image((0, 9, 9)), allow_downgrade=True)
    assert len(device.flashed) == 1


class Board:
    """The steps of an update, as they are asked for."""

    name = "door"

    def __init__(self, *, before=RUNNING, after):
        self.now = before
        self.after = after
        self.steps = []

    async def firmware(self):
        return self.now

    async def send(self, data, *, older, progress):
        self.steps.append(("send", older))

    async def boot(self):
        self.steps.append("boot")
        self.now = self.after
        return self.now

    async def confirm(self):
        self.steps.append("confirm")
        self.now = FirmwareVersion(self.now.hardware, self.now.version)


def on_trial(*version):
    return FirmwareVersion("0D01", version, confirmed=False)


async def test_an_update_is_sent_started_and_confirmed():
    board = Board(after=on_trial(1, 1, 0))
    assert await update(board, image(), lambda sent, total: None) == FirmwareVersion("0D01", (1, 1, 0))
    assert board.steps == [("send", False), "boot", "confirm"]


async def test_the_board_is_told_when_the_image_is_older():
    board = Board(after=on_trial(0, 9, 0))
    await update(board, image((0, 9, 0)), lambda sent, total: None)
    assert board.steps[0] == ("send", True)


@pytest.mark.parametrize("version", [(1, 1, 0), (1, 0, 0)])
async def test_a_board_that_went_back_is_not_confirmed(version):
    board = Board(after=RUNNING)
    with pytest.raises(DeviceRefused, match=r"went back to 1\.0\.0"):
        await update(board, image(version), lambda sent, total: None)
    assert "confirm" not in board.steps


async def test_a_board_on_trial_gets_no_other_image():
    board = Board(before=on_trial(1, 0, 0), after=on_trial(1, 1, 0))
    with pytest.raises(DeviceRefused, match="confirmed first"):
        await update(board, image(), lambda sent, total: None)
    assert board.steps == []


class Far:
    """The other end of a leased line: a receiver, that may be deaf or end it."""

    def __init__(self, *, answers=lambda out: out):
        self.receiver = Receiver(1 << 16)
        self.heard = []
        self.answers = answers
        self.lease = Lease("door", self._written)

    def _written(self, data):
        self.heard.append(data)
        try:
            out = self.answers(self.receiver.heard(data))
        except TransferError:
            return
        if out:
            asyncio.get_running_loop().call_later(0.05, self.lease.hear, out)


def test_a_transfer_brings_every_byte_and_tells_how_far_it_is(run_virtual):
    async def scenario():
        far, told = Far(), []
        far.lease.hear(b"C")
        await transfer(far.lease, "door", image(), lambda sent, total: told.append((sent, total)))
        assert far.receiver.data[: len(image())] == image()
        assert told == [(0, 2656), (1024, 2656), (2048, 2656), (2656, 2656)]

    run_virtual(scenario())


def test_a_board_that_gives_up_ends_the_transfer(run_virtual):
    async def scenario():
        far = Far(answers=lambda out: bytes((CAN, CAN)))
        far.lease.hear(b"C")
        with pytest.raises(UploadFailed, match="after 0 of 2656 bytes: the receiver gave up"):
            await transfer(far.lease, "door", image(), lambda sent, total: None)

    run_virtual(scenario())


def test_a_board_that_never_asks_is_given_up(run_virtual):
    async def scenario():
        far = Far()
        with pytest.raises(UploadFailed, match="does not answer"):
            await transfer(far.lease, "door", image(), lambda sent, total: None)
        assert far.heard == [GIVE_UP]

    run_virtual(scenario())


def test_an_end_that_nobody_acknowledges_is_told_a_few_times(run_virtual):
    async def scenario():
        acknowledged = []

        def all_but_the_last(out):
            acknowledged.append(out)
            return out if len(acknowledged) < 4 else b""

        far = Far(answers=all_but_the_last)
        far.lease.hear(b"C")
        with pytest.raises(UploadFailed, match=f"after 2656 of 2656 bytes.* {END_TRIES_MAX} times"):
            await transfer(far.lease, "door", image(), lambda sent, total: None)
        assert acknowledged[3] == bytes((ACK,))

    run_virtual(scenario())


def test_a_transfer_that_is_cancelled_tells_the_board(run_virtual):
    async def scenario():
        far = Far(answers=lambda out: b"")
        far.lease.hear(b"C")
        sending = asyncio.ensure_future(transfer(far.lease, "door", image(), lambda sent, total: None))
        await asyncio.sleep(1)
        sending.cancel()
        await asyncio.wait([sending])
        assert far.heard[-1] == GIVE_UP

    run_virtual(scenario())
