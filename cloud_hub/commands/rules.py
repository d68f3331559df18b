"""PURE: what a report makes of a command's status.

    queued -> sent -> accepted -> done | refused | failed | expired
                  \\-> expired (by the hub: nobody answered in time)

What the station tells wins over what the hub concluded: a `done` that comes out of the spool days after the hub gave
up is the truth. Of the station's own words the first final one stands, and nothing goes back.
"""

from __future__ import annotations

from dataclasses import dataclass

from station_agent.wire.kinds import FINAL_STATUSES, CommandStatus


@dataclass(frozen=True, slots=True)
class Standing:
    status: CommandStatus
    told_by_station: bool


def advance(now: Standing, told: CommandStatus) -> Standing | None:
    """The standing after a station told `told`; None when that changes nothing."""
    if told in (CommandStatus.QUEUED, CommandStatus.SENT):
        return None  # the hub's own words; a station has no say in them
    if now.told_by_station and (now.status in FINAL_STATUSES or now.status is told):
        return None
    return Standing(told, told_by_station=True)


def give_up(now: Standing) -> Standing | None:
    """The standing when its time is over: a command that no station took is expired."""
    if now.told_by_station or now.status in FINAL_STATUSES:
        return None
    return Standing(CommandStatus.EXPIRED, told_by_station=False)
