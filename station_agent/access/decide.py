"""PURE: may this attempt open the door? One function for codes, faces and remote orders.

Every answer carries its reason, for the person at the door, for the manager and for the log. The order of the
questions matters: what is wrong with the station comes first (no roster, no time), then what is wrong with the
credential, and only a credential that is proven learns anything about its member.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import assert_never
from uuid import UUID

from station_agent.access.memory import BadTries, UsedCodes
from station_agent.access.roster import HeldRoster
from station_agent.wire import membership_code
from station_agent.wire.documents import RosterMember
from station_agent.wire.kinds import Credential, Reason
from station_agent.wire.membership_code import CodeRefused


@dataclass(frozen=True, slots=True)
class CodeAttempt:
    """A text that a reader read."""

    id: UUID
    reader: str
    text: str

    credential = Credential.CODE


@dataclass(frozen=True, slots=True)
class FaceAttempt:
    """What the face engine found: a member, or why nobody."""

    id: UUID
    reader: str  # the camera
    member: str | None
    reason: Reason
    detail: str

    credential = Credential.FACE


@dataclass(frozen=True, slots=True)
class RemoteAttempt:
    """An order of the hub that the inbox has verified."""

    id: UUID
    reader: str  # the actor
    detail: str

    credential = Credential.REMOTE


Attempt = CodeAttempt | FaceAttempt | RemoteAttempt


@dataclass(frozen=True, slots=True)
class UsedCode:
    """The code that a grant consumed."""

    head: bytes
    made_at: datetime


@dataclass(frozen=True, slots=True)
class Grant:
    reason: Reason
    member: str | None
    detail: str = ""
    code: UsedCode | None = None
    tried: str = ""  # the credential whose failures are forgotten


@dataclass(frozen=True, slots=True)
class Deny:
    """`tried` names a credential that failed and may be locked out; "" when nothing was tried against one."""

    reason: Reason
    detail: str
    member: str | None = None
    tried: str = ""


@dataclass(frozen=True, slots=True)
class Policy:
    """The station's rules, and what it remembers."""

    roster_age_max: timedelta
    used: UsedCodes
    tries: BadTries


@dataclass(frozen=True, slots=True)
class Now:
    """The moment of an attempt."""

    utc: datetime
    mono_s: float
    trusted: bool


# A wrong signature is an attack or a broken phone, and a code shown again is somebody trying: these are counted.
_COUNTED = frozenset({Reason.SIGNATURE_WRONG, Reason.CERTIFICATE_WRONG, Reason.KEY_UNKNOWN, Reason.CODE_REPLAYED})


def decide(attempt: Attempt, roster: HeldRoster | None, policy: Policy, now: Now) -> Grant | Deny:
    """Changes nothing: the desk remembers what follows from the answer."""
    match attempt:
        case CodeAttempt():
            return _decide_code(attempt, roster, policy, now)
        case FaceAttempt():
            return _decide_face(attempt, roster, policy, now)
        case RemoteAttempt():
            return Grant(Reason.REMOTE_ORDER, None, attempt.detail)
        case _:
            assert_never(attempt)


def _decide_code(attempt: CodeAttempt, roster: HeldRoster | None, policy: Policy, now: Now) -> Grant | Deny:
    try:
        code = membership_code.parse(attempt.text)
    except CodeRefused as refused:
        return Deny(refused.reason, refused.detail)
    if not now.trusted:
        return Deny(Reason.CLOCK_UNTRUSTED, f"the station's clock says {now.utc:%Y-%m-%d %H:%M} UTC, which has passed")
    if roster is None:
        return Deny(Reason.ROSTER_TOO_OLD, "this station has had no roster yet")
    too_old = _too_old(roster, policy, now)
    if too_old:
        return too_old
    member = roster.members.get(code.member)
    if member is None:
        return Deny(Reason.MEMBER_UNKNOWN, f"not in roster version {roster.version}", code.member)
    credential = f"code:{code.member}:{code.kid:02x}"
    wait_s = policy.tries.locked_for(credential, now.mono_s)
    if wait_s > 0:
        return Deny(Reason.CREDENTIAL_LOCKED_OUT, f"too many bad tries; waits {wait_s:.0f} s more", member.id)
    try:
        membership_code.verify(code, member.keys, roster.issuers, now.utc)
    except CodeRefused as refused:
        tried = credential if refused.reason in _COUNTED else ""
        return Deny(refused.reason, refused.detail, member.id, tried)
    if code.head in policy.used or policy.used.full:
        return Deny(Reason.CODE_REPLAYED, "this code has already opened the door", member.id, credential)
    return _may_enter(member, now) or Grant(
        Reason.MEMBER, member.id, code=UsedCode(code.head, code.made_at), tried=credential
    )


def _decide_face(attempt: FaceAttempt, roster: HeldRoster | None, policy: Policy, now: Now) -> Grant | Deny:
    if attempt.member is None:
        return Deny(attempt.reason, attempt.detail)
    if roster is None:
        return Deny(Reason.ROSTER_TOO_OLD, "this station has had no roster yet")
    # A face needs no clock to be proven, only to be out of date.
    too_old = _too_old(roster, policy, now) if now.trusted else None
    if too_old:
        return too_old
    member = roster.members.get(attempt.member)
    if member is None:
        return Deny(Reason.MEMBER_UNKNOWN, f"not in roster version {roster.version}", attempt.member)
    return _may_enter(member, now) or Grant(Reason.MEMBER, member.id, attempt.detail)


def _too_old(roster: HeldRoster, policy: Policy, now: Now) -> Deny | None:
    age = now.utc - roster.issued_at
    if age <= policy.roster_age_max:
        return None
    return Deny(Reason.ROSTER_TOO_OLD, f"the roster is {age.days} days old, at most {policy.roster_age_max.days} here")


def _may_enter(member: RosterMember, now: Now) -> Deny | None:
    if not member.active:
        return Deny(Reason.MEMBER_SUSPENDED, "suspended in the roster", member.id)
    if member.valid_until is not None and now.trusted and now.utc >= member.valid_until:
        return Deny(Reason.MEMBERSHIP_EXPIRED, f"membership ended {member.valid_until:%Y-%m-%d}", member.id)
    return None
