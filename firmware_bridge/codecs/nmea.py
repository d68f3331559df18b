"""NMEA 0183 sentences of a GNSS receiver. PURE.

Source: NMEA 0183 4.11, sections 5.2 (characters), 5.3 (sentences); contents of GGA, RMC and GST by `pynmea2`, the
protocol's usual library in Python, imported when the first sentence is read.

```
 $ GP GGA , field , field , ...  * hh CR LF
   |  |                            exclusive or of all between $ and *, hexadecimal
   |  formatter
   talker: GP, GN (several systems), GB or BD (BeiDou), GL, GA
```
A sentence has 82 characters, with some receivers a few more. One without a checksum is not taken: the line has no
other protection. What the library calls valid is not asked: it refuses the RMC of receivers that fill in the
navigational status "V" of NMEA 4.1 (they mean: not offered).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from enum import StrEnum
from typing import Any

from firmware_bridge.codecs import Seen

DOLLAR, CR, LF = 0x24, 0x0D, 0x0A
# 82 by the standard; precise receivers write up to some 120.
SENTENCE_BYTES_MAX = 160
KMH_PER_KNOT = 1.852


class FixKind(StrEnum):
    """GGA's quality, in words."""

    NONE = "none"
    GNSS = "gnss"
    DIFFERENTIAL = "differential"
    PPS = "pps"
    RTK = "rtk"
    FLOAT_RTK = "float_rtk"
    ESTIMATED = "estimated"  # dead reckoning: no satellites
    MANUAL = "manual"
    SIMULATED = "simulated"


_KINDS = tuple(FixKind)
# Those that stand for a place that was measured.
MEASURED = frozenset(_KINDS[1:6])


@dataclass(frozen=True, slots=True)
class Gga:
    """Where, and how good. `place` is latitude and longitude in degrees, only with a fix."""

    kind: FixKind
    time: time | None
    place: tuple[float, float] | None
    altitude_m: float | None
    satellites: int | None
    hdop: float | None


@dataclass(frozen=True, slots=True)
class Rmc:
    """When, where and how fast. `place` only with a fix; `at` in UTC."""

    valid: bool
    at: datetime | None
    place: tuple[float, float] | None
    speed_kmh: float | None


@dataclass(frozen=True, slots=True)
class Gst:
    """How far off the place may be (one standard deviation, both directions together)."""

    accuracy_m: float | None


Content = Gga | Rmc | Gst


@dataclass(slots=True)
class NmeaCounters:
    """What the line gave, since the start."""

    sentences: int = 0
    bad_checksums: int = 0
    unchecked: int = 0  # without a checksum, or with a text behind it
    overlong: int = 0
    noise_bytes: int = 0


def checksum(body: bytes) -> int:
    """Of what stands between $ and *."""
    value = 0
    for byte in body:
        value ^= byte
    return value


def encode(body: str) -> bytes:
    """The sentence of a body like `GPGGA,...`. Raises ValueError for characters that no sentence has."""
    if not (body.isascii() and body.isprintable()) or any(mark in body for mark in "$*!"):
        raise ValueError(f"{body!r} is no body of a sentence")
    data = body.encode("ascii")
    return b"$" + data + f"*{checksum(data):02X}\r\n".encode()


class SentenceParser:
    """Cuts a byte stream into the bodies of sentences whose checksum is right."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._inside = False
        self.counters = NmeaCounters()

    def feed(self, data: bytes) -> list[str]:
        """Take bytes as they came; the body of every sentence that became whole."""
        bodies: list[str] = []
        for byte in data:
            if byte == DOLLAR:
                self._drop()
                self._inside = True
            elif not self._inside:
                self.counters.noise_bytes += byte not in (CR, LF)
            elif byte in (CR, LF):
                body = self._end()
                if body is not None:
                    bodies.append(body)
            elif len(self._buffer) >= SENTENCE_BYTES_MAX:
                self.counters.overlong += 1
                self._buffer.clear()
                self._inside = False
            else:
                self._buffer.append(byte)
        return bodies

    def idle(self) -> None:
        """The line was silent: half a sentence will not be ended."""
        self._drop()

    def _drop(self) -> None:
        self.counters.noise_bytes += len(self._buffer)
        self._buffer.clear()
        self._inside = False

    def _end(self) -> str | None:
        data = bytes(self._buffer)
        self._buffer.clear()
        self._inside = False
        body, star, digits = data.rpartition(b"*")
        if not star or len(digits) != 2 or not all(digit in b"0123456789ABCDEFabcdef" for digit in digits):
            self.counters.unchecked += 1
            return None
        if int(digits, 16) != checksum(body) or not body.isascii():
            self.counters.bad_checksums += 1
            return None
        self.counters.sentences += 1
        return body.decode("ascii")


def decode(body: str) -> Content | None:
    """What GGA, RMC or GST say; None for other sentences, and for fields that make no sense at all."""
    if body.startswith("P") or body[2:6] not in ("GGA,", "RMC,", "GST,"):  # P: a maker's own sentence, any words
        return None
    from pynmea2 import NMEASentence, ParseError

    try:
        sentence = NMEASentence.parse(f"${body}*{checksum(body.encode()):02X}", check=True)
    except ParseError:
        return None
    match body[2:5]:
        case "GGA":
            quality = sentence.gps_qual
            known = isinstance(quality, int) and 0 <= quality < len(_KINDS)
            kind = _KINDS[quality] if known else FixKind.NONE
            return Gga(
                kind=kind,
                time=_time(sentence.timestamp),
                place=_place(sentence) if kind in MEASURED else None,
                altitude_m=_number(sentence.altitude),
                satellites=_count(sentence.num_sats),
                hdop=_number(sentence.horizontal_dil),
            )
        case "RMC":
            valid = sentence.status == "A" and sentence.mode_indicator not in ("N", "S", "M", "E")
            day, moment = sentence.datestamp, _time(sentence.timestamp)
            at = datetime.combine(day, moment, UTC) if isinstance(day, date) and moment is not None else None
            knots = _number(sentence.spd_over_grnd)
            return Rmc(
                valid=valid,
                at=at,
                place=_place(sentence) if valid else None,
                speed_kmh=None if knots is None or not valid else knots * KMH_PER_KNOT,
            )
        case _:
            north, east = _number(sentence.std_dev_latitude), _number(sentence.std_dev_longitude)
            return Gst(None if north is None or east is None else math.hypot(north, east))


def _place(sentence: Any) -> tuple[float, float] | None:
    """The library reads what is missing as 0."""
    if sentence.lat_dir not in ("N", "S") or sentence.lon_dir not in ("E", "W") or not (sentence.lat and sentence.lon):
        return None
    try:
        latitude, longitude = sentence.latitude, sentence.longitude
    except ValueError:
        return None
    return (latitude, longitude) if abs(latitude) <= 90 and abs(longitude) <= 180 else None


def _time(value: object) -> time | None:
    return value if isinstance(value, time) else None


def _number(value: object) -> float | None:
    try:
        number = float(value) if isinstance(value, str | int | float) else math.nan
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _count(value: object) -> int | None:
    number = _number(value)
    return int(number) if number is not None and 0 <= number < 1000 else None


class Sniffer:
    """Reads along on the one direction that there is."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> list[Seen]:
        seen: list[Seen] = []
        for byte in data:
            ended = bool(self._buffer) and self._buffer[-1] in (CR, LF) and byte not in (CR, LF)
            if self._buffer and (ended or byte == DOLLAR or len(self._buffer) >= SENTENCE_BYTES_MAX):
                seen.append(self._cut())
            self._buffer.append(byte)
        return seen

    def idle(self) -> list[Seen]:
        return [self._cut()] if self._buffer else []

    def _cut(self) -> Seen:
        data = bytes(self._buffer)
        self._buffer.clear()
        parser = SentenceParser()
        bodies = parser.feed(data)
        if len(bodies) == 1 and not parser.counters.noise_bytes:
            return Seen(data, bodies[0], True)
        wrong = "checksum is wrong" if parser.counters.bad_checksums else "no sentence"
        return Seen(data, f"{len(data)} bytes: {wrong}", False)
