"""What a node measures and what can be set on it, as a Sensor and a Control: the same for ESPHome and MQTT.

Nothing is polled: a node says what changed. Every point is told every `period_s` as it stands, and what is on or
off, or a word, at once when it changes.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Mapping, Sequence
from contextlib import suppress

from pydantic import Field

from firmware_bridge.capabilities import (
    ControlRange,
    DeviceError,
    DeviceRefused,
    DeviceTimeout,
    Quality,
    Reading,
)
from firmware_bridge.drivers.base import DriverContext, Options
from firmware_bridge.drivers.entity_base import EntityDriver
from firmware_bridge.entities import Entity, Kind, Node, State, Value
from firmware_bridge.profiles import DeviceProfile

log = logging.getLogger(__name__)

# A point that is set and does not say so within this is told as a failure.
SET_S_MAX = 3.0
# A node may say its old value once more before it says the new one.
SETTLE_S_MAX = 0.5
# A point that changes more often than this is told at its period only.
CHANGE_S_MIN = 0.1
# A number is said with fewer digits than it was set with.
SAME = 1e-4

KINDS = (Kind.SENSOR, Kind.BINARY_SENSOR, Kind.TEXT_SENSOR, Kind.SWITCH, Kind.NUMBER, Kind.SELECT, Kind.TEXT)


class EntityDeviceOptions(Options):
    """Which entities of the node are told, and how often."""

    points: dict[str, str] = Field(
        default_factory=dict,
        description="Point -> object id, or kind/object id; without it every entity of the node by its object id",
    )
    period_s: float = Field(default=10.0, ge=0.2, le=3600, description="Seconds between two tellings of every point")


class EntityDevice(EntityDriver):
    """A node's entities as points."""

    def __init__(self, context: DriverContext, node: Node, options: EntityDeviceOptions) -> None:
        super().__init__(context, node)
        self._options = options
        self._points: dict[str, Entity] = {}
        self._told_last: dict[str, tuple[float, Value | None]] = {}
        self._whole_due = True  # the node came: everything is told at once, and nothing by itself before

    async def read(self) -> Sequence[Reading]:
        """One Reading of each point as it stands; of a node that is away every known point as MISSING."""
        return [self._reading(point, entity) for point, entity in self._points.items()]

    @property
    def controls(self) -> Mapping[str, ControlRange]:
        """Points that can be set and say what they were set to; none before the node was there."""
        return {point: entity.takes for point, entity in self._points.items() if entity.takes is not None}

    async def set(self, point: str, value: float | bool | str) -> Reading:
        """Command, and wait for the node's own word: that reading.

        Raises ValueError for a wrong point or value, DeviceRefused when the node holds another value, DeviceTimeout.
        """
        entity = self._points.get(point)
        if entity is None or entity.takes is None:
            there = ", ".join(sorted(self.controls)) or "none"
            raise ValueError(f"{self.name}: {point!r} cannot be set; there are: {there}")
        _check_value(f"{self.name}: {point}", entity, value)
        wanted = entity
        self._entity(lambda: wanted)
        began = self._clock.monotonic()
        told_before = self._node.live_states(entity)

        def answered() -> bool:
            return bool(self._node.gone(entity)) or self._node.live_states(entity) > told_before

        try:
            with suppress(TimeoutError):
                async with asyncio.timeout(SET_S_MAX):
                    await self._node.send(entity, value)
                    if self._holds(entity, value):  # a node does not say again what it holds already
                        await self._node.ask()
                    else:
                        await self._node.until(answered)
                        async with asyncio.timeout(SETTLE_S_MAX):
                            await self._node.until(lambda: bool(self._node.gone(entity)) or self._holds(entity, value))
            self._check_holds(point, entity, value, answered())
        except DeviceError as error:
            self._count(began, error)
            raise
        self._count(began, None)
        return self._reading(point, entity)

    async def run(self) -> None:
        """Emit every point every period, and anew when the node comes or goes."""
        while True:
            for reading in await self.read():
                self._emit(reading)
                self._told_last[reading.point] = (reading.mono_s, reading.value)
            self._whole_due = bool(self._node.down)
            before = (self._node.down, len(self._points))
            with suppress(TimeoutError):
                async with asyncio.timeout(self._options.period_s):
                    await self._node.until(lambda: (self._node.down, len(self._points)) != before)  # noqa: B023 - ends in this turn

    def node_changed(self) -> None:
        if self._node.down:
            self._whole_due = True
        super().node_changed()

    def told(self, entity: Entity, state: State) -> None:
        if self._whole_due or entity.kind in (Kind.SENSOR, Kind.NUMBER):
            return
        for point, known in self._points.items():
            if known != entity:
                continue
            last_s, value = self._told_last.get(point, (0.0, None))
            if state.value != value and state.mono_s - last_s >= CHANGE_S_MIN:
                self._told_last[point] = (state.mono_s, state.value)
                self._emit(self._reading(point, entity))

    def _look(self) -> None:
        entities = {key: entity for key, entity in self._node.entities.items() if entity.kind in KINDS}
        if not self._options.points:
            self._points = by_name(entities)
        for point, wanted in self._options.points.items():
            self._points[point] = _named(self._node.name, entities, wanted)
        away = [self._node.away(entity) for entity in self._points.values()]
        if away and all(away):
            raise LookupError(away[0])

    def _holds(self, entity: Entity, value: Value) -> bool:
        state = self._node.state(entity)
        if state is None or not state.live:
            return False
        if isinstance(state.value, float | int) and isinstance(value, float | int):
            return abs(state.value - value) <= max(entity.step / 2, SAME * abs(value))
        return state.value == value

    def _check_holds(self, point: str, entity: Entity, value: Value, answered: bool) -> None:
        if gone := self._node.gone(entity):
            raise DeviceTimeout(self.name, f"it went before {point} was set: {gone}")
        if self._holds(entity, value):
            return
        if not answered:
            self.stats.timeouts += 1
            raise DeviceTimeout(self.name, f"{point} did not say what it was set to within {SET_S_MAX:g} s")
        state = self._node.state(entity)
        raise DeviceRefused(self.name, f"{point} is {state.value if state else None} and not {value} as it was set")

    def _reading(self, point: str, entity: Entity) -> Reading:
        state = self._node.state(entity)
        if state is None:
            at, mono_s = self._clock.now(), self._clock.monotonic()
            return Reading(self.name, point, None, entity.unit, Quality.MISSING, at, mono_s)
        return Reading(self.name, point, state.value, entity.unit, state.quality, state.at, state.mono_s)


def by_name(entities: Mapping[tuple[Kind, str], Entity]) -> dict[str, Entity]:
    """Point -> entity: by its object id, and by kind and object id where several share one."""
    names = [name for _, name in entities]
    return {name if names.count(name) == 1 else f"{kind}_{name}": entity for (kind, name), entity in entities.items()}


def _named(node: str, entities: Mapping[tuple[Kind, str], Entity], wanted: str) -> Entity:
    kind, slash, name = wanted.partition("/")
    found = [
        entity
        for entity in entities.values()
        if (entity.name == name and entity.kind.value == kind if slash else entity.name == wanted)
    ]
    if len(found) == 1:
        return found[0]
    there = ", ".join(sorted(f"{entity.kind}/{entity.name}" for entity in entities.values())) or "nothing"
    raise LookupError(f"{node} has {'several' if found else 'no'} {wanted!r}; it has: {there}")


def _check_value(where: str, entity: Entity, value: float | bool | str) -> None:
    """Raises ValueError for a value that the entity does not take."""
    takes = entity.takes
    assert takes is not None
    if takes.words and value not in takes.words:
        raise ValueError(f"{where} is one of {', '.join(takes.words)}, not {value!r}")
    match entity.kind:
        case Kind.SWITCH if not isinstance(value, bool):
            raise ValueError(f"{where} is true or false, not {value!r}")
        case Kind.NUMBER:
            if isinstance(value, bool | str):
                raise ValueError(f"{where} is a number, not {value!r}")
            low = -math.inf if takes.min is None else takes.min
            high = math.inf if takes.max is None else takes.max
            if not low <= value <= high:  # also what is no number
                raise ValueError(f"{where} is {low:g} to {high:g} {takes.unit}, not {value}")
        case Kind.TEXT if not isinstance(value, str):
            raise ValueError(f"{where} is a text, not {value!r}")


def check_entity_device(address: int, options: Options, profile: DeviceProfile | None) -> list[str]:
    """A node describes itself; what it lacks is told when it is there."""
    return ["profile: a node describes itself, it needs none"] if profile is not None else []
