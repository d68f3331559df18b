"""The station profile (config/stations/*.toml): what a station is made of. Strict: an unknown key is an error.

Lines and devices are described here only as far as every station needs; a driver's own options are checked by the
hardware side, which owns their schema.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

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


InputText = Annotated[str, Field(pattern=r"^!?([a-z0-9][a-z0-9_-]{0,47}\.)?[a-z0-9][a-z0-9_-]{0,47}$")]
"""A binary input: "input" of the lock, or "device.input"; "!" before it: active while the device reads it inactive."""


PointText = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,47}\.[A-Za-z0-9][A-Za-z0-9_-]{0,63}$")]
"""A point of a device: "device.point"."""


class HeaterRow(Wire):
    """The heater of the strike or lock. docs/door.md says when it is on."""

    output: PointText = Field(description="a switch of a device that can be set, such as a relay")
    temperature: PointText = Field(description="of the air outside, or of the strike itself")
    on_below_c: float = Field(default=-5.0, ge=-50, le=15)
    off_above_c: float = Field(default=-2.0, ge=-50, le=20)
    on_max_min: float = Field(default=60.0, ge=1, le=1440, description="then it rests")
    rest_min: float = Field(default=10.0, ge=1, le=1440)

    @model_validator(mode="after")
    def _apart(self) -> Self:
        if self.off_above_c < self.on_below_c + 0.5:
            raise ValueError("off_above_c is at least half a degree above on_below_c")
        return self


class DoorRow(Wire):
    """`lock` is a device with the lock capability. docs/door.md says how doors are wired and what each input means."""

    lock: Name
    scanner: Name | None = None
    readers: tuple[Name, ...] = Field(default=(), max_length=4, description="devices that read cards and keys")
    code_camera: Name | None = Field(default=None, description="a camera whose picture is read for codes as well")
    face_button: Name | None = None
    hold_s: float = Field(default=5.0, ge=1, le=30, description="released for at most this long")
    held_open_after_s: float = Field(default=60.0, ge=5, le=3600)
    warn_before_s: float = Field(default=15.0, ge=0, le=600, description="so long before held open somebody is told")
    settle_s: float = Field(default=0.3, ge=0, le=5, description="between the door's closing and the bolt")
    bolt: Literal["latch", "deadbolt", "magnet"] = Field(default="latch", description="a deadbolt waits for the frame")
    power_loss: Literal["fail_secure", "fail_safe"] = Field(
        default="fail_secure", description="what the lock does without power"
    )
    contact: InputText = "contact"
    egress: InputText | None = Field(
        default=None, description='exit button or PIR that releases; "mechanical": a handle that is always free'
    )
    egress_signal: InputText | None = Field(default=None, description="switch of a mechanical handle: it moves nothing")
    fire: InputText | None = Field(default=None, description="releases while active")
    tamper: InputText | None = None
    bolt_contact: InputText | None = Field(default=None, description="active while the bolt is out")
    jammed: InputText | None = Field(default=None, description="active while the lock says that it is jammed")
    pushed: InputText | None = Field(default=None, description="active while somebody pushes or pulls the door")
    on_battery: InputText | None = None
    battery_low: InputText | None = None
    heater: HeaterRow | None = None
    selftest_at: str | None = Field(
        default="04:30", pattern=r"^([01]\d|2[0-3]):[0-5]\d$", description="local time of the daily self-test"
    )


class AccessRow(Wire):
    roster_age_days_max: int = Field(default=30, ge=1, le=365)
    bad_tries_max: int = Field(default=10, ge=3, le=100, description="then this credential waits")
    lock_out_s: float = Field(default=60.0, ge=5, le=3600)


class TotpRow(Wire):
    """Codes of a shared secret and the time (RFC 6238). Secrets: KEYS/verifiers/<name>.secrets."""

    kind: Literal["totp"] = "totp"
    prefix: str = Field(default="T1:", min_length=1, max_length=64)
    digits: int = Field(default=8, ge=6, le=8)
    algorithm: Literal["sha1", "sha256", "sha512"] = "sha1"
    period_s: int = Field(default=30, ge=15, le=60)
    steps_around: int = Field(default=1, ge=0, le=1, description="time steps before and after the present one")
    offline: Literal["deny", "fall_back"] = "deny"


class PlatformRow(Wire):
    """The platform that makes the codes is asked over HTTPS. `token` names a file of KEYS/verifiers."""

    kind: Literal["platform"] = "platform"
    prefix: str | None = Field(default=None, min_length=1, max_length=64)
    pattern: str | None = Field(default=None, min_length=1, max_length=200, description="the whole text fits it")
    url: str = Field(pattern=r"^https://[^\s@]+$", max_length=300)
    token: str = Field(pattern=r"^[a-z0-9][a-z0-9_.-]{0,63}$")
    ca_file: str | None = Field(default=None, description="certificates beyond the system's own")
    timeout_s: float = Field(default=1.5, ge=0.2, le=5)
    denial_s: float = Field(default=20.0, ge=0, le=300, description="a refusal is remembered for so long")
    offline: Literal["deny", "fall_back"] = "deny"

    @model_validator(mode="after")
    def _whose(self) -> Self:
        if (self.prefix is None) == (self.pattern is None):
            raise ValueError("a verifier has either a prefix or a pattern")
        if self.pattern is not None:
            try:
                re.compile(self.pattern)
            except re.error as error:
                raise ValueError(f"pattern is no regular expression: {error}") from None
        return self


VerifierRow = Annotated[TotpRow | PlatformRow, Field(discriminator="kind")]


class CodesRow(Wire):
    """How codes are read from the picture of `door.code_camera`."""

    near: Name | None = Field(default=None, description="input of the lock that is active while somebody is near")
    near_s: float = Field(default=20.0, ge=1, le=300, description="and for so long after it")
    region: tuple[float, float, float, float] | None = Field(
        default=None, description="left, top, right, bottom as parts of the picture; the rest is not looked at"
    )
    frames_per_s: float = Field(default=10.0, ge=1, le=25)

    @model_validator(mode="after")
    def _within(self) -> Self:
        if self.region is not None:
            left, top, right, bottom = self.region
            if not (0 <= left < right <= 1 and 0 <= top < bottom <= 1):
                raise ValueError("region is left, top, right, bottom, each from 0 to 1, in this order")
        return self


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
    people_max: int | None = Field(
        default=None,
        ge=1,
        le=5000,
        description="enrolled here; default: as many as the engine can search among. Beyond that the code comes first",
    )
    liveness: Literal["off", "passive", "challenge"] | None = Field(
        default=None, description="by default a challenge with onnx where a sign or voice can tell it; off with dlib"
    )


class SignRow(Wire):
    device: Name
    idle_text: str = Field(default="", max_length=120)


class DoorCodeRow(Wire):
    """The station shows a rotating code, and a member's phone that scans it asks to enter through the hub: while both
    are online. `sign` is a device of its own, with dots enough for a QR (docs/membership-code.md).
    """

    sign: Name
    url: str | None = Field(
        default=None,
        pattern=r"^https://[^\s/@#?]+$",
        max_length=64,
        description="the hub as phones reach it; by default as the station does",
    )


class VoiceRow(Wire):
    """A program that says a sentence: its words, `{text}` where the sentence goes (at the end when it is not named)."""

    command: tuple[str, ...] = Field(min_length=1, max_length=16)
    language: Literal["zh", "en"] = "zh"


AlarmText = Annotated[str, Field(pattern=r"^!?[a-z0-9][a-z0-9_-]{0,47}\.[A-Za-z0-9][A-Za-z0-9_-]{0,63}$")]
"""An input or a point of a device: "device.point"; "!" before it: an alarm while the device says no."""


class AlarmRow(Wire):
    """An alarm that an input or a reading raises. docs/alarms.md has what each kind takes for granted."""

    kind: Literal[
        "smoke",
        "gas",
        "co_high",
        "water_leak",
        "tamper",
        "power_lost",
        "battery_low",
        "device_fault",
        "temperature_low",
        "temperature_high",
        "humidity_high",
        "co2_high",
        "pm25_high",
        "motion_closed",
    ]
    when: AlarmText
    limit: float | None = Field(default=None, description="a number beyond it is an alarm; by the kind if not given")
    clear_at: float | None = Field(default=None, description="and one beyond this, on the other side, is none")
    for_s: float | None = Field(default=None, ge=0, le=86400, description="it must have lasted for so long")
    clear_for_s: float | None = Field(default=None, ge=0, le=86400, description="and be over for so long")


class TelemetryRow(Wire):
    period_s: float = Field(default=60.0, ge=1, le=3600, description="readings are spooled once in this time")
    heartbeat_s: float = Field(default=20.0, ge=1, le=600)


class StationProfile(Wire):
    station: StationRow
    lines: Annotated[dict[Name, LineRow], Field(min_length=1, max_length=32)]
    devices: Annotated[dict[Name, DeviceRow], Field(min_length=1, max_length=128)]
    door: DoorRow
    access: AccessRow = AccessRow()
    codes: CodesRow = CodesRow()
    verifiers: dict[Name, VerifierRow] = Field(default_factory=dict, max_length=8)
    cameras: dict[Name, CameraRow] = Field(default_factory=dict, max_length=16)
    faces: FacesRow = FacesRow()
    sign: SignRow | None = None
    door_code: DoorCodeRow | None = None
    voice: VoiceRow | None = None
    alarms: dict[Name, AlarmRow] = Field(default_factory=dict, max_length=64)
    telemetry: TelemetryRow = TelemetryRow()
