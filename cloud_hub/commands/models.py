"""Commands as the interface shows and takes them."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from pydantic import Field

from cloud_hub.model import Api
from station_agent.wire.commands import DoorOpen, DoorService, FaceEnrol, FaceErase, Reason, SignText
from station_agent.wire.kinds import CommandKind, CommandStatus

PeopleOrder = Annotated[DoorOpen | DoorService | SignText | FaceEnrol | FaceErase, Field(discriminator="kind")]
"""What people may order. Pictures and live views have routes of their own, which make their tickets."""


class NewCommand(Api):
    order: PeopleOrder
    reason: Reason


class Command(Api):
    """A command and where it stands. `order` has no ticket in it."""

    id: UUID
    station: str
    kind: CommandKind
    order: dict[str, Any]
    actor: str
    reason: str
    status: CommandStatus
    detail: str
    result: dict[str, Any]
    issued_at: datetime
    expires_at: datetime
    accepted_at: datetime | None
    settled_at: datetime | None
    confirm_until: datetime | None  # null: no second person was needed
    confirmer: str | None
