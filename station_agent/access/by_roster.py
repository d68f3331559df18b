"""PURE: members, by what the roster knows of them: a code of their phone, their phone's answer to the door code, a code
of somebody else's making, a face.
"""

from __future__ import annotations

from dataclasses import replace

from station_agent.access import rights
from station_agent.access.attempts import (
    Answered,
    CodeAttempt,
    Deny,
    FaceAttempt,
    Grant,
    Half,
    KnockAttempt,
    Now,
    UsedCode,
    VerifiedAttempt,
)
from station_agent.access.memory import KEY, READER
from station_agent.access.policy import Policy
from station_agent.access.rights import Known, Refusal
from station_agent.access.roster import HeldRoster
from station_agent.wire import door_code, membership_code
from station_agent.wire.documents import RosterMember
from station_agent.wire.kinds import Credential, Reason
from station_agent.wire.membership_code import CodeRefused

# A wrong signature is an attack or a broken phone, and a code shown again is somebody trying: these are counted.
_COUNTED = frozenset(
    {
        *(Reason.SIGNATURE_WRONG, Reason.CERTIFICATE_WRONG, Reason.KEY_UNKNOWN, Reason.CODE_REPLAYED),
        *(Reason.DOOR_CODE_UNKNOWN, Reason.DOOR_CODE_USED),
    }
)

BY_PHONE = frozenset({Credential.CODE, Credential.DOOR_CODE})
"""What the key of a member's phone proves: each is the code where a role needs code and face."""

# A stranger before the camera may try as often as somebody at a keypad.
_COUNTED_FACES = frozenset(
    {
        *(Reason.FACE_UNKNOWN, Reason.FACE_OTHER, Reason.FACE_AMBIGUOUS),
        *(Reason.FACE_NOT_LIVE, Reason.CHALLENGE_MISSED),
    }
)


def by_code(attempt: CodeAttempt, roster: HeldRoster | None, policy: Policy, now: Now) -> Grant | Deny:
    try:
        code = membership_code.parse(attempt.text)
    except CodeRefused as refused:
        return Deny(refused.reason, refused.detail)
    if not now.trusted:
        return Deny(Reason.CLOCK_UNTRUSTED, f"the station's clock says {now.utc:%Y-%m-%d %H:%M} UTC, which has passed")
    if roster is None:
        return no_roster()
    over = too_old(roster, policy, now)
    if over:
        return over
    member = roster.members.get(code.member)
    if member is None:
        return Deny(Reason.MEMBER_UNKNOWN, f"not in roster version {roster.version}", code.member)
    try:
        public = membership_code.verify(code, member.keys, roster.issuers, now.utc)
    except CodeRefused as refused:
        return _bad_code(attempt, refused.reason, refused.detail, member, policy, now)
    key = membership_code.public_sha256(public)
    if key in roster.revoked:
        return Deny(Reason.KEY_REVOKED, f"phone key {code.kid:02x} was withdrawn", member.id)
    if code.head in policy.used or policy.used.full:
        return _bad_code(attempt, Reason.CODE_REPLAYED, "this code has already opened the door", member, policy, now)
    wait_s = policy.tries.locked_for(KEY + key, now.mono_s)
    if wait_s > 0:
        detail = f"too many wrong faces after this phone's code; waits {wait_s:.0f} s more"
        return Deny(Reason.CREDENTIAL_LOCKED_OUT, detail, member.id)
    known = Known(member.id, member.role, Credential.CODE, key)
    return as_member(member, known, policy, now, code=UsedCode(code.head, code.made_at), cleared=(KEY + key,))


def by_knock(attempt: KnockAttempt, roster: HeldRoster | None, policy: Policy, now: Now) -> Grant | Deny:
    """Which door code is asked before whose phone: so nobody learns anything by a knock who does not stand here. What a
    phone has proven answers its door code once, however the answer turned out; a grant uses the door code up.
    """
    try:
        knock = door_code.parse_knock(attempt.knock)
    except CodeRefused as refused:
        return Deny(refused.reason, refused.detail)
    if not now.trusted:
        return Deny(Reason.CLOCK_UNTRUSTED, f"the station's clock says {now.utc:%Y-%m-%d %H:%M} UTC, which has passed")
    if roster is None:
        return no_roster()
    over = too_old(roster, policy, now)
    if over:
        return over
    member = roster.members.get(knock.member)
    if member is None:
        return Deny(Reason.MEMBER_UNKNOWN, f"not in roster version {roster.version}", knock.member)
    age_s = policy.door_codes.age_s(knock.challenge, now.mono_s)
    if age_s is None:
        detail = "this station has not shown such a door code since it started"
        return _bad_code(attempt, Reason.DOOR_CODE_UNKNOWN, detail, member, policy, now)
    if age_s > door_code.ACCEPTED_S:
        return Deny(
            Reason.DOOR_CODE_EXPIRED, f"shown {age_s:.0f} s ago, {door_code.ACCEPTED_S:.0f} s at most", member.id
        )
    try:
        public = door_code.verify(knock, attempt.station, member.keys, roster.issuers, now.utc)
    except CodeRefused as refused:
        return _bad_code(attempt, refused.reason, refused.detail, member, policy, now)
    key = membership_code.public_sha256(public)
    if key in roster.revoked:
        return Deny(Reason.KEY_REVOKED, f"phone key {knock.kid:02x} was withdrawn", member.id)
    if policy.door_codes.used(knock.challenge, key):
        return _bad_code(attempt, Reason.DOOR_CODE_USED, "somebody has answered it already", member, policy, now)
    answered = Answered(knock.challenge, key)
    wait_s = policy.tries.locked_for(KEY + key, now.mono_s)
    if wait_s > 0:
        detail = f"too many wrong faces after this phone's code; waits {wait_s:.0f} s more"
        return Deny(Reason.CREDENTIAL_LOCKED_OUT, detail, member.id, answered=answered)
    known = Known(member.id, member.role, Credential.DOOR_CODE, key)
    return replace(as_member(member, known, policy, now, cleared=(KEY + key,)), answered=answered)


def _bad_code(
    attempt: CodeAttempt | KnockAttempt, reason: Reason, detail: str, member: RosterMember, policy: Policy, now: Now
) -> Deny:
    """Anybody can make or photograph such a code: it counts against the reader, not against the member."""
    if reason not in _COUNTED:
        return Deny(reason, detail, member.id)
    reader = READER + attempt.reader
    wait_s = policy.tries.locked_for(reader, now.mono_s)
    if wait_s > 0:
        return Deny(Reason.READER_LOCKED_OUT, f"{reason}; bad codes wait {wait_s:.0f} s more here", member.id)
    return Deny(reason, detail, member.id, tried=(reader,))


def by_verified_code(attempt: VerifiedAttempt, roster: HeldRoster | None, policy: Policy, now: Now) -> Grant | Deny:
    """Who asks is proven by another verifier; its codes can be guessed, so its reader waits after bad tries."""
    reader = READER + attempt.reader
    wait_s = policy.tries.locked_for(reader, now.mono_s)
    if wait_s > 0:
        return Deny(Reason.READER_LOCKED_OUT, f"too many bad tries; waits {wait_s:.0f} s more", attempt.member)
    member = roster.members.get(attempt.member or "") if roster is not None else None
    if attempt.reason is not Reason.MEMBER:
        tried = (reader,) if attempt.counted else ()
        return Deny(attempt.reason, attempt.detail, member.id if member else None, tried=tried)
    if roster is None:
        return no_roster()
    over = too_old(roster, policy, now) if now.trusted else None
    if over:
        return over
    if member is None:
        return Deny(Reason.MEMBER_UNKNOWN, f"not in roster version {roster.version}", attempt.member)
    used = attempt.used
    if used is not None and (used.head in policy.used or policy.used.full):
        return Deny(Reason.CODE_REPLAYED, "this code has already opened the door", member.id, tried=(reader,))
    known = Known(member.id, member.role, Credential.CODE, f"verifier:{attempt.verifier}")
    return as_member(member, known, policy, now, detail=attempt.detail, code=used, cleared=(reader,))


def by_face(attempt: FaceAttempt, roster: HeldRoster | None, policy: Policy, now: Now) -> Grant | Deny:
    reader = READER + attempt.reader
    wait_s = policy.tries.locked_for(reader, now.mono_s)
    if wait_s > 0:
        return Deny(Reason.READER_LOCKED_OUT, f"too many strangers; faces wait {wait_s:.0f} s more here")
    if attempt.member is None:
        return Deny(attempt.reason, attempt.detail, attempt.claimed, tried=_wrong_face(attempt, policy))
    if roster is None:
        return no_roster()
    # A face needs no clock to be proven, only to be out of date.
    over = too_old(roster, policy, now) if now.trusted else None
    if over:
        return over
    member = roster.members.get(attempt.member)
    if member is None:
        return Deny(Reason.MEMBER_UNKNOWN, f"not in roster version {roster.version}", attempt.member)
    known = Known(member.id, member.role, Credential.FACE)
    return as_member(member, known, policy, now, detail=attempt.detail, cleared=(reader,))


def _wrong_face(attempt: FaceAttempt, policy: Policy) -> tuple[str, ...]:
    """A stranger counts against the camera, and after a code against the phone that made it as well."""
    if attempt.reason not in _COUNTED_FACES:
        return ()
    half = policy.halves.of(attempt.claimed) if attempt.claimed else None
    return (READER + attempt.reader, *((KEY + half.key,) if half is not None and half.key else ()))


def as_member(
    member: RosterMember,
    known: Known,
    policy: Policy,
    now: Now,
    *,
    detail: str = "",
    code: UsedCode | None = None,
    cleared: tuple[str, ...] = (),
) -> Grant | Deny:
    """Proven; the rest is what the roster and the rules say of them."""
    if not member.active:
        return Deny(Reason.MEMBER_SUSPENDED, "suspended in the roster", member.id)
    if member.valid_until is not None and now.trusted and now.utc >= member.valid_until:
        return Deny(Reason.MEMBERSHIP_EXPIRED, f"membership ended {member.valid_until:%Y-%m-%d}", member.id)
    allowed = rights.ask(known, policy.rules, policy.presence, now, policy.zone)
    if isinstance(allowed, Refusal):
        return Deny(allowed.reason, allowed.detail, member.id)
    by_face = known.credential is Credential.FACE
    if allowed.role.code_and_face and (by_face or known.credential in BY_PHONE):
        half = Half(member.id, Credential.FACE if by_face else Credential.CODE, code, known.key)
        other = policy.halves.other(half, now.mono_s)
        if other is None:
            reason = Reason.CODE_NEEDED if by_face else Reason.FACE_NEEDED
            return Deny(reason, f"the role {known.role} needs code and face", member.id, half=half)
        detail = "; ".join(filter(None, (detail, f"with the {other.credential} of just now")))
        known = replace(known, key=known.key or other.key)
        cleared = (*cleared, KEY + known.key)
    return Grant(
        Reason.MEMBER,
        member.id,
        detail,
        code,
        key=known.key,
        remarks=allowed.remarks,
        cleared=cleared,
        hold_s=allowed.hold_s,
    )


def no_roster() -> Deny:
    return Deny(Reason.ROSTER_TOO_OLD, "this station has had no roster yet")


def too_old(roster: HeldRoster, policy: Policy, now: Now) -> Deny | None:
    age = now.utc - roster.issued_at
    if age <= policy.roster_age_max:
        return None
    return Deny(Reason.ROSTER_TOO_OLD, f"the roster is {age.days} days old, at most {policy.roster_age_max.days} here")
