"""PURE: who is probably inside. An estimate: a door tells entries, exits only where an exit button is pressed, and two
can walk through one opening. So nobody is ever kept outside for an exit that was not seen.

    granted --> Entry(entered=False) -- the door opens --> entered=True ---- left, or stay_min is over --> gone
                    +-- nobody opened --> forgotten
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field, replace
from uuid import UUID

ENTRIES_MAX = 2048
"""Entries that are remembered, oldest out first; a station has room for a dozen people."""


@dataclass(frozen=True, slots=True)
class Entry:
    """`who` is a member, a staff person or a guest; None for a remote order and in extreme cold. Monotonic time."""

    attempt: UUID
    who: str | None
    key: str
    at: float
    entered: bool = False


@dataclass(slots=True)
class Presence:
    _entries: OrderedDict[UUID, Entry] = field(default_factory=OrderedDict)
    _last: OrderedDict[str, Entry] = field(default_factory=OrderedDict)
    last_exit: float = float("-inf")

    def inside(self, now: float, stay_s: float) -> int:
        """People who entered within the last `stay_s` and were not seen to leave."""
        return sum(1 for entry in self._entries.values() if entry.entered and now - entry.at < stay_s)

    def last(self, who: str) -> Entry | None:
        """Of this person, however long ago and whether or not somebody has left since."""
        return self._last.get(who)

    def granted(self, entry: Entry) -> None:
        self._entries[entry.attempt] = entry
        if entry.who is not None:
            self._last[entry.who] = entry
            self._last.move_to_end(entry.who)
        while len(self._entries) > ENTRIES_MAX:
            self._entries.popitem(last=False)
        while len(self._last) > ENTRIES_MAX:
            self._last.popitem(last=False)

    def entered(self, attempt: UUID) -> None:
        entry = self._entries.get(attempt)
        if entry is None:
            return
        self._entries[attempt] = replace(entry, entered=True)
        if entry.who is not None and self._last.get(entry.who) == entry:
            self._last[entry.who] = self._entries[attempt]

    def lapsed(self, attempt: UUID) -> None:
        """Nobody opened."""
        entry = self._entries.pop(attempt, None)
        if entry is not None and entry.who is not None and self._last.get(entry.who) == entry:
            del self._last[entry.who]

    def restore(self, entry: Entry, left_at: float | None) -> None:
        """Somebody who had entered before a restart."""
        self.granted(entry)
        if left_at is not None:
            del self._entries[entry.attempt]
            self.last_exit = max(self.last_exit, left_at)

    def left(self, now: float) -> UUID | None:
        """Somebody went out; nobody knows who. Whose entry goes: the oldest."""
        self.last_exit = now
        oldest = next((entry.attempt for entry in self._entries.values() if entry.entered), None)
        if oldest is not None:
            del self._entries[oldest]
        return oldest
