"""One entity of Home Assistant's MQTT discovery: the words of its states, of its commands, of its availability. PURE.

Words and defaults from https://www.home-assistant.io/integrations/lock.mqtt/ and the pages of the other components;
`availability_mode` from https://www.home-assistant.io/integrations/mqtt/, "Using availability topics". How a device
describes an entity is `ha_discovery`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from firmware_bridge.codecs import FrameError
from firmware_bridge.codecs.ha_template import NOTHING, PAYLOAD, Nothing, Template

# The largest payload that is read: a device-based discovery of a hundred entities has about 40 kB.
PAYLOAD_BYTES_MAX = 64 * 1024
TEXT_CHARS_MAX = 255
NO_VALUE = frozenset({"None", "unknown", "unavailable", "nan"})


class Component(StrEnum):
    LOCK = "lock"
    BINARY_SENSOR = "binary_sensor"
    SENSOR = "sensor"
    SWITCH = "switch"
    NUMBER = "number"
    SELECT = "select"
    TEXT = "text"


class Mode(StrEnum):
    """When an entity with several availability topics is available."""

    ALL = "all"
    ANY = "any"
    LATEST = "latest"


Value = float | bool | str


@dataclass(frozen=True, slots=True)
class Availability:
    """One topic that says whether the entity is there."""

    topic: str
    available: str = "online"
    not_available: str = "offline"
    template: Template = PAYLOAD

    def decode(self, payload: bytes) -> bool | None:
        """None for a payload that says neither."""
        said = self.template.render(decode_text(payload))
        return {self.available: True, self.not_available: False}.get(said) if isinstance(said, str) else None


@dataclass(frozen=True, slots=True)
class Config:
    """One entity as its device describes it. `states` are payload -> value, `commands` value -> payload."""

    component: Component
    object_id: str
    node: frozenset[str]  # every name that its device goes by
    state_topic: str | None = None
    command_topic: str | None = None
    assumed: bool = False  # its state is what it was last told to be
    template: Template = PAYLOAD
    states: Mapping[str, Value] = field(default_factory=dict)
    commands: Mapping[Value, str] = field(default_factory=dict)
    wrap: Callable[[str], str] | None = field(default=None, compare=False)
    reset: str = "None"
    numeric: bool = False
    unit: str = ""
    min: float = 1.0
    max: float = 100.0
    step: float = 1.0
    options: tuple[str, ...] = ()
    expire_after_s: float | None = None
    off_delay_s: float | None = None
    availability: tuple[Availability, ...] = ()
    mode: Mode = Mode.LATEST

    def decode_state(self, payload: bytes) -> Value | Nothing | None:
        """The value; None when it has none; NOTHING when the message is not about it. Raises FrameError."""
        said = self.template.render(decode_text(payload))
        if isinstance(said, Nothing) or not said:
            return NOTHING
        if said in (self.reset, "None"):
            return None
        match self.component:
            case Component.LOCK | Component.SWITCH | Component.BINARY_SENSOR:
                if said not in self.states:
                    raise FrameError(f"{self.object_id}: {said[:60]!r} is none of {', '.join(self.states)}")
                return self.states[said]
            case Component.SELECT:
                if said not in self.options:
                    raise FrameError(f"{self.object_id}: {said[:60]!r} is none of its options")
                return said
            case Component.TEXT:
                if len(said) > TEXT_CHARS_MAX:
                    raise FrameError(f"{self.object_id}: a text of {len(said)} characters")
                return said
            case Component.NUMBER:
                return number_of(self.object_id, said)
            case Component.SENSOR:
                return self._measured(said)

    def _measured(self, said: str) -> Value | None:
        if said in NO_VALUE:
            return None
        if self.numeric:
            return number_of(self.object_id, said)
        try:
            return number_of(self.object_id, said)
        except FrameError:
            return said[:TEXT_CHARS_MAX]

    def encode_command(self, value: Value) -> bytes:
        """The payload for `command_topic`. Raises FrameError for a value that has none."""
        if self.component in (Component.LOCK, Component.SWITCH):
            if value not in self.commands:
                raise FrameError(f"{self.object_id} takes no {value!r}")
            said = self.commands[value]
        elif isinstance(value, float) and value.is_integer():
            said = str(int(value))
        else:
            said = str(value)
        return (self.wrap(said) if self.wrap is not None else said).encode()


def is_available(config: Config, said: Mapping[Availability, bool], latest: bool | None) -> bool:
    """Whether an entity is there, by what its topics said last, and which of them was the last to speak."""
    if not config.availability:
        return True
    match config.mode:
        case Mode.ALL:
            return all(said.get(topic, False) for topic in config.availability)
        case Mode.ANY:
            return any(said.get(topic, False) for topic in config.availability)
        case Mode.LATEST:
            return bool(latest)


def number_of(where: str, said: str) -> float:
    try:
        number = float(said)
    except ValueError:
        raise FrameError(f"{where}: {said[:60]!r} is no number") from None
    if not math.isfinite(number):
        raise FrameError(f"{where}: {said[:60]!r} is no number")
    return number


def decode_text(payload: bytes) -> str:
    if len(payload) > PAYLOAD_BYTES_MAX:
        raise FrameError(f"payload of {len(payload)} bytes; at most {PAYLOAD_BYTES_MAX} are read")
    try:
        return payload.decode()
    except UnicodeDecodeError:
        raise FrameError("payload is no UTF-8") from None
