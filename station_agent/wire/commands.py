"""Orders from the hub: what each carries. They travel signed (signed.py), by QoS 0, never retained.

The station checks signature, station, id and expiry *when it executes*, answers every id with a final
CommandProgress event, and remembers ids until after their expiry so that none acts twice.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field, StringConstraints

from station_agent.wire.kinds import CommandKind
from station_agent.wire.model import MemberId, Name, StationId, UtcTime, Wire

LIFETIME_MAX = timedelta(seconds=60)  # an order for a door is for somebody who stands there now
Reason = Annotated[str, StringConstraints(strip_whitespace=True, min_length=2, max_length=200)]


class DoorOpen(Wire):
    kind: Literal[CommandKind.DOOR_OPEN] = CommandKind.DOOR_OPEN


class DoorService(Wire):
    """Out of service nobody is let in; whoever is inside can leave."""

    kind: Literal[CommandKind.DOOR_SERVICE] = CommandKind.DOOR_SERVICE
    in_service: bool


class SignText(Wire):
    kind: Literal[CommandKind.SIGN_TEXT] = CommandKind.SIGN_TEXT
    text: Annotated[str, StringConstraints(strip_whitespace=True, max_length=120)]  # "" shows the idle text
    seconds: int = Field(default=0, ge=0, le=86_400, description="0: until the next text")


class CameraPicture(Wire):
    """Make a JPEG and PUT it to `upload_path` of the hub with the bearer `ticket`."""

    kind: Literal[CommandKind.CAMERA_PICTURE] = CommandKind.CAMERA_PICTURE
    camera: Name
    upload_path: str = Field(pattern=r"^/[\w/.-]+$", max_length=200)
    ticket: str = Field(max_length=400)


class VideoPush(Wire):
    """Open one media WebSocket to `push_path` of the hub and push until it closes."""

    kind: Literal[CommandKind.VIDEO_PUSH] = CommandKind.VIDEO_PUSH
    camera: Name
    push_path: str = Field(pattern=r"^/[\w/.-]+$", max_length=200)
    ticket: str = Field(max_length=400)


class Consent(Wire):
    """A member's separate consent to one use of their face. `stations`: which may hold the templates; none named means
    the one that enrols, and no other.
    """

    given_at: UtcTime
    purpose: Annotated[str, StringConstraints(min_length=2, max_length=200)]
    expires_at: UtcTime
    stations: Annotated[tuple[StationId, ...], Field(max_length=64)] = ()


class FaceEnrol(Wire):
    """Enrol the person who stands before the station's camera now."""

    kind: Literal[CommandKind.FACE_ENROL] = CommandKind.FACE_ENROL
    member: MemberId
    consent: Consent


class FaceErase(Wire):
    kind: Literal[CommandKind.FACE_ERASE] = CommandKind.FACE_ERASE
    member: MemberId


Order = Annotated[
    DoorOpen | DoorService | SignText | CameraPicture | VideoPush | FaceEnrol | FaceErase,
    Field(discriminator="kind"),
]


class Command(Wire):
    v: Literal[1] = 1
    id: UUID
    station: StationId
    order: Order
    actor: str = Field(min_length=1, max_length=80)
    confirmer: str | None = Field(default=None, min_length=1, max_length=80, description="the second person, if asked")
    reason: Reason
    issued_at: UtcTime
    expires_at: UtcTime
