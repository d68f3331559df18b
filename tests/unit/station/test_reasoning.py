"""The questions behind a decision: each reason has its place, and what is shown as answered was answered."""

from __future__ import annotations

import pytest

from station_agent.wire.kinds import Credential, Outcome, Reason
from station_agent.wire.reasoning import ORDER, Answer, Question, Step, steps

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


def test_a_reason_of_another_version_claims_nothing() -> None:
    assert {step.answer for step in steps(Credential.PIN, Outcome.DENIED, Reason.NO_FACE)} == {Answer.NOT_ASKED}


def test_a_door_out_of_service_asks_nothing_else() -> None:
    told = steps(Credential.CODE, Outcome.DENIED, Reason.DOOR_OUT_OF_SERVICE)
    assert told == (Step(Question.SERVICE, Answer.NO),)
