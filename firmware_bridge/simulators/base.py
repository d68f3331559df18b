"""What every simulated device offers: a line to reach it by, the profile row that fits it, bad luck, and an
onlooker's view. `yizhan-bridge simulate` and the conformance tests know no more than this.
"""

from __future__ import annotations

import random
from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self, cast

from firmware_bridge.config import DeviceConfig, LineConfig
from firmware_bridge.named import named
from firmware_bridge.secrets import Secrets
from firmware_bridge.simulators.paced import PacedWire

Action = Callable[[Sequence[str]], None]


class Simulation(Protocol):
    """One simulated device, open while its context is."""

    @property
    def line(self) -> LineConfig:
        """How the bridge reaches it; the same after `unplug` and `plug_in`."""
        ...

    @property
    def device(self) -> DeviceConfig:
        """Driver, profile, address and options that fit it. Its line's name is `it`."""
        ...

    async def __aenter__(self) -> Self: ...

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def unplug(self) -> None:
        """The line vanishes."""
        ...

    def plug_in(self) -> None:
        """The line is back."""
        ...

    def mute(self, muted: bool) -> None:
        """The device hears and does not answer."""
        ...

    def state(self) -> dict[str, object]:
        """What an onlooker sees; JSON can hold it."""
        ...

    def act(self, words: Sequence[str]) -> None:
        """What a person or the weather does: `["press", "face"]`. Raises ValueError listing what can be done."""
        ...


@dataclass(frozen=True, slots=True)
class SimulatorContext:
    """Where a simulation may put things."""

    link_dir: Path  # stable names of its lines
    rng: random.Random
    secrets: Secrets  # those of the bridge that will speak to it
    profiles_dir: Path


@dataclass(frozen=True, slots=True)
class SimulatorRow:
    """`code` is "module:NAME" in this package: what makes a Simulation of a SimulatorContext."""

    code: str
    summary: str

    def make(self, context: SimulatorContext) -> Simulation:
        # A table of texts cannot show it to mypy; the tests of every driver hold each row to it.
        made = cast(Callable[[SimulatorContext], Simulation], named(__package__, self.code))
        return made(context)


class WireSimulation:
    """A simulation whose device sits on one paced wire. A subclass makes the device in `__init__`."""

    LINE = "it"

    def __init__(self, wire: PacedWire, device: DeviceConfig, line: Mapping[str, object] | None = None) -> None:
        self.wire = wire
        self.device = device
        self._framing = dict(line or {})
        self._line: LineConfig | None = None

    @property
    def line(self) -> LineConfig:
        if self._line is None:
            raise RuntimeError("the simulation is not open")
        return self._line

    async def __aenter__(self) -> Self:
        self._line = LineConfig.model_validate({**self._framing, "url": self.wire.open()})
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.wire.close()
        self.stop()

    def stop(self) -> None:
        """Nothing happens any more: timers of the device are cancelled here."""

    def unplug(self) -> None:
        self.wire.close()

    def plug_in(self) -> None:
        self.wire.open()

    @abstractmethod
    def actions(self) -> Mapping[str, Action]:
        """What can be done to the device: name -> what takes the words after it."""

    def act(self, words: Sequence[str]) -> None:
        do(self.actions(), words)


def do(actions: Mapping[str, Action], words: Sequence[str]) -> None:
    """Carry out one action. Raises ValueError listing what can be done, or what was wrong with the words."""
    name = words[0] if words else ""
    if name not in actions:
        raise ValueError(f"{name!r} cannot be done here; there are: {', '.join(sorted(actions)) or 'none'}")
    try:
        actions[name](words[1:])
    except (IndexError, KeyError, ValueError) as error:
        raise ValueError(f"{' '.join(words)}: {error}") from None
