"""PURE: what the door remembers of earlier attempts: codes that were used, credentials that failed too often.

Both are bounded, and an entry goes by itself: a used code when its time is over anyway, a failure after the
lock-out time. What was used is also in the ledger on disk, and comes back from there after a restart.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from station_agent.wire.membership_code import WINDOW

USED_MAX = 4096
"""A used code is kept for a minute and an entry takes a second at least: this is some sixty minutes' worth."""

CREDENTIALS_MAX = 1024
"""Credentials with failures that are remembered; the one that failed longest ago makes room."""


def used_until(made_at: datetime) -> datetime:
    """From when on a code of that time is refused as expired, so that its use need not be remembered."""
    return made_at + WINDOW + timedelta(seconds=1)


class UsedCodes:
    """Heads of codes that have opened the door (member, time and nonce; not the signature, of which ECDSA has two)."""

    def __init__(self) -> None:
        self._until: dict[bytes, datetime] = {}

    def __contains__(self, head: bytes) -> bool:
        return head in self._until

    def add(self, head: bytes, made_at: datetime, now: datetime) -> None:
        if len(self._until) >= USED_MAX:
            self._until = {known: until for known, until in self._until.items() if until > now}
        self._until[head] = used_until(made_at)

    @property
    def full(self) -> bool:
        """No code can be remembered any more, so none may be accepted."""
        return len(self._until) >= 2 * USED_MAX


@dataclass(slots=True)
class _Failures:
    count: int = 0
    locked_until: float = 0.0


@dataclass(slots=True)
class BadTries:
    """Counts failures of each credential; after `tries_max` in a row it waits for `lock_out_s`. Never the door."""

    tries_max: int
    lock_out_s: float
    _failures: OrderedDict[str, _Failures] = field(default_factory=OrderedDict)

    def locked_for(self, credential: str, now: float) -> float:
        """Seconds (monotonic) that this credential must still wait; 0 when it need not."""
        known = self._failures.get(credential)
        return max(0.0, known.locked_until - now) if known else 0.0

    def failed(self, credential: str, now: float) -> None:
        known = self._failures.setdefault(credential, _Failures())
        self._failures.move_to_end(credential)
        known.count += 1
        if known.count >= self.tries_max:
            known.locked_until = now + self.lock_out_s
            known.count = 0
        while len(self._failures) > CREDENTIALS_MAX:
            self._failures.popitem(last=False)

    def succeeded(self, credential: str) -> None:
        self._failures.pop(credential, None)
