"""What the live stream (server-sent events) carries: the event's name, and the model of its data."""

from __future__ import annotations

from enum import StrEnum


class Topic(StrEnum):
    """Data: `station` a Station, `event` a TimelineItem, `command` a Command, `reading` LatestReadings,
    `resync` {}: the reader was too slow and missed something, so it must ask for everything again."""

    STATION = "station"
    EVENT = "event"
    COMMAND = "command"
    READING = "reading"
    RESYNC = "resync"
