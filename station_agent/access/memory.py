"""PURE: what the door remembers of earlier attempts: codes that were used, credentials and readers that failed too
often, halves that wait for their other half, how often a guest's code was used. (Who is inside: presence.py.)

All are bounded, and an entry goes by itself: a used code when its time is over anyway, a failure after a quiet
time. What was used is also in the ledger on disk, and comes back from there after a restart.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from station_agent.access.attempts import Half
from station_agent.wire.kinds import Credential
from station_agent.wire.membership_code import WINDOW
from station_agent.wire.rules import BackOff

USED_MAX = 4096
"""A used code is kept for a minute and an entry takes a second at least: this is some sixty minutes' worth."""

CREDENTIALS_MAX = 1024
"""Credentials and readers with failures that are remembered; the one that failed longest ago makes room."""

READER = "reader:"
KEY = "key:"
"""What the names of readers, and of phones by their key, begin with among what failed."""

HALF_S = 30.0
"""As long as a code lives: the face must come while the code would still be good."""

HALVES_MAX = 64
GUESTS_MAX = 4096


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


@dataclass(frozen=True, slots=True)
class Failures:
    """Of one credential or reader: bad tries since the last wait, waits so far, monotonic times."""

    count: int = 0
    waits: int = 0
    locked_until: float = 0.0
    last: float = 0.0


@dataclass(slots=True)
class BadTries:
    """Counts failures; after enough in a row who failed waits, the longer the more often. Never the door.

    `tries_max` and `lock_out_s` are the profile's, for a station whose rules say nothing else. A quiet time as long
    as the longest wait makes good for everything.
    """

    tries_max: int
    lock_out_s: float
    _failures: OrderedDict[str, Failures] = field(default_factory=OrderedDict)

    def locked_for(self, name: str, now: float) -> float:
        """Seconds (monotonic) that this credential or reader must still wait; 0 when it need not."""
        known = self._failures.get(name)
        return max(0.0, known.locked_until - now) if known else 0.0

    def waiting(self, prefix: str, now: float) -> dict[str, float]:
        """Who waits, of those whose names begin so, without the prefix; and for how long still."""
        return {
            name.removeprefix(prefix): known.locked_until - now
            for name, known in self._failures.items()
            if name.startswith(prefix) and known.locked_until > now
        }

    def failed(self, name: str, now: float, back_off: BackOff | None = None) -> Failures:
        """What is now known of it."""
        rule = back_off or BackOff(tries=self.tries_max, first_s=self.lock_out_s, max_s=max(900.0, self.lock_out_s))
        known = self._failures.get(name, Failures())
        if now - max(known.last, known.locked_until) > rule.max_s:
            known = Failures()
        count, waits, locked_until = known.count + 1, known.waits, known.locked_until
        if count >= rule.tries:
            # Capped before it is raised to the power: a float of any size would overflow in the end.
            locked_until = now + min(rule.max_s, rule.first_s * rule.factor ** min(waits, 64))
            count, waits = 0, waits + 1
        found = Failures(count, waits, locked_until, now)
        self.put(name, found)
        return found

    def put(self, name: str, found: Failures) -> None:
        """What was known before a restart."""
        self._failures[name] = found
        self._failures.move_to_end(name)
        while len(self._failures) > CREDENTIALS_MAX:
            self._failures.popitem(last=False)

    def succeeded(self, name: str) -> bool:
        """Whether there was anything to forget."""
        return self._failures.pop(name, None) is not None


@dataclass(slots=True)
class Halves:
    """Members who have shown one credential and whose role needs the other one as well."""

    _halves: OrderedDict[str, tuple[Half, float]] = field(default_factory=OrderedDict)

    def other(self, half: Half, now: float) -> Half | None:
        """The half of the same member that fits to this one and is not too old."""
        kept = self._halves.get(half.member)
        if kept is None or kept[0].credential is half.credential or now > kept[1]:
            return None
        return kept[0]

    def of(self, member: str) -> Half | None:
        kept = self._halves.get(member)
        return kept[0] if kept else None

    def newest(self, credential: Credential, now: float) -> Half | None:
        """Who has shown this one last, and still waits for the other."""
        held = (half for half, until in reversed(self._halves.values()) if now <= until)
        return next((half for half in held if half.credential is credential), None)

    def add(self, half: Half, now: float) -> None:
        self._halves[half.member] = (half, now + HALF_S)
        self._halves.move_to_end(half.member)
        while len(self._halves) > HALVES_MAX:
            self._halves.popitem(last=False)

    def take(self, member: str) -> None:
        """Both halves have met."""
        self._halves.pop(member, None)


@dataclass(slots=True)
class GuestUses:
    """How often each guest's code has let somebody in, until the code is over."""

    _uses: dict[str, tuple[int, datetime]] = field(default_factory=dict)

    def of(self, guest: str) -> int:
        return self._uses[guest][0] if guest in self._uses else 0

    @property
    def full(self) -> bool:
        """No use can be remembered any more, so none may be granted."""
        return len(self._uses) >= GUESTS_MAX

    def add(self, guest: str, until: datetime, now: datetime, uses: int = 1) -> None:
        if len(self._uses) >= GUESTS_MAX // 2:
            self._uses = {known: use for known, use in self._uses.items() if use[1] > now}
        self._uses[guest] = (self.of(guest) + uses, until)

    def give_back(self, guest: str) -> None:
        """The lock did not answer, or nobody went in."""
        if guest in self._uses:
            count, until = self._uses[guest]
            self._uses[guest] = (max(0, count - 1), until)
