"""PURE: keys become a number.

    1 2 3 4 5 6 #   the number is whole        *   begin again        KEY_S without a key: begin again

Nothing here is ever logged: the digits may be somebody's PIN.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from station_agent.wire.rules import TYPED_DIGITS_MAX

KEY_S = 10.0
"""Longer than anybody looks for the next key; who walked away leaves no digits for the next one."""

ENTER, CLEAR = "#", "*"


@dataclass(slots=True)
class Keypad:
    """The keys of one reader. More digits than a number has are kept as one too many: it is wrong, and not cut."""

    _digits: str = field(default="", repr=False)
    _last: float = float("-inf")

    def press(self, keys: str, mono_s: float) -> list[str]:
        """Take keys in their order; the numbers that are whole now. What is no key of a keypad is left out."""
        numbers = []
        if mono_s - self._last > KEY_S:
            self._digits = ""
        self._last = mono_s
        for key in keys:
            if key == CLEAR:
                self._digits = ""
            elif key == ENTER:
                if self._digits:
                    numbers.append(self._digits)
                self._digits = ""
            elif key.isascii() and key.isdigit():
                self._digits = (self._digits + key)[: TYPED_DIGITS_MAX + 1]
        return numbers
