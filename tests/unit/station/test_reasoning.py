"""The questions behind a decision: each reason has its place, and what is shown as answered was answered."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import combinations
from typing import Any
from uuid import UUID

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from station_agent.access.attempts import CodeAttempt, Now
from station_agent.access.decide import decide
from station_agent.access.memory import BadTries, UsedCodes
from station_agent.access.policy import Policy
from station_agent.access.roster import HeldRoster
from station_agent.wire import membership_code as codes
from station_agent.wire.documents import Algorithm, PhoneKey, RosterMember
from station_agent.wire.kinds import Credential, Outcome, Reason, Remark
from station_agent.wire.reasoning import ORDER, Answer, Question, Step, steps

NOW = datetime(2026, 12, 1, 8, 0, tzinfo=UTC)
MEMBER = "00112233445566aa"
GRANTS = {Reason.MEMBER, Reason.REMOTE_ORDER, Reason.STAFF, Reason.GUEST, Reason.COLD_OPEN}


@pytest.mark.parametrize("reason", sorted(set(Reason) - GRANTS - {Reason.DOOR_OUT_OF_SERVICE}))
def test_every_denial_answers_a_question_of_some_credential(reason: Reason) -> None:
    assert any(reason in reasons for rows in ORDER.values() for _, reasons in rows)


@pytest.mark.parametrize("credential", sorted(Credential))
def test_a_credential_asks_each_question_once_and_each_reason_answers_one(credential: Credential) -> None:
    questions = [question for question, _ in ORDER[credential]]
    reasons = [reason for _, found in ORDER[credential] for reason in found]
    assert len(questions) == len(set(questions))
    assert len(reasons) == len(set(reasons))
    assert questions[-1] is Question.LOCK
    assert not set(reasons) & GRANTS


@pytest.mark.parametrize("credential", sorted(Credential))
def test_what_comes_before_the_no_was_a_yes_and_what_comes_behind_was_not_asked(credential: Credential) -> None:
    for index, (question, reasons) in enumerate(ORDER[credential]):
        for reason in reasons:
            answers = [step.answer for step in steps(credential, Outcome.DENIED, reason)]
            assert steps(credential, Outcome.DENIED, reason)[index] == Step(question, Answer.NO)
            assert answers[:index] == [Answer.YES] * index
            assert set(answers[index + 1 :]) <= {Answer.NOT_ASKED}


def test_a_grant_answers_everything_with_yes() -> None:
    assert {step.answer for step in steps(Credential.CODE, Outcome.GRANTED, Reason.MEMBER)} == {Answer.YES}


@pytest.mark.parametrize("credential", sorted(Credential))
def test_extreme_cold_opens_whatever_else_is_wrong_and_claims_nothing_of_it(credential: Credential) -> None:
    told = steps(credential, Outcome.GRANTED, Reason.COLD_OPEN)
    assert told == (Step(Question.COLD, Answer.YES), Step(Question.LOCK, Answer.YES))


def test_a_reason_of_another_version_claims_nothing() -> None:
    assert {step.answer for step in steps(Credential.PIN, Outcome.DENIED, Reason.NO_FACE)} == {Answer.NOT_ASKED}


def test_a_door_out_of_service_asks_nothing_else() -> None:
    told = steps(Credential.CODE, Outcome.DENIED, Reason.DOOR_OUT_OF_SERVICE)
    assert told == (Step(Question.SERVICE, Answer.NO),)


OF_TIME = {Question.ROSTER, Question.IN_TIME, Question.MEMBERSHIP, Question.SCHEDULE, Question.HOURS}


@pytest.mark.parametrize("credential", [Credential.FACE, Credential.CARD, Credential.PIN, Credential.CODE])
def test_a_clock_that_is_not_believed_answers_no_question_of_time(credential: Credential) -> None:
    told = steps(credential, Outcome.GRANTED, Reason.MEMBER, (Remark.TIMES_UNCHECKED,))
    for step in told:
        assert step.answer is (Answer.NOT_ASKED if step.question in OF_TIME else Answer.YES), step
    assert {step.question for step in told} & OF_TIME


def test_nor_does_it_where_the_door_stayed_shut() -> None:
    told = steps(Credential.CARD, Outcome.DENIED, Reason.STATION_FULL, (Remark.TIMES_UNCHECKED,))
    answers = {step.question: step.answer for step in told}
    assert {answers[question] for question in OF_TIME} == {Answer.NOT_ASKED}
    assert (answers[Question.ROLE], answers[Question.ROOM]) == (Answer.YES, Answer.NO)
    told = steps(Credential.CARD, Outcome.DENIED, Reason.ROSTER_TOO_OLD, (Remark.TIMES_UNCHECKED,))
    assert Step(Question.ROSTER, Answer.NO) in told, "there is none: that needs no clock"


# What is wrong with an attempt by code, by the reason that it alone gives.
WRONGS: dict[Reason, dict[str, Any]] = {
    Reason.NOT_A_CODE: {"text": "HELLO"},
    Reason.CLOCK_UNTRUSTED: {"trusted": False},
    Reason.ROSTER_TOO_OLD: {"issued_at": NOW - timedelta(days=31)},
    Reason.MEMBER_UNKNOWN: {"known": False},
    Reason.CODE_EXPIRED: {"at": NOW - timedelta(minutes=2)},
    Reason.KEY_UNKNOWN: {"key": Ed25519PrivateKey.from_private_bytes(b"s" * 32)},
    Reason.KEY_REVOKED: {"revoked": True},
    Reason.CODE_REPLAYED: {"used": True},
    Reason.MEMBER_SUSPENDED: {"active": False},
    Reason.MEMBERSHIP_EXPIRED: {"valid_until": NOW - timedelta(days=1)},
}


def shown_with(**wrong: Any) -> Reason:
    """The station's reason for a code with these things wrong."""
    phone = Ed25519PrivateKey.from_private_bytes(b"p" * 32)
    public = codes.public_bytes(phone)
    held = PhoneKey(
        kid=codes.public_kid(public),
        algorithm=Algorithm.ED25519,
        public=public.hex(),
        not_after=NOW + timedelta(days=9),
    )
    member = RosterMember(
        id=MEMBER, active=wrong.get("active", True), valid_until=wrong.get("valid_until"), keys=(held,)
    )
    text = codes.make_code(wrong.get("key", phone), MEMBER, wrong.get("at", NOW), b"\1\2")
    policy = Policy(timedelta(days=30), UsedCodes(), BadTries(tries_max=99, lock_out_s=60))
    if wrong.get("used"):
        policy.used.add(codes.parse(text).head, NOW, NOW)
    roster = HeldRoster(
        3,
        wrong.get("issued_at", NOW),
        {},
        {MEMBER: member} if wrong.get("known", True) else {},
        revoked=frozenset({codes.public_sha256(public)} if wrong.get("revoked") else ()),
    )
    attempt = CodeAttempt(UUID(int=1), "scanner", wrong.get("text", text))
    return decide(attempt, roster, policy, Now(NOW, 0.0, wrong.get("trusted", True))).reason


def test_nothing_wrong_is_a_grant() -> None:
    assert shown_with() is Reason.MEMBER


@pytest.mark.parametrize("pair", list(combinations(WRONGS, 2)), ids=lambda pair: f"{pair[0]} and {pair[1]}")
def test_of_two_things_wrong_the_one_that_is_asked_first_is_told(pair: tuple[Reason, Reason]) -> None:
    """So what stands before the reason was asked and was all right."""
    place = {reason: index for index, (_, reasons) in enumerate(ORDER[Credential.CODE]) for reason in reasons}
    first = min(pair, key=place.__getitem__)
    assert [shown_with(**WRONGS[reason]) for reason in pair] == list(pair)
    assert shown_with(**WRONGS[pair[0]], **WRONGS[pair[1]]) is first
