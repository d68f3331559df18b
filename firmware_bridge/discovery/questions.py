"""What to ask on a serial line to learn who is there, protocol by protocol. PURE.

A scout names the framings that its devices are shipped with, and asks its questions in each of them. A question
is one exchange; its answer is one finding, or none.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from firmware_bridge.config import LineConfig
from firmware_bridge.discovery.finding import Finding
from firmware_bridge.exchange import Exchange


@dataclass(frozen=True, slots=True)
class Framing:
    """How bytes stand on the wire."""

    baud: int
    data_bits: int = 8
    parity: str = "N"
    stop_bits: int = 1

    def __str__(self) -> str:
        return f"{self.baud} {self.data_bits}{self.parity}{self.stop_bits}"

    def on(self, url: str) -> LineConfig:
        given = {"url": url, "baud": self.baud, "data_bits": self.data_bits, "parity": self.parity}
        return LineConfig.model_validate(given | {"stop_bits": self.stop_bits})


@dataclass(frozen=True, slots=True)
class Question:
    """`found` makes a finding of the reply; None when it says nothing."""

    title: str
    exchange: Exchange[Any]
    found: Callable[[Any, LineConfig], Finding | None]


@dataclass(frozen=True, slots=True)
class Reach:
    """How far to look: the addresses that are usual, or every one that the protocol has.

    `modbus_units` are asked besides the usual ones: where devices of known profiles leave the factory.
    """

    every_address: bool = False
    modbus_units: frozenset[int] = frozenset()


USUAL = Reach()


@dataclass(frozen=True, slots=True)
class Scout:
    """One protocol's questions. `alone`: such a device has its line for itself, so the first answer ends it."""

    protocol: str
    framings: tuple[Framing, ...]
    questions: Callable[[Reach], Iterator[Question]]
    timeout_s: float
    alone: bool = False


@dataclass(frozen=True, slots=True)
class Listener:
    """A device that speaks unasked: `heard` makes a finding of what came in `seconds` of listening, or none."""

    protocol: str
    framings: tuple[Framing, ...]
    seconds: float
    heard: Callable[[bytes, LineConfig], Finding | None]


def framings_of(scouts: tuple[Scout | Listener, ...]) -> list[Framing]:
    """Every framing once: those that several protocols use first, then in the order of their rows."""
    order: list[Framing] = []
    for scout in scouts:
        order += [framing for framing in scout.framings if framing not in order]
    return sorted(order, key=lambda framing: -sum(framing in scout.framings for scout in scouts))
