"""What the agent is started with: the profile, checked to the last line, and where its files are.

Every mistake in a profile is found in one go and named by its path in the file, so that a technician on site
corrects them all at once.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import ValidationError

import firmware_bridge.bridge as bridge
from firmware_bridge.config import DeviceConfig, LineConfig
from firmware_bridge.drivers import DRIVERS, Capability
from station_agent.access.input_check import check_inputs, has_contact
from station_agent.alarms.check import check_alarms, unwatched
from station_agent.devices import device_config, line_config
from station_agent.faces import packs
from station_agent.faces.liveness import Mode
from station_agent.faces.manifest import PackRefused
from station_agent.signs.door_code_check import check_door_code
from station_agent.wire.link import HubLink
from station_agent.wire.profile import StationProfile

SHIPPED_PROFILES = Path(__file__).resolve().parent.parent / "config" / "devices"

DLIB_WARNING = (
    "faces.engine: dlib confuses East-Asian strangers far too often at its usual tolerance (43 to 66 % of pairs at "
    "0.6), so it runs here with distance <= 0.36, margin >= 0.10 and at most 100 people, and will turn away members "
    "whom it should know. It has no liveness models: a printed photo passes. It is no engine for service: keep the "
    "membership code as the main way in"
)
PACK_UNSEEN_WARNING = (
    "faces.pack: not looked at; give --models and --trust, and it is checked as the station will check it"
)
NO_LIVENESS_WARNING = (
    "faces.pack: it has NO liveness models, so nothing tells a member from a printed photo or a screen that shows one"
)
LIVENESS_OFF_WARNING = "faces.liveness: off, so a printed photo of a member opens the door, or a phone that shows one"
PASSIVE_ONLY_WARNING = (
    "faces.liveness: passive models alone are weak for a door that nobody watches: a challenge needs a sign or a voice"
)
CODE_FIRST_WARNING = (
    "faces.people_max: {engine} searches among {people} people; as soon as more are enrolled, the face button opens "
    "for nobody, and a face is only compared with that of a code's member, where the rules ask for code and face"
)
NO_SCANNER_WARNING = "door.scanner: none, so nobody can enter by membership code"
NO_EGRESS_WARNING = (
    "door.egress: not given, so whoever leaves raises the alarm of a forced door: name the exit button, or say "
    '"mechanical" where the handle inside is free'
)
NO_CONTACT_WARNING = "the lock has no door contact: no visit is counted, no forced door is noticed"


class ProfileRefused(Exception):
    """A profile or link file that cannot be used; `errors` has one `path: message` a mistake."""

    def __init__(self, file: Path, errors: list[str]) -> None:
        super().__init__(f"{file}:\n" + "\n".join(f"  {error}" for error in errors))
        self.errors = errors


@dataclass(frozen=True, slots=True)
class Checked:
    """A profile as it was read: `profile` is None when `errors` say why."""

    profile: StationProfile | None
    errors: list[str]
    warnings: list[str]


@dataclass(frozen=True, slots=True)
class Settings:
    """One run of the agent."""

    profile: StationProfile
    link: HubLink | None  # None: the station works alone
    state_dir: Path
    key_dir: Path
    profiles_dir: Path
    status_fd: int | None = None
    captures: Mapping[str, Path] = field(default_factory=dict)  # name of a line -> file that keeps what goes over it


def profiles_dir_of(profile: Path) -> Path:
    """Device profiles beside the station profiles (config/stations, config/devices), else the shipped ones."""
    beside = profile.resolve().parent.parent / "devices"
    return beside if beside.is_dir() else SHIPPED_PROFILES


def read_profile(path: Path, profiles_dir: Path, lines: Mapping[str, str], cameras: Mapping[str, str]) -> Checked:
    """Read and check everything. `lines` and `cameras` replace urls of the profile by name."""
    try:
        text = path.read_text("utf-8")
        raw: dict[str, Any] = json.loads(text) if path.suffix == ".json" else tomllib.loads(text)
    except OSError as error:
        return Checked(None, [f"(file): cannot be read: {error.strerror}"], [])
    except (tomllib.TOMLDecodeError, json.JSONDecodeError, UnicodeDecodeError) as error:
        return Checked(None, [f"(file): no {'JSON' if path.suffix == '.json' else 'TOML'}: {error}"], [])
    errors = _replace_urls(raw, "lines", lines) + _replace_urls(raw, "cameras", cameras)
    try:
        profile = StationProfile.model_validate(raw)
    except ValidationError as error:
        return Checked(None, errors + _explained(error), [])
    errors += _cross_checked(profile, profiles_dir)
    return Checked(None if errors else profile, errors, [*_warnings(profile), *unwatched(profile, profiles_dir)])


def check_pack(checked: Checked, models: Path | None, trust: Path | None) -> Checked:
    """With what is found when the profile's model pack is checked as the station would."""
    row = checked.profile.faces if checked.profile is not None else None
    if row is None or not row.enabled or row.pack is None:
        return checked
    if models is None or trust is None:
        return replace(checked, warnings=[*checked.warnings, PACK_UNSEEN_WARNING])
    try:
        pack, warning = packs.installed(models, row.pack, packs.trusted_keys(trust))
    except PackRefused as refused:
        return Checked(None, [*checked.errors, f"faces.pack: {refused}"], checked.warnings)
    warnings = [f"faces.pack: {warning}"] if warning is not None else []
    if not pack.manifest.liveness:
        warnings.append(NO_LIVENESS_WARNING)
    return replace(checked, warnings=[*checked.warnings, *warnings])


def liveness_mode(profile: StationProfile) -> Mode:
    """What the profile says, or what suits the engine and what can tell a challenge."""
    row = profile.faces
    if row.liveness is not None:
        return Mode(row.liveness)
    if row.engine == "dlib":
        return Mode.OFF
    return Mode.CHALLENGE if profile.sign is not None or profile.voice is not None else Mode.PASSIVE


def read_link(path: Path) -> HubLink:
    """Its paths are made absolute. Raises ProfileRefused."""
    try:
        link = HubLink.model_validate_json(path.read_bytes())
        folder, broker = path.resolve().parent, link.broker
        files = {
            name: folder / file
            for name in ("ca_file", "certificate_file")
            if (file := getattr(broker, name)) is not None
        }
        ca_file = None if link.ca_file is None else folder / link.ca_file
        return link.model_copy(update={"broker": broker.model_copy(update=files), "ca_file": ca_file})
    except OSError as error:
        raise ProfileRefused(path, [f"(file): cannot be read: {error.strerror}"]) from error
    except ValidationError as error:
        raise ProfileRefused(path, _explained(error)) from error


def line_configs(profile: StationProfile) -> dict[str, LineConfig]:
    return {name: line_config(row) for name, row in profile.lines.items()}


def device_configs(profile: StationProfile) -> dict[str, DeviceConfig]:
    return {name: device_config(row) for name, row in profile.devices.items()}


def _explained(error: ValidationError) -> list[str]:
    return [
        f"{'.'.join(str(part) for part in row['loc']) or '(file)'}: {row['msg']}"
        for row in error.errors(include_url=False, include_input=False)
    ]


def _replace_urls(raw: dict[str, Any], table: str, urls: Mapping[str, str]) -> list[str]:
    errors = []
    for name, url in urls.items():
        row = raw.get(table, {}).get(name)
        if isinstance(row, dict):
            row["url"] = url
        else:
            errors.append(f"{table}.{name}: was given an address but is not in the profile")
    return errors


def _cross_checked(profile: StationProfile, profiles_dir: Path) -> list[str]:
    errors: list[str] = []
    lines: dict[str, LineConfig] = {}
    devices: dict[str, DeviceConfig] = {}
    for name, line in profile.lines.items():
        try:
            lines[name] = line_config(line)
        except ValidationError as error:
            errors += [f"lines.{name}.{row}" for row in _explained(error)]
    for name, device in profile.devices.items():
        try:
            devices[name] = device_config(device)
        except ValidationError as error:
            errors += [f"devices.{name}.{row}" for row in _explained(error)]
    if not errors:
        errors += bridge.check(lines, devices, profiles_dir)
    errors += _has(profile, "door.lock", profile.door.lock, Capability.LOCK)
    if profile.door.scanner is not None:
        errors += _has(profile, "door.scanner", profile.door.scanner, Capability.SCANNER)
    for reader in profile.door.readers:
        errors += _has(profile, "door.readers", reader, Capability.READER)
    if profile.sign is not None:
        errors += _has(profile, "sign.device", profile.sign.device, Capability.SIGN)
    if profile.door.heater is not None:
        for field, capability in (("output", Capability.CONTROL), ("temperature", Capability.SENSOR)):
            device = getattr(profile.door.heater, field).partition(".")[0]
            errors += _has(profile, f"door.heater.{field}", device, capability)
    errors += _check_button(profile)
    errors += check_inputs(profile)
    errors += check_door_code(profile)
    errors += check_alarms(profile, profiles_dir)
    if profile.faces.enabled:
        if profile.faces.camera is None:
            errors.append("faces.camera: faces are on, so name the camera that sees them")
        if profile.door.face_button is None:
            errors.append("door.face_button: faces are on, so name the button that asks for one")
    if profile.faces.enabled and (profile.faces.engine == "onnx") != (profile.faces.pack is not None):
        errors.append("faces.pack: the onnx engine needs a model pack, the dlib engine has none")
    if profile.faces.engine == "dlib" and profile.faces.liveness not in (None, "off"):
        errors.append("faces.liveness: the dlib engine has no liveness models; take onnx with a model pack")
    if profile.faces.liveness == "challenge" and profile.sign is None and profile.voice is None:
        errors.append("faces.liveness: a challenge must be told: name a sign or a voice, or say passive")
    if profile.door.code_camera is not None and profile.door.code_camera not in profile.cameras:
        errors.append(f"door.code_camera: there is no camera {profile.door.code_camera!r}")
    if profile.codes.near is not None and not _is_button(profile, profile.codes.near):
        errors.append(f"codes.near: {profile.door.lock!r} has no input of that name in its options.buttons")
    if profile.faces.camera is not None and profile.faces.camera not in profile.cameras:
        errors.append(f"faces.camera: there is no camera {profile.faces.camera!r}")
    try:
        ZoneInfo(profile.station.time_zone)
    except (ZoneInfoNotFoundError, ValueError):
        errors.append(f"station.time_zone: {profile.station.time_zone!r} is no time zone")
    return errors


def _has(profile: StationProfile, where: str, device: str, capability: Capability) -> list[str]:
    row = profile.devices.get(device)
    if row is None:
        return [f"{where}: there is no device {device!r}"]
    driver = DRIVERS.get(row.driver)
    if driver is None or capability in driver.capabilities:  # an unknown driver has its own error
        return []
    return [f"{where}: {device!r} is a {row.driver}, which is no {capability.value}"]


def _is_button(profile: StationProfile, input: str) -> bool:
    lock = profile.devices.get(profile.door.lock)
    buttons = lock.options.get("buttons") if lock is not None else None
    return isinstance(buttons, dict) and input in buttons


def _check_button(profile: StationProfile) -> list[str]:
    button, lock = profile.door.face_button, profile.devices.get(profile.door.lock)
    if button is None or lock is None:
        return []
    buttons = lock.options.get("buttons")
    if isinstance(buttons, dict) and button in buttons:
        return []
    return [f"door.face_button: {profile.door.lock!r} has no input of the name {button!r} in its options.buttons"]


def _searched_max(profile: StationProfile) -> int:
    """Among how many people the engine may search a face."""
    from station_agent.faces.match import STRICT, calibrated  # numpy: for whoever has faces on

    return (STRICT if profile.faces.engine == "dlib" else calibrated(0.0, 0.0)).people_max


def _warnings(profile: StationProfile) -> list[str]:
    warnings = []
    if profile.faces.enabled and profile.faces.engine == "dlib":
        warnings.append(DLIB_WARNING)
    if profile.faces.enabled and profile.faces.engine == "onnx" and liveness_mode(profile) is Mode.OFF:
        warnings.append(LIVENESS_OFF_WARNING)
    if profile.faces.enabled and liveness_mode(profile) is Mode.PASSIVE:
        warnings.append(PASSIVE_ONLY_WARNING)
    if profile.faces.enabled and (profile.faces.people_max or 0) > (searched_max := _searched_max(profile)):
        warnings.append(CODE_FIRST_WARNING.format(engine=profile.faces.engine, people=searched_max))
    if profile.door.scanner is None and profile.door.code_camera is None:
        warnings.append(NO_SCANNER_WARNING)
    lock = profile.devices.get(profile.door.lock)
    if lock is not None and profile.door.contact == "contact" and not has_contact(lock):
        warnings.append(NO_CONTACT_WARNING)
    if profile.door.egress is None:
        warnings.append(NO_EGRESS_WARNING)
    return warnings
