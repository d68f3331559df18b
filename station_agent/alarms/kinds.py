"""PURE: the alarms that a device's input or reading can raise, with what each takes for granted.

A limit has a band: raised beyond the limit, ended only on the other side of limit and band, so that a value that
swings about the limit raises one alarm and not a hundred. Figures: docs/alarms.md says where they come from.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from station_agent.wire.kinds import AlarmKind
from station_agent.wire.profile import AlarmRow


class Side(Enum):
    ABOVE = "above"
    BELOW = "below"


@dataclass(frozen=True, slots=True)
class Kind:
    """`side`: on which side of its limit a number is an alarm; None: it is a matter of yes or no. `limit` None: a
    number raises it only where the profile gives a limit. It is raised after `for_s`, ended after `clear_for_s`."""

    for_s: float
    clear_for_s: float
    side: Side | None = None
    limit: float | None = None
    band: float = 0.0


KINDS: dict[AlarmKind, Kind] = {
    AlarmKind.SMOKE: Kind(0, 60, Side.ABOVE),
    AlarmKind.GAS: Kind(0, 60, Side.ABOVE, band=2.0),  # % of the lower explosive limit
    AlarmKind.CO_HIGH: Kind(120, 300, Side.ABOVE, 50.0, band=20.0),  # ppm
    AlarmKind.WATER_LEAK: Kind(5, 60, Side.ABOVE),
    AlarmKind.TAMPER: Kind(0, 30),
    AlarmKind.POWER_LOST: Kind(5, 10),
    AlarmKind.BATTERY_LOW: Kind(10, 60, Side.BELOW, 20.0, band=5.0),  # %
    AlarmKind.DEVICE_FAULT: Kind(30, 30),
    AlarmKind.TEMPERATURE_LOW: Kind(600, 300, Side.BELOW, 5.0, band=3.0),  # degrees Celsius
    AlarmKind.TEMPERATURE_HIGH: Kind(600, 300, Side.ABOVE, 35.0, band=3.0),
    AlarmKind.HUMIDITY_HIGH: Kind(3600, 900, Side.ABOVE, 85.0, band=5.0),  # %
    AlarmKind.CO2_HIGH: Kind(600, 300, Side.ABOVE, 1500.0, band=500.0),  # ppm
    AlarmKind.PM25_HIGH: Kind(1800, 900, Side.ABOVE, 75.0, band=25.0),  # micrograms a cubic metre
    AlarmKind.MOTION_CLOSED: Kind(2, 300),
}


@dataclass(frozen=True, slots=True)
class Limit:
    """A number beyond `trips` is an alarm; one beyond `clears`, on the other side, is none; between it stays."""

    side: Side
    trips: float
    clears: float


@dataclass(frozen=True, slots=True)
class Rule:
    """One row of the profile's [alarms]. `source` is "device.point"; `inverted`: no means yes."""

    name: str
    kind: AlarmKind
    source: str
    inverted: bool
    limit: Limit | None
    for_s: float
    clear_for_s: float


def rule_of(name: str, row: AlarmRow) -> Rule:
    """Raises ValueError, `key: message`, for a limit that this kind cannot have."""
    kind = AlarmKind(row.kind)
    known = KINDS[kind]
    return Rule(
        name,
        kind,
        row.when.removeprefix("!"),
        row.when.startswith("!"),
        _limit(row, kind, known),
        known.for_s if row.for_s is None else row.for_s,
        known.clear_for_s if row.clear_for_s is None else row.clear_for_s,
    )


def _limit(row: AlarmRow, kind: AlarmKind, known: Kind) -> Limit | None:
    trips = known.limit if row.limit is None else row.limit
    if trips is None or known.side is None:
        if row.limit is not None:
            raise ValueError(f"limit: {kind.value} is yes or no and has no limit")
        if row.clear_at is not None:
            raise ValueError("clear_at: goes with a limit")
        return None
    below = known.side is Side.BELOW
    clears = row.clear_at
    if clears is None:
        clears = trips + known.band if below else trips - known.band
    if clears < trips if below else clears > trips:
        raise ValueError(f"clear_at: {clears:g} would be an alarm again: {kind.value} is {known.side.value} {trips:g}")
    return Limit(known.side, trips, clears)
