"""What each rule does at the door: tables of cases, and what no rule may ever do."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from station_agent.access.attempts import (
    Attempt,
    ButtonAttempt,
    CardAttempt,
    CodeAttempt,
    Deny,
    FaceAttempt,
    Grant,
    GuestAttempt,
    Now,
    PinAttempt,
    RemoteAttempt,
)
from station_agent.access.decide import decide, typed
from station_agent.access.memory import GUESTS_MAX, HALF_S, BadTries, GuestUses, Halves, UsedCodes
from station_agent.access.policy import Policy
from station_agent.access.presence import Entry
from station_agent.access.roster import HeldRoster
from station_agent.access.rules import HeldRules
from station_agent.wire import membership_code as codes
from station_agent.wire.documents import PhoneKey, RosterMember
from station_agent.wire.kinds import Credential, Reason, Remark
from station_agent.wire.rules import BackOff, Hashing, LockOut, Role, Rules, card_hash, typed_hash
from station_agent.wire.schedule import Day

NOW = datetime(2026, 12, 1, 4, 0, tzinfo=UTC)  # Tuesday noon in Changchun
ZONE = ZoneInfo("Asia/Shanghai")
MEMBER, OTHER, STAFF, GUEST = "0a" * 8, "0b" * 8, "0c" * 8, "0d" * 8
PHONE = Ed25519PrivateKey.from_private_bytes(b"p" * 32)
SECOND_PHONE = Ed25519PrivateKey.from_private_bytes(b"q" * 32)
ALWAYS: dict[str, Any] = {"days": list(Day), "start": "00:00", "end": "24:00"}
NEVER: dict[str, Any] = {"periods": []}
PIN, CARD, STAFF_CARD, TICKET = "11" * 32, "22" * 32, "33" * 32, "44" * 32
LONG = (NOW - timedelta(days=1), NOW + timedelta(days=1))


def phone_key(key: codes.PrivateKey) -> PhoneKey:
    public = codes.public_bytes(key)
    return PhoneKey(
        kid=codes.public_kid(public),
        algorithm=codes.algorithm_of(key),
        public=public.hex(),
        not_after=NOW + timedelta(days=10),
    )


def roster(**member: Any) -> HeldRoster:
    row = RosterMember(**{"id": MEMBER, "keys": (phone_key(PHONE), phone_key(SECOND_PHONE)), **member})
    return HeldRoster(3, NOW, {}, {row.id: row})


def rules(**parts: Any) -> HeldRules:
    given = {
        "station": "demo-01",
        "version": 1,
        "issued_at": NOW,
        "hashing": {"salt": "5a" * 16, "n": 4096},
        "roles": {"cleaner": {}, "guest": {}},
        "pins": [{"hash": PIN, "staff": STAFF, "role": "cleaner"}],
        "cards": [{"hash": CARD, "member": MEMBER}, {"hash": STAFF_CARD, "staff": STAFF, "role": "cleaner"}],
        "guests": [{"hash": TICKET, "id": GUEST, "not_before": LONG[0], "not_after": LONG[1], "occupation": "courier"}],
    }
    return HeldRules.of(Rules.model_validate({**given, **parts}))


def policy(held: HeldRules | None = None, **parts: Any) -> Policy:
    return Policy(timedelta(days=30), UsedCodes(), BadTries(3, 60), held or rules(**parts), ZONE)


def code(key: codes.PrivateKey = PHONE, nonce: bytes = b"12", at: datetime = NOW) -> CodeAttempt:
    return CodeAttempt(uuid4(), "scanner", codes.make_code(key, MEMBER, at, nonce))


def face(member: str | None = MEMBER, reason: Reason = Reason.MEMBER) -> FaceAttempt:
    return FaceAttempt(uuid4(), "entrance", member, reason, "")


def card(hash: str | None = CARD) -> CardAttempt:
    return CardAttempt(uuid4(), "reader", hash)


def pin(hash: str | None = PIN) -> PinAttempt:
    return PinAttempt(uuid4(), "reader", hash)


def guest(hash: str | None = TICKET) -> GuestAttempt:
    return GuestAttempt(uuid4(), "reader", hash)


BUTTON = ButtonAttempt(UUID(int=9), "board")
ORDER = RemoteAttempt(UUID(int=8), "operator", "let the doctor in")


def ask(
    attempt: Attempt,
    rule: Policy | None = None,
    held: HeldRoster | None = None,
    *,
    utc: datetime = NOW,
    mono_s: float = 0.0,
    trusted: bool = True,
) -> Grant | Deny:
    return decide(attempt, held or roster(), rule or policy(), Now(utc, mono_s, trusted))


def reasons(rule: Policy, held: HeldRoster | None = None, **now: Any) -> dict[str, Reason]:
    attempts = {"code": code(), "face": face(), "card": card(), "pin": pin(), "guest": guest(), "remote": ORDER}
    return {name: ask(attempt, rule, held, **now).reason for name, attempt in attempts.items()}


ALL_IN = {
    "code": Reason.MEMBER,
    "face": Reason.MEMBER,
    "card": Reason.MEMBER,
    "pin": Reason.STAFF,
    "guest": Reason.GUEST,
    "remote": Reason.REMOTE_ORDER,
}


def all_but_remote(reason: Reason, **others: Reason) -> dict[str, Reason]:
    return {**dict.fromkeys(ALL_IN, reason), "remote": Reason.REMOTE_ORDER, **others}


# --- who is known ---


def test_everybody_whom_roster_and_rules_name_enters() -> None:
    assert reasons(policy()) == ALL_IN
    verdict = ask(guest())
    assert isinstance(verdict, Grant)
    assert (verdict.person, verdict.guest, verdict.detail) == (GUEST, GUEST, "use 1 of 1, courier")


def test_without_rules_members_enter_and_what_rules_would_name_is_unknown() -> None:
    held = roster(role="volunteer")
    assert reasons(policy(HeldRules()), held) == {
        **ALL_IN,
        "card": Reason.CARD_UNKNOWN,
        "pin": Reason.PIN_UNKNOWN,
        "guest": Reason.GUEST_CODE_UNKNOWN,
    }


@pytest.mark.parametrize(
    ("attempt", "reason"),
    [
        (card("99" * 32), Reason.CARD_UNKNOWN),
        (card(None), Reason.CARD_UNKNOWN),
        (pin("99" * 32), Reason.PIN_UNKNOWN),
        (pin(TICKET), Reason.PIN_UNKNOWN),
        (guest(PIN), Reason.GUEST_CODE_UNKNOWN),
        (guest(None), Reason.GUEST_CODE_UNKNOWN),
        (BUTTON, Reason.BUTTON_NOT_NOW),
    ],
)
def test_what_nobody_has_opens_nothing(attempt: Attempt, reason: Reason) -> None:
    verdict = ask(attempt)
    assert isinstance(verdict, Deny)
    assert verdict.reason is reason
    assert verdict.tried == (() if attempt is BUTTON else ("reader:reader",))


def test_digits_from_a_keypad_are_a_guest_code_where_a_guest_has_it() -> None:
    held = rules()
    assert typed(UUID(int=1), "reader", TICKET, held) == GuestAttempt(UUID(int=1), "reader", TICKET)
    for hash in (PIN, "99" * 32, None):
        assert typed(UUID(int=1), "reader", hash, held) == PinAttempt(UUID(int=1), "reader", hash)


@pytest.mark.parametrize(
    ("member", "reason"),
    [
        ({"active": False}, Reason.MEMBER_SUSPENDED),
        ({"valid_until": NOW}, Reason.MEMBERSHIP_EXPIRED),
        ({"id": OTHER}, Reason.MEMBER_UNKNOWN),
        ({"role": "volunteer"}, Reason.ROLE_UNKNOWN),
    ],
)
def test_a_card_is_worth_what_its_member_is(member: dict[str, Any], reason: Reason) -> None:
    assert ask(card(), held=roster(**member)).reason is reason
    assert isinstance(ask(card(STAFF_CARD), held=roster(**member)), Grant)


def test_validity_is_asked_of_a_clock_that_is_believed() -> None:
    late = {"not_after": NOW}
    early = {"not_before": NOW + timedelta(seconds=1)}
    for period, reason in ((late, Reason.NO_LONGER_VALID), (early, Reason.NOT_YET_VALID)):
        rule = policy(
            pins=[{"hash": PIN, "staff": STAFF, "role": "cleaner", **period}],
            cards=[{"hash": CARD, "member": MEMBER, **period}],
            guests=[{"hash": TICKET, "id": GUEST, "not_before": LONG[0], "not_after": LONG[1], **period}],
        )
        assert ask(pin(), rule).reason is ask(card(), rule).reason is ask(guest(), rule).reason is reason
        assert isinstance(ask(pin(), rule, trusted=False), Grant)
        assert isinstance(ask(card(), rule, trusted=False), Grant)
        assert ask(guest(), rule, trusted=False).reason is Reason.CLOCK_UNTRUSTED


def test_a_guest_code_is_good_for_its_uses_and_given_back_when_nobody_came_in() -> None:
    rule = policy(guests=[{"hash": TICKET, "id": GUEST, "not_before": LONG[0], "not_after": LONG[1], "uses": 2}])
    for _ in range(2):
        assert isinstance(ask(guest(), rule), Grant)
        rule.guests.add(GUEST, LONG[1], NOW)
    assert ask(guest(), rule).reason is Reason.GUEST_CODE_USED
    rule.guests.give_back(GUEST)
    assert isinstance(ask(guest(), rule), Grant)


def test_uses_of_guest_codes_are_bounded_and_forgotten_only_when_the_code_is_over() -> None:
    uses = GuestUses()
    for number in range(3000):
        uses.add(f"{number:016x}", NOW + timedelta(seconds=number), NOW + timedelta(seconds=number - 1000))
    assert uses.of(f"{2999:016x}") == 1
    assert len(uses._uses) <= 2048
    uses._uses = {f"{number:016x}": (1, NOW + timedelta(days=9)) for number in range(GUESTS_MAX)}
    assert uses.full
    rule = replace(policy(), guests=uses)
    assert ask(guest(), rule).reason is Reason.GUEST_CODE_USED, "what cannot be remembered is not granted"


# --- here and now ---


def test_a_role_has_its_hours_and_the_station_its_own() -> None:
    rule = policy(
        schedules={"day": {"periods": [{**ALWAYS, "start": "06:00", "end": "22:00"}]}, "never": NEVER},
        opening="day",
        roles={"cleaner": {"opening_hours": False}, "guest": {"schedule": "never"}},
    )
    assert reasons(rule) == {**ALL_IN, "guest": Reason.OUTSIDE_SCHEDULE}
    night = NOW + timedelta(hours=11)  # 23:00 in Changchun, 15:00 UTC
    held = replace(roster(), issued_at=night)
    assert ask(code(at=night), rule, held, utc=night).reason is Reason.STATION_CLOSED
    assert ask(pin(), rule, held, utc=night).reason is Reason.STAFF


def test_a_clock_that_is_not_believed_closes_no_station_and_says_so() -> None:
    rule = policy(schedules={"never": NEVER}, opening="never")
    assert ask(card(), rule).reason is Reason.STATION_CLOSED
    for attempt in (face(), card(), pin()):
        verdict = ask(attempt, rule, trusted=False)
        assert isinstance(verdict, Grant)
        assert verdict.remarks == (Remark.TIMES_UNCHECKED,)


def test_what_was_not_asked_for_want_of_a_clock_is_told_of_every_answer() -> None:
    """The roster's age and a card's validity are questions of time as well; a code is refused for the clock itself."""
    for attempt in (face(), card(), pin()):
        assert ask(attempt, policy(), trusted=False).remarks == (Remark.TIMES_UNCHECKED,)
        assert ask(attempt, policy()).remarks == ()
    full = filled(policy(capacity={"people_max": 3}), 3)
    denied = ask(card(), full, trusted=False)
    assert (denied.reason, denied.remarks) == (Reason.STATION_FULL, (Remark.TIMES_UNCHECKED,))
    assert ask(code(), policy(), trusted=False).remarks == ()


def test_who_needs_longer_has_it_by_every_credential_and_the_longest_counts() -> None:
    rule = policy(
        hold_s={MEMBER: 20, GUEST: 15, STAFF: 10},
        roles={"member": {"hold_s": 8}, "cleaner": {"hold_s": 12}, "guest": {}},
    )
    holds = {}
    for attempt in (code(), face(), card(), pin(), guest(), ORDER):
        verdict = ask(attempt, rule)
        assert isinstance(verdict, Grant)
        holds[attempt.credential] = verdict.hold_s
    by_member = dict.fromkeys((Credential.CODE, Credential.FACE, Credential.CARD), 20.0)
    assert holds == {**by_member, Credential.PIN: 12.0, Credential.GUEST: 15.0, Credential.REMOTE: None}
    plain = ask(code(), policy())
    assert isinstance(plain, Grant)
    assert plain.hold_s is None


@pytest.mark.parametrize("hold_s", [0.5, 31, -1])
def test_no_door_is_held_longer_than_every_locks_own_timer(hold_s: float) -> None:
    with pytest.raises(ValidationError):
        rules(hold_s={MEMBER: hold_s})
    with pytest.raises(ValidationError):
        rules(roles={"cleaner": {"hold_s": hold_s}, "guest": {}})


def test_rules_that_hold_no_door_longer_are_as_a_station_of_before_knows_them() -> None:
    """It takes no document with a field that it has not; a hub of before leaves the field out."""
    plain = Rules(station="demo-01", version=1, issued_at=NOW, roles={"cleaner": Role()})
    assert "hold_s" not in plain.model_dump_json()
    assert Rules.model_validate_json(plain.model_dump_json()) == plain
    longer = plain.model_copy(update={"hold_s": {MEMBER: 20.0}, "roles": {"cleaner": Role(hold_s=9)}})
    assert Rules.model_validate_json(longer.model_dump_json()) == longer


def test_a_role_enters_by_its_own_means() -> None:
    rule = policy(roles={"member": {"credentials": ["card"]}, "cleaner": {"credentials": []}, "guest": {}})
    assert reasons(rule) == {
        **all_but_remote(Reason.CREDENTIAL_NOT_ALLOWED),
        "card": Reason.MEMBER,
        "guest": Reason.GUEST,
    }


def filled(rule: Policy, people: int) -> Policy:
    for number in range(people):
        rule.presence.granted(Entry(UUID(int=number), None, "", 0.0))
        rule.presence.entered(UUID(int=number))
    return rule


@pytest.mark.parametrize(
    ("capacity", "people", "mono_s", "reason", "remarks"),
    [
        ({"people_max": 3}, 2, 60, Reason.MEMBER, ()),
        ({"people_max": 3}, 3, 60, Reason.STATION_FULL, ()),
        ({"people_max": 3, "at_limit": "tell"}, 3, 60, Reason.MEMBER, (Remark.OVER_CAPACITY,)),
        ({"people_max": 3, "stay_min": 30}, 3, 30 * 60, Reason.MEMBER, ()),  # they have surely left by now
    ],
)
def test_capacity(
    capacity: dict[str, Any], people: int, mono_s: float, reason: Reason, remarks: tuple[Remark, ...]
) -> None:
    verdict = ask(card(), filled(policy(capacity=capacity), people), mono_s=mono_s)
    assert verdict.reason is reason
    assert (verdict.remarks if isinstance(verdict, Grant) else ()) == remarks


def test_somebody_who_left_makes_room_and_a_role_may_stand_above_the_limit() -> None:
    rule = filled(policy(capacity={"people_max": 3}, roles={"cleaner": {"capacity": False}, "guest": {}}), 3)
    assert ask(pin(), rule).reason is Reason.STAFF
    assert ask(card(), rule).reason is Reason.STATION_FULL
    rule.presence.left(1.0)
    assert ask(card(), rule).reason is Reason.MEMBER


def test_a_grant_that_nobody_used_is_nobody_inside() -> None:
    rule = policy(capacity={"people_max": 1})
    rule.presence.granted(Entry(UUID(int=1), OTHER, "", 0.0))
    assert isinstance(ask(card(), rule), Grant)
    rule.presence.lapsed(UUID(int=1))
    assert rule.presence.last(OTHER) is None


# --- soft anti-passback ---


def entered(rule: Policy, key: codes.PrivateKey = PHONE, at: float = 0.0) -> Policy:
    name = codes.public_sha256(codes.public_bytes(key))
    rule.presence.granted(Entry(UUID(int=1), MEMBER, name, at))
    rule.presence.entered(UUID(int=1))
    return rule


@pytest.mark.parametrize(
    ("mode", "key", "after_s", "reason", "remarks"),
    [
        ("off", SECOND_PHONE, 5, Reason.MEMBER, ()),
        ("tell", PHONE, 5, Reason.MEMBER, ()),
        ("tell", SECOND_PHONE, 5, Reason.MEMBER, (Remark.OTHER_CREDENTIAL,)),
        ("tell", SECOND_PHONE, 599, Reason.MEMBER, (Remark.OTHER_CREDENTIAL,)),
        ("tell", SECOND_PHONE, 600, Reason.MEMBER, ()),
        ("delay", PHONE, 29, Reason.PASSBACK_WAIT, ()),
        ("delay", PHONE, 30, Reason.MEMBER, ()),
        ("delay", SECOND_PHONE, 29, Reason.PASSBACK_WAIT, ()),
        ("delay", SECOND_PHONE, 30, Reason.MEMBER, (Remark.OTHER_CREDENTIAL,)),
    ],
)
def test_soft_anti_passback(
    mode: str, key: codes.PrivateKey, after_s: float, reason: Reason, remarks: tuple[Remark, ...]
) -> None:
    rule = entered(policy(passback={"mode": mode, "delay_s": 30, "within_min": 10}))
    verdict = ask(code(key), rule, mono_s=after_s)
    assert verdict.reason is reason
    assert (verdict.remarks if isinstance(verdict, Grant) else ()) == remarks


def test_who_was_seen_to_leave_comes_back_at_once() -> None:
    rule = entered(policy(passback={"mode": "delay", "delay_s": 120}))
    rule.presence.left(3.0)
    verdict = ask(code(SECOND_PHONE), rule, mono_s=4)
    assert isinstance(verdict, Grant)
    assert verdict.remarks == ()


def test_a_door_that_did_not_open_makes_nobody_wait() -> None:
    rule = policy(passback={"mode": "delay", "delay_s": 120})
    rule.presence.granted(Entry(UUID(int=1), MEMBER, "", 0.0))
    assert isinstance(ask(code(), rule, mono_s=3), Grant)


@given(
    delay_s=st.integers(5, 120),
    entries=st.lists(st.floats(0, 10_000), max_size=20),
    wait_s=st.floats(120, 1e6),
)
def test_a_missed_exit_never_keeps_a_member_outside(delay_s: int, entries: list[float], wait_s: float) -> None:
    """However often they entered and were never seen to leave: two minutes later the door opens."""
    rule = policy(passback={"mode": "delay", "delay_s": delay_s})
    for number, at in enumerate(sorted(entries)):
        rule.presence.granted(Entry(UUID(int=number), MEMBER, "k", at))
        rule.presence.entered(UUID(int=number))
    assert isinstance(ask(card(), rule, mono_s=max(entries, default=0) + wait_s), Grant)


# --- lockdown, extreme cold ---

LOCKDOWN = {"ordered_by": "li", "until": NOW + timedelta(hours=1)}
COLD = {"ordered_by": "wang", "until": NOW + timedelta(hours=8), "reason": "-31 C"}


def test_in_a_lockdown_the_exempt_enter_and_who_is_let_in_by_order() -> None:
    rule = policy(lockdown={**LOCKDOWN, "exempt": ["cleaner"]})
    assert reasons(rule) == all_but_remote(Reason.LOCKDOWN, pin=Reason.STAFF)
    after = NOW + timedelta(hours=1)
    assert ask(card(), rule, replace(roster(), issued_at=after), utc=after).reason is Reason.MEMBER
    assert ask(card(), rule, utc=after, trusted=False).reason is Reason.LOCKDOWN, "its end cannot be told"
    assert ask(card(), policy(lockdown={"ordered_by": "li"}), utc=NOW + timedelta(days=20)).reason is Reason.LOCKDOWN


def test_in_extreme_cold_whatever_is_tried_opens_and_is_told_as_such() -> None:
    rule = policy(cold=COLD)
    for attempt in (BUTTON, card(None), pin(None), face(None, Reason.NO_FACE), CodeAttempt(uuid4(), "scanner", "?")):
        verdict = ask(attempt, rule)
        assert isinstance(verdict, Grant)
        assert (verdict.reason, verdict.member, verdict.person) == (Reason.COLD_OPEN, None, None)
        assert "ordered by wang" in verdict.detail
    assert reasons(rule) == ALL_IN, "who proves who they are enters as themselves"
    assert ask(BUTTON, rule, utc=NOW + timedelta(hours=8)).reason is Reason.BUTTON_NOT_NOW
    assert isinstance(ask(BUTTON, rule, utc=NOW + timedelta(days=8), trusted=False), Grant), "better a warm stranger"


def test_lockdown_is_above_extreme_cold() -> None:
    rule = policy(cold=COLD, lockdown=LOCKDOWN)
    assert ask(BUTTON, rule).reason is Reason.BUTTON_NOT_NOW
    assert ask(card(), rule).reason is Reason.LOCKDOWN


@pytest.mark.parametrize(
    ("rule", "lockdown", "confirmer", "granted"),
    [
        ("never", None, None, True),
        ("always", None, None, False),
        ("always", None, "operator", False),  # the actor again
        ("always", None, "li", True),
        ("lockdown", None, None, True),
        ("lockdown", LOCKDOWN, None, False),
        ("lockdown", LOCKDOWN, "li", True),
    ],
)
def test_a_remote_order_and_its_second_person(
    rule: str, lockdown: dict[str, Any] | None, confirmer: str | None, granted: bool
) -> None:
    verdict = ask(replace(ORDER, confirmer=confirmer), policy(remote={"second_person": rule}, lockdown=lockdown))
    assert isinstance(verdict, Grant) is granted
    assert verdict.reason is (Reason.REMOTE_ORDER if granted else Reason.SECOND_PERSON_NEEDED)


# --- code and face together ---

BOTH = {"member": {"code_and_face": True}, "cleaner": {}, "guest": {}}


def half(rule: Policy, attempt: Attempt, mono_s: float = 0.0) -> Deny:
    verdict = ask(attempt, rule, mono_s=mono_s)
    assert isinstance(verdict, Deny)
    assert verdict.half is not None
    rule.halves.add(verdict.half, mono_s)
    return verdict


def test_two_halves_of_one_member_open_and_one_half_twice_does_not() -> None:
    rule = policy(roles=BOTH)
    assert half(rule, code()).reason is Reason.FACE_NEEDED
    assert ask(code(nonce=b"34"), rule).reason is Reason.FACE_NEEDED
    verdict = ask(face(), rule, mono_s=HALF_S)
    assert isinstance(verdict, Grant)
    assert verdict.key == codes.public_sha256(codes.public_bytes(PHONE))
    assert ask(face(), rule, mono_s=HALF_S + 1).reason is Reason.CODE_NEEDED
    rule = policy(roles=BOTH)
    assert half(rule, face()).reason is Reason.CODE_NEEDED
    assert isinstance(ask(code(), rule), Grant)
    assert isinstance(ask(card(), policy(roles=BOTH)), Grant), "a card is a third way"


def test_the_face_of_somebody_else_is_no_other_half_and_counts_against_the_phone() -> None:
    rule = policy(roles=BOTH)
    half(rule, code())
    stranger = replace(face(None, Reason.FACE_UNKNOWN), claimed=MEMBER)
    verdict = ask(stranger, rule)
    assert isinstance(verdict, Deny)
    phone = f"key:{codes.public_sha256(codes.public_bytes(PHONE))}"
    assert verdict.tried == ("reader:entrance", phone)
    for _ in range(3):
        rule.tries.failed(phone, 0.0)
    assert ask(code(nonce=b"56"), rule).reason is Reason.CREDENTIAL_LOCKED_OUT
    assert ask(code(SECOND_PHONE), rule).reason is Reason.FACE_NEEDED, "the member's other phone"


def test_halves_are_bounded() -> None:
    rule = policy(roles=BOTH)
    verdict = half(rule, code())
    assert verdict.half is not None
    for number in range(1000):
        rule.halves.add(replace(verdict.half, member=f"{number:016x}"), 0.0)
    assert isinstance(rule.halves, Halves)
    assert len(rule.halves._halves) <= 64


# --- lock-out ---


def test_a_reader_waits_longer_each_time_and_forgets_after_a_quiet_time() -> None:
    tries, rule = BadTries(3, 60), BackOff(tries=3, first_s=10, factor=2, max_s=35)
    now, waits = 0.0, []
    for _ in range(4):
        for _ in range(3):
            assert tries.locked_for("reader:a", now) == 0
            tries.failed("reader:a", now, rule)
        waits.append(tries.locked_for("reader:a", now))
        now += waits[-1]
    assert waits == [10, 20, 35, 35]
    tries.failed("reader:a", now + 36, rule)
    for _ in range(2):
        tries.failed("reader:a", now + 37, rule)
    assert tries.locked_for("reader:a", now + 37) == 10
    assert tries.locked_for("reader:b", now) == 0


@pytest.mark.parametrize(("rule", "guesses"), [(LockOut().reader, 150), (BackOff(tries=10, max_s=900), 1030)])
def test_who_types_numbers_all_day_gets_few_of_them_looked_at(rule: BackOff, guesses: int) -> None:
    """A try each second for 24 hours. docs/access-rules.md reckons with the first figure."""
    tries, looked_at = BadTries(10, 60), 0
    for second in range(86_400):
        if tries.locked_for("reader:a", second) == 0:
            looked_at += 1
            tries.failed("reader:a", second, rule)
    assert looked_at == pytest.approx(guesses, rel=0.05)


def test_while_a_reader_waits_a_guess_is_not_looked_at_and_a_signature_is() -> None:
    rule = policy()
    for _ in range(3):
        rule.tries.failed("reader:reader", 0.0)
        rule.tries.failed("reader:scanner", 0.0)
    for attempt in (card(), card(None), pin(), guest()):
        verdict = ask(attempt, rule)
        assert verdict.reason is Reason.READER_LOCKED_OUT
        assert isinstance(verdict, Deny)
        assert verdict.tried == (), "nobody makes the wait longer"
    assert isinstance(ask(code(), rule), Grant)
    assert isinstance(ask(face(), rule), Grant), "another reader"
    assert isinstance(ask(ORDER, rule), Grant)
    assert isinstance(ask(card(), rule, mono_s=60), Grant)


# --- the document ---


@pytest.mark.parametrize(
    ("parts", "says"),
    [
        ({"opening": "day"}, "the schedule 'day' is named and not given"),
        ({"roles": {"guest": {}, "cleaner": {"schedule": "x"}}}, "the schedule 'x'"),
        ({"roles": {"guest": {}}}, "the role 'cleaner' is named and not given"),
        ({"lockdown": {"ordered_by": "li", "exempt": ["police"]}}, "the role 'police'"),
        ({"hashing": None}, "hashes need `hashing`"),
        ({"pins": [{"hash": TICKET, "staff": STAFF, "role": "cleaner"}]}, "two PINs or guest codes have one hash"),
        ({"cards": [{"hash": CARD, "member": MEMBER, "staff": STAFF, "role": "cleaner"}]}, "either to a member"),
        ({"cards": [{"hash": CARD, "staff": STAFF}]}, "names a role"),
        ({"lock_out": {"reader": {"first_s": 100, "max_s": 10}}}, "max_s 10 is below first_s 100"),
        ({"cold": {"ordered_by": "li"}}, "until"),
        ({"weather": "cold"}, "weather"),
    ],
)
def test_rules_that_do_not_hold_together_are_refused(parts: dict[str, Any], says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        rules(**parts)


def test_hashes_depend_on_the_salt_and_tell_cards_from_numbers() -> None:
    one, other = Hashing(salt="00" * 16, n=4096), Hashing(salt="01" * 16, n=4096)
    assert typed_hash("123456", one) != typed_hash("123456", other)
    assert card_hash(26, b"\1\2\3\4", one) != card_hash(32, b"\1\2\3\4", one)
    for wrong in ("", "123", "1" * 13, "12a4", "１２３４"):
        with pytest.raises(ValueError, match="4 to 12 digits"):
            typed_hash(wrong, one)


def test_what_opens_is_in_no_repr() -> None:
    assert CARD not in repr(card())
    assert PIN not in repr(pin())
    assert TICKET not in repr(guest())


# --- what no rules can do ---

_roles = st.fixed_dictionaries(
    {
        "schedule": st.sampled_from([None, "always", "never"]),
        "credentials": st.lists(st.sampled_from(["code", "face", "card", "pin", "guest"]), unique=True),
        "code_and_face": st.booleans(),
        "opening_hours": st.booleans(),
        "capacity": st.booleans(),
    }
)
_orders = st.sampled_from([None, {"ordered_by": "li", "until": NOW + timedelta(days=1)}])
_documents = st.fixed_dictionaries(
    {
        "schedules": st.just({"always": {"periods": [ALWAYS]}, "never": NEVER}),
        "opening": st.sampled_from([None, "always", "never"]),
        "roles": st.fixed_dictionaries({"member": _roles, "cleaner": _roles, "guest": _roles}),
        "capacity": st.sampled_from([None, {"people_max": 1}, {"people_max": 1, "at_limit": "tell"}]),
        "passback": st.fixed_dictionaries({"mode": st.sampled_from(["off", "tell", "delay"])}),
        "lock_out": st.sampled_from([None, {}]),
        "cold": _orders,
        "lockdown": _orders,
        "remote": st.fixed_dictionaries({"second_person": st.sampled_from(["never", "lockdown", "always"])}),
    }
)
_nobodies = st.sampled_from(
    [
        (code(), roster(active=False)),
        (code(), roster(valid_until=NOW)),
        (code(), roster(id=OTHER)),
        (code(Ed25519PrivateKey.from_private_bytes(b"x" * 32)), roster()),
        (face(), roster(active=False)),
        (face(OTHER), roster()),
        (face(None, Reason.FACE_UNKNOWN), roster()),
        (card(), roster(active=False)),
        (card(), roster(id=OTHER)),
        (card("99" * 32), roster()),
        (card(None), roster()),
        (pin("99" * 32), roster()),
        (pin(CARD), roster()),
        (guest(PIN), roster()),
        (guest(None), roster()),
        (BUTTON, roster()),
        (CodeAttempt(uuid4(), "scanner", "G1:"), roster()),
    ]
)


@given(document=_documents, nobody=_nobodies, people=st.integers(0, 2), trusted=st.booleans())
def test_no_rules_let_in_who_is_suspended_or_unknown(
    document: dict[str, Any], nobody: tuple[Attempt, HeldRoster], people: int, trusted: bool
) -> None:
    """In extreme cold the door opens for whoever stands there, and for nobody in particular."""
    attempt, held = nobody
    if held.members.get(MEMBER) == roster(valid_until=NOW).members[MEMBER] and not trusted:
        return  # nobody knows that it has ended
    verdict = ask(attempt, filled(policy(**document), people), held, trusted=trusted)
    if isinstance(verdict, Grant):
        assert verdict.reason is Reason.COLD_OPEN
        assert document["cold"] is not None
        assert document["lockdown"] is None
        assert (verdict.member, verdict.person, verdict.guest, verdict.code) == (None, None, None, None)


@given(document=_documents, attempt=st.sampled_from([code(), face(), card(), pin(), guest(), BUTTON, ORDER]))
def test_deciding_by_rules_changes_nothing(document: dict[str, Any], attempt: Attempt) -> None:
    rule = policy(**document)
    assert ask(attempt, rule) == ask(attempt, rule)


def test_a_verdict_is_about_the_credential_that_was_shown() -> None:
    attempts = (code(), face(), card(), pin(), guest(), BUTTON, ORDER)
    assert {attempt.credential for attempt in attempts} == set(Credential) - {Credential.DOOR_CODE}
