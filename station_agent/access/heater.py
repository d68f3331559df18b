"""PURE: whether the heater of the strike or lock should be on.

    colder than on_below_c --> on, until warmer than off_above_c      or extreme cold is ordered
    on for on_max_s        --> rests for rest_s
    no temperature         --> as the last one said, for KEPT_S; then off, unless extreme cold is ordered

Without a temperature it is off in the end: a heater that nobody watches, in a frame that people touch, must not be on
through a summer because a sensor has died, and weather keeps for some hours. Whoever orders extreme cold knows better
than any sensor. A frozen bolt keeps nobody inside: the way out is mechanical.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

KEPT_S = 6 * 3600.0


@dataclass(frozen=True, slots=True)
class HeaterSettings:
    """`off_above_c` is above `on_below_c`."""

    on_below_c: float
    off_above_c: float
    on_max_s: float
    rest_s: float


@dataclass(frozen=True, slots=True)
class Heater:
    """Times are monotonic seconds."""

    on: bool = False
    cold: bool = False  # by the last temperature
    seen_at: float | None = None  # when that was
    on_since: float = 0.0
    rests_until: float = float("-inf")


def step(heater: Heater, temperature_c: float | None, ordered: bool, settings: HeaterSettings, now: float) -> Heater:
    """The heater at `now`. `temperature_c`: a new good one, or None; `ordered`: whether extreme cold is."""
    if temperature_c is not None:
        limit = settings.off_above_c if heater.cold else settings.on_below_c
        heater = replace(heater, cold=temperature_c < limit, seen_at=now)
    known = heater.seen_at is not None and now - heater.seen_at <= KEPT_S
    heater = replace(heater, cold=heater.cold and known)
    if heater.on and now - heater.on_since >= settings.on_max_s:
        return replace(heater, on=False, rests_until=now + settings.rest_s)
    wanted = (heater.cold or ordered) and now >= heater.rests_until
    return replace(heater, on=wanted, on_since=heater.on_since if heater.on else now)
