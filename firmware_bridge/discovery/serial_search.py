"""Asks on one line, framing by framing, until somebody answers.

```
 for each framing:  open the line -> listen -> each scout's questions -> findings
 something found:   the other framings are left out (a line has one), unless all are wanted
```
A question is asked once. On a noisy line an answer can be lost; a second search finds it.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from firmware_bridge.bus import Bus
from firmware_bridge.capabilities import DeviceError, Health, Priority
from firmware_bridge.clock import Clock
from firmware_bridge.config import LineConfig, LineKind, kind_of
from firmware_bridge.discovery.finding import Finding
from firmware_bridge.discovery.questions import USUAL, Framing, Listener, Question, Reach, Scout, framings_of
from firmware_bridge.exchange import DevicePolicy, LineLost
from firmware_bridge.line import Line

# Said before each question: where we are and how many questions there are in all, at the most.
Progress = Callable[[str, int, int], None]
NEVER = 1_000_000_000
OPEN_S_MAX = 2.0
# Bytes kept of a line that talks without being asked.
HEARD_BYTES_MAX = 8192


class SearchError(Exception):
    """A line that cannot be searched: which, and why."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What to look for on a line, and how far."""

    scouts: tuple[Scout, ...]
    listeners: tuple[Listener, ...]
    framings: tuple[Framing, ...] = ()  # none: every one that a scout knows
    reach: Reach = USUAL
    every_framing: bool = False

    def steps(self) -> list[tuple[Framing, tuple[Listener, ...], tuple[Scout, ...]]]:
        """Who has a question in which framing, in the order of asking."""
        both: tuple[Scout | Listener, ...] = (*self.scouts, *self.listeners)
        chosen = self.framings or tuple(framings_of(both))
        named = bool(self.framings)
        return [
            (
                framing,
                tuple(one for one in self.listeners if named or framing in one.framings),
                tuple(one for one in self.scouts if named or framing in one.framings),
            )
            for framing in chosen
        ]


async def search_line(
    url: str, plan: Plan, *, clock: Clock, rng: random.Random, progress: Progress = lambda text, at, of: None
) -> list[Finding]:
    """Who answers on the line at `url`. Raises SearchError when it cannot be opened."""
    steps = plan.steps()
    if kind_of(url) is not LineKind.SERIAL:
        steps = steps[:1]  # a network end has no framing of ours
    in_all = sum(len(list(scout.questions(plan.reach))) for _, _, scouts in steps for scout in scouts)
    asked = 0
    found: list[Finding] = []
    for framing, listeners, scouts in steps:
        line = framing.on(url)
        async with _listening(line, clock, rng) as ear:
            if listeners:
                progress(f"{framing}: listening", asked, in_all)
                await asyncio.sleep(max(listener.seconds for listener in listeners))
                heard = [listener.heard(bytes(ear.heard), line) for listener in listeners]
                found += [finding for finding in heard if finding is not None]
            for scout in scouts:
                questions = list(scout.questions(plan.reach))
                for number, question in enumerate(questions):
                    progress(f"{framing}: {question.title}", asked + number, in_all)
                    finding = await ear.ask(question, scout.timeout_s)
                    if finding is not None:
                        found.append(finding)
                        if scout.alone:
                            break
                asked += len(questions)
        if found and not plan.every_framing:
            break
    progress("done", in_all, in_all)
    return found


@asynccontextmanager
async def _listening(line: LineConfig, clock: Clock, rng: random.Random) -> AsyncIterator[_Ear]:
    port = Line("search", line, clock=clock, rng=rng)
    bus = Bus(port, gap_s=line.gap_s, clock=clock, rng=rng)
    ear = _Ear(bus, line)
    running = asyncio.create_task(bus.run())
    try:
        async with asyncio.timeout(OPEN_S_MAX):
            await ear.opened.wait()
        if ear.lost:
            raise SearchError(f"{line.url}: {ear.lost}")
        yield ear
    except TimeoutError:
        raise SearchError(f"{line.url}: it does not open within {OPEN_S_MAX:g} s") from None
    finally:
        running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await running


class _Ear:
    """A bus of its own for one framing, and what was heard on it unasked."""

    def __init__(self, bus: Bus, line: LineConfig) -> None:
        self._bus = bus
        self._line = line
        self._attached: set[str] = set()
        self.heard = bytearray()
        self.lost = ""
        self.opened = asyncio.Event()
        bus.attach("listener", DevicePolicy(), self._health, listens=self._hear)

    def _hear(self, data: bytes, mono_s: float) -> None:
        self.heard += data
        del self.heard[:-HEARD_BYTES_MAX]

    def _health(self, health: Health, detail: str) -> None:
        if health is Health.OFFLINE:
            self.lost = detail
        self.opened.set()

    async def ask(self, question: Question, timeout_s: float) -> Finding | None:
        name = question.title
        if name not in self._attached:
            self._attached.add(name)
            patience = DevicePolicy(timeout_s=timeout_s, retries=0, quarantine_after=NEVER)
            self._bus.attach(name, patience, lambda health, detail: None)
        try:
            reply = await self._bus.request(
                name, question.exchange, priority=Priority.TELEMETRY, deadline_s=timeout_s + OPEN_S_MAX
            )
        except LineLost as error:
            raise SearchError(str(error)) from None
        except DeviceError:
            return None
        return question.found(reply, self._line)
