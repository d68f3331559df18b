"""Why did the door (not) open? The questions that a station asks of an attempt, in their order.

    code:  form -> clock -> roster -> known -> tries -> fresh -> proven -> not withdrawn -> unused -> ... -> the lock
                                                          no: the reason.   before it: yes.   behind it: not asked.

A decision carries one reason; this table says which question it answers with no, so that whoever asks sees what was
all right, what was not, and what nobody looked at. Where a reason can come at several places its question stands at
the first of them: what is shown as answered was answered.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum

from station_agent.wire.kinds import Credential, Outcome, Reason, Remark


class Question(StrEnum):
    """What was asked; its yes is good for whoever stands at the door."""

    FORM = "form"  # is it a code that this station can read?
    PLATFORM = "platform"  # does the union's platform vouch for it, where it is a code of the platform's?
    CLOCK = "clock"  # can the station's clock be believed?
    ROSTER = "roster"  # is the roster there, and fresh enough?
    KNOWN = "known"  # is it somebody the station knows?
    TRIES = "tries"  # few enough bad tries before this one?
    FRESH = "fresh"  # was the code made just now?
    SHOWN = "shown"  # is it the door code that this station shows now?
    PROVEN = "proven"  # did a phone of that member make it?
    NOT_WITHDRAWN = "not_withdrawn"  # is that phone still the member's?
    UNUSED = "unused"  # was the code not shown before?
    FACES_ON = "faces_on"  # are faces used here?
    ENROLLED = "enrolled"  # is there an enrolled face to compare with?
    CAMERA = "camera"  # do camera and engine answer?
    SEEN = "seen"  # is one face to be seen, good enough to judge?
    LIVE = "live"  # is it a living person?
    RECOGNISED = "recognised"  # is it surely one enrolled member?
    IN_TIME = "in_time"  # does the card, number or guest's code count today?
    ACTIVE = "active"  # is the membership not suspended?
    MEMBERSHIP = "membership"  # has it not ended?
    ROLE = "role"  # do the rules know the role?
    WAY = "way"  # may this role enter by this means?
    NO_LOCKDOWN = "no_lockdown"
    SCHEDULE = "schedule"  # is it within the role's hours?
    HOURS = "hours"  # is the station open?
    ROOM = "room"  # is there room inside?
    PASSBACK = "passback"  # long enough since the last entry?
    BOTH = "both"  # code and face, where both are needed
    COLD = "cold"  # does the button open now?
    SECOND_PERSON = "second_person"  # was the order confirmed by a second person, where one is needed?
    SERVICE = "service"  # is the door in service?
    LOCK = "lock"  # did the lock do it?


class Answer(StrEnum):
    YES = "yes"
    NO = "no"
    NOT_ASKED = "not_asked"


@dataclass(frozen=True, slots=True)
class Step:
    question: Question
    answer: Answer


_Rows = tuple[tuple[Question, frozenset[Reason]], ...]


def _row(question: Question, *reasons: Reason) -> tuple[Question, frozenset[Reason]]:
    return question, frozenset(reasons)


_MEMBER: _Rows = (
    _row(Question.ACTIVE, Reason.MEMBER_SUSPENDED),
    _row(Question.MEMBERSHIP, Reason.MEMBERSHIP_EXPIRED),
)
_RIGHTS: _Rows = (
    _row(Question.ROLE, Reason.ROLE_UNKNOWN),
    _row(Question.WAY, Reason.CREDENTIAL_NOT_ALLOWED),
    _row(Question.NO_LOCKDOWN, Reason.LOCKDOWN),
    _row(Question.SCHEDULE, Reason.OUTSIDE_SCHEDULE),
    _row(Question.HOURS, Reason.STATION_CLOSED),
    _row(Question.ROOM, Reason.STATION_FULL),
    _row(Question.PASSBACK, Reason.PASSBACK_WAIT),
)
_BOTH: _Rows = (_row(Question.BOTH, Reason.FACE_NEEDED, Reason.CODE_NEEDED),)
_LOCK: _Rows = (_row(Question.LOCK, Reason.LOCK_SILENT),)
_ROSTER = _row(Question.ROSTER, Reason.ROSTER_TOO_OLD)
_KNOWN = _row(Question.KNOWN, Reason.MEMBER_UNKNOWN)
_TRIES = _row(Question.TRIES, Reason.READER_LOCKED_OUT)
_IN_TIME = _row(Question.IN_TIME, Reason.NOT_YET_VALID, Reason.NO_LONGER_VALID)

ORDER: dict[Credential, _Rows] = {
    Credential.CODE: (
        _row(Question.FORM, Reason.NOT_A_CODE, Reason.CODE_VERSION, Reason.CODE_ALGORITHM),
        _row(Question.PLATFORM, Reason.PLATFORM_REFUSED, Reason.PLATFORM_SILENT),
        _row(Question.CLOCK, Reason.CLOCK_UNTRUSTED),
        _ROSTER,
        _KNOWN,
        _row(Question.TRIES, Reason.READER_LOCKED_OUT, Reason.CREDENTIAL_LOCKED_OUT),
        _row(Question.FRESH, Reason.CODE_FROM_FUTURE, Reason.CODE_EXPIRED),
        _row(
            Question.PROVEN,
            *(Reason.KEY_UNKNOWN, Reason.SIGNATURE_WRONG),
            *(Reason.CERTIFICATE_WRONG, Reason.CERTIFICATE_EXPIRED),
        ),
        _row(Question.NOT_WITHDRAWN, Reason.KEY_REVOKED),
        _row(Question.UNUSED, Reason.CODE_REPLAYED),
        *_MEMBER,
        *_RIGHTS,
        *_BOTH,
        *_LOCK,
    ),
    Credential.DOOR_CODE: (
        _row(Question.FORM, Reason.NOT_A_CODE, Reason.CODE_VERSION, Reason.CODE_ALGORITHM),
        _row(Question.CLOCK, Reason.CLOCK_UNTRUSTED),
        _ROSTER,
        _KNOWN,
        _row(Question.TRIES, Reason.READER_LOCKED_OUT, Reason.CREDENTIAL_LOCKED_OUT),
        _row(Question.SHOWN, Reason.DOOR_CODE_UNKNOWN, Reason.DOOR_CODE_EXPIRED),
        _row(
            Question.PROVEN,
            *(Reason.KEY_UNKNOWN, Reason.SIGNATURE_WRONG),
            *(Reason.CERTIFICATE_WRONG, Reason.CERTIFICATE_EXPIRED),
        ),
        _row(Question.NOT_WITHDRAWN, Reason.KEY_REVOKED),
        _row(Question.UNUSED, Reason.DOOR_CODE_USED),
        *_MEMBER,
        *_RIGHTS,
        *_BOTH,
        *_LOCK,
    ),
    Credential.FACE: (
        _TRIES,
        _row(Question.FACES_ON, Reason.FACES_OFF, Reason.FACE_AFTER_CODE),
        _row(Question.ENROLLED, Reason.FACE_NOT_ENROLLED),
        _row(Question.CAMERA, Reason.CAMERA_SILENT, Reason.FACE_ENGINE_SILENT, Reason.FACE_CHECK_SILENT),
        _row(Question.SEEN, Reason.NO_FACE, Reason.SEVERAL_FACES),
        _row(Question.LIVE, Reason.FACE_NOT_LIVE, Reason.CHALLENGE_MISSED),
        _row(Question.RECOGNISED, Reason.FACE_UNKNOWN, Reason.FACE_OTHER, Reason.FACE_AMBIGUOUS),
        _ROSTER,
        _KNOWN,
        *_MEMBER,
        *_RIGHTS,
        *_BOTH,
        *_LOCK,
    ),
    Credential.CARD: (
        _TRIES,
        _row(Question.KNOWN, Reason.CARD_UNKNOWN, Reason.MEMBER_UNKNOWN),
        _IN_TIME,
        _ROSTER,
        *_MEMBER,
        *_RIGHTS,
        *_LOCK,
    ),
    Credential.PIN: (_TRIES, _row(Question.KNOWN, Reason.PIN_UNKNOWN), _IN_TIME, *_RIGHTS, *_LOCK),
    Credential.GUEST: (
        _TRIES,
        _row(Question.KNOWN, Reason.GUEST_CODE_UNKNOWN),
        _row(Question.CLOCK, Reason.CLOCK_UNTRUSTED),
        _IN_TIME,
        _row(Question.UNUSED, Reason.GUEST_CODE_USED),
        *_RIGHTS,
        *_LOCK,
    ),
    Credential.BUTTON: (_row(Question.COLD, Reason.BUTTON_NOT_NOW), *_LOCK),
    Credential.REMOTE: (_row(Question.SECOND_PERSON, Reason.SECOND_PERSON_NEEDED), *_LOCK),
}


OF_TIME = frozenset({Question.ROSTER, Question.IN_TIME, Question.MEMBERSHIP, Question.SCHEDULE, Question.HOURS})
"""What only a clock that can be believed answers with yes."""


def steps(
    credential: Credential, outcome: Outcome, reason: Reason, remarks: Collection[Remark] = ()
) -> tuple[Step, ...]:
    """Every question of such an attempt with its answer.

    Where the clock could not be believed (a remark) the questions of time were not asked, whatever came after them.

    A door that is out of service asks nothing else. A reason that does not belong to the credential (a station of
    another version) leaves every question as not asked.
    """
    if reason is Reason.DOOR_OUT_OF_SERVICE:
        return (Step(Question.SERVICE, Answer.NO),)
    if reason is Reason.COLD_OPEN:  # it opens whatever else was found: nothing of that may be shown as all right
        return (Step(Question.COLD, Answer.YES), Step(Question.LOCK, Answer.YES))
    rows = ORDER[credential]
    unasked = OF_TIME if Remark.TIMES_UNCHECKED in remarks else frozenset()
    at = len(rows)
    if outcome is not Outcome.GRANTED:
        at = next((index for index, (_, reasons) in enumerate(rows) if reason in reasons), -1)

    def answer(index: int, question: Question) -> Answer:
        if index == at:
            return Answer.NO
        return Answer.YES if index < at and question not in unasked else Answer.NOT_ASKED

    return tuple(Step(question, answer(index, question)) for index, (question, _) in enumerate(rows))
