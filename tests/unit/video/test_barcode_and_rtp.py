"""The test camera's own parts: its barcode survives what a codec does, its RTP is as RFC 6184 says."""

import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge.simulators import barcode
from firmware_bridge.simulators.rtsp_protocol import HEAD_BYTES_MAX, RequestReader, RtspError
from firmware_bridge.simulators.rtsp_rtp import PAYLOAD_BYTES_MAX, RtpStream, nal_units
from firmware_bridge.simulators.rtsp_scene import Scene


@given(st.integers(0, barcode.MODULUS - 1))
def test_a_painted_time_is_read_again_in_spite_of_noise(milliseconds: int) -> None:
    rgb = np.full((90, 160, 3), 128, np.uint8)
    barcode.paint(rgb, milliseconds)
    noisy = np.clip(rgb.astype(np.int16) + 60 * (rgb < 128) - 60 * (rgb > 128), 0, 255).astype(np.uint8)
    assert barcode.read(noisy) == milliseconds


@pytest.mark.parametrize("grey", [0, 90, 255])
def test_a_picture_without_a_barcode_reads_as_none(grey: int) -> None:
    assert barcode.read(np.full((90, 160, 3), grey, np.uint8)) is None


def test_a_shown_picture_replaces_the_scene_for_its_time() -> None:
    scene = Scene(160, 90)
    scene.show(np.full((30, 10, 3), 250, np.uint8), until_s=5.0)
    shown = scene.frame(0, 4.9, 1234)
    assert shown[45, 80].tolist() == [250, 250, 250]
    assert shown[45, 5].tolist() == [96, 96, 96]  # beside it: the letterbox
    assert barcode.read(shown) is None
    assert barcode.read(scene.frame(1, 5.0, 1234)) == 1234


@given(st.lists(st.binary(min_size=1, max_size=5000), min_size=1, max_size=4), st.integers(0, 2**40))
def test_rtp_packets_carry_every_byte_of_the_nal_units(nals: list[bytes], timestamp: int) -> None:
    packets = RtpStream(7).packets(nals, timestamp)
    rebuilt: list[bytes] = []
    for number, packet in enumerate(packets):
        first, second, sequence, stamp, ssrc = struct.unpack(">BBHII", packet[:12])
        assert (first, second & 0x7F, sequence, stamp, ssrc) == (0x80, 96, number, timestamp & 0xFFFFFFFF, 7)
        assert bool(second & 0x80) == (number == len(packets) - 1)
        payload = packet[12:]
        assert len(payload) <= PAYLOAD_BYTES_MAX
        if payload[0] & 0x1F != 28 or payload in nals:
            rebuilt.append(payload)
            continue
        if payload[1] & 0x80:
            rebuilt.append(bytes([(payload[0] & 0xE0) | (payload[1] & 0x1F)]))
        rebuilt[-1] += payload[2:]
    assert rebuilt == nals


def test_nal_units_are_found_between_start_codes() -> None:
    assert nal_units(b"\x00\x00\x00\x01\x67ab\x00\x00\x01\x68c\x00\x00\x00\x01\x65d") == [b"\x67ab", b"\x68c", b"\x65d"]


@given(st.lists(st.integers(1, 30), max_size=20))
def test_requests_are_found_however_the_bytes_are_cut_and_reports_are_read_over(cuts: list[int]) -> None:
    text = b"$\x01\x00\x03abcOPTIONS rtsp://x/ RTSP/1.0\r\nCSeq: 1\r\n\r\n"
    text += b"PLAY rtsp://x/ RTSP/1.0\r\nCSeq: 2\r\nContent-Length: 2\r\n\r\nhi"
    reader = RequestReader()
    requests = []
    for cut in cuts:
        requests += reader.feed(text[:cut])
        text = text[cut:]
    requests += reader.feed(text)
    assert [(request.method, request.headers["cseq"]) for request in requests] == [("OPTIONS", "1"), ("PLAY", "2")]
    assert requests[0].answer(200) == b"RTSP/1.0 200 OK\r\nCSeq: 1\r\n\r\n"


@pytest.mark.parametrize(
    "data",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        b"PLAY x RTSP/1.0\r\nContent-Length: 99999999\r\n\r\n",
        b"PLAY x RTSP/1.0\r\nContent-Length: -1\r\n\r\n",
        b"A" * (HEAD_BYTES_MAX + 1),
    ],
)
def test_what_is_not_rtsp_is_refused(data: bytes) -> None:
    with pytest.raises(RtspError):
        RequestReader().feed(data)
