"""Bytes on a line that belong to no answer: how many, and whether somebody babbles. Told once, in the log, when it
begins and when it ends; the share is a statistic of every device of the line.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass

log = logging.getLogger(__name__)

WINDOW_S = 5.0
# Stray bytes of one window from which on a line babbles, and below which it has stopped. A late answer now and then
# is a few bytes; a device that speaks unasked, or a second master, is dozens of them.
BABBLE_BYTES = 100
CALM_BYTES = 20


@dataclass(slots=True)
class LineStats:
    """Counts of a whole line since the start."""

    heard_bytes: int = 0
    stray_bytes: int = 0
    babbling: bool = False


class NoiseMeter:
    """Counts the bytes of one line, stray ones by windows."""

    def __init__(self, line: str) -> None:
        self._line = line
        self.stats = LineStats()
        self._window_s = 0.0
        self._before = 0

    def heard(self, count: int, now: float) -> None:
        """Bytes came, whosesoever they are."""
        self.stats.heard_bytes += count
        if now - self._window_s < WINDOW_S:
            return
        strays = self.stats.stray_bytes - self._before
        self._window_s, self._before = now, self.stats.stray_bytes
        was = self.stats.babbling
        self.stats.babbling = strays >= (CALM_BYTES if was else BABBLE_BYTES)
        if self.stats.babbling and not was:
            log.warning(
                "line %s babbles: %d bytes belonged to no answer; a device speaks unasked or is broken, or there is "
                "a second master: unplug one after the other",
                self._line,
                strays,
            )
        elif was and not self.stats.babbling:
            log.info("line %s does not babble any more", self._line)

    def stray(self, count: int) -> None:
        """Some of those that came were nobody's answer."""
        self.stats.stray_bytes += count
