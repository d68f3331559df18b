"""What a station tells: one model per kind of spool row, and the table from kind to model."""

from __future__ import annotations

from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import Field

from station_agent.wire.kinds import AlarmKind, CommandStatus, Credential, DoorState, Outcome, Reason, Remark
from station_agent.wire.model import MemberId, Name, UtcTime, Wire
from station_agent.wire.rules import SecretHash

Text = Annotated[str, Field(max_length=500)]


class AccessDecided(Wire):
    """Somebody asked to enter. `reader` is the device or, for a remote order, the actor. `person` is the pseudonym
    of a staff person or a guest (wire/rules.py)."""

    attempt: UUID
    credential: Credential
    outcome: Outcome
    reason: Reason
    member: MemberId | None = None
    person: MemberId | None = None
    remarks: tuple[Remark, ...] = Field(default=(), max_length=8)
    reader: Text
    detail: Text = ""
    card: SecretHash | None = Field(default=None, description="of a card that is not known, to be registered by it")


class DoorChanged(Wire):
    door: Name
    state: DoorState
    previous: DoorState
    contact_open: bool | None


class VisitCounted(Wire):
    """A granted entry that a door opening confirmed (服务人次). Names the attempt that it confirms."""

    attempt: UUID
    credential: Credential
    member: MemberId | None = None


class DoorExited(Wire):
    """Somebody left, as far as the door can know: `handle` means that it opened from inside or was found unlocked."""

    door: Name
    how: Literal["button", "signal", "handle", "emergency"]


class DoorRetried(Wire):
    """A released door did not give way, and the lock was secured and released once more within the same grant."""

    door: Name
    pulse: int = Field(ge=1)
    detail: Text


class DoorSelftest(Wire):
    """The daily look: could a member be let in now? `reasons` say why not; `warnings` what is wrong besides.

    The lock is not moved for it: `released_at` is when it was last seen to release, `secured_at` when its bolt was
    last seen to come out again; null where that was never seen, or nothing could tell.
    """

    door: Name
    openable: bool
    reasons: tuple[Text, ...] = Field(default=(), max_length=32)
    warnings: tuple[Text, ...] = Field(default=(), max_length=8)
    released_at: UtcTime | None = None
    secured_at: UtcTime | None = None


class DoorServiceSet(Wire):
    """The door was taken out of service, or put back into it."""

    door: Name
    in_service: bool
    actor: Text
    reason: Text = ""


class AlarmRaised(Wire):
    alarm: AlarmKind
    subject: Name
    detail: Text


class AlarmCleared(Wire):
    alarm: AlarmKind
    subject: Name


class DeviceHealth(Wire):
    device: Name
    online: bool
    detail: Text = ""


class CommandProgress(Wire):
    command: UUID
    status: CommandStatus
    detail: Text = ""
    result: dict[str, Any] = Field(default_factory=dict)


class AgentStarted(Wire):
    version: Text
    door_found: DoorState


class RosterApplied(Wire):
    version: int
    members: int


class RulesApplied(Wire):
    version: int


class FaceEnrolled(Wire):
    """A template was made on the station. The template itself never leaves it."""

    member: MemberId
    templates: int
    consent_until: UtcTime


class FaceErased(Wire):
    """The receipt: the station holds no template of this member any more, made before now. `erasure` is the entry of
    the document that asked for it (documents.Erasure); None when a consent ended or an order was given here and now.
    """

    member: MemberId
    templates: int
    erasure: UUID | None = None


class InputRejected(Wire):
    """Bad input from outside: `count` inputs of this source and reason since the last such row."""

    source: Text
    reason: Text
    count: int = Field(ge=1)


class PointReading(Wire):
    device: Name
    point: Name
    value: float | bool | str | None
    unit: str = Field(max_length=16)
    quality: str = Field(pattern=r"^(good|stale|invalid|missing)$")
    at: UtcTime


class Readings(Wire):
    """Telemetry row: what the station's devices measured since the last one."""

    readings: tuple[PointReading, ...] = Field(min_length=1, max_length=200)


EventBody = (
    AccessDecided
    | DoorChanged
    | DoorExited
    | DoorRetried
    | DoorSelftest
    | DoorServiceSet
    | VisitCounted
    | AlarmRaised
    | AlarmCleared
    | DeviceHealth
    | CommandProgress
    | AgentStarted
    | RosterApplied
    | RulesApplied
    | FaceEnrolled
    | FaceErased
    | InputRejected
    | Readings
)

KINDS: dict[str, type[EventBody]] = {
    "access.decided": AccessDecided,
    "door.changed": DoorChanged,
    "door.exited": DoorExited,
    "door.retried": DoorRetried,
    "door.selftest": DoorSelftest,
    "door.service": DoorServiceSet,
    "visit.counted": VisitCounted,
    "alarm.raised": AlarmRaised,
    "alarm.cleared": AlarmCleared,
    "device.health": DeviceHealth,
    "command.progress": CommandProgress,
    "agent.started": AgentStarted,
    "roster.applied": RosterApplied,
    "rules.applied": RulesApplied,
    "face.enrolled": FaceEnrolled,
    "face.erased": FaceErased,
    "input.rejected": InputRejected,
    "readings": Readings,
}
_KIND_OF = {model: kind for kind, model in KINDS.items()}


def kind_of(body: EventBody) -> str:
    return _KIND_OF[type(body)]


def parse(kind: str, body: dict[str, Any]) -> EventBody:
    """Raises KeyError for a kind that this version does not know, pydantic.ValidationError for a wrong body."""
    return KINDS[kind].model_validate(body)
