"""What the hub brings of phones that have scanned the door code: each is judged once, now, and answered.

    payload --open_signed--> Knocked --> this station? id new? in time? --> attempt at the desk --> lock --> KnockAnswer
                        \\ anything wrong: counted and not answered; the phone is told by the hub that nobody answers

The hub's signature and expiry only keep rubbish and late comers away. Who may enter is decided by the desk: the
station's own challenge, the phone's signature, and every rule.
"""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Callable, Mapping
from datetime import datetime
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from pydantic import ValidationError

from firmware_bridge.capabilities import DeviceError
from station_agent.access.attempts import KnockAttempt
from station_agent.access.desk import Answer, Desk
from station_agent.access.sentences import SENTENCES
from station_agent.clock import Clock
from station_agent.link.inbox import AHEAD_MAX
from station_agent.signs.door_code import DoorCodeScreen
from station_agent.wire.kinds import Outcome, Reason
from station_agent.wire.knocks import LIFETIME, KnockAnswer, Knocked
from station_agent.wire.signed import Forged, open_signed

log = logging.getLogger(__name__)

PAYLOAD_MAX = 4096
IDS_KEPT = 512
"""Knocks live for 5 s and a door lets a handful in within that time."""

UNDER_WAY_MAX = 16
"""Grants that wait for the lock's answer."""


class Knocks:
    """`received` is called on the loop and returns at once. `reply` sends an answer, or loses it."""

    def __init__(
        self,
        station: str,
        keys: Mapping[str, Ed25519PublicKey],
        desk: Desk,
        screen: DoorCodeScreen,
        *,
        clock: Clock,
        reply: Callable[[bytes], object],
        reject: Callable[[str, str], None],
    ) -> None:
        self._station = station
        self._keys = keys
        self._desk = desk
        self._screen = screen
        self._clock = clock
        self._reply = reply
        self._reject = reject
        self._seen: OrderedDict[UUID, None] = OrderedDict()
        self._tasks: set[asyncio.Task[None]] = set()

    def received(self, payload: bytes) -> None:
        knocked = self._read(payload)
        if isinstance(knocked, str):
            log.warning("a knock is ignored: %s", knocked)
            self._reject("knock", knocked)
            return
        self._seen[knocked.id] = None
        while len(self._seen) > IDS_KEPT:
            self._seen.popitem(last=False)
        raw = bytes.fromhex(knocked.knock)
        answer = self._desk.attempt(KnockAttempt(knocked.id, self._screen.reader, self._station, raw))
        if answer is None:
            return  # a shutdown
        if answer.admission is None:
            self._tell(knocked.id, Outcome.DENIED, answer.verdict.reason)
            return
        self._screen.turn()
        task = asyncio.get_running_loop().create_task(self._wait(knocked.id, answer), name=f"knock {knocked.id}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        """After the doorway has finished: what waits for a lock that will not answer any more ends."""
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _wait(self, id: UUID, answer: Answer) -> None:
        assert answer.admission is not None
        try:
            await asyncio.shield(answer.admission.released)
        except DeviceError:
            self._tell(id, Outcome.DENIED, Reason.LOCK_SILENT)
        else:
            self._tell(id, Outcome.GRANTED, answer.verdict.reason)

    def _read(self, payload: bytes) -> Knocked | str:
        """The knock, or why it is ignored."""
        if len(payload) > PAYLOAD_MAX:
            return f"of more than {PAYLOAD_MAX} bytes"
        try:
            knocked = Knocked.model_validate_json(open_signed("knock", payload, self._keys))
        except Forged as forged:
            return f"forged: {forged}"
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            return f"of no form that is known: {'.'.join(map(str, first['loc']))}: {first['msg']}"
        if knocked.station != self._station:
            return f"foreign: it is for station {knocked.station}"
        if knocked.id in self._seen:
            return "replayed: it was judged before"
        late = _out_of_time(knocked, self._clock.now()) if self._clock.trusted() else ""
        if late:
            return late
        if len(self._tasks) >= UNDER_WAY_MAX:
            return f"one of more than {UNDER_WAY_MAX} at once"
        return knocked

    def _tell(self, id: UUID, outcome: Outcome, reason: Reason) -> None:
        said = SENTENCES[reason]
        answer = KnockAnswer(knock=id, outcome=outcome, reason=reason, zh=said.zh, en=said.en)
        self._reply(answer.model_dump_json().encode())


def _out_of_time(knocked: Knocked, now: datetime) -> str:
    """ "" when it is in time."""
    if knocked.expires_at - knocked.issued_at > LIFETIME:
        return f"a knock may live {LIFETIME.seconds} s at most"
    if knocked.issued_at > now + AHEAD_MAX:
        return "from the future: check the hub's clock and this one"
    if now >= knocked.expires_at:
        return "late: it has expired, or this clock is ahead of the hub's"
    return ""
