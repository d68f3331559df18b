"""From a station's profile to the simulated devices that stand for its hardware."""

from __future__ import annotations

from dataclasses import dataclass

from firmware_bridge.codecs.scanner import Framing
from firmware_bridge.simulators.station import CONTACT_INPUT, LOCK_RELAY, SimulationConfig
from station_agent.access.inputs import named_inputs
from station_agent.wire.profile import DeviceRow, StationProfile


class NotSimulated(Exception):
    """The profile has something that the simulators do not stand for; says what."""


@dataclass(frozen=True, slots=True)
class Wiring:
    """`lines` names the simulator's line for each line of the profile."""

    simulation: SimulationConfig
    lines: dict[str, str]


def wiring(profile: StationProfile) -> Wiring:
    """Raises NotSimulated."""
    lock_name, lock = profile.door.lock, profile.devices[profile.door.lock]
    if lock.driver != "modbus_lock":
        raise NotSimulated(f"devices.{lock_name}: a {lock.driver} has no simulator, modbus_lock has")
    if lock.options.get("coil") != LOCK_RELAY or lock.options.get("contact") != CONTACT_INPUT:
        raise NotSimulated(
            f"devices.{lock_name}.options: the simulated lock is coil {LOCK_RELAY}, contact {CONTACT_INPUT}"
        )
    scanner = _only(profile, "serial_scanner")
    sign = _only(profile, "alpha_sign")
    sensor = _only(profile, "modbus_sensor")
    lines = {lock.line: "door", scanner.line: "scanner", sign.line: "sign"}
    lines.setdefault(sensor.line, "air")
    screen = _code_screen(profile)
    if screen is not None:
        lines[screen.line] = "code_screen"
    if unknown := set(profile.lines) - set(lines):
        raise NotSimulated(f"lines.{sorted(unknown)[0]}: nothing is simulated on it")
    config = SimulationConfig(
        door_baud=profile.lines[lock.line].baud,
        air_baud=profile.lines[sensor.line].baud,
        scanner_baud=profile.lines[scanner.line].baud,
        sign_baud=profile.lines[sign.line].baud,
        lock_unit=_address(lock),
        sensor_unit=_address(sensor),
        sensor_on_door_line=sensor.line == lock.line,
        framing=Framing(scanner.options.get("framing", Framing.LINE)),
        buttons=tuple(lock.options.get("buttons", {}).items()),
        exit=_wired(profile, "egress"),
        fire=_wired(profile, "fire"),
        bolt=_wired(profile, "bolt_contact"),
        sign_address=_address(sign),
        sign_width=sign.options["width"],
        sign_height=sign.options["height"],
        code_screen=(screen.options["width"], screen.options["height"]) if screen is not None else None,
    )
    return Wiring(config, lines)


def _wired(profile: StationProfile, field: str) -> str | None:
    """The lock's input that the profile's [door] names in `field`."""
    name = named_inputs(profile.door).get(field)
    if name is None:
        return None
    if name.device != profile.door.lock or name.inverted:
        raise NotSimulated(f"door.{field}: the simulators have it at the lock, active when closed")
    return name.input


def _code_screen(profile: StationProfile) -> DeviceRow | None:
    """The display of the door code. Raises NotSimulated for another than a whole screen of 32-bit pixels."""
    if profile.door_code is None:
        return None
    name = profile.door_code.sign
    row = profile.devices[name]
    whole = {"x": 0, "y": 0, "bits": 32, "stride": 4 * row.options.get("width", 0)}
    if row.driver != "framebuffer_sign" or {key: row.options.get(key, 0) for key in whole} != whole:
        raise NotSimulated(
            f"devices.{name}: the simulated screen is a framebuffer_sign with bits = 32, stride = 4 * width"
        )
    return row


def _only(profile: StationProfile, driver: str) -> DeviceRow:
    rows = [row for row in profile.devices.values() if row.driver == driver]
    if len(rows) != 1:
        raise NotSimulated(f"devices: the simulators stand for one {driver}, the profile has {len(rows)}")
    return rows[0]


def _address(row: DeviceRow) -> int:
    return 1 if row.address is None else row.address
