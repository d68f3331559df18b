"""H.264 samples as fragmented MP4 for a browser's Media Source (ISO/IEC 14496-12). PURE.

    init segment:  ftyp moov( mvhd trak(...) mvex(trex) )          once per stream
    fragment:      prft moof( mfhd traf( tfhd tfdt trun ) ) mdat   one a frame, so that none waits for the next

Times are in 1/90000 s. `prft` carries when the station got the frame, so that latency is measured in service too.
"""

from __future__ import annotations

import struct

from station_agent.video.h264 import ParameterSets

TIMESCALE = 90_000
TRACK = 1
_NTP_OFFSET_S = 2_208_988_800  # from 1900 to 1970
_MATRIX = struct.pack(">9I", 0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x40000000)

# Sample flags (8.8.3.1): depends on others / on none; a sync sample or not.
_DELTA_FLAGS = 0x01010000
_KEY_FLAGS = 0x02000000

# tfhd: default-base-is-moof; trun: data offset, duration, size, flags, composition offset present.
_TFHD_FLAGS = 0x020000
_TRUN_FLAGS = 0x000001 | 0x000100 | 0x000200 | 0x000400 | 0x000800
_PRFT_AT_ARRIVAL = 24  # the time at which the frame left the live source, as near as we know


def init_segment(sets: ParameterSets) -> bytes:
    """What a player needs before the first fragment."""
    size = struct.pack(">HH", sets.width, sets.height)
    entry = bytes(6) + b"\x00\x01" + bytes(16) + size
    entry += struct.pack(">III", 0x480000, 0x480000, 0) + b"\x00\x01" + bytes(32) + b"\x00\x18\xff\xff"
    description = _full(b"stsd", 0, 0, struct.pack(">I", 1) + _box(b"avc1", entry + _box(b"avcC", sets.avcc)))
    nothing = bytes(4)
    table = _box(
        b"stbl",
        description,
        _full(b"stts", 0, 0, nothing),
        _full(b"stsc", 0, 0, nothing),
        _full(b"stsz", 0, 0, nothing * 2),
        _full(b"stco", 0, 0, nothing),
    )
    data = _box(b"dinf", _full(b"dref", 0, 0, struct.pack(">I", 1) + _full(b"url ", 0, 1)))
    media = _box(
        b"mdia",
        _full(b"mdhd", 0, 0, struct.pack(">IIIIHH", 0, 0, TIMESCALE, 0, 0x55C4, 0)),
        _full(b"hdlr", 0, 0, bytes(4) + b"vide" + bytes(12) + b"video\x00"),
        _box(b"minf", _full(b"vmhd", 0, 1, bytes(8)), data, table),
    )
    fixed = struct.pack(">II", sets.width << 16, sets.height << 16)
    track_header = struct.pack(">IIIII", 0, 0, TRACK, 0, 0) + bytes(16) + _MATRIX + fixed
    track = _box(b"trak", _full(b"tkhd", 0, 7, track_header), media)
    movie_header = struct.pack(">IIIIIH", 0, 0, TIMESCALE, 0, 0x10000, 0x100)
    movie_header += bytes(10) + _MATRIX + bytes(24) + struct.pack(">I", TRACK + 1)
    extends = _box(b"mvex", _full(b"trex", 0, 0, struct.pack(">IIIII", TRACK, 1, 0, 0, 0)))
    movie = _box(b"moov", _full(b"mvhd", 0, 0, movie_header), track, extends)
    return _box(b"ftyp", b"iso6", bytes(4), b"iso6avc1mp41") + movie


def fragment(
    sequence: int, decode_time: int, composition_offset: int, duration: int, key: bool, data: bytes, utc_s: float
) -> bytes:
    """One frame. `data` is length-prefixed (h264.sample); times in 1/90000 s, `utc_s` in seconds since 1970."""
    seconds, fraction = divmod(utc_s, 1)
    ntp = (int(seconds) + _NTP_OFFSET_S) << 32 | int(fraction * (1 << 32))
    reference = _full(b"prft", 1, _PRFT_AT_ARRIVAL, struct.pack(">IQQ", TRACK, ntp, decode_time))
    header = _full(b"mfhd", 0, 0, struct.pack(">I", sequence))
    track = _full(b"tfhd", 0, _TFHD_FLAGS, struct.pack(">I", TRACK))
    time = _full(b"tfdt", 1, 0, struct.pack(">Q", decode_time))
    flags = _KEY_FLAGS if key else _DELTA_FLAGS
    run_size = 12 + 8 + 16
    moof_size = 8 + len(header) + 8 + len(track) + len(time) + run_size
    run = struct.pack(">IiIIIi", 1, moof_size + 8, duration, len(data), flags, composition_offset)
    traf = _box(b"traf", track, time, _full(b"trun", 1, _TRUN_FLAGS, run))
    return reference + _box(b"moof", header, traf) + _box(b"mdat", data)


def _box(kind: bytes, *parts: bytes) -> bytes:
    body = b"".join(parts)
    return (8 + len(body)).to_bytes(4, "big") + kind + body


def _full(kind: bytes, version: int, flags: int, body: bytes = b"") -> bytes:
    return _box(kind, struct.pack(">I", version << 24 | flags), body)
