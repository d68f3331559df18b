"""Takes a board through an update, step by step; who may send which image is decided here.

```
 verify -> check -> enter -> send -> boot -> confirm
 signature hardware  refused  XMODEM   copied   the new image answers with its version: it stays;
 (host)    version   in use   -1k               it does not: the board takes the old one back by itself
```
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

from firmware_bridge.capabilities import DeviceRefused, FirmwareVersion, Flashable, Progress
from firmware_bridge.exchange import LineLost
from firmware_bridge.flashing.image import Image, ImageError, parse, verify
from firmware_bridge.flashing.xmodem import GIVE_UP, Sender, TransferError
from firmware_bridge.lease import Lease

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

# A receiver that says nothing for so long did not hear the block. The board writes a block of 1 kB in 40 ms, and
# asks for one that stops half-way after a second.
ANSWER_S = 3.0


class UploadFailed(DeviceRefused):
    """The board stopped the transfer, or did not follow it. What it thinks of the image it may say afterwards."""


async def flash(
    device: Flashable,
    image: bytes,
    *,
    trusted: Sequence[Ed25519PublicKey],
    allow_downgrade: bool,
    progress: Progress,
) -> FirmwareVersion:
    """Verify an image and bring it to a device: what runs afterwards.

    Not one byte goes to the device before signature, hardware and version are found good. Raises ImageError for an
    image that is damaged or that nobody trusted signed, DeviceRefused for one that does not fit the device, that is
    older than what runs there (without `allow_downgrade`), that the device refused, or that it went back from;
    DeviceTimeout.
    """
    checked = verify(image, trusted)
    running = await device.firmware()
    if checked.hardware_name != running.hardware:
        raise DeviceRefused(
            device.name, f"the image is for hardware {checked.hardware_name}, this is {running.hardware}"
        )
    if checked.version < running.version and not allow_downgrade:
        raise DeviceRefused(
            device.name,
            f"the image is {_dotted(checked)}, and {running} runs; an older one needs --allow-downgrade",
        )
    return await device.flash(image, progress)


class Board(Protocol):
    """The steps that a board offers; each raises DeviceRefused or DeviceTimeout."""

    @property
    def name(self) -> str: ...

    async def firmware(self) -> FirmwareVersion: ...

    async def send(self, image: bytes, *, older: bool, progress: Progress) -> None:
        """Make it wait for an image and bring the bytes over; returns once the board has found them good.

        `older` lets one pass that is older than what runs.
        """
        ...

    async def boot(self) -> FirmwareVersion:
        """Let it start what was sent: what answers afterwards."""
        ...

    async def confirm(self) -> None:
        """Tell it that what runs shall stay."""
        ...


async def update(board: Board, data: bytes, progress: Progress) -> FirmwareVersion:
    """Send, boot, confirm: what runs afterwards. Raises DeviceRefused when the board went back."""
    try:
        image = parse(data)
    except ImageError as error:
        raise DeviceRefused(board.name, str(error)) from None
    before = await board.firmware()
    if not before.confirmed:
        raise DeviceRefused(board.name, f"{before} must be confirmed first, or go back by itself")
    await board.send(data, older=image.version < before.version, progress=progress)
    after = await board.boot()
    if after.version != image.version or after.confirmed:
        raise DeviceRefused(board.name, f"it went back to {after}: {_dotted(image)} did not start")
    await board.confirm()
    return await board.firmware()


async def transfer(lease: Lease, device: str, data: bytes, progress: Progress) -> None:
    """Bring `data` over a leased line by XMODEM-1k. Raises UploadFailed, LineLost."""
    sender = Sender(data)
    told = -1
    try:
        while not sender.done:
            heard = await lease.read(ANSWER_S)
            out = sender.heard(heard) if heard else sender.silent()
            if sender.sent != told:
                told = sender.sent
                progress(told, len(data))
            if out:
                lease.write(out)
    except TransferError as error:
        lease.write(error.farewell)
        raise UploadFailed(device, f"the upload failed after {sender.sent} of {len(data)} bytes: {error}") from None
    except asyncio.CancelledError:
        with contextlib.suppress(LineLost):  # then it hears by itself that nobody sends
            lease.write(GIVE_UP)
        raise


def _dotted(image: Image) -> str:
    return ".".join(map(str, image.version))
