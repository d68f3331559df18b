"""PURE: the door codes that this station has shown since it started, and who has answered them.

    shown ---- 15 s ----> replaced ---- 30 s more ----> no longer good (remembered for a while, to say so)
      \\ a grant: used up, and the next one is shown at once

Only here: a restart forgets them all, and then none of before it is good. Times are monotonic, so no clock that is set
makes one live longer.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field

KEPT_MAX = 64
"""Some minutes' worth, of which three can be good at a time and a few more while people enter quickly."""

ANSWERS_MAX = 64
"""Phones that one door code hears of; people at a door are a handful. After so many it counts as used up."""


@dataclass(slots=True)
class _Shown:
    at_s: float
    used: bool = False
    keys: set[str] = field(default_factory=set)


@dataclass(slots=True)
class DoorCodes:
    _shown: OrderedDict[bytes, _Shown] = field(default_factory=OrderedDict)

    def show(self, challenge: bytes, now_s: float) -> None:
        """From now on it may be answered."""
        self._shown[challenge] = _Shown(now_s)
        while len(self._shown) > KEPT_MAX:
            self._shown.popitem(last=False)

    def age_s(self, challenge: bytes, now_s: float) -> float | None:
        """Since it was shown; None for what was never shown here."""
        shown = self._shown.get(challenge)
        return None if shown is None else now_s - shown.at_s

    def used(self, challenge: bytes, key: str) -> bool:
        """Whether it has let somebody in, or this phone has answered it before."""
        shown = self._shown[challenge]
        return shown.used or key in shown.keys or len(shown.keys) >= ANSWERS_MAX

    def answer(self, challenge: bytes, key: str) -> None:
        """A phone has answered it, and was not let in."""
        self._shown[challenge].keys.add(key)

    def use(self, challenge: bytes) -> None:
        self._shown[challenge].used = True
