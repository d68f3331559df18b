"""H.264 access units as RTP packets (RFC 3550, RFC 6184) and their description (SDP, RFC 4566). PURE.

    RTP header, 12 bytes:  V=2 | M, payload type 96 | sequence (2) | timestamp 90 kHz (4) | SSRC (4)
    a NAL unit that fits    -> header + NAL                                          (single NAL unit packet)
    one that does not       -> header + FU indicator + FU header (S, E, type) + part  (FU-A)

The marker bit is on the last packet of an access unit.
"""

from __future__ import annotations

import base64
import re
import struct

PAYLOAD_TYPE = 96
CLOCK_HZ = 90_000
PAYLOAD_BYTES_MAX = 1400  # under an Ethernet frame, as cameras do
_FU_A = 28
_START_CODE = re.compile(rb"\x00\x00\x01")


def nal_units(annexb: bytes) -> list[bytes]:
    """The NAL units between the start codes of a byte stream (ITU-T H.264 Annex B)."""
    starts = [match.end() for match in _START_CODE.finditer(annexb)]
    ends = [start - 3 for start in starts[1:]] + [len(annexb)]
    units = (annexb[start:end].rstrip(b"\x00") for start, end in zip(starts, ends, strict=True))
    return [unit for unit in units if unit]


class RtpStream:
    """Numbers the packets of one receiver's stream."""

    def __init__(self, ssrc: int) -> None:
        self._ssrc = ssrc
        self.sequence = 0

    def packets(self, nals: list[bytes], timestamp: int) -> list[bytes]:
        """The RTP packets of one access unit sampled at `timestamp` (90 kHz, wraps at 2**32)."""
        payloads = [part for nal in nals for part in _payloads(nal)]
        return [self._packet(part, timestamp, index == len(payloads) - 1) for index, part in enumerate(payloads)]

    def _packet(self, payload: bytes, timestamp: int, last: bool) -> bytes:
        header = struct.pack(
            ">BBHII", 0x80, PAYLOAD_TYPE | last << 7, self.sequence, timestamp & 0xFFFFFFFF, self._ssrc
        )
        self.sequence = (self.sequence + 1) & 0xFFFF
        return header + payload


def _payloads(nal: bytes) -> list[bytes]:
    if len(nal) <= PAYLOAD_BYTES_MAX:
        return [nal]
    indicator = (nal[0] & 0xE0) | _FU_A
    kind = nal[0] & 0x1F
    size = PAYLOAD_BYTES_MAX - 2
    offsets = range(1, len(nal), size)
    return [
        bytes([indicator, kind | (offset == 1) << 7 | (offset + size >= len(nal)) << 6]) + nal[offset : offset + size]
        for offset in offsets
    ]


def description(host: str, sps: bytes, pps: bytes) -> bytes:
    """The SDP of one H.264 video, parameter sets included."""
    sets = ",".join(base64.b64encode(unit).decode() for unit in (sps, pps))
    lines = (
        "v=0",
        f"o=- 1 1 IN IP4 {host}",
        "s=Yizhan test camera",
        f"c=IN IP4 {host}",
        "t=0 0",
        "a=control:*",
        f"m=video 0 RTP/AVP {PAYLOAD_TYPE}",
        f"a=rtpmap:{PAYLOAD_TYPE} H264/{CLOCK_HZ}",
        f"a=fmtp:{PAYLOAD_TYPE} packetization-mode=1;profile-level-id={sps[1:4].hex()};sprop-parameter-sets={sets}",
        "a=control:video",
    )
    return "".join(f"{line}\r\n" for line in lines).encode()
