"""Images: packed, parsed, and not believed when a bit of them is wrong."""

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge.codecs.modbus_rtu import crc16
from firmware_bridge.flashing.image import (
    BODY_BYTES_MAX,
    HEADER_BYTES,
    Image,
    ImageError,
    pack,
    parse,
    verify,
)

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
TRUSTED = [KEY.public_key()]
BODY = b"code" * 100
IMAGE = pack(BODY, hardware=0x0D01, version=(1, 2, 3), key=KEY)


def resealed(image, at, data):
    """With other bytes in its header and a right CRC: what somebody without the key could make."""
    changed = image[:at] + data + image[at + len(data) :]
    return changed[:52] + crc16(changed[:52]).to_bytes(2, "little") + changed[54:]


def test_what_is_packed_is_parsed_and_verified():
    assert parse(IMAGE) == verify(IMAGE, TRUSTED) == Image(0x0D01, (1, 2, 3), BODY)
    assert parse(IMAGE).hardware_name == "0D01"
    assert len(IMAGE) == HEADER_BYTES + len(BODY)


def test_the_header_is_laid_out_as_it_is_drawn():
    assert IMAGE[:16] == b"YZDB" + bytes.fromhex("0100 010d 0100 0200 0300 0000")
    assert IMAGE[16:20] == (400).to_bytes(4, "little")


@given(st.integers(0, len(IMAGE) - 1), st.integers(0, 7))
def test_no_flipped_bit_is_believed(at, bit):
    if HEADER_BYTES / 2 <= at < HEADER_BYTES:
        return  # the header's empty half means nothing
    with pytest.raises(ImageError):
        verify(IMAGE[:at] + bytes((IMAGE[at] ^ 1 << bit,)) + IMAGE[at + 1 :], TRUSTED)


@given(st.integers(0, len(IMAGE) - 1))
def test_no_part_of_an_image_is_one(length):
    with pytest.raises(ImageError):
        parse(IMAGE[:length])


def test_a_key_that_is_not_trusted_signs_nothing():
    other = Ed25519PrivateKey.from_private_bytes(bytes(32)).public_key()
    with pytest.raises(ImageError, match="none of the 1 trusted keys"):
        verify(IMAGE, [other])
    with pytest.raises(ImageError, match="none of the 0"):
        verify(IMAGE, [])
    assert verify(IMAGE, [other, *TRUSTED])


@pytest.mark.parametrize(
    ("at", "data", "says"),
    [
        (0, b"YZDC", "begins with"),
        (4, b"\x02\x00", "format 2 is not known"),
        (16, b"\xff\xff\x00\x00", "says 65535"),
        (20, bytes(32), "body is damaged"),
    ],
)
def test_a_wrong_header_says_what_is_wrong(at, data, says):
    with pytest.raises(ImageError, match=says):
        parse(resealed(IMAGE, at, data))


def test_another_hardware_or_version_needs_another_signature():
    for at, data in ((6, b"\x02\x0d"), (8, b"\x09\x00")):
        forged = resealed(IMAGE, at, data)
        parse(forged)
        with pytest.raises(ImageError, match="trusted keys"):
            verify(forged, TRUSTED)


def test_what_no_header_can_say_is_not_packed():
    with pytest.raises(ValueError, match="fit the board"):
        pack(b"", hardware=1, version=(1, 0, 0), key=KEY)
    with pytest.raises(ValueError, match="fit the board"):
        pack(bytes(BODY_BYTES_MAX + 1), hardware=1, version=(1, 0, 0), key=KEY)
    with pytest.raises(ValueError, match="65535"):
        pack(b"a", hardware=1, version=(1, 0, 70000), key=KEY)
