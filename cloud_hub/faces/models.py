"""What is known of a member's face: where it is enrolled, by which consent, and the proof of its erasure."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from cloud_hub.model import Api


class Why(StrEnum):
    """Why a face is erased."""

    ASKED = "asked"  # by the member or by a manager
    SUSPENDED = "suspended"
    REMOVED = "removed"  # no member any more


class FaceHere(Api):
    """The templates themselves never leave the station."""

    station: str
    station_name: str
    templates: int
    enrolled_at: datetime | None
    consent_until: datetime


class ConsentRecord(Api):
    """What the member agreed to; `stations` may hold the templates."""

    station: str
    stations: list[str]
    purpose: str
    given_at: datetime
    expires_at: datetime
    recorded_by: str | None


class Receipt(Api):
    """The station's own event that says so; its place in the hash chain of the station's log."""

    at: datetime
    templates: int
    spool: str
    seq: int
    chain: str | None


class Erasure(Api):
    """One station that has to forget the face; without a receipt it is still waiting."""

    id: str
    station: str
    station_name: str
    why: Why
    asked_at: datetime
    asked_by: str | None
    receipt: Receipt | None


class FaceData(Api):
    """Everything there is about one member's face, newest first. Names of staff are for managers only."""

    member: str
    faces: list[FaceHere]
    consents: list[ConsentRecord]
    erasures: list[Erasure]
