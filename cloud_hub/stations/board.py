"""Where every station stands now, in memory: the heartbeats' newest, and who is online.

Heartbeats are no history. They change this board at once and the database now and then (service.py), so that
thousands of them a second cost no disk write. An event may know better than the last heartbeat how the door is.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from station_agent.wire.envelope import StationState
from station_agent.wire.kinds import DoorState
from station_agent.wire.profile import StationProfile

MISSED_BEATS = 2.5  # after so many periods without a heartbeat a station counts as offline


@dataclass(slots=True)
class Entry:
    """One station. `door` and `contact_open` are the newest word of heartbeat or event, `door_at` its time."""

    profile: StationProfile
    state: StationState | None = None
    last_seen: datetime | None = None
    door: DoorState = DoorState.UNKNOWN
    contact_open: bool | None = None
    door_at: datetime | None = None
    told_online: bool = False
    unsaved: bool = False
    boots: dict[str, datetime] = field(default_factory=dict)  # boot id -> the time at which it began

    def online(self, now: datetime) -> bool:
        if self.state is None or not self.state.online or self.last_seen is None:
            return False
        return now - self.last_seen < timedelta(seconds=self.profile.telemetry.heartbeat_s * MISSED_BEATS)


BOOTS_KEPT = 8  # of the newest starts of a station; older rows have long been delivered


class Board:
    def __init__(self) -> None:
        self._entries: dict[str, Entry] = {}

    def __contains__(self, station: str) -> bool:
        return station in self._entries

    def __iter__(self) -> Iterator[tuple[str, Entry]]:
        return iter(sorted(self._entries.items()))

    def get(self, station: str) -> Entry | None:
        return self._entries.get(station)

    def online(self, station: str, now: datetime) -> bool:
        entry = self._entries.get(station)
        return entry is not None and entry.online(now)

    def put(self, profile: StationProfile, state: StationState | None, last_seen: datetime | None) -> None:
        """A station that is known, with what was last saved of it."""
        entry = self._entries[profile.station.id] = Entry(profile)
        if state is not None and last_seen is not None:
            self.heard(state, last_seen)
            entry.unsaved = False

    def heard(self, state: StationState, received_at: datetime) -> bool:
        """Takes a heartbeat or a will; False when it is of an unknown station or older than what is known."""
        entry = self._entries.get(state.station)
        if entry is None or _older(state, entry.state):
            return False
        if not state.online:  # the will: the broker speaks, the station's own last words still stand
            state = state if entry.state is None else entry.state.model_copy(update={"online": False})
        entry.state = state
        entry.last_seen = max(received_at, entry.last_seen or received_at)
        entry.unsaved = True
        if state.door:
            self.door(state.station, DoorState(state.door), state.contact_open, state.at)
        if state.clock_trusted:
            entry.boots[state.boot] = state.at - timedelta(milliseconds=state.mono_ms)
            while len(entry.boots) > BOOTS_KEPT:
                del entry.boots[next(iter(entry.boots))]
        return True

    def door(self, station: str, door: DoorState, contact_open: bool | None, at: datetime) -> None:
        """The door was so at `at` (the station's time); an older word changes nothing."""
        entry = self._entries.get(station)
        if entry is not None and (entry.door_at is None or at >= entry.door_at):
            entry.door, entry.contact_open, entry.door_at = door, contact_open, at


def _older(state: StationState, known: StationState | None) -> bool:
    if known is None or not state.online or state.boot != known.boot:
        return False
    return state.mono_ms < known.mono_ms
