"""The station profile (config/stations/*.toml): what a station is made of. Strict: an unknown key is an error.

Lines and devices are described here only as far as every station needs; a driver's own options are checked by the
hardware side, which owns their schema.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from station_agent.wire.model import Name, StationId, Wire


class Place(Wire):
    """WGS-84."""

    latitude: float = Field(ge=-90, le=90)
    longitude: float = Field(ge=-180, le=180)
    address: str = Field(default="", max_length=200)


class StationRow(Wire):
    id: StationId
    name: str = Field(min_length=1, max_length=80)
    place: Place
    time_zone: str = "Asia/Shanghai"


class LineRow(Wire):
    """A serial port, pty or network end that devices share. `url` and its kinds are the hardware side's."""

    url: str = Field(min_length=1)
    baud: int = Field(default=9600, ge=300, le=1_000_000)
    data_bits: Literal[7, 8] = 8
    parity: Literal["N", "E", "O"] = "N"
    stop_bits: Literal[1, 2] = 1
    gap_ms: float | None = Field(default=None, ge=0, le=1000, description="silence between two frames")


class DeviceRow(Wire):
    driver: Name
    line: Name
    profile: Name | None = None
    address: int | None = Field(default=None, ge=0, le=255)
    options: dict[str, Any] = Field(default_factory=dict)


class DoorRow(Wire):
    """`lock` is a device with the lock capability; the inputs are names of its binary inputs."""

    lock: Name
    scanner: Name | None = None
    face_button: Name | None = None
    hold_s: float = Field(default=5.0, ge=1, le=30, description="released for at most this long")
    held_open_after_s: float = Field(default=60.0, ge=5, le=3600)


class AccessRow(Wire):
    roster_age_days_max: int = Field(default=30, ge=1, le=365)
    bad_tries_max: int = Field(default=10, ge=3, le=100, description="then this credential waits")
    lock_out_s: float = Field(default=60.0, ge=5, le=3600)


class CameraRow(Wire):
    """`url` is rtsp://... or a path of a file that is played in a loop. Never logged: it may hold a password."""

    url: str = Field(min_length=1)
    name: str = Field(default="", max_length=80)


class FacesRow(Wire):
    """Off unless switched on here: a face is never the only way in."""

    enabled: bool = False
    engine: Literal["dlib", "onnx"] = "dlib"
    pack: Name | None = Field(default=None, description="an installed model pack; onnx needs one")
    camera: Name | None = None
    people_max: int | None = Field(default=None, ge=1, le=2000, description="fewer than the engine's own limit")


class SignRow(Wire):
    device: Name
    idle_text: str = Field(default="", max_length=120)


class TelemetryRow(Wire):
    period_s: float = Field(default=60.0, ge=1, le=3600, description="readings are spooled once in this time")
    heartbeat_s: float = Field(default=20.0, ge=1, le=600)


class StationProfile(Wire):
    station: StationRow
    lines: Annotated[dict[Name, LineRow], Field(min_length=1, max_length=32)]
    devices: Annotated[dict[Name, DeviceRow], Field(min_length=1, max_length=128)]
    door: DoorRow
    access: AccessRow = AccessRow()
    cameras: dict[Name, CameraRow] = Field(default_factory=dict, max_length=16)
    faces: FacesRow = FacesRow()
    sign: SignRow | None = None
    telemetry: TelemetryRow = TelemetryRow()
