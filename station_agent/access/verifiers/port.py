"""The port: a verifier makes of a text a member whom it has proven, or says why not.

    text --> whose? (prefix or pattern) --> Verifier.verify --> Proven | Refused | Silent --> VerifiedAttempt --> decide

Our own `U1:` codes never come here: `decide` verifies them itself, at once and offline. What a verifier has proven is
only *who* asks; whether that member may enter is `decide`'s, as for every other credential.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from station_agent.access.attempts import Now, UsedCode
from station_agent.wire.kinds import Reason


@dataclass(frozen=True, slots=True)
class Proven:
    """`used` is what must not open a second time; None where the verifier itself sees to that."""

    member: str
    detail: str = ""
    used: UsedCode | None = None


@dataclass(frozen=True, slots=True)
class Refused:
    reason: Reason
    detail: str
    member: str | None = None
    counted: bool = False  # a bad try at this reader: a guess, not an honest mistake


@dataclass(frozen=True, slots=True)
class Silent:
    """It cannot tell now. `fall_back`: the next verifier that the text may belong to is asked."""

    detail: str
    fall_back: bool = False


Finding = Proven | Refused | Silent


class Verifier(Protocol):
    @property
    def name(self) -> str: ...

    def claims(self, text: str) -> bool:
        """Whether such a text is this one's to judge."""
        ...

    async def verify(self, text: str, reader: str, now: Now) -> Finding:
        """Ends within its own time limit. Raises nothing."""
        ...

    async def prepare(self) -> None:
        """What takes time once, before the first person comes."""
        ...

    async def close(self) -> None: ...
