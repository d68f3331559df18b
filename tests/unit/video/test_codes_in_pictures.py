"""QR codes in a grey picture: how large they must be, where they are looked for, and that one held there is one."""

from __future__ import annotations

import io
import os
from datetime import UTC, datetime

import numpy as np
import pytest
import segno
from cryptography.hazmat.primitives.asymmetric import ec
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from station_agent.video.codes import CODES_MAX, Steady, cropped, read_codes
from station_agent.wire import membership_code as codes

PHONE = ec.derive_private_key(0xB0B, ec.SECP256R1())
MEMBER = "00112233445566aa"
AT = datetime(2026, 12, 1, 8, 0, tzinfo=UTC)


def code(*, certified: bool) -> str:
    proof = codes.certify(PHONE, 1, MEMBER, codes.public_bytes(PHONE), 21_000) if certified else None
    return codes.make_code(PHONE, MEMBER, AT, os.urandom(2), proof)


def picture(text: str, side: int, at: tuple[int, int] = (150, 60), turned: float = 0.0) -> NDArray[np.uint8]:
    """A phone that shows the code, as a camera of 640x480 sees it: small, a little soft, noisy, not quite upright."""
    drawn = io.BytesIO()
    segno.make_qr(text, error="m").save(drawn, kind="png", scale=8, border=4)
    qr = Image.open(drawn).convert("L").resize((side, side), Image.Resampling.BILINEAR)
    qr = qr.rotate(turned, Image.Resampling.BILINEAR, fillcolor=200)
    scene = Image.new("L", (640, 480), 90)
    scene.paste(qr.point(lambda value: 40 + value * 170 // 255), at)
    soft = np.asarray(scene.filter(ImageFilter.GaussianBlur(0.6)), np.int16)
    noise = np.random.default_rng(7).normal(0, 5, soft.shape)
    return np.clip(soft + noise, 0, 255).astype(np.uint8)


@pytest.mark.parametrize(("certified", "version", "side"), [(False, 6, 200), (True, 10, 260)])
@pytest.mark.parametrize("turned", [0, 5])
def test_both_lengths_are_read_at_the_size_that_the_document_says(
    certified: bool, version: int, side: int, turned: float
) -> None:
    text = code(certified=certified)
    assert segno.make_qr(text, error="m").version == version
    assert read_codes(picture(text, side, turned=turned)) == [text]


def test_a_picture_without_a_code_has_none() -> None:
    noise = np.random.default_rng(1).integers(0, 255, (480, 640), dtype=np.uint8)
    assert read_codes(noise) == []
    assert read_codes(np.zeros((1, 1), np.uint8)) == []


def test_only_the_region_is_looked_at() -> None:
    luma = picture(code(certified=False), 220, at=(20, 20))
    assert read_codes(cropped(luma, (0, 0, 0.5, 0.6)))
    assert not read_codes(cropped(luma, (0.5, 0, 1, 1)))
    assert cropped(luma, None) is luma


def test_a_wall_of_codes_is_bounded() -> None:
    drawn = io.BytesIO()
    segno.make_qr("x").save(drawn, kind="png", scale=3)
    small = np.asarray(Image.open(drawn).convert("L"))
    assert len(read_codes(np.tile(small, (3, 3)))) <= CODES_MAX


def test_a_code_that_is_held_before_the_camera_is_one_attempt() -> None:
    steady = Steady(gone_s=1.5)
    assert steady.new(["a"], 0.0) == ["a"]
    for tick in range(1, 100):
        assert steady.new(["a"], tick / 10) == []
    assert steady.new([], 10.5) == []
    assert steady.new(["a"], 11.0) == [], "it was hidden for a moment"
    assert steady.new(["b", "a", "b"], 11.1) == ["b"], "the next code of the same phone"
    assert steady.new(["a"], 13.0) == ["a"], "gone, and shown again"
