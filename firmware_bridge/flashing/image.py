"""Images of a board's firmware: pack, parse, verify. PURE.

```
 0 "YZDB" | 4 format | 6 hardware | 8 major, minor, patch | 14 zero | 16 length (4)     numbers little-endian
 20 SHA-256 of the body (32)                                                            16 bits where nothing is said
 52 CRC-16/MODBUS of bytes 0..51 | 54 zero .. 63
 64 Ed25519 signature of bytes 0..63 (64)
 128 zero .. 255
 256 body: what stands in the flash from address 0, `length` bytes
```
The signature covers the header, and the header the body by its digest. The board checks all but the signature:
decision 0010. `firmware/image.h` is the same layout in C.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from firmware_bridge.codecs.modbus_rtu import crc16

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

MAGIC = b"YZDB"
FORMAT = 1
HEADER_BYTES = 256
SIGNED_BYTES = 64
SIGNATURE_BYTES = 64
BODY_BYTES_MAX = 40 * 1024 - HEADER_BYTES  # a slot of the board, whose last page holds the header
_FIELDS = struct.Struct("<4sHH3HHI32s")

Version = tuple[int, int, int]


class ImageError(ValueError):
    """Bytes that are no image that may be sent. Says what is wrong with them."""


@dataclass(frozen=True, slots=True)
class Image:
    """What an image says of itself, its digest checked; `verify` has checked its signature, too."""

    hardware: int
    version: Version
    body: bytes

    @property
    def hardware_name(self) -> str:
        return hardware_name(self.hardware)


def hardware_name(hardware: int) -> str:
    """A hardware id as people write it: "0D01"."""
    return f"{hardware:04X}"


def pack(body: bytes, *, hardware: int, version: Version, key: Ed25519PrivateKey) -> bytes:
    """The signed image of a body. Raises ValueError for what no header can say."""
    if not 1 <= len(body) <= BODY_BYTES_MAX:
        raise ValueError(f"a body of {len(body)} bytes; 1..{BODY_BYTES_MAX} fit the board")
    if len(version) != 3 or not all(0 <= number <= 0xFFFF for number in (hardware, *version)):
        raise ValueError(f"hardware {hardware} and version {version} are numbers 0..65535, the version three of them")
    digest = hashlib.sha256(body).digest()
    fields = _FIELDS.pack(MAGIC, FORMAT, hardware, *version, 0, len(body), digest)
    signed = (fields + crc16(fields).to_bytes(2, "little")).ljust(SIGNED_BYTES, b"\0")
    return (signed + key.sign(signed)).ljust(HEADER_BYTES, b"\0") + body


def parse(data: bytes) -> Image:
    """What an image says, whoever signed it. Raises ImageError."""
    if len(data) <= HEADER_BYTES:
        raise ImageError(f"{len(data)} bytes are no image: its header alone has {HEADER_BYTES}")
    fields = data[: _FIELDS.size]
    magic, form, hardware, major, minor, patch, _, length, digest = _FIELDS.unpack(fields)
    if magic != MAGIC:
        raise ImageError(f"it begins with {magic!r}, an image with {MAGIC!r}")
    if form != FORMAT:
        raise ImageError(f"image format {form} is not known, only {FORMAT}; a newer yizhan-bridge may know it")
    if crc16(fields) != int.from_bytes(data[_FIELDS.size : _FIELDS.size + 2], "little"):
        raise ImageError("its header is damaged")
    body = data[HEADER_BYTES:]
    if length != len(body):
        raise ImageError(f"it has {len(body)} bytes after its header, which says {length}")
    if length > BODY_BYTES_MAX:
        raise ImageError(f"its {length} bytes do not fit the board's {BODY_BYTES_MAX}")
    if hashlib.sha256(body).digest() != digest:
        raise ImageError("its body is damaged")
    return Image(hardware, (major, minor, patch), body)


def verify(data: bytes, trusted: Sequence[Ed25519PublicKey]) -> Image:
    """What an image says that one of the trusted keys signed. Raises ImageError."""
    from cryptography.exceptions import InvalidSignature

    image = parse(data)
    signed = data[:SIGNED_BYTES]
    signature = data[SIGNED_BYTES : SIGNED_BYTES + SIGNATURE_BYTES]
    for key in trusted:
        try:
            key.verify(signature, signed)
        except InvalidSignature:
            continue
        return image
    raise ImageError(f"none of the {len(trusted)} trusted keys signed it")
