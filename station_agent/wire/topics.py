"""The MQTT topic table: which topic carries what, who may publish it, and its NATS subject.

    yizhan/v1/<station>/up/<events|telemetry|state|answer>     station -> hub
    yizhan/v1/<station>/down/<ack|command|document|knock>      hub -> station

Nothing is ever retained: a late subscriber must not be handed an old order. A station may publish only its own
`up` topics and subscribe only to its own `down` topics; the broker's rules are made from this table.
"""

from __future__ import annotations

import re
from enum import StrEnum

PREFIX = "yizhan/v1"
_STATION = re.compile(r"[a-z0-9][a-z0-9-]{0,31}")


class Up(StrEnum):
    """What a station publishes. Events and telemetry by QoS 1, state and answers by QoS 0."""

    EVENTS = "events"
    TELEMETRY = "telemetry"
    STATE = "state"
    ANSWER = "answer"  # to a knock (knocks.py)


class Down(StrEnum):
    """What the hub publishes to one station, by QoS 0."""

    ACK = "ack"
    COMMAND = "command"
    DOCUMENT = "document"
    KNOCK = "knock"  # heard by stations that show a door code (knocks.py)


def up(station: str, leaf: Up) -> str:
    return f"{PREFIX}/{_checked(station)}/up/{leaf}"


def down(station: str, leaf: Down) -> str:
    return f"{PREFIX}/{_checked(station)}/down/{leaf}"


def subject(topic: str) -> str:
    """The NATS subject that the broker maps an MQTT topic to; ours hold no dot, so slashes become dots."""
    return topic.replace("/", ".")


def station_of(subject_or_topic: str) -> tuple[str, Up] | None:
    """Who published this `up` message and which leaf it is; None for anything that is not one."""
    parts = subject_or_topic.replace("/", ".").split(".")
    if len(parts) != 5 or parts[:2] != ["yizhan", "v1"] or parts[3] != "up":
        return None
    if not _STATION.fullmatch(parts[2]) or parts[4] not in set(Up):
        return None
    return parts[2], Up(parts[4])


def _checked(station: str) -> str:
    if not _STATION.fullmatch(station):
        raise ValueError(f"{station!r} is not a station id: lower-case letters, digits and '-', at most 32")
    return station
