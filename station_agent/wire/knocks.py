"""Knocks on their way: hub -> station on `down/knock`, the answer back on `up/answer`. Both by QoS 0, never retained.

    phone --HTTPS--> hub --Knocked, signed by the hub--> station: decides --KnockAnswer--> hub --> phone

The hub's signature keeps a stolen broker from playing with a station's patience; what opens is the phone's signature
inside. Neither is ever sent again: a knock that is not answered within its life is over, and the phone says so.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field, StringConstraints

from station_agent.wire.door_code import KNOCK_BYTES_MAX
from station_agent.wire.kinds import Outcome
from station_agent.wire.model import StationId, UtcTime, Wire

LIFETIME = timedelta(seconds=5)
"""Somebody stands at the door and looks at the phone."""

KnockHex = Annotated[str, StringConstraints(pattern=r"^([0-9a-f]{2})+$", max_length=2 * KNOCK_BYTES_MAX)]
SENTENCE_MAX = 120


class Knocked(Wire):
    """Somebody knocks. `id` becomes the id of the attempt."""

    v: Literal[1] = 1
    id: UUID
    station: StationId
    knock: KnockHex = Field(description="wire/door_code.py")
    issued_at: UtcTime
    expires_at: UtcTime


class KnockAnswer(Wire):
    """What became of it, once the lock has answered. The sentences are the station's own, for whoever stands there:
    so a page need not know every reason of every version.
    """

    v: Literal[1] = 1
    knock: UUID
    outcome: Outcome
    reason: str = Field(pattern=r"^[a-z][a-z_]{0,47}$")
    zh: str = Field(max_length=SENTENCE_MAX)
    en: str = Field(max_length=SENTENCE_MAX)
