"""Which protocols a monitor can read along, by name."""

from __future__ import annotations

from collections.abc import Callable

from firmware_bridge.codecs import (
    Seen,
    Sniffer,
    alpha_sign,
    at_modem,
    dlt645,
    huidu,
    modbus_rtu,
    modbus_tcp,
    nmea,
    nut,
    osdp,
    scanner,
    uhppote,
)

SNIFFERS: dict[str, Callable[[], Sniffer]] = {
    "at": at_modem.Sniffer,
    "dlt645": dlt645.Sniffer,
    "nmea": nmea.Sniffer,
    "scanner": scanner.Sniffer,
    "alpha": alpha_sign.Sniffer,
    "huidu": huidu.Sniffer,
    "modbus": modbus_rtu.Sniffer,
    "modbus-tcp": modbus_tcp.Sniffer,
    "nut": nut.Sniffer,
    "osdp": osdp.Sniffer,
    "uhppote": uhppote.Sniffer,
}


class RawSniffer:
    """For a line whose protocol is not known: bytes as they came, up to a silence."""

    # Printed at once, so that a line that never falls silent is still seen.
    BYTES_MAX = 256

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> list[Seen]:
        self._buffer += data
        seen = []
        while len(self._buffer) >= self.BYTES_MAX:
            seen.append(_raw(bytes(self._buffer[: self.BYTES_MAX])))
            del self._buffer[: self.BYTES_MAX]
        return seen

    def idle(self) -> list[Seen]:
        data = bytes(self._buffer)
        self._buffer.clear()
        return [_raw(data)] if data else []


def _raw(data: bytes) -> Seen:
    return Seen(data, "".join(chr(byte) if 0x20 <= byte < 0x7F else "." for byte in data), True)
