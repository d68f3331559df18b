"""PURE: which texts are a verifier's: by their beginning, or by a pattern that the whole text fits."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from station_agent.wire.membership_code import PREFIX
from station_agent.wire.rules import GUEST_PREFIX

TEXT_MAX = 1024
"""Characters of a text that is given to a verifier: more than a QR of any mini-program holds in practice."""

OURS = (PREFIX, GUEST_PREFIX)


@dataclass(slots=True)
class Whose:
    """Exactly one of the two is given; the profile checks the pattern."""

    prefix: str | None
    pattern: str | None
    _compiled: re.Pattern[str] | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        self._compiled = re.compile(self.pattern) if self.pattern is not None else None

    def claims(self, text: str) -> bool:
        if len(text) > TEXT_MAX or is_ours(text):
            return False
        if self._compiled is not None:
            return self._compiled.fullmatch(text) is not None
        return self.prefix is not None and text.startswith(self.prefix)


def is_ours(text: str) -> bool:
    """No verifier gets such a text to see."""
    return text.startswith(OURS)
