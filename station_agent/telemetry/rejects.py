"""PURE: bad input from outside, counted and told without letting whoever sends it fill the spool.

The first of a (source, reason) is told at once; what follows is summed up and told once in TELL_S.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from station_agent.wire.events import InputRejected

TELL_S = 60.0
KINDS_MAX = 32
"""Different (source, reason) pairs kept apart; more are told as `other`, so that no sender chooses our memory."""

REASON_MAX = 120


@dataclass(slots=True)
class _Count:
    told_at: float
    untold: int = 0


@dataclass(slots=True)
class Rejections:
    total: int = 0
    _counts: dict[tuple[str, str], _Count] = field(default_factory=dict)

    def note(self, source: str, reason: str, now: float) -> InputRejected | None:
        """Count one bad input; what to tell now, if anything. `now` is monotonic."""
        self.total += 1
        key = (source, reason[:REASON_MAX])
        if key not in self._counts and len(self._counts) >= KINDS_MAX:
            key = (source, "other")
        count = self._counts.get(key)
        if count is None:
            self._counts[key] = _Count(now)
            return InputRejected(source=key[0], reason=key[1], count=1)
        count.untold += 1
        return None

    def flush(self, now: float) -> list[InputRejected]:
        """What was counted and not told yet; forgets what has been quiet since it was told."""
        told = []
        for key, count in list(self._counts.items()):
            if now - count.told_at < TELL_S:
                continue
            if count.untold == 0:
                del self._counts[key]
                continue
            told.append(InputRejected(source=key[0], reason=key[1], count=count.untold))
            self._counts[key] = _Count(now)
        return told
