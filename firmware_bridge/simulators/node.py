"""What a simulated ESPHome or MQTT node has: a door with its lock, and a room with a heater. No protocol.

```
 lock strike, binary_sensor contact and call           the door (door.py)
 sensor temperature, switch heater, number target, select mode, text label, text_sensor phase    the room
```
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from firmware_bridge.capabilities import ControlRange
from firmware_bridge.entities import Entity, Kind, LockState, Value
from firmware_bridge.simulators.base import Action
from firmware_bridge.simulators.door import Door, DoorTiming

STRIKE = Entity(Kind.LOCK, "strike")
CONTACT = Entity(Kind.BINARY_SENSOR, "contact")
CALL = Entity(Kind.BINARY_SENSOR, "call")
TEMPERATURE = Entity(Kind.SENSOR, "temperature", unit="°C")
PHASE = Entity(Kind.TEXT_SENSOR, "phase")
HEATER = Entity(Kind.SWITCH, "heater", takes=ControlRange())
TARGET = Entity(Kind.NUMBER, "target", unit="°C", takes=ControlRange("°C", 5.0, 30.0), step=0.5)
MODE = Entity(Kind.SELECT, "mode", takes=ControlRange(words=("idle", "eco", "comfort")))
LABEL = Entity(Kind.TEXT, "label", takes=ControlRange())

DOOR = (STRIKE, CONTACT, CALL)
ROOM = (TEMPERATURE, PHASE, HEATER, TARGET, MODE, LABEL)
BOLT_S = 0.05

Say = Callable[[Entity, Value | None], None]


class SimulatedNode:
    """Entities and their values; `say` is called with whatever changes."""

    def __init__(self, entities: Sequence[Entity], say: Say) -> None:
        self.entities = {(entity.kind, entity.name): entity for entity in entities}
        self.values: dict[Entity, Value | None] = dict.fromkeys(entities)
        first: dict[Entity, Value] = {
            STRIKE: LockState.LOCKED,
            CONTACT: False,
            CALL: False,
            TEMPERATURE: 21.5,
            PHASE: "resting",
            HEATER: False,
            TARGET: 18.0,
            MODE: "idle",
            LABEL: "room",
        }
        self.values |= {entity: first[entity] for entity in entities}
        self.mute = False
        self.commands: list[tuple[str, Value]] = []
        self._say = say
        self.door = Door(DoorTiming(bolt_s=BOLT_S, visitor=False), self._moved)

    def stop(self) -> None:
        self.door.stop()

    def command(self, kind: Kind, name: str, value: Value) -> None:
        """Somebody on the network wants something; what is not there, or not taken, is ignored."""
        entity = self.entities.get((kind, name))
        if entity is None or self.mute:
            return
        self.commands.append((name, value))
        if kind is Kind.LOCK:
            self.door.relay(value == LockState.UNLOCKED)
        elif entity.takes is not None:
            self.put(entity, value)

    def put(self, entity: Entity, value: Value | None) -> None:
        """A value changes by itself."""
        self.values[entity] = value
        if not self.mute:
            self._say(entity, value)

    def actions(self) -> Mapping[str, Action]:
        if (Kind.LOCK, STRIKE.name) in self.entities:
            return {
                "push": lambda words: self.door.push(),
                "close": lambda words: self.door.close(),
                "force": lambda words: self.door.force(),
                "press": lambda words: self.put(CALL, True),
                "let-go": lambda words: self.put(CALL, False),
                "jam": lambda words: self._jam(True),
                "free": lambda words: self._jam(False),
            }
        return {
            "temperature": lambda words: self.put(TEMPERATURE, None if words[0] == "none" else float(words[0])),
            "phase": lambda words: self.put(PHASE, words[0]),
            "switch": lambda words: self.put(HEATER, words[0] == "on"),
        }

    def state(self) -> dict[str, object]:
        return {entity.name: value for entity, value in self.values.items()}

    def _jam(self, jammed: bool) -> None:
        self.door.jammed = jammed
        self._moved()

    def _moved(self) -> None:
        for entity, value in ((STRIKE, self._bolt()), (CONTACT, self.door.is_open)):
            if self.values[entity] != value:
                self.put(entity, value)

    def _bolt(self) -> LockState:
        door = self.door
        if door.jammed and door.released is not door.bolt_drawn:
            return LockState.JAMMED
        if door.released:
            return LockState.UNLOCKED if door.bolt_drawn else LockState.UNLOCKING
        return LockState.LOCKING if door.bolt_drawn else LockState.LOCKED
