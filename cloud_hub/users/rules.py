"""PURE: how often somebody may try to log in."""

from __future__ import annotations

from collections import OrderedDict

TRIES_MAX = 5
PERIOD_S = 60.0
NAMES_MAX = 10_000  # names remembered; the oldest are forgotten first, so that no flood of names fills the memory


class TryLimit:
    """At most TRIES_MAX wrong tries within PERIOD_S for each key (a user's name, an address)."""

    def __init__(self) -> None:
        self._wrong: OrderedDict[str, list[float]] = OrderedDict()

    def wait_s(self, key: str, now_s: float) -> float:
        """0 when `key` may try now, else the seconds until it may."""
        tries = [at for at in self._wrong.get(key, []) if now_s - at < PERIOD_S]
        return 0.0 if len(tries) < TRIES_MAX else PERIOD_S - (now_s - tries[-TRIES_MAX])

    def wrong(self, key: str, now_s: float) -> None:
        self._wrong[key] = [*self._wrong.pop(key, [])[-TRIES_MAX:], now_s]
        while len(self._wrong) > NAMES_MAX:
            self._wrong.popitem(last=False)

    def right(self, key: str) -> None:
        self._wrong.pop(key, None)
