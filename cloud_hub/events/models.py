"""Timeline items: one model per kind of event, so that clients get each body typed."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import Field, computed_field

from cloud_hub.model import Api
from station_agent.wire import events
from station_agent.wire.reasoning import Answer, Question, steps


class Item(Api):
    """An event of a station. `id` is unique; `member_name` is set where the event names a known member."""

    id: str
    station: str
    seq: int
    at: datetime
    member_name: str | None


class WhyStep(Api):
    """One question that the station asks of such an attempt, and what it found."""

    question: Question
    answer: Answer


class AccessDecidedItem(Item):
    kind: Literal["access.decided"]
    body: events.AccessDecided

    @computed_field(description="Why the door did (not) open: every question in its order.")  # type: ignore[prop-decorator]
    @property
    def why(self) -> list[WhyStep]:
        body = self.body
        return [
            WhyStep(question=step.question, answer=step.answer)
            for step in steps(body.credential, body.outcome, body.reason, body.remarks)
        ]


class DoorChangedItem(Item):
    kind: Literal["door.changed"]
    body: events.DoorChanged


class DoorExitedItem(Item):
    kind: Literal["door.exited"]
    body: events.DoorExited


class DoorRetriedItem(Item):
    kind: Literal["door.retried"]
    body: events.DoorRetried


class DoorSelftestItem(Item):
    kind: Literal["door.selftest"]
    body: events.DoorSelftest


class DoorServiceItem(Item):
    kind: Literal["door.service"]
    body: events.DoorServiceSet


class VisitCountedItem(Item):
    kind: Literal["visit.counted"]
    body: events.VisitCounted


class AlarmRaisedItem(Item):
    kind: Literal["alarm.raised"]
    body: events.AlarmRaised


class AlarmClearedItem(Item):
    kind: Literal["alarm.cleared"]
    body: events.AlarmCleared


class DeviceHealthItem(Item):
    kind: Literal["device.health"]
    body: events.DeviceHealth


class CommandProgressItem(Item):
    kind: Literal["command.progress"]
    body: events.CommandProgress


class AgentStartedItem(Item):
    kind: Literal["agent.started"]
    body: events.AgentStarted


class RosterAppliedItem(Item):
    kind: Literal["roster.applied"]
    body: events.RosterApplied


class RulesAppliedItem(Item):
    kind: Literal["rules.applied"]
    body: events.RulesApplied


class FaceEnrolledItem(Item):
    kind: Literal["face.enrolled"]
    body: events.FaceEnrolled


class FaceErasedItem(Item):
    kind: Literal["face.erased"]
    body: events.FaceErased


class InputRejectedItem(Item):
    kind: Literal["input.rejected"]
    body: events.InputRejected


class OtherItem(Item):
    """An event of a kind that this hub does not know yet, or whose body it cannot read: kept as it came."""

    kind: Literal["other"]
    reported_kind: str
    body: dict[str, Any]


TimelineItem = Annotated[
    AccessDecidedItem
    | DoorChangedItem
    | DoorExitedItem
    | DoorRetriedItem
    | DoorSelftestItem
    | DoorServiceItem
    | VisitCountedItem
    | AlarmRaisedItem
    | AlarmClearedItem
    | DeviceHealthItem
    | CommandProgressItem
    | AgentStartedItem
    | RosterAppliedItem
    | RulesAppliedItem
    | FaceEnrolledItem
    | FaceErasedItem
    | InputRejectedItem
    | OtherItem,
    Field(discriminator="kind"),
]


class Timeline(Api):
    """Newest first. `next` is the `before` of the following page; null at the end."""

    items: list[TimelineItem]
    next: str | None
