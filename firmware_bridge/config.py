"""The two tables of a station profile that belong to the bridge: its lines and its devices. PURE.

```toml
[lines.door]
url = "serial:///dev/ttyUSB0"      # or an absolute path, tcp://host:port, mqtt://host, ...: URL_FORMS
baud = 38400

[devices.door_lock]
driver = "modbus_lock"
line = "door"
profile = "waveshare_relay_d"
address = 1
options = { coil = 0, contact = 0, buttons = { face = 1 } }
```
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, field_validator

Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,31}$")]

# A character on the wire is at least a start bit, the data and a stop bit; Modbus wants 3.5 of them between
# frames, and a fixed 1.75 ms above 19200 baud (Modbus over serial line 1.02, section 2.5.1.1).
GAP_CHARACTERS = 3.5
GAP_MS_MIN = 1.75


class LineKind(StrEnum):
    """What a line's url leads to; its value is the url's scheme. The first four have a bus."""

    SERIAL = "serial"
    TCP = "tcp"
    MODBUS_TCP = "modbus-tcp"
    UDP = "udp"
    MQTT = "mqtt"
    MQTTS = "mqtts"
    ESPHOME = "esphome"
    ONVIF = "onvif"
    FRAMEBUFFER = "fb"
    HUB75 = "hub75"


BUS_KINDS = frozenset({LineKind.SERIAL, LineKind.TCP, LineKind.MODBUS_TCP, LineKind.UDP})
BYTE_STREAMS = frozenset({LineKind.SERIAL, LineKind.TCP})
MODBUS_LINES = BYTE_STREAMS | {LineKind.MODBUS_TCP}

DEFAULT_PORTS = {
    LineKind.MODBUS_TCP: 502,
    LineKind.MQTT: 1883,
    LineKind.MQTTS: 8883,
    LineKind.ESPHOME: 6053,
    LineKind.ONVIF: 80,
}
URL_FORMS = (
    "serial:///dev/ttyUSB0, an absolute path, tcp://host:port, modbus-tcp://host, udp://host:port, mqtt://host, "
    "mqtts://host, esphome://host, onvif://host, fb:///dev/fb0 or hub75://local"
)


@dataclass(frozen=True, slots=True)
class SerialEndpoint:
    """A character device: a serial port or a pty."""

    path: str


@dataclass(frozen=True, slots=True)
class TcpEndpoint:
    """A byte stream on the network: a serial server, or a device that speaks on a port of its own."""

    host: str
    port: int


@dataclass(frozen=True, slots=True)
class UdpEndpoint:
    """A device that takes and sends datagrams."""

    host: str
    port: int


@dataclass(frozen=True, slots=True)
class ServiceEndpoint:
    """What a library connects to."""

    host: str
    port: int
    path: str


@dataclass(frozen=True, slots=True)
class FileEndpoint:
    """A device file that is no character line: a framebuffer, or the matrix of this board."""

    path: str


Endpoint = SerialEndpoint | TcpEndpoint | UdpEndpoint | ServiceEndpoint | FileEndpoint


def kind_of(url: str) -> LineKind:
    """What a url leads to. Raises ValueError naming the forms that are understood."""
    scheme = LineKind.SERIAL.value if url.startswith("/") else urlsplit(url).scheme
    try:
        return LineKind(scheme)
    except ValueError:
        raise ValueError(f"{url!r} is no line; write {URL_FORMS}") from None


def parse_url(url: str) -> Endpoint:
    """Where a line ends. Raises ValueError naming the forms that are understood."""
    kind = kind_of(url)
    if url.startswith("/"):
        return SerialEndpoint(url)
    parts = urlsplit(url)
    wrong = ValueError(f"{url!r} is no line; write {URL_FORMS}")
    if parts.username or parts.password:
        raise ValueError("a url holds no user and no password; the options of the device name the secret")
    if parts.query or parts.fragment:
        raise wrong
    match kind:
        case LineKind.SERIAL | LineKind.FRAMEBUFFER:
            if parts.netloc or not parts.path.startswith("/"):
                raise wrong
            return SerialEndpoint(parts.path) if kind is LineKind.SERIAL else FileEndpoint(parts.path)
        case LineKind.HUB75:
            if parts.netloc != "local" or parts.path:
                raise wrong
            return FileEndpoint("")
    try:
        port = parts.port or DEFAULT_PORTS.get(kind)
    except ValueError as error:
        raise ValueError(f"{url!r}: {error}") from None
    if not parts.hostname or not port or (parts.path and kind is not LineKind.ONVIF):
        raise wrong
    match kind:
        case LineKind.TCP | LineKind.MODBUS_TCP:
            return TcpEndpoint(parts.hostname, port)
        case LineKind.UDP:
            return UdpEndpoint(parts.hostname, port)
    return ServiceEndpoint(parts.hostname, port, parts.path)


class LineConfig(BaseModel):
    """One line: where it is and how it is framed. A pty has no framing and is always opened as 8N1."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    url: str = Field(description=URL_FORMS)
    baud: int = Field(
        default=9600, ge=300, le=1_000_000, description="On tcp:// only for a serial server: its line's baud"
    )
    data_bits: Literal[7, 8] = 8
    parity: Literal["N", "E", "O"] = "N"
    stop_bits: Literal[1, 2] = 1
    gap_ms: float | None = Field(
        default=None, ge=0, le=1000, description="Silence between two frames; 3.5 characters when not given"
    )

    @field_validator("url")
    @classmethod
    def _known_url(cls, url: str) -> str:
        parse_url(url)
        return url

    @property
    def kind(self) -> LineKind:
        """What the url leads to."""
        return kind_of(self.url)

    @property
    def is_wire(self) -> bool:
        """Whether bytes take their time: on a serial port, and behind a serial server whose baud is given."""
        return self.kind is LineKind.SERIAL or (self.kind is LineKind.TCP and "baud" in self.model_fields_set)

    @property
    def byte_s(self) -> float:
        """Seconds that one byte takes on the wire; none to speak of on a network."""
        if not self.is_wire:
            return 0.0
        bits = 1 + self.data_bits + (self.parity != "N") + self.stop_bits
        return bits / self.baud

    @property
    def gap_s(self) -> float:
        """Seconds of silence between two frames: none on a network, unless one is given for what lies behind it."""
        if self.gap_ms is not None:
            return self.gap_ms / 1000
        if not self.is_wire:
            return 0.0
        return max(GAP_CHARACTERS * self.byte_s, GAP_MS_MIN / 1000)


class DeviceConfig(BaseModel):
    """One device: its driver, its line, and for a driver that reads profiles which one."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    driver: str
    line: Name
    profile: str | None = Field(default=None, description="File name in config/devices without .toml")
    address: int = Field(default=1, ge=0, le=255, description="Unit address on the line")
    options: dict[str, Any] = Field(default_factory=dict, description="The driver's own options")


Lines = Mapping[str, LineConfig]
Devices = Mapping[str, DeviceConfig]
