"""A line made of a capture: what was answered to a question then is answered again, after the same time.

So a capture of real hardware, or of a peer, becomes a test of the driver: `Bus(ReplayPort("it", capture), ...)`.
Questions may come in another order than they were captured in; one that was asked several times gets its answers
in turn, and then the last one again. A question that is not in the capture is counted and gets none.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable

from firmware_bridge.capture import Capture, Direction, Row


class ReplayPort:
    """What `bus.Port` asks of a line. Bytes that came unasked at the beginning come again when it opens."""

    def __init__(self, name: str, capture: Capture) -> None:
        self.name = name
        self.unknown = 0
        self._unasked, self._answers = _answers(capture)
        self._timers: set[asyncio.TimerHandle] = set()
        self._on_bytes: Callable[[bytes, float], None] = lambda data, mono_s: None
        self._on_open: Callable[[], None] = lambda: None

    def bind(
        self,
        on_bytes: Callable[[bytes, float], None],
        on_open: Callable[[], None],
        on_lost: Callable[[str], None],
    ) -> None:
        self._on_bytes, self._on_open = on_bytes, on_open

    def wire_s(self, count: int) -> float:
        """None: the capture's own times hold the wire."""
        return 0.0

    async def run(self) -> None:
        self._on_open()
        self._say(self._unasked)
        try:
            await asyncio.Event().wait()
        finally:
            for timer in self._timers:
                timer.cancel()
            self._timers.clear()

    def write(self, data: bytes) -> None:
        turns = self._answers.get(data)
        if turns is None:
            self.unknown += 1
            return
        self._say(turns.popleft() if len(turns) > 1 else turns[0])

    def _say(self, rows: list[Row]) -> None:
        loop = asyncio.get_running_loop()
        for row in rows:
            timer: asyncio.TimerHandle

            def say(data: bytes = row.data) -> None:
                self._on_bytes(data, loop.time())

            timer = loop.call_later(row.at_s, say)
            self._timers.add(timer)


def _answers(capture: Capture) -> tuple[list[Row], dict[bytes, deque[list[Row]]]]:
    """What came before any question; and the answers of each, with seconds since it was asked."""
    unasked: list[Row] = []
    answers: dict[bytes, deque[list[Row]]] = {}
    current, asked_s = unasked, 0.0
    for row in capture.rows:
        if row.direction is Direction.OUT:
            current, asked_s = [], row.at_s
            answers.setdefault(row.data, deque()).append(current)
        else:
            current.append(Row(row.at_s - asked_s, Direction.IN, row.data))
    return unasked, answers
