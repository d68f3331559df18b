"""What stands on the sign now: the newest of three texts, the shorter-lived first.

    sentence for the person at the door (seconds)  over  the manager's text (till its end)  over  the idle text

A sign takes seconds to write a picture, so only the newest wish counts: what was not begun yet is dropped.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from datetime import datetime, timedelta

from sqlite_utils import Database

from firmware_bridge.capabilities import DeviceError, Sign
from station_agent.access.sentences import SENTENCES
from station_agent.clock import Clock
from station_agent.signs.render import pages
from station_agent.telemetry.store import Store, keep_value, kept_value
from station_agent.wire.kinds import Reason

log = logging.getLogger(__name__)

SENTENCE_S = 5.0
"""Long enough to read eight characters twice, from when they are wished for."""

RETRY_S_FIRST = 0.5
RETRY_S_MAX = 10.0

_TEXT, _UNTIL = "sign.text", "sign.until"


class SignService:
    """`run` keeps the sign up to date. The manager's text outlives a restart."""

    def __init__(self, sign: Sign, idle_text: str, pages_max: int, *, store: Store, clock: Clock) -> None:
        self._sign = sign
        self._idle_text = idle_text
        self._pages_max = pages_max
        self._store = store
        self._clock = clock
        self._sentence = ""
        self._sentence_until = 0.0
        self._text = ""
        self._text_until: datetime | None = None
        self._shown: str | None = None
        self._changed = asyncio.Event()
        self._waiters: list[tuple[str, asyncio.Future[None]]] = []
        self.on_changed: Callable[[], None] = lambda: None
        """Called when another text stands on the sign."""

    @property
    def shown(self) -> str:
        return self._shown or ""

    async def load(self) -> None:
        """The manager's text of before a restart."""
        text, until = await self._store.submit(lambda db: (kept_value(db, _TEXT), kept_value(db, _UNTIL)))
        self._text = text or ""
        self._text_until = datetime.fromisoformat(until) if until else None

    def tell(self, reason: Reason) -> None:
        """One sentence for the person at the door."""
        self.say(SENTENCES[reason].zh)

    def say(self, sentence: str) -> None:
        self._sentence, self._sentence_until = sentence, self._clock.monotonic() + SENTENCE_S
        self._changed.set()

    async def ask(self, sentence: str, seconds: float) -> None:
        """Something that the person is to do now. Returns once it stands on the sign, where it stays for `seconds`
        from now. Raises DeviceError when the sign does not take it; a newer sentence leaves this waiting.
        """
        self._sentence, self._sentence_until = sentence, self._clock.monotonic() + seconds
        shown: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiters.append((sentence, shown))
        self._changed.set()
        await shown

    async def set_text(self, text: str, seconds: int) -> None:
        """The manager's text, "" for the idle text; `seconds` 0: until the next. Returns once it is on the sign
        (or a newer one is). Raises DeviceError when the sign does not take it."""
        self._text = text
        self._text_until = self._clock.now() + timedelta(seconds=seconds) if text and seconds else None
        until = self._text_until.isoformat() if self._text_until else ""

        def keep(db: Database) -> None:
            keep_value(db, _TEXT, text)
            keep_value(db, _UNTIL, until)

        await self._store.submit(keep)
        shown: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._settle(None)
        self._waiters.append((text or self._idle_text, shown))
        self._changed.set()
        await shown

    async def run(self) -> None:
        retry_s = RETRY_S_FIRST
        while True:
            self._changed.clear()
            wanted = self._wanted()
            if wanted != self._shown:
                try:
                    await self._sign.show_pages(pages(wanted, self._sign.size, self._pages_max))
                except DeviceError as error:
                    if retry_s == RETRY_S_FIRST:  # once, not every time it is tried again
                        log.warning("the sign does not show %r: %s", wanted, error)
                    self._shown = None
                    self._settle(error)
                    await self._clock.sleep(retry_s)
                    retry_s = min(retry_s * 2, RETRY_S_MAX)
                    continue
                retry_s = RETRY_S_FIRST
                self._shown = wanted
                self.on_changed()
            self._settle_shown(wanted)
            if self._wanted() == self._shown:
                await self._pause()

    def _wanted(self) -> str:
        if self._clock.monotonic() < self._sentence_until:
            return self._sentence
        if self._text_until is not None and self._clock.now() >= self._text_until:
            self._text, self._text_until = "", None
        return self._text or self._idle_text

    async def _pause(self) -> None:
        """Until a text is changed or ends."""
        left = [self._sentence_until - self._clock.monotonic()] if self._sentence_until else []
        if self._text_until is not None:
            left.append((self._text_until - self._clock.now()).total_seconds())
        ends = [seconds for seconds in left if seconds > 0]
        try:
            # Not wait_for: up to Python 3.11 it loses a cancellation that comes together with the event.
            async with asyncio.timeout(min(ends) if ends else None):
                await self._changed.wait()
        except TimeoutError:
            return

    def _settle_shown(self, text: str) -> None:
        for wanted, shown in self._waiters:
            if wanted == text and not shown.done():
                shown.set_result(None)
        self._waiters = [(wanted, shown) for wanted, shown in self._waiters if not shown.done()]

    def _settle(self, error: DeviceError | None) -> None:
        for _, shown in self._waiters:
            if shown.done():
                continue
            if error is None:
                shown.set_result(None)
            else:
                shown.set_exception(error)
        self._waiters.clear()
