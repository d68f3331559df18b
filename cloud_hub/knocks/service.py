"""Hands a phone's knock to its station at once, and the station's answer to the phone.

    POST knock --> limits, station online? --> down/knock (once) --> up/answer within LIFETIME --> the phone
                                                                 \\--> nothing: 504, and it is over

The hub decides nothing about the door. It keeps no knock and sends none again; the station judges its own challenge, so
one that is held back is worth nothing. What happened is the station's event, as for every attempt.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from uuid import UUID, uuid4

import nats
from nats.aio.msg import Msg
from pydantic import ValidationError

from cloud_hub.clock import Clock
from cloud_hub.counters import Counters
from cloud_hub.keys import Keys
from cloud_hub.knocks.models import KnockOutcome, NewKnock, PhoneDoor
from cloud_hub.nats_link import BrokerLost, NatsLink
from cloud_hub.problems import Problem
from cloud_hub.stations.board import Board, Entry
from cloud_hub.users.rules import PERIOD_S, TryLimit
from station_agent.wire.door_code import DoorCode, parse_door_code, parse_knock
from station_agent.wire.knocks import LIFETIME, KnockAnswer, Knocked
from station_agent.wire.membership_code import CodeRefused
from station_agent.wire.signed import sign
from station_agent.wire.topics import Down, station_of

ANSWERS = "yizhan.v1.*.up.answer"
ANSWER_BYTES_MAX = 4096
ANSWER_WITHIN_S = LIFETIME.total_seconds() + 1.0  # an answer given at the last moment is still on its way

KNOCKS_OF_A_MEMBER = 6  # a minute; somebody who scans again and again, not a program
KNOCKS_AT_A_STATION = 60  # a minute; a door lets one in at a time, and its log stays readable
WAITING_MAX = 2_000


@dataclass(frozen=True, slots=True)
class _Waiting:
    station: str
    answer: asyncio.Future[KnockAnswer]


class KnockService:
    """`run()` listens for answers; `knock` may be called while it runs."""

    def __init__(
        self,
        clock: Clock,
        keys: Keys,
        nats: NatsLink,
        board: Board,
        counters: Counters,
        answer_within_s: float = ANSWER_WITHIN_S,
    ) -> None:
        self._clock = clock
        self._keys = keys
        self._nats = nats
        self._board = board
        self._counters = counters
        self._answer_within_s = answer_within_s
        self._of_member = TryLimit(KNOCKS_OF_A_MEMBER)
        self._at_station = TryLimit(KNOCKS_AT_A_STATION)
        self._waiting: dict[UUID, _Waiting] = {}

    def door(self, station: str) -> PhoneDoor:
        """Raises Problem 404."""
        entry = self._known(station)
        return PhoneDoor(
            station=station,
            station_name=entry.profile.station.name,
            online=entry.online(self._clock.now()),
            shows_door_code=entry.profile.door_code is not None,
        )

    async def knock(self, member: str, new: NewKnock) -> KnockOutcome:
        """What the station has decided. Raises Problem 403, 404, 409, 422, 429, 503 and 504."""
        code = _checked(member, new)
        entry = self._known(code.station)
        if entry.profile.door_code is None:
            raise Problem(409, "no-door-code", f"Station {code.station} shows no door code: show your own code there.")
        self._limit(member, code.station)
        if not entry.online(self._clock.now()):
            raise Problem(503, "station-offline", f"Station {code.station} is not online: show your own code there.")
        if len(self._waiting) >= WAITING_MAX:
            raise Problem(503, "too-many-knocks", f"{WAITING_MAX} phones wait for an answer: show your own code.")
        answer = await self._asked(code.station, new.knock)
        self._counters.add("knocks", outcome=answer.outcome)
        name = entry.profile.station.name
        return KnockOutcome(
            station=code.station,
            station_name=name,
            outcome=answer.outcome,
            reason=answer.reason,
            zh=answer.zh,
            en=answer.en,
        )

    async def run(self) -> None:
        """One life of the broker's connection. Raises BrokerLost."""
        connection = await self._nats.connection()
        try:
            await connection.client.subscribe(ANSWERS, cb=self._answered)
        except nats.errors.Error as error:
            raise BrokerLost(f"the broker does not answer: {error}") from error
        await connection.lost.wait()
        raise BrokerLost("the connection to the broker ended")

    async def _asked(self, station: str, knock: str) -> KnockAnswer:
        now, id = self._clock.now(), uuid4()
        knocked = Knocked(id=id, station=station, knock=knock, issued_at=now, expires_at=now + LIFETIME)
        waiting = _Waiting(station, asyncio.get_running_loop().create_future())
        self._waiting[id] = waiting
        try:
            if not await self._nats.send(station, Down.KNOCK, sign("knock", knocked.model_dump_json(), self._keys.hub)):
                raise Problem(503, "station-offline", f"Station {station} cannot be reached: show your own code there.")
            async with asyncio.timeout(self._answer_within_s):
                return await waiting.answer
        except TimeoutError:
            self._counters.add("knocks", outcome="unanswered")
            detail = f"Station {station} did not answer in time: scan again, or show your own code."
            raise Problem(504, "no-answer", detail) from None
        finally:
            del self._waiting[id]

    async def _answered(self, message: Msg) -> None:
        """Called by the NATS client for one message after the other."""
        sender = station_of(message.subject)
        station = sender[0] if sender else "unknown"
        if len(message.data) > ANSWER_BYTES_MAX:
            self._counters.add("ingest_rejected", station=station, reason="answer_too_large")
            return
        try:
            answer = KnockAnswer.model_validate_json(message.data)
        except ValidationError:
            self._counters.add("ingest_rejected", station=station, reason="not_an_answer")
            return
        waiting = self._waiting.get(answer.knock)
        if waiting is None or waiting.station != station:
            reason = "late_answer" if waiting is None else "other_stations_answer"
            self._counters.add("ingest_rejected", station=station, reason=reason)
        elif not waiting.answer.done():
            waiting.answer.set_result(answer)

    def _known(self, station: str) -> Entry:
        entry = self._board.get(station)
        if entry is None:
            raise Problem(404, "no-such-station", f"There is no station {station}.")
        return entry

    def _limit(self, member: str, station: str) -> None:
        """Every knock counts, good or bad. Raises Problem 429."""
        now_s = self._clock.monotonic()
        wait_s = max(self._of_member.wait_s(member, now_s), self._at_station.wait_s(station, now_s))
        if wait_s > 0:
            seconds = str(int(wait_s) + 1)
            detail = f"Too many knocks within {PERIOD_S:.0f} s: wait {seconds} s, or show your own code."
            raise Problem(429, "too-many-knocks", detail, headers={"Retry-After": seconds})
        self._of_member.wrong(member, now_s)
        self._at_station.wrong(station, now_s)


def _checked(member: str, new: NewKnock) -> DoorCode:
    """The door code, once it is certain that the knock answers it in this member's name. Raises Problem 403, 422."""
    try:
        code = parse_door_code(new.door_code)
        knock = parse_knock(bytes.fromhex(new.knock))
    except CodeRefused as refused:
        raise Problem(422, "not-a-knock", f"This is not the answer to a door code: {refused.detail}.") from refused
    if knock.member != member:
        raise Problem(403, "other-member", "The phone's key is another member's: open the page again.")
    if knock.challenge != code.challenge:
        raise Problem(422, "not-a-knock", "The knock answers another door code.")
    return code
