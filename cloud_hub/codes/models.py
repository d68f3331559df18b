"""What a member's phone and the hub say to each other."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from pydantic import StringConstraints

from cloud_hub.members.models import Occupation
from cloud_hub.model import Api
from station_agent.wire.documents import Algorithm
from station_agent.wire.kinds import Credential
from station_agent.wire.model import MemberId

Public = Annotated[str, StringConstraints(pattern=r"^([0-9a-f]{2}){33}$")]
"""33 bytes in hex, as in a certificate: a compressed P-256 point, or 00 and 32 bytes Ed25519."""


class PhoneTicket(Api):
    """Opens the worker page once, within a minute, as one member. `url` is a path of this hub."""

    url: str
    expires_at: datetime


class TicketUse(Api):
    ticket: Annotated[str, StringConstraints(min_length=1, max_length=100)]


class PhoneMember(Api):
    """The member whose phone this is. `server_time` lets the phone correct its clock."""

    member: str
    name: str
    occupation: Occupation
    active: bool
    valid_until: datetime | None
    server_time: datetime


class NewPhoneKey(Api):
    algorithm: Algorithm
    public: Public


class PhoneKeyCertificate(Api):
    """`certificate` is 100 bytes in hex, to be appended to the 81 of a code (membership_code.py)."""

    kid: int
    certificate: str
    not_after: datetime


class PhoneKeyRow(Api):
    """A phone of a member. After `revoked_at` it opens nothing; the row goes when its certificate has ended."""

    public: Public
    kid: int
    algorithm: Algorithm
    created_at: datetime
    not_after: datetime
    revoked_at: datetime | None


class Visit(Api):
    station: str
    station_name: str
    at: datetime
    credential: Credential


class Visits(Api):
    """The latest visits of a member, newest first."""

    items: list[Visit]


class DemoMember(Api):
    member: str
    name: str
    occupation: Occupation


class DemoTicketRequest(Api):
    member: MemberId
