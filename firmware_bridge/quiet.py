"""When a request may go onto a line that nobody is asked on. Times are given.

```
 our frame   its answer      gap     somebody's late answer    gap
 ==========  -----------  |        |  - - - - - - - - -      |        |
                        freed    free                               quiet
```
A request waits for *free*, since the gap is what tells frames apart, and for *quiet* for a bounded time only: what
nobody asked for may go on for ever.
"""

from __future__ import annotations

from firmware_bridge.capabilities import Priority
from firmware_bridge.jobs import Job

# How long the line may be kept from falling quiet by bytes that nobody asked for, before a request is sent into them:
# since it was asked for, and since the line was ours the last time.
STRAY_S_MAX_LOCK, STRAY_S_MAX = 0.02, 0.25


class Quiet:
    """`free_s` is for the bus to set: when what was sent, and its answer, are over."""

    def __init__(self, gap_s: float) -> None:
        self.gap_s = gap_s
        self.free_s = 0.0
        self._freed_s = 0.0
        self._quiet_until = 0.0

    def heard(self, mono_s: float) -> None:
        """Bytes came, whosesoever they are."""
        self._quiet_until = max(self._quiet_until, mono_s + self.gap_s)

    def freed(self, now: float) -> None:
        """The latest turn on the line ended, one way or another."""
        self._freed_s = now

    def start_s(self, job: Job, clear_until: float) -> float:
        """The monotonic time from which a request may start; one that is not for a lock, not before `clear_until`."""
        is_lock = job.priority == Priority.LOCK
        strays_s = job.asked + (STRAY_S_MAX_LOCK if is_lock else STRAY_S_MAX)
        # Whoever waited for long does not start into an answer that is just coming late, either.
        strays_s = max(strays_s, self._freed_s + STRAY_S_MAX_LOCK)
        start_s = max(self.free_s, min(self._quiet_until, strays_s)) + job.device.policy.gap_s
        if not is_lock:
            return max(start_s, job.device.patience.settled_until, clear_until)
        # A late answer could only be taken for the answer to another question.
        if job.exchange.told_apart or job.exchange.parts == job.device.in_vain:
            return start_s
        return max(start_s, job.device.patience.settled_until)
