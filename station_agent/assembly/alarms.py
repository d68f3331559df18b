"""The alarms of the profile's [alarms], wired to the devices, to the board of alarms, and to whoever is inside."""

from __future__ import annotations

from zoneinfo import ZoneInfo

from station_agent.access.openable import should_be_open
from station_agent.alarms.kinds import rule_of
from station_agent.alarms.watcher import AlarmWatcher
from station_agent.assembly.announcer import Announcer
from station_agent.assembly.entrance import Entrance
from station_agent.assembly.ground import Ground

LATELY_S = 1800.0
"""Whoever the door let in, or out, so lately may still be inside of a station that is closed: cleaning, tidying up."""


def open_alarms(ground: Ground, entrance: Entrance, announcer: Announcer) -> AlarmWatcher:
    profile, clock = ground.profile, ground.clock
    zone = ZoneInfo(profile.station.time_zone)

    def closed() -> bool:
        if should_be_open(entrance.desk.rules, clock.now(), zone, clock.trusted()):
            return False
        return clock.monotonic() - entrance.doorway.moved_s > LATELY_S

    watcher = AlarmWatcher(
        [rule_of(name, row) for name, row in profile.alarms.items()],
        ground.alarms,
        clock,
        closed=closed,
        say=announcer.announce,
        others=frozenset({profile.door.lock}),
    )
    if profile.alarms:
        ground.supervisor.keep("alarms", watcher.run)
    return watcher
