"""What a member's phone says that has scanned the code at a door, and what it hears (station_agent/wire/knocks.py)."""

from __future__ import annotations

from typing import Annotated

from pydantic import StringConstraints

from cloud_hub.model import Api
from station_agent.wire.door_code import DOOR_CODE_CHARACTERS_MAX
from station_agent.wire.kinds import Outcome
from station_agent.wire.knocks import KnockHex

DoorCodeText = Annotated[str, StringConstraints(min_length=1, max_length=DOOR_CODE_CHARACTERS_MAX)]


class NewKnock(Api):
    """`door_code` is what stands behind `#d=` in the link that the door shows; `knock` the phone's answer, in hex."""

    door_code: DoorCodeText
    knock: KnockHex


class KnockOutcome(Api):
    """The station's decision, and its sentence for whoever stands there."""

    station: str
    station_name: str
    outcome: Outcome
    reason: str
    zh: str
    en: str


class PhoneDoor(Api):
    """A door as somebody before it may know it."""

    station: str
    station_name: str
    online: bool
    shows_door_code: bool
