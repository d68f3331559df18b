"""One node behind a broker, put together from its discovery messages, its states and its availability.

```
 discovery --> entities, topics --(SETTLE_S without another)--> node is online
 state topic --> value, live unless the broker kept it     availability topics --> entity is there, or away
```
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from firmware_bridge.capabilities import ControlRange, Quality
from firmware_bridge.clock import Clock
from firmware_bridge.codecs import FrameError
from firmware_bridge.codecs.ha_discovery import Decoded
from firmware_bridge.codecs.ha_entity import Availability, Component, Config, is_available
from firmware_bridge.codecs.ha_template import Nothing
from firmware_bridge.entities import ENTITIES_MAX, Entity, Kind, LockState, Node, State, Value

log = logging.getLogger(__name__)

# Discovery messages of one node come in a row.
SETTLE_S = 0.3
# A part that a device is made of, and that is not there yet, is waited for so long before it is told as lacking.
PATIENCE_S_MAX = 2.5
# A node that has not described itself by then is told as not there.
DISCOVERY_S_MAX = 5.0
# Different complaints about one node that are logged.
COMPLAINTS_MAX = 32

Key = tuple[Kind, str]


class DiscoveredNode:
    """What one node says. `on_topics` is called when it has other topics than before."""

    def __init__(self, prefix: str, wanted: str, node: Node, clock: Clock, on_topics: Callable[[], None]) -> None:
        self.prefix = prefix
        self.wanted = wanted
        self.node = node
        self._clock = clock
        self._on_topics = on_topics
        self._sources: dict[str, tuple[Config, ...]] = {}
        self._configs: dict[Key, Config] = {}
        self._said: dict[Key, dict[Availability, bool]] = {}
        self._latest: dict[Key, bool] = {}
        self._timers: dict[object, asyncio.TimerHandle] = {}
        self._complaints: set[str] = set()
        self._since_s = 0.0

    @property
    def complete(self) -> bool:
        """Nothing is waited for."""
        return not self.node.down and self.node.complete

    @property
    def topics(self) -> set[str]:
        """What is to be listened to for it."""
        found: set[str] = set()
        for config in self._configs.values():
            found |= {one.topic for one in config.availability}
            if config.state_topic is not None:
                found.add(config.state_topic)
        return found

    def config(self, entity: Entity) -> Config:
        return self._configs[entity.kind, entity.name]

    def connected(self) -> None:
        """The broker is there: the node is waited for."""
        self._since_s = self._clock.monotonic()
        self._later("discovery", DISCOVERY_S_MAX, self._not_found)

    def lost(self, why: str) -> None:
        """The broker is gone, and with it all that was known."""
        self.stop()
        self._sources.clear()
        self._configs.clear()
        self._said.clear()
        self._latest.clear()
        self.node.offline(why)

    def stop(self) -> None:
        """No timer fires any more."""
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()

    def described(self, topic: str, decoded: Decoded) -> None:
        """A discovery message came; perhaps it is about this node."""
        mine = tuple(config for config in decoded.configs if self.wanted in config.node)
        if self._sources.get(topic, ()) == mine:
            return  # of another node, or what is known
        if len(self._sources) >= ENTITIES_MAX and topic not in self._sources:
            self._complain(f"more than {ENTITIES_MAX} discovery topics; the others are left out")
            return
        self._sources[topic] = mine
        if not mine:
            del self._sources[topic]
        self._configs = self._unambiguous()
        self.node.describe(entity_of(config) for config in self._configs.values())
        for key, config in self._configs.items():
            self.node.set_away(*key, not is_available(config, self._said.get(key, {}), self._latest.get(key)))
        self._on_topics()
        if self.node.down:
            self._later("settled", SETTLE_S, self._settled)

    def _unambiguous(self) -> dict[Key, Config]:
        """Entities by name. Two that share one and differ are left out: which is meant, nobody could say."""
        found: dict[Key, Config] = {}
        doubtful: set[Key] = set()
        for config in [config for source in self._sources.values() for config in source][:ENTITIES_MAX]:
            key = (_kind(config), config.object_id)
            other = found.setdefault(key, config)
            if (other.command_topic, other.state_topic) != (config.command_topic, config.state_topic):
                doubtful.add(key)
            found[key] = config
        for key in doubtful:
            del found[key]
            self._complain(f"several are called {key[0]} {key[1]}; left out")
        return found

    def refused(self, text: str) -> None:
        """A part of the discovery is beyond us."""
        self._complain(text)

    def heard(self, topic: str, payload: bytes, retained: bool) -> None:
        """A message of any topic."""
        for key, config in list(self._configs.items()):
            try:
                if topic == config.state_topic:
                    self._state(key, config, payload, retained)
                for one in config.availability:
                    if topic == one.topic:
                        self._availability(key, config, one, payload)
            except FrameError as error:
                self.node.garbled()
                self._complain(str(error))

    def _state(self, key: Key, config: Config, payload: bytes, retained: bool) -> None:
        try:
            value = config.decode_state(payload)
        except FrameError:
            self._tell(key, None, Quality.INVALID, live=not retained)
            raise
        if isinstance(value, Nothing):
            return
        if retained and self._live(key):
            return  # the broker's copy of what the node said before
        quality = Quality.GOOD
        if value is None:
            quality = Quality.INVALID
        elif retained and not config.availability:
            quality = Quality.STALE  # how old it is, nobody says
        self._tell(key, value, quality, live=not retained)
        if config.expire_after_s is not None:
            self._later(("expires", key), config.expire_after_s, lambda: self._expired(key))
        if config.off_delay_s is not None and value is True:
            self._later(("off", key), config.off_delay_s, lambda: self._tell(key, False, Quality.GOOD, live=False))

    def _availability(self, key: Key, config: Config, one: Availability, payload: bytes) -> None:
        there = one.decode(payload)
        if there is None:
            raise FrameError(f"{config.object_id}: {payload[:60]!r} is neither {one.available} nor {one.not_available}")
        said = self._said.setdefault(key, {})
        said[one] = self._latest[key] = there
        self.node.set_away(*key, not is_available(config, said, there))

    def _tell(self, key: Key, value: Value | None, quality: Quality, *, live: bool) -> None:
        if key[0] is Kind.LOCK and isinstance(value, str):
            value = LockState(value)
        self.node.tell(*key, State(value, quality, self._clock.now(), self._clock.monotonic(), live))

    def _expired(self, key: Key) -> None:
        self._tell(key, None, Quality.MISSING, live=False)

    def _live(self, key: Key) -> bool:
        state = self.node.last(*key)
        return state is not None and state.live

    def _settled(self) -> None:
        self._cancel("discovery")
        if not self.node.complete and self._clock.monotonic() - self._since_s < PATIENCE_S_MAX:
            self._later("settled", SETTLE_S, self._settled)
            return
        self.node.online()

    def _not_found(self) -> None:
        if not self._configs:
            self.node.offline(
                f"nothing under {self.prefix}/ describes itself as {self.wanted!r}; check option `node`, and that "
                "discovery is on at the device"
            )

    def _complain(self, text: str) -> None:
        if text not in self._complaints and len(self._complaints) < COMPLAINTS_MAX:
            self._complaints.add(text)
            log.warning("%s: %s", self.node.name, text)

    def _later(self, name: object, delay_s: float, callback: Callable[[], None]) -> None:
        self._cancel(name)

        def fire() -> None:
            self._timers.pop(name, None)
            callback()

        self._timers[name] = asyncio.get_running_loop().call_later(delay_s, fire)

    def _cancel(self, name: object) -> None:
        timer = self._timers.pop(name, None)
        if timer is not None:
            timer.cancel()


def _kind(config: Config) -> Kind:
    """A sensor is one whether it says numbers or words."""
    return Kind(config.component.value)


def entity_of(config: Config) -> Entity:
    """What discovery describes, in the words that drivers know."""
    kind, name = _kind(config), config.object_id
    takes: ControlRange | None = None
    step = 0.0
    if config.command_topic is not None and not config.assumed:
        match config.component:
            case Component.SWITCH | Component.TEXT:
                takes = ControlRange()
            case Component.NUMBER:
                takes = ControlRange(config.unit, config.min, config.max)
                step = config.step
            case Component.SELECT:
                takes = ControlRange(words=config.options)
    return Entity(kind, name, config.unit, takes, tells=not config.assumed, step=step)
