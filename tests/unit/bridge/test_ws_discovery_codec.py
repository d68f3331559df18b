"""Probes and answers of WS-Discovery."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge.codecs import FrameError
from firmware_bridge.codecs.ws_discovery import (
    DATAGRAM_BYTES_MAX,
    MATCHES_MAX,
    Match,
    Probe,
    decode,
    encode_matches,
    encode_probe,
)
from firmware_bridge.config import LineConfig
from firmware_bridge.discovery.onvif import Camera

WORDS = st.text(st.characters(codec="ascii", categories=("L", "N", "P")), min_size=1, max_size=20)
MATCHES = st.builds(
    Match,
    endpoint=WORDS,
    types=st.lists(st.sampled_from(["NetworkVideoTransmitter", "Device"]), max_size=2).map(tuple),
    scopes=st.lists(WORDS, max_size=5).map(tuple),
    xaddrs=st.lists(WORDS, max_size=3).map(tuple),
)
SCOPES = (
    "onvif://www.onvif.org/type/video_encoder",
    "onvif://www.onvif.org/name/%E5%8C%97%E9%97%A8%0A%20camera",
    "onvif://www.onvif.org/hardware/IPC-B122",
    "onvif://www.onvif.org/location/country/china",
)


def camera(*xaddrs, sender="192.0.2.7"):
    return Camera(Match("urn:uuid:7", ("NetworkVideoTransmitter",), SCOPES, xaddrs), sender)


def test_a_probe_asks_for_cameras():
    assert decode(encode_probe("urn:uuid:1")) == Probe("urn:uuid:1", ("NetworkVideoTransmitter",))


@given(st.lists(MATCHES, min_size=1, max_size=MATCHES_MAX).map(tuple))
def test_answers_come_back_as_they_were_written(matches):
    data = encode_matches("urn:uuid:2", "urn:uuid:1", matches)
    if len(data) <= DATAGRAM_BYTES_MAX:
        assert decode(data) == matches


def test_scopes_say_what_the_camera_is_and_cannot_say_more_than_a_line():
    match = camera().match
    assert (match.name, match.hardware, match.location) == ("北门 camera", "IPC-B122", "china")


def test_an_endpoint_stays_on_its_line():
    data = encode_matches("urn:uuid:2", "", (Match("urn:uuid:7\n[devices.evil]", (), (), ("http://192.0.2.7/",)),))
    (match,) = decode(data)
    assert match.endpoint == "urn:uuid:7[devices.evil]"


def test_a_hello_is_neither_probe_nor_answer():
    assert decode(b"<Envelope><Body><Hello/></Body></Envelope>") is None


@given(st.binary(max_size=200))
def test_noise_is_refused(data):
    with pytest.raises(FrameError):
        decode(data)


def test_a_datagram_beyond_the_bound_is_refused_unread():
    with pytest.raises(FrameError, match="more than"):
        decode(b"<" * (DATAGRAM_BYTES_MAX + 1))


@pytest.mark.parametrize(
    ("xaddrs", "line"),
    [
        (("http://192.0.2.7/onvif/device_service",), "onvif://192.0.2.7"),
        (("http://192.0.2.7:8080/cam",), "onvif://192.0.2.7:8080/cam"),
        (
            ("http://169.254.1.1/onvif/device_service", "http://192.0.2.7:81/onvif/device_service"),
            "onvif://192.0.2.7:81",
        ),
        (("https://192.0.2.7/onvif/device_service",), "onvif://192.0.2.7"),
        (("http://[2001:db8::7]:80/onvif/device_service",), "onvif://[2001:db8::7]"),
    ],
)
def test_the_address_at_which_it_answered_becomes_the_line(xaddrs, line):
    assert camera(*xaddrs).line == LineConfig(url=line)


@pytest.mark.parametrize("xaddr", ["ftp://192.0.2.7/", "http://", "http://192.0.2.7:70000/", "nonsense"])
def test_a_camera_without_an_address_is_no_finding(xaddr):
    assert camera(xaddr).finding() is None


def test_a_finding_is_a_row_with_what_is_left_to_say():
    finding = camera("https://192.0.2.8/onvif/device_service").finding()
    assert finding.driver == "onvif_camera"
    assert finding.options == {"https": True}
    assert "北门 camera, IPC-B122, china" in finding.title
    assert "it answered from 192.0.2.7 and says 192.0.2.8" in finding.remarks[1]
