"""H.264 as cameras send it and as MP4 wants it (ITU-T H.264; ISO/IEC 14496-15). PURE.

    byte stream (Annex B):  00 00 01 NAL  00 00 01 NAL ...     RTSP, MPEG-TS
    length-prefixed (AVCC): size NAL  size NAL ...             MP4; size is 1, 2 or 4 bytes, we write 4

A NAL unit's first byte holds its type: 1 slice, 5 slice of an IDR, 6 SEI, 7 SPS, 8 PPS, 9 delimiter, 12 filler.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

SLICE, IDR, SEI, SPS, PPS = 1, 5, 6, 7, 8
_IN_SAMPLES = frozenset({1, 2, 3, 4, IDR, SEI})
_START_CODE = re.compile(rb"\x00\x00\x01")
_HIGH_PROFILES = frozenset({100, 110, 122, 244, 44, 83, 86, 118, 128})
_NAL_BYTES_MAX = 8 * 1024 * 1024


class BadH264(ValueError):
    """The stream breaks the rules; the message says where."""


@dataclass(frozen=True)
class ParameterSets:
    """What a decoder needs before the first slice. Width and height in pixels, cropping applied."""

    sps: bytes
    pps: bytes
    width: int
    height: int

    @classmethod
    def of(cls, sps: bytes, pps: bytes) -> ParameterSets:
        width, height = _size(sps)
        return cls(sps, pps, width, height)

    @property
    def codec(self) -> str:
        """The codec parameter of RFC 6381, such as avc1.42c016."""
        return f"avc1.{self.sps[1:4].hex()}"

    @property
    def avcc(self) -> bytes:
        """The AVCDecoderConfigurationRecord, with sizes of four bytes."""
        record = bytes([1, *self.sps[1:4], 0xFF, 0xE1]) + _sized(self.sps, 2) + b"\x01" + _sized(self.pps, 2)
        if self.sps[1] not in _HIGH_PROFILES:
            return record
        chroma, luma_bits, chroma_bits = _formats(self.sps)
        return record + bytes([0xFC | chroma, 0xF8 | luma_bits, 0xF8 | chroma_bits, 0])


def split(data: bytes, length_size: int | None) -> list[bytes]:
    """The NAL units of an access unit; `length_size` None for a byte stream. Raises BadH264."""
    return _between_start_codes(data) if length_size is None else _by_length(data, length_size)


def length_size(extradata: bytes) -> int | None:
    """How wide the sizes are in a stream with this extradata; None when it is a byte stream."""
    return (extradata[4] & 3) + 1 if len(extradata) >= 7 and extradata[0] == 1 else None


def units_of_extradata(extradata: bytes) -> list[bytes]:
    """The parameter sets of an avcC record or of a byte stream. Raises BadH264."""
    if length_size(extradata) is None:
        return _between_start_codes(extradata)
    units = []
    at = 5
    for mask in (0x1F, 0xFF):
        count = extradata[at] & mask if at < len(extradata) else 0
        at += 1
        for _ in range(count):
            size = int.from_bytes(extradata[at : at + 2], "big")
            unit = extradata[at + 2 : at + 2 + size]
            if len(unit) != size or not unit:
                raise BadH264("the stream's description (avcC) is cut short")
            units.append(unit)
            at += 2 + size
    return units


def parameter_sets(units: Iterable[bytes], before: ParameterSets | None) -> ParameterSets | None:
    """The newest SPS and PPS among `units`, completed by those known before. Raises BadH264."""
    sps = before.sps if before else None
    pps = before.pps if before else None
    for unit in units:
        if unit[0] & 0x1F == SPS:
            sps = unit
        elif unit[0] & 0x1F == PPS:
            pps = unit
    if sps is None or pps is None:
        return None
    if before is not None and (sps, pps) == (before.sps, before.pps):
        return before
    return ParameterSets.of(sps, pps)


def is_key(units: Iterable[bytes]) -> bool:
    """Whether decoding can begin here."""
    return any(unit[0] & 0x1F == IDR for unit in units)


def sample(units: Iterable[bytes]) -> bytes:
    """The access unit for MP4: length-prefixed, without parameter sets, delimiters and filler."""
    return b"".join(_sized(unit, 4) for unit in units if unit[0] & 0x1F in _IN_SAMPLES)


def _between_start_codes(data: bytes) -> list[bytes]:
    starts = [match.end() for match in _START_CODE.finditer(data)]
    if not starts:
        raise BadH264("no start code in an access unit")
    ends = [start - 3 for start in starts[1:]] + [len(data)]
    units = (data[start:end].rstrip(b"\x00") for start, end in zip(starts, ends, strict=True))
    return [unit for unit in units if unit]


def _by_length(data: bytes, width: int) -> list[bytes]:
    units = []
    at = 0
    while at < len(data):
        size = int.from_bytes(data[at : at + width], "big")
        at += width
        if not 0 < size <= min(len(data) - at, _NAL_BYTES_MAX):
            raise BadH264(f"a NAL unit claims {size} bytes where {len(data) - at} are left")
        units.append(data[at : at + size])
        at += size
    return units


def _sized(unit: bytes, width: int) -> bytes:
    return len(unit).to_bytes(width, "big") + unit


class _Bits:
    """Reads the bits of an SPS (clause 7.2), emulation prevention bytes removed."""

    def __init__(self, nal: bytes) -> None:
        payload = nal[1:].replace(b"\x00\x00\x03", b"\x00\x00")
        self._value = int.from_bytes(payload, "big")
        self._left = len(payload) * 8

    def take(self, count: int) -> int:
        if count > self._left:
            raise BadH264("the sequence parameter set is cut short")
        self._left -= count
        return (self._value >> self._left) & ((1 << count) - 1)

    def ue(self) -> int:
        """Exp-Golomb, unsigned (clause 9.1)."""
        zeros = 0
        while not self.take(1):
            zeros += 1
            if zeros > 31:
                raise BadH264("a number in the sequence parameter set is too long")
        return (1 << zeros) - 1 + self.take(zeros)

    def se(self) -> int:
        value = self.ue()
        return (value + 1) // 2 if value % 2 else -(value // 2)


def _formats(sps: bytes) -> tuple[int, int, int]:
    """chroma_format_idc and the bit depths above 8, for luma and chroma, of a high profile."""
    bits = _Bits(sps)
    bits.take(24)
    bits.ue()
    chroma = bits.ue()
    if chroma == 3:
        bits.take(1)
    return chroma, bits.ue(), bits.ue()


def _size(sps: bytes) -> tuple[int, int]:
    """Width and height in pixels (clauses 7.3.2.1.1 and 7.4.2.1.1)."""
    bits = _Bits(sps)
    profile = bits.take(8)
    bits.take(16)
    bits.ue()
    chroma = 1
    if profile in _HIGH_PROFILES:
        chroma = _read_high(bits)
    bits.ue()
    _skip_picture_order(bits)
    bits.ue()
    bits.take(1)
    columns = (bits.ue() + 1) * 16
    rows = bits.ue() + 1
    frames_only = bits.take(1)
    if not frames_only:
        bits.take(1)
    bits.take(1)
    left, right, top, bottom = (bits.ue(), bits.ue(), bits.ue(), bits.ue()) if bits.take(1) else (0, 0, 0, 0)
    across = 2 if chroma in (1, 2) else 1
    down = (2 if chroma == 1 else 1) * (2 - frames_only)
    width = columns - (left + right) * across
    height = rows * 16 * (2 - frames_only) - (top + bottom) * down
    if not (0 < width <= 16384 and 0 < height <= 16384):
        raise BadH264(f"the sequence parameter set says {width}x{height} pixels")
    return width, height


def _read_high(bits: _Bits) -> int:
    chroma = bits.ue()
    if chroma == 3:
        bits.take(1)
    bits.ue()
    bits.ue()
    bits.take(1)
    if bits.take(1):
        for index in range(12 if chroma == 3 else 8):
            if bits.take(1):
                _skip_scaling_list(bits, 16 if index < 6 else 64)
    return chroma


def _skip_scaling_list(bits: _Bits, size: int) -> None:
    last = 8
    for _ in range(size):
        if (last := (last + bits.se()) % 256) == 0:
            return


def _skip_picture_order(bits: _Bits) -> None:
    kind = bits.ue()
    if kind == 0:
        bits.ue()
    elif kind == 1:
        bits.take(1)
        bits.se()
        bits.se()
        for _ in range(min(bits.ue(), 255)):
            bits.se()
