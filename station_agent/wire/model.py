"""What every message shares: strict, frozen models and the shapes of our identifiers."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, StringConstraints


class Wire(BaseModel):
    """A message or a part of one: immutable, no unknown field, no silent conversion of a wrong type."""

    model_config = ConfigDict(extra="forbid", frozen=True, ser_json_inf_nan="null", allow_inf_nan=False)


def _aware(value: datetime) -> datetime:
    if value.tzinfo is None:
        raise ValueError("a time needs its UTC offset, such as 2026-01-31T08:00:00Z")
    return value


StationId = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]{0,31}$")]
"""Also an MQTT topic level and a NATS subject token: no dot, slash, wildcard or space can occur in it."""

MemberId = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{16}$")]
"""Eight bytes in hex: the pseudonym of a member on stations."""

Name = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_-]{0,47}$")]
"""Name of a line, device, camera, datapoint."""

HexKey = Annotated[str, StringConstraints(pattern=r"^([0-9a-f]{2}){32,33}$")]
"""A public key: 32 bytes Ed25519, or 33 bytes P-256 compressed point."""

UtcTime = Annotated[datetime, AfterValidator(_aware)]
