"""Whether the alarms that a profile names can be raised by the devices that it has; and what nobody watches."""

from __future__ import annotations

from pathlib import Path

from firmware_bridge.points import Point
from firmware_bridge.profiles import ProfileError, load
from station_agent.access.input_check import inputs_of
from station_agent.access.inputs import named_inputs
from station_agent.alarms.kinds import Rule, rule_of
from station_agent.wire.kinds import AlarmKind
from station_agent.wire.profile import DeviceRow, StationProfile

WATCHED = {
    "smoke": AlarmKind.SMOKE,
    "gas": AlarmKind.GAS,
    "co": AlarmKind.CO_HIGH,
    "leak": AlarmKind.WATER_LEAK,
    "tamper": AlarmKind.TAMPER,
    "on_battery": AlarmKind.POWER_LOST,
    "low_battery": AlarmKind.BATTERY_LOW,
}
"""Inputs of which everybody thinks that somebody is told -> the alarm that they are wired for."""


def check_alarms(profile: StationProfile, profiles_dir: Path) -> list[str]:
    """Every row that cannot work, one `alarms.name.key: message` line each."""
    errors = []
    for name, row in profile.alarms.items():
        try:
            rule = rule_of(name, row)
        except ValueError as error:
            errors.append(f"alarms.{name}.{error}")
            continue
        errors += [f"alarms.{name}.{error}" for error in _check(rule, profile, profiles_dir)]
        if name == profile.door.lock:
            errors.append(f"alarms.{name}: is the name of the lock, which has alarms of its own: take another name")
    return errors


def unwatched(profile: StationProfile, profiles_dir: Path) -> list[str]:
    """A sentence for each input that looks like an alarm and raises none."""
    used = {row.when.removeprefix("!") for row in profile.alarms.values()}
    used |= {f"{name.device}.{name.input}" for name in named_inputs(profile.door).values()}
    told = []
    for device, row in profile.devices.items():
        points = _points(row, profiles_dir)
        known = inputs_of(row) if points is None else frozenset(point.name for point in points if point.input)
        for input in sorted(known or ()):
            kind = WATCHED.get(input)
            if kind is not None and device != profile.door.lock and f"{device}.{input}" not in used:
                row_text = f'[alarms.NAME] with kind = "{kind.value}" and when = "{device}.{input}"'
                told.append(f"alarms: nobody is told of the input {input!r} of {device!r}: add {row_text}")
    return told


def _check(rule: Rule, profile: StationProfile, profiles_dir: Path) -> list[str]:
    device, _, point = rule.source.partition(".")
    row = profile.devices.get(device)
    if row is None:
        return [f"when: there is no device {device!r}"]
    points = _points(row, profiles_dir)
    if points is not None:
        return _check_point(rule, {each.name: each for each in points}, f"{device!r} (profile {row.profile})", point)
    known = inputs_of(row)
    if known is not None and rule.limit is None and point not in known:
        has = f"has the inputs {', '.join(sorted(known))}" if known else "has no inputs"
        return [f"when: {device!r} ({row.driver}) {has}, and not {point!r}"]
    return []


def _check_point(rule: Rule, points: dict[str, Point], device: str, name: str) -> list[str]:
    point = points.get(name)
    if point is None:
        return [f"when: {device} has the points {', '.join(points)}, and not {name!r}"]
    if point.is_bool:
        return []
    if rule.inverted:
        return [f'when: "!" turns yes and no round, and {name!r} is neither']
    if rule.limit is None:
        return [f"when: {name!r} of {device} is not true or false: give a limit, or an input"]
    return []


def _points(row: DeviceRow, profiles_dir: Path) -> tuple[Point, ...] | None:
    """Of a device profile; None where there is none, or it cannot be read, which is an error of its own."""
    if row.profile is None or row.driver not in ("modbus_sensor", "modbus_control"):
        return None
    try:
        return load(profiles_dir, row.profile).points
    except ProfileError:
        return None
