"""The bridge's clocks, as parameters: monotonic seconds for durations, UTC for stamps.

Sleeping and timers belong to the event loop, so a test that runs a virtual-time loop needs nothing else.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    def monotonic(self) -> float:
        """Seconds since some fixed moment of this boot; never goes back."""
        ...

    def now(self) -> datetime:
        """The time of day, aware, in UTC; may jump."""
        ...


class SystemClock:
    """The machine's clocks. On Linux `monotonic` agrees between processes."""

    def monotonic(self) -> float:
        return time.monotonic()

    def now(self) -> datetime:
        return datetime.now(UTC)
