"""The mechanics of one door: a relay that draws a bolt, a leaf that swings, a person who pushes.

```
 relay on --- bolt_s ---> bolt drawn --- somebody pushes, swing_s ---> open --- stays_open_s ---> closed
 relay off -- bolt_s ---> bolt out (once the door is closed)
```
A jammed bolt does not move. A forced door opens with the bolt out.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class DoorTiming:
    """Seconds. `visitor`: somebody stands there and pushes as soon as the lock is released."""

    bolt_s: float = 0.25
    swing_s: float = 0.15
    stays_open_s: float = 3.0
    push_s: float = 2.0  # how long a person pushes before giving up
    visitor: bool = True


class Door:
    """One door. `on_change` is called after every movement."""

    def __init__(self, timing: DoorTiming, on_change: Callable[[], None]) -> None:
        self.timing = timing
        self._on_change = on_change
        self.released = False
        self.bolt_drawn = False
        self.is_open = False
        self.jammed = False
        self.held = False  # something keeps it from closing by itself
        self.openings = 0
        self._pushing = False
        self._timers: dict[str, asyncio.TimerHandle] = {}

    def stop(self) -> None:
        """Nothing moves any more."""
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()

    def relay(self, on: bool) -> None:
        """The lock relay switched."""
        self.released = on
        self._later("bolt", self.timing.bolt_s, self._move_bolt)
        if on and self.timing.visitor:
            self.push()
        self._on_change()

    def push(self) -> None:
        """A person pushes for `push_s`; the door opens if the bolt lets it meanwhile."""
        self._pushing = True
        self._later("push", self.timing.push_s, self._give_up)
        self._try_swing()

    def close(self) -> None:
        """A person closes the door."""
        self.held = False
        self._cancel("close")
        self._cancel("swing")
        self._shut()

    def force(self) -> None:
        """The door is broken open, whatever the bolt does."""
        self._opened()

    def _move_bolt(self) -> None:
        if self.jammed or (self.is_open and not self.released):
            return
        if self.bolt_drawn is not self.released:
            self.bolt_drawn = self.released
            self._on_change()
        self._try_swing()

    def _try_swing(self) -> None:
        if self._pushing and self.bolt_drawn and not self.is_open and "swing" not in self._timers:
            self._later("swing", self.timing.swing_s, self._opened)

    def _opened(self) -> None:
        self._pushing = False
        self._cancel("push")
        self._later("close", self.timing.stays_open_s, self._closes_itself)
        if not self.is_open:
            self.is_open = True
            self.openings += 1
            self._on_change()

    def _closes_itself(self) -> None:
        if not self.held:
            self._shut()

    def _shut(self) -> None:
        if not self.is_open:
            return
        self.is_open = False
        self._later("bolt", self.timing.bolt_s, self._move_bolt)
        self._on_change()

    def _give_up(self) -> None:
        self._pushing = False

    def _later(self, name: str, delay_s: float, callback: Callable[[], None]) -> None:
        self._cancel(name)

        def fire() -> None:
            del self._timers[name]
            callback()

        self._timers[name] = asyncio.get_running_loop().call_later(delay_s, fire)

    def _cancel(self, name: str) -> None:
        timer = self._timers.pop(name, None)
        if timer is not None:
            timer.cancel()
