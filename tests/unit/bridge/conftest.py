"""Time that costs nothing: an event loop whose clock jumps to the next timer, and a port made of memory."""

import asyncio
import random
import selectors
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from firmware_bridge.bus import Bus
from firmware_bridge.clock import SystemClock
from firmware_bridge.config import LineConfig
from firmware_bridge.drivers.base import DriverContext
from firmware_bridge.secrets import NoSecrets


class VirtualLoop(asyncio.SelectorEventLoop):
    """`time()` stands still while anything can run and jumps to the next timer otherwise."""

    def __init__(self) -> None:
        self.now_s = 1000.0
        super().__init__(_JumpingSelector(self))

    def time(self) -> float:
        return self.now_s


class _JumpingSelector(selectors.SelectSelector):
    def __init__(self, loop: VirtualLoop) -> None:
        super().__init__()
        self._loop = loop

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if not ready and timeout is None:
            raise RuntimeError("the test waits for something that will never happen")
        if not ready and timeout:
            self._loop.now_s += timeout
        return ready


class LoopClock:
    """The bridge's clock on the running loop's time."""

    START = datetime(2026, 1, 5, 8, 0, tzinfo=UTC)

    def monotonic(self) -> float:
        return asyncio.get_running_loop().time()

    def now(self) -> datetime:
        return self.START + timedelta(seconds=self.monotonic() - 1000.0)


class MemoryPort:
    """A line without a descriptor: `on_write` plays the devices. One byte takes 1 ms."""

    BYTE_S = 0.001

    def __init__(self) -> None:
        self.name = "memory"
        self.local_address: tuple[str, int] | None = None
        self.written: list[tuple[float, bytes]] = []
        self.on_write: Callable[[bytes], None] = lambda data: None
        self.hear: Callable[[bytes, float], None] = lambda data, mono_s: None
        self.open: Callable[[], None] = lambda: None
        self.lose: Callable[[str], None] = lambda why: None

    def bind(
        self,
        on_bytes: Callable[[bytes, float], None],
        on_open: Callable[[], None],
        on_lost: Callable[[str], None],
    ) -> None:
        self.hear, self.open, self.lose = on_bytes, on_open, on_lost

    def write(self, data: bytes) -> None:
        self.written.append((asyncio.get_running_loop().time(), data))
        self.on_write(data)

    def wire_s(self, count: int) -> float:
        return count * self.BYTE_S

    async def run(self) -> None:
        self.open()
        await asyncio.Event().wait()

    def answer(self, data: bytes, after_s: float) -> None:
        """Bytes arrive `after_s` from now."""
        loop = asyncio.get_running_loop()
        loop.call_later(after_s, lambda: self.hear(data, loop.time()))

    @property
    def frames(self) -> list[bytes]:
        return [data for _, data in self.written]


@pytest.fixture
def run_virtual() -> Callable[[Coroutine[Any, Any, None]], None]:
    """Runs a coroutine to its end in virtual time."""

    def run(scenario: Coroutine[Any, Any, None]) -> None:
        with asyncio.Runner(loop_factory=VirtualLoop) as runner:
            runner.run(scenario)

    return run


@pytest.fixture
def port() -> MemoryPort:
    return MemoryPort()


@pytest.fixture
def clock() -> LoopClock:
    return LoopClock()


@pytest.fixture
def bus(port: MemoryPort, clock: LoopClock) -> Bus:
    """A bus on the memory port with a gap of 4 ms; `port.open()` brings the line up."""
    return Bus(port, gap_s=0.004, clock=clock, rng=random.Random(7))


@pytest.fixture
def make_context(bus: Bus, clock: LoopClock) -> Callable[..., DriverContext]:
    """`make_context(options, emit=events.append)`: a driver's context on the memory port."""

    def make(options: Any, **changes: Any) -> DriverContext:
        given: dict[str, Any] = {
            "name": "it",
            "address": 1,
            "profile": None,
            "line": LineConfig(url="/dev/memory"),
            "carrier": bus,
            "emit": lambda event: None,
            "clock": clock,
            "rng": random.Random(11),
            "secrets": NoSecrets(),
            "expect_release": lambda: None,
        }
        return DriverContext(options=options, **(given | changes))

    return make


@pytest.fixture
def system_clock() -> SystemClock:
    """The machine's clock, for what runs on real lines."""
    return SystemClock()
