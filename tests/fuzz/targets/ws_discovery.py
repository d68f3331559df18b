"""WS-Discovery: what was read is read again the same after it was written."""

from firmware_bridge.codecs import FrameError
from firmware_bridge.codecs.ws_discovery import (
    DATAGRAM_BYTES_MAX,
    MATCHES_MAX,
    Match,
    decode,
    encode_matches,
    encode_probe,
)

_MATCH = Match(
    "urn:uuid:1", ("NetworkVideoTransmitter",), ("onvif://www.onvif.org/name/a%20b",), ("http://192.0.2.1/",)
)
SEEDS = [encode_probe("urn:uuid:2"), encode_matches("urn:uuid:3", "urn:uuid:2", (_MATCH,))]


def target(data: bytes) -> None:
    try:
        found = decode(data)
    except FrameError:
        return
    if not isinstance(found, tuple):
        return
    assert len(found) <= MATCHES_MAX
    again = encode_matches("urn:uuid:4", "", found)
    if len(again) <= DATAGRAM_BYTES_MAX:
        assert decode(again) == found
    for match in found:
        assert all(word.isprintable() for word in (match.endpoint, match.name, match.hardware, match.location))
