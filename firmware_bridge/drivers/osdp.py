"""An OSDP card reader: cards and keys as events, its light and buzzer, its outputs, tamper and power faults.

Readers share their line's bus, each at its own address; every one is polled every `poll_ms`. A card goes to `emit`
from the turn that heard it. What is asked for meanwhile (`indicate`, `set`) takes turns with the polls, since a
reader answers one command at a time. The protocol's order is `PanelSession`'s; here are time, the bus and the key.

The key is a secret of the station. In install mode the driver makes one, keeps it as `<key>.pending` before the
reader hears of it, and as `<key>` once the reader has used it: from then on, install mode does nothing any more.
"""

from __future__ import annotations

import asyncio
import logging
import math
import os
import re
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass

from pydantic import Field

from firmware_bridge.capabilities import (
    ControlRange,
    DeviceError,
    DeviceRefused,
    DeviceTimeout,
    Health,
    HealthChanged,
    Indication,
    Priority,
    Quality,
    Reading,
)
from firmware_bridge.codecs import osdp_commands as commands
from firmware_bridge.codecs import osdp_replies as replies
from firmware_bridge.codecs.osdp import ADDRESS_MAX, Frame, ReplyParser
from firmware_bridge.codecs.osdp_commands import Command, CommandCode, OutputCode
from firmware_bridge.codecs.osdp_replies import Function, Reply
from firmware_bridge.drivers.base import DriverCode, DriverContext, Options
from firmware_bridge.drivers.osdp_keys import PENDING, KeyProblem, ReaderKeys
from firmware_bridge.drivers.osdp_news import ReaderNews
from firmware_bridge.drivers.osdp_session import PanelSession, SendAgain, SessionLost
from firmware_bridge.drivers.osdp_shows import identify_commands, indication_commands
from firmware_bridge.exchange import BusOverloaded, DevicePolicy, Exchange, LineLost
from firmware_bridge.profiles import DeviceProfile
from firmware_bridge.secrets import NAME_PATTERN, SecretName

log = logging.getLogger(__name__)

# A reader begins its answer within this (section 5.7); then the answer takes its time on the wire.
ANSWER_S_MAX = 0.2
ANSWER_BYTES_MAX = 96
# The same bytes are sent so often before the reader is held for gone, and each of them rests the reader as long.
RETRIES = 3
DEADLINE_S = 4.0
QUARANTINE_S_MAX = 3.0
# A reader that is busy is asked again after this, so often.
BUSY_PAUSE_S = 0.05
BUSY_TIMES_MAX = 40
# Sessions that end one after the other, before anything was polled in them: then it is no accident any more.
LOSSES_MAX = 3
LOSS_PAUSE_S = 0.2
# A wrong or missing key is nothing that time mends; somebody will come and mend it.
KEY_PAUSE_S = 5.0
LINE_PAUSE_S = 1.0
# What may wait for one reader, and for how long.
ORDERS_MAX = 16
ORDER_S_MAX = 3.0
# On a line that is full a poll is let in after so many of them: a light and a buzzer go together.
ORDERS_IN_A_ROW = 3
# A reader that has news is asked for more at once, so often: it keeps some while nobody asks.
NEWS_IN_A_ROW = 8
OUTPUTS_MAX = 8
POLL = commands.Question(CommandCode.POLL)


class ReaderOptions(Options):
    """How a reader is spoken to."""

    key: SecretName | None = Field(default=None, description="Secret with this reader's own key; without it, plain")
    install_mode: bool = Field(default=False, description="Give the reader a new key while it has the default one")
    poll_ms: int = Field(default=80, ge=20, le=2000, description="How often the reader is asked for news")
    outputs: int = Field(default=0, ge=0, le=OUTPUTS_MAX, description="Outputs of the reader that are wired")
    crc: bool = Field(default=True, description="False for an old reader that checks by a checksum alone")


@dataclass(slots=True)
class _Order:
    """A command that somebody waits for."""

    command: Command
    future: asyncio.Future[Reply]


class OsdpReader:
    """One reader of a line. `run` keeps its session; everything that is said to it goes through there."""

    def __init__(self, context: DriverContext) -> None:
        assert isinstance(context.options, ReaderOptions)
        self.name = context.name
        self._options = context.options
        self._address = context.address
        self._bus = context.bus
        self._emit = context.emit
        self._clock = context.clock
        self._news = ReaderNews(context.name, context.emit, context.clock, context.expect_release)
        self._keys = ReaderKeys(context.options.key, context.options.install_mode, context.secrets)
        self._session: PanelSession | None = None
        self._orders: deque[_Order] = deque()
        self._wake = asyncio.Event()
        self._in_a_row = 0
        self._news_in_a_row = 0
        self._questions: deque[Command] = deque()
        self._polled_s = -math.inf
        self._losses = 0
        self._health: Health | None = None
        self._why_offline = ""
        self._complained: set[str] = set()
        self._answer_wire_s = ANSWER_BYTES_MAX * context.line.byte_s
        policy = DevicePolicy(
            timeout_s=ANSWER_S_MAX,
            retries=RETRIES,
            quarantine_after=1,
            quarantine_s_max=QUARANTINE_S_MAX,
        )
        context.bus.attach(context.name, policy, self._bus_told)

    # What the agent asks for.

    async def indicate(self, indication: Indication) -> None:
        """Show it by light and buzzer. Raises DeviceTimeout or DeviceRefused."""
        await self._all(indication_commands(indication))

    async def identify(self, for_s: float) -> str:
        """Blink amber and beep. Raises DeviceTimeout or DeviceRefused."""
        shown = await self._all(identify_commands(for_s))
        words = [word for part, word in ((Function.LED, "blinks amber"), (Function.BUZZER, "beeps")) if part in shown]
        return f"{self.name} {' and '.join(words)} for {for_s:.0f} s"

    @property
    def controls(self) -> Mapping[str, ControlRange]:
        """The wired outputs, on and off."""
        return {f"output_{index}": ControlRange() for index in range(self._options.outputs)}

    async def set(self, point: str, value: float | bool | str) -> Reading:
        """Switch an output, then read it back.

        Raises ValueError, DeviceTimeout, and DeviceRefused when the output is not as it was told to be.
        """
        names = list(self.controls)
        if point not in names:
            raise ValueError(f"{self.name} has no {point!r}; there are: {', '.join(names) or 'none'}")
        if not isinstance(value, bool):
            raise ValueError(f"{self.name}: {point} is true or false")
        index = names.index(point)
        code = OutputCode.ON if value else OutputCode.OFF
        await self._ask(commands.SetOutputs((commands.Output(index, code),)))
        reply = await self._ask(commands.Question(CommandCode.OSTAT))
        if not isinstance(reply, replies.OutputStatus) or index >= len(reply.states):
            raise DeviceRefused(self.name, f"does not say how {point} is; check its number of outputs")
        if reply.states[index] is not value:
            raise DeviceRefused(self.name, f"{point} did not switch; check what is wired to it")
        at, mono_s = self._clock.now(), self._clock.monotonic()
        return Reading(self.name, point, value, "", Quality.GOOD, at, mono_s)

    async def _all(self, wanted: Mapping[Function, Command]) -> list[Function]:
        """Every one of these that the reader has the parts for; at least one. Those parts."""
        known = self._session.abilities if self._session is not None else replies.Abilities(())
        able = [part for part in wanted if not known.abilities or known.of(part).level > 0]
        if not able:
            raise DeviceRefused(self.name, "has neither a light nor a buzzer for that")
        # Placed together, so that no poll comes between a light and its tone.
        orders = [self._place(wanted[part]) for part in able]
        try:
            for order in orders:
                await self._answer(order)
        finally:
            for order in orders:
                if not order.future.cancel() and not order.future.cancelled():
                    order.future.exception()  # one failure of a show is told, the others are seen and dropped
        return able

    async def _ask(self, command: Command) -> Reply:
        return await self._answer(self._place(command))

    def _place(self, command: Command) -> _Order:
        if self._health is Health.OFFLINE:
            raise DeviceTimeout(self.name, self._why_offline)
        if len(self._orders) >= ORDERS_MAX:
            raise BusOverloaded(self.name, f"{ORDERS_MAX} commands already wait for it")
        order = _Order(command, asyncio.get_running_loop().create_future())
        self._orders.append(order)
        self._wake.set()
        return order

    async def _answer(self, order: _Order) -> Reply:
        try:
            async with asyncio.timeout(ORDER_S_MAX):
                reply = await order.future
        except TimeoutError:
            raise DeviceTimeout(self.name, f"did not take a command in {ORDER_S_MAX:.0f} s") from None
        if isinstance(reply, replies.Nak):
            raise DeviceRefused(self.name, f"refuses {type(order.command).__name__}: {reply.text}")
        return reply

    # The session.

    async def run(self) -> None:
        """Keep the session and poll, until cancelled."""
        while True:
            self._wake.clear()
            pause_s = await self._turn()
            if pause_s > 0:
                await self._rest(pause_s)

    async def _rest(self, pause_s: float) -> None:
        try:
            async with asyncio.timeout(pause_s):
                await self._wake.wait()
        except TimeoutError:
            return

    async def _turn(self) -> float:
        """One exchange, or a reason for none; seconds until the next one is due."""
        session = self._session or await self._begin()
        if session is None:
            return KEY_PAUSE_S
        if self._bus.quarantined(self.name):
            return self._poll_s
        command, order = self._choose(session)
        if command is None:
            return self._until_poll_s()
        was_online = session.online
        try:
            reply = await self._exchange(session, command)
        except DeviceError as error:
            self._gone(session, order, error)
            if isinstance(error, LineLost):
                await self._bus.pause(LINE_PAUSE_S)
            return self._poll_s
        except SessionLost as lost:
            return self._lost(session, order, lost)
        if order is not None and not order.future.done():
            order.future.set_result(reply)
        await self._took(session, was_online=was_online, command=command, reply=reply)
        return 0.0

    async def _begin(self) -> PanelSession | None:
        """A session with the key that there is; None without one."""
        try:
            keys = await self._keys.load()
        except KeyProblem as problem:
            self._complain(f"is not spoken to: {problem}")
            self._tell(Health.OFFLINE, str(problem))
            return None
        self._session = PanelSession(self._address, keys, random_bytes=os.urandom, crc=self._options.crc)
        return self._session

    def _choose(self, session: PanelSession) -> tuple[Command | None, _Order | None]:
        """What is said now: the handshake, then what was asked for and polls in turns."""
        due = session.due()
        if due is not None:
            return due, None
        if self._questions:
            return self._questions.popleft(), None
        while self._orders and self._orders[0].future.done():
            self._orders.popleft()
        must_poll = self._until_poll_s() <= 0
        if self._orders and not (must_poll and self._in_a_row >= ORDERS_IN_A_ROW):
            self._in_a_row += 1
            order = self._orders.popleft()
            return order.command, order
        self._in_a_row = 0
        if not must_poll:
            return None, None
        self._polled_s = self._clock.monotonic()
        return POLL, None

    async def _exchange(self, session: PanelSession, command: Command) -> Reply:
        """Raises SessionLost, DeviceTimeout."""
        sent = session.encode(command)
        exchange: Exchange[Frame] = Exchange(
            parts=(sent.wire,),
            reply=lambda: ReplyParser(self._address, sent.sequence),
            reply_s=self._answer_wire_s,
            kind=sent.kind,
        )
        for _ in range(BUSY_TIMES_MAX):
            frame = await self._bus.request(self.name, exchange, priority=Priority.READER, deadline_s=DEADLINE_S)
            try:
                return session.heard(frame)
            except SendAgain:
                await asyncio.sleep(BUSY_PAUSE_S)
        session.reset()
        raise SessionLost("it was busy all the time")

    async def _took(self, session: PanelSession, *, was_online: bool, command: Command, reply: Reply) -> None:
        if was_online:
            self._losses = 0
            self._hear(command, reply)
        elif session.online:
            if session.installs:
                await self._installed(session)
            self._news.forget()
            self._complained.clear()
            self._questions = deque([commands.Question(CommandCode.LSTAT)])
            if session.abilities.of(Function.CONTACTS).items:
                self._questions.append(commands.Question(CommandCode.ISTAT))
            secured = "in a Secure Channel" if session.secured else "not secured"
            self._tell(Health.ONLINE, f"answers, {secured}; {session.identity or 'does not say who it is'}")

    def _hear(self, command: Command, reply: Reply) -> None:
        if self._news.hear(reply):
            # A reader that has news may have more; one that never ends waits for its turn like the others.
            self._news_in_a_row += command == POLL
            if self._news_in_a_row % NEWS_IN_A_ROW:
                self._polled_s = -math.inf
            return
        self._news_in_a_row = 0
        match reply:
            case replies.Nak() if command == POLL:
                self._complain(f"refuses to be polled: {reply.text}")
            case replies.OtherReply(code, _):
                self._complain(f"says {code:02x} in a way that is not understood")

    async def _installed(self, session: PanelSession) -> None:
        """The reader uses its new key: from now on there is no other one."""
        try:
            await self._keys.settle(session.confirm_key())
        except KeyProblem as problem:
            self._complain(f"has its new key, and it is kept as pending only: {problem}")
        else:
            log.info("%s has a key of its own now; install_mode can go", self.name)

    def _gone(self, session: PanelSession, order: _Order | None, error: DeviceError) -> None:
        session.reset()
        if order is not None and not order.future.done():
            order.future.set_exception(error)

    def _lost(self, session: PanelSession, order: _Order | None, lost: SessionLost) -> float:
        """A session ended that the line did not end: seconds until the next one."""
        if lost.bad_frame:
            self._bus.stats(self.name).bad_frames += 1
        if order is not None:
            self._orders.appendleft(order)
        self._losses += 1
        if lost.key:
            # Whoever mends it puts another key there, or resets the reader: both are looked at afresh.
            self._session = None
            self._complain(f"is not spoken to: {lost}")
            self._tell(Health.OFFLINE, str(lost))
            return KEY_PAUSE_S
        if self._losses < LOSSES_MAX:
            log.info("%s: begun anew, %s", self.name, lost)
            return 0.0
        self._tell(Health.OFFLINE, str(lost))
        return min(QUARANTINE_S_MAX, LOSS_PAUSE_S * 2.0 ** (self._losses - LOSSES_MAX))

    def _bus_told(self, health: Health, detail: str) -> None:
        """The line is the bus's matter; whether a reader that answers is the right one, the session's."""
        if health is Health.OFFLINE:
            if self._session is not None:
                self._session.reset()
            self._tell(health, detail)

    def _tell(self, health: Health, detail: str) -> None:
        if health is Health.OFFLINE:
            self._why_offline = detail
            for order in self._orders:
                if not order.future.done():
                    order.future.set_exception(DeviceTimeout(self.name, detail))
            self._orders.clear()
            self._questions.clear()
        if health is not self._health:
            self._health = health
            self._emit(HealthChanged(self.name, health, detail, self._clock.now(), self._clock.monotonic()))

    @property
    def _poll_s(self) -> float:
        return self._options.poll_ms / 1000

    def _until_poll_s(self) -> float:
        return max(0.0, self._polled_s + self._poll_s - self._clock.monotonic())

    def _complain(self, text: str) -> None:
        """Once, and again only after it was online."""
        if text not in self._complained:
            self._complained.add(text)
            log.warning("%s: %s", self.name, text)


def check_reader(address: int, options: Options, profile: DeviceProfile | None) -> list[str]:
    """Every way in which address and options do not fit."""
    assert isinstance(options, ReaderOptions)
    found = []
    if not 0 <= address <= ADDRESS_MAX:
        found.append(f"address: {address}, an OSDP reader is 0..{ADDRESS_MAX}")
    if profile is not None:
        found.append("profile: an OSDP reader has none")
    if options.install_mode and options.key is None:
        found.append("options.install_mode: name the secret in `key` that the new key shall go to")
    if options.key is not None and not re.fullmatch(NAME_PATTERN, options.key + PENDING):
        found.append(f"options.key: too long, {PENDING!r} must fit behind it")
    return found


READER = DriverCode(options=ReaderOptions, factory=OsdpReader, check=check_reader)
