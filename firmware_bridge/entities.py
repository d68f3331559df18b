"""A node and its entities as a session knows them: what ESPHome and MQTT devices have in common.

```
 session --describe, tell, online, offline--> Node --changes--> devices (locks, sensors) that are attached to it
 session <------------- command, ask -------- Node <----------- devices
```
A state is *live* when the node itself said it in this connection; a broker's copy from earlier is not. Only a
live state confirms anything.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from firmware_bridge.capabilities import ControlRange, Quality

# Entities of one node that are kept: the largest ESPHome nodes in the field have about a hundred.
ENTITIES_MAX = 256
# When the station stops: how long the last commands may still take, and how many turns of the loop the drivers
# that are cancelled together with their session get to send them.
FAREWELL_S_MAX = 1.0
FAREWELL_TURNS = 5


class Kind(StrEnum):
    LOCK = "lock"
    BINARY_SENSOR = "binary_sensor"
    SENSOR = "sensor"
    TEXT_SENSOR = "text_sensor"
    SWITCH = "switch"
    NUMBER = "number"
    SELECT = "select"
    TEXT = "text"


class LockState(StrEnum):
    LOCKED = "locked"
    UNLOCKED = "unlocked"
    LOCKING = "locking"
    UNLOCKING = "unlocking"
    JAMMED = "jammed"
    OPEN = "open"  # unlocked, and the latch is drawn
    OPENING = "opening"


Value = float | bool | str


@dataclass(frozen=True, slots=True)
class Entity:
    """One thing that a node has. `takes` is None for what only tells, or cannot be read back."""

    kind: Kind
    name: str  # object id: unique among its kind
    unit: str = ""
    takes: ControlRange | None = None
    tells: bool = True  # False: whatever it is said to be is assumed
    step: float = 0.0  # of a number


@dataclass(frozen=True, slots=True)
class State:
    """What an entity last said. `value` is None when it has none, or none that could be understood."""

    value: Value | None
    quality: Quality
    at: datetime
    mono_s: float
    live: bool = True


class Attached(Protocol):
    """A device that lives on a node. Called on the loop; must return at once."""

    def node_changed(self) -> None:
        """The node came, went, or has other entities."""
        ...

    def told(self, entity: Entity, state: State) -> None:
        """An entity said something, the same as before included."""
        ...

    def lacks(self) -> str:
        """What the node does not have, or has away, that this device is made of; empty when nothing."""
        ...

    def garbled(self) -> None:
        """The node said something that is not understood."""
        ...


@dataclass(slots=True)
class _Known:
    entity: Entity
    state: State | None = None
    live_states: int = 0
    away: bool = False  # by its own word, though its node is there


async def _nobody(entity: Entity, value: Value) -> None:
    raise AssertionError("a node without a session takes no command")


async def _not_asked() -> None:
    """The node cannot be asked: what it said last stands."""


@dataclass(slots=True)
class Node:
    """What is known of one node. `send` and `ask` are its session's: each raises DeviceTimeout or DeviceRefused."""

    name: str
    send: Callable[[Entity, Value], Awaitable[None]] = _nobody
    ask: Callable[[], Awaitable[None]] = _not_asked
    down: str = "not connected yet"  # empty: the node is there
    busy: int = 0
    _known: dict[tuple[Kind, str], _Known] = field(default_factory=dict)
    _attached: list[Attached] = field(default_factory=list)
    _waiting: set[asyncio.Future[None]] = field(default_factory=set)

    # The session's side.

    def describe(self, entities: Iterable[Entity]) -> None:
        """What the node has now. States of what it still has are kept."""
        kept = self._known
        self._known = {}
        for entity in list(entities)[:ENTITIES_MAX]:
            key = (entity.kind, entity.name)
            before = kept.get(key)
            self._known[key] = replace(before, entity=entity) if before else _Known(entity)
        if not self.down:
            self._changed()

    def online(self) -> None:
        """The node is there: what it said meanwhile counts from now on."""
        if not self.down:
            return
        self.down = ""
        self._changed()
        for known in list(self._known.values()):
            if known.state is not None and not known.away:
                self._told(known.entity, known.state)

    def offline(self, why: str) -> None:
        """The node is gone, and nothing that it said stands any more."""
        for known in self._known.values():
            known.state = None
        if self.down != why:
            self.down = why
            self._changed()

    def close(self, why: str) -> None:
        """The station stops: whoever waits learns it, and nobody is told that the node went."""
        self.down = why
        self._wake()

    def set_away(self, kind: Kind, name: str, away: bool) -> None:
        """An entity went, and what it said stands no more; or it is back, and what it said meanwhile counts."""
        known = self._known.get((kind, name))
        if known is None or known.away is away:
            return
        known.away = away
        if away:
            known.state = None
        if not self.down:
            self._changed()
            if not away and known.state is not None:
                self._told(known.entity, known.state)

    def garbled(self) -> None:
        """The node said something that is not understood."""
        for device in self._attached:
            device.garbled()

    def tell(self, kind: Kind, name: str, state: State) -> None:
        """An entity said something; of one that is not known nothing is kept."""
        known = self._known.get((kind, name))
        if known is None:
            return
        known.state = state
        known.live_states += state.live
        if not self.down and not known.away:
            self._told(known.entity, state)
        self._wake()

    def _told(self, entity: Entity, state: State) -> None:
        for device in self._attached:
            device.told(entity, state)

    def _changed(self) -> None:
        for device in self._attached:
            device.node_changed()
        self._wake()

    def _wake(self) -> None:
        for waiter in self._waiting:
            if not waiter.done():
                waiter.set_result(None)

    # The devices' side.

    def attach(self, device: Attached) -> None:
        self._attached.append(device)

    @property
    def entities(self) -> Mapping[tuple[Kind, str], Entity]:
        return {key: known.entity for key, known in self._known.items()}

    @property
    def complete(self) -> bool:
        """Whether every device on it finds what it is made of."""
        return not any(device.lacks() for device in self._attached)

    def find(self, kind: Kind, name: str | None) -> Entity:
        """The entity of that name, or the only one of that kind. Raises LookupError saying what there is."""
        of_kind = [known.entity for known in self._known.values() if known.entity.kind is kind]
        found = [entity for entity in of_kind if name is None or entity.name == name]
        if len(found) == 1:
            return found[0]
        there = ", ".join(sorted(entity.name for entity in of_kind)) or "none"
        wanted = f"no {kind.value} {name!r}" if name is not None else f"not one {kind.value} but {len(found)}"
        raise LookupError(f"{self.name} has {wanted}; of that kind it has: {there}")

    def last(self, kind: Kind, name: str) -> State | None:
        """What an entity said last, whether the node is there or not."""
        known = self._known.get((kind, name))
        return None if known is None else known.state

    def state(self, entity: Entity) -> State | None:
        """None when nothing is known that stands."""
        known = self._known.get((entity.kind, entity.name))
        return None if known is None or known.away or self.down else known.state

    def gone(self, entity: Entity) -> str:
        """Why an entity cannot be reached; empty when it can."""
        return self.down or self.away(entity)

    def away(self, entity: Entity) -> str:
        """Why an entity cannot be reached though its node is there; empty when it can."""
        known = self._known.get((entity.kind, entity.name))
        if known is None:
            return f"{self.name} has no {entity.name} any more"
        return f"{self.name} says that its {entity.name} is not available" if known.away else ""

    @property
    def silent(self) -> list[Entity]:
        """Entities that have said nothing yet."""
        return [known.entity for known in self._known.values() if known.state is None]

    def live_states(self, entity: Entity) -> int:
        """How often the entity itself said its state."""
        known = self._known.get((entity.kind, entity.name))
        return 0 if known is None else known.live_states

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until it holds; it is asked again after every change. Bound it by a timeout."""
        while not condition():
            await self.changed()

    async def changed(self) -> None:
        """Wait for the next change of the node, of its entities or of a state."""
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.add(waiter)
        try:
            await waiter
        finally:
            self._waiting.discard(waiter)

    @contextmanager
    def keeping_open(self) -> Iterator[None]:
        """While it lasts a session that stops waits, for FAREWELL_S_MAX at most."""
        self.busy += 1
        try:
            yield
        finally:
            self.busy -= 1
            self._wake()


async def farewell(nodes: Iterable[Node]) -> None:
    """Services are cancelled together: let locks have their last word before the connection goes."""
    for _ in range(FAREWELL_TURNS):
        await asyncio.sleep(0)
    try:
        async with asyncio.timeout(FAREWELL_S_MAX):
            for node in nodes:
                await _idle(node)
    except TimeoutError:
        return


async def _idle(node: Node) -> None:
    await node.until(lambda: not node.busy)


@dataclass(frozen=True, slots=True)
class Agreement:
    """What the devices of one line say about it, each the same or nothing: the sum of it, or why there is none."""

    said: Mapping[str, Mapping[str, object]]  # device -> what it said

    def conflict(self) -> str | None:
        """Two devices that say different things about one key, in words."""
        first: dict[str, tuple[str, object]] = {}
        for device, values in self.said.items():
            for key, value in values.items():
                if value is None:
                    continue
                other, known = first.setdefault(key, (device, value))
                if known != value:
                    return f"{other} and {device} share the line and name a different `{key}`: say the same in both"
        return None

    def value(self, key: str) -> object | None:
        return next((values[key] for values in self.said.values() if values.get(key) is not None), None)
