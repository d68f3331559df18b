"""The door board on the bench: its firmware's places, a board with a chip that keeps its memories, images for it."""

import hashlib
from contextlib import asynccontextmanager
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from firmware_bridge.config import LineConfig
from firmware_bridge.flashing.image import pack

ROOT = Path(__file__).parents[4]
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


def image_of(firmware, version, *, hardware=HARDWARE, key=KEY):
    return pack((firmware / "app.bin").read_bytes(), hardware=hardware, version=version, key=key)


class Progress:
    def __init__(self):
        self.told = []

    def __call__(self, sent, total):
        self.told.append((sent, total))
