"""PURE: how often somebody may try to log in."""

from __future__ import annotations

from collections import OrderedDict

TRIES_OF_A_USER = 5
TRIES_OF_AN_ADDRESS = 50  # a whole office may sit behind one address
PERIOD_S = 60.0
NAMES_MAX = 10_000  # names remembered; the oldest are forgotten first, so that no flood of names fills the memory


class TryLimit:
    """At most `tries_max` wrong tries within PERIOD_S for each key (a user's name, an address)."""

    def __init__(self, tries_max: int) -> None:
        self._tries_max = tries_max
        self._wrong: OrderedDict[str, list[float]] = OrderedDict()

    def wait_s(self, key: str, now_s: float) -> float:
        """0 when `key` may try now, else the seconds until it may."""
        tries = [at for at in self._wrong.get(key, []) if now_s - at < PERIOD_S]
        return 0.0 if len(tries) < self._tries_max else PERIOD_S - (now_s - tries[-self._tries_max])

    def wrong(self, key: str, now_s: float) -> None:
        self._wrong[key] = [*self._wrong.pop(key, [])[-self._tries_max :], now_s]
        while len(self._wrong) > NAMES_MAX:
            self._wrong.popitem(last=False)

    def right(self, key: str) -> None:
        self._wrong.pop(key, None)
