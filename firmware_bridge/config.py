"""The two tables of a station profile that belong to the bridge: its lines and its devices. PURE.

```toml
[lines.door]
url = "serial:///dev/ttyUSB0"      # or an absolute path, or tcp://host:port
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
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, field_validator

Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,31}$")]

# A character on the wire is at least a start bit, the data and a stop bit; Modbus wants 3.5 of them between
# frames, and a fixed 1.75 ms above 19200 baud (Modbus over serial line 1.02, section 2.5.1.1).
GAP_CHARACTERS = 3.5
GAP_MS_MIN = 1.75


@dataclass(frozen=True, slots=True)
class SerialEndpoint:
    """A character device: a serial port or a pty."""

    path: str


@dataclass(frozen=True, slots=True)
class TcpEndpoint:
    """A serial server on the network."""

    host: str
    port: int


def parse_url(url: str) -> SerialEndpoint | TcpEndpoint:
    """Where a line ends. Raises ValueError naming the forms that are understood."""
    forms = "serial:///dev/ttyUSB0, an absolute path, or tcp://host:port"
    if url.startswith("/"):
        return SerialEndpoint(url)
    parts = urlsplit(url)
    if parts.scheme == "serial" and not parts.netloc and parts.path.startswith("/"):
        return SerialEndpoint(parts.path)
    if parts.scheme == "tcp" and parts.hostname and not parts.path:
        try:
            port = parts.port
        except ValueError as error:
            raise ValueError(f"{url!r}: {error}") from None
        if port:
            return TcpEndpoint(parts.hostname, port)
    raise ValueError(f"{url!r} is no line; write {forms}")


class LineConfig(BaseModel):
    """One line: where it is and how it is framed. A pty has no framing and is always opened as 8N1."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    url: str = Field(description="serial:///dev/ttyUSB0, an absolute path, or tcp://host:port")
    baud: int = Field(default=9600, ge=300, le=1_000_000)
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
    def byte_s(self) -> float:
        """Seconds that one byte takes on the wire."""
        bits = 1 + self.data_bits + (self.parity != "N") + self.stop_bits
        return bits / self.baud

    @property
    def gap_s(self) -> float:
        """Seconds of silence between two frames."""
        if self.gap_ms is not None:
            return self.gap_ms / 1000
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
