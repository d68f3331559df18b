"""A node behind a broker that describes itself by Home Assistant's discovery, and the broker.

```
 homeassistant/status     somebody came: it introduces itself again
 homeassistant/<component>/yizhan_node/<name>/config    retained: what it has
 yizhan/<name>/state      retained      yizhan/<name>/set      commands      yizhan/there      retained: online, offline
```
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any, Self

from firmware_bridge.clock import SystemClock
from firmware_bridge.config import DeviceConfig, LineConfig
from firmware_bridge.entities import Entity, Kind, LockState, Value
from firmware_bridge.sessions.mqtt_client import Account, MqttConnection
from firmware_bridge.sessions.reconnect import keep_connected
from firmware_bridge.simulators.base import Action, SimulatorContext, do
from firmware_bridge.simulators.mqtt_broker import HOST, SimulatedBroker
from firmware_bridge.simulators.node import CALL, CONTACT, DOOR, ROOM, SimulatedNode

LINE = "it"
NODE = "yizhan_node"
BASE = "yizhan"
THERE = f"{BASE}/there"
STATUS = "homeassistant/status"
PASSWORD_NAME = "simulated_broker.password"  # noqa: S105 - the name of a secret


class MqttNode:
    """A node's end of the connection."""

    def __init__(self, broker: SimulatedBroker, entities: Sequence[Entity], context: SimulatorContext) -> None:
        self.node = SimulatedNode(entities, self.say)
        self._broker = broker
        self._clock = SystemClock()
        self._rng = context.rng
        self._connection: MqttConnection | None = None

    async def run(self) -> None:
        await keep_connected("simulated node", self._live, self._lost, clock=self._clock, rng=self._rng)

    async def _live(self) -> str:
        account = Account(HOST, self._broker.port, f"simulated-{NODE}", self._broker.user, self._broker.password)
        return await MqttConnection(account, self).live(_at_once)

    def _lost(self, why: str) -> None:
        self._connection = None

    def opened(self, connection: MqttConnection) -> None:
        self._connection = connection
        connection.subscribe([f"{BASE}/+/set", STATUS])
        self._introduce(connection)

    def _introduce(self, connection: MqttConnection) -> None:
        for entity in self.node.entities.values():
            topic = f"homeassistant/{_component(entity)}/{NODE}/{entity.name}/config"
            connection.tell(topic, json.dumps(description(entity)).encode(), retain=True)
        connection.tell(THERE, b"online", retain=True)
        for entity, value in self.node.values.items():
            self.say(entity, value)

    def heard(self, topic: str, payload: bytes, retained: bool) -> None:
        if topic == STATUS and self._connection is not None:
            self._introduce(self._connection)  # somebody came who has not heard it
            return
        name = topic.split("/")[1]
        for entity in self.node.entities.values():
            if entity.name == name:
                value = commanded(entity.kind, payload.decode(errors="replace"))
                if value is not None:
                    self.node.command(entity.kind, name, value)

    def say(self, entity: Entity, value: Value | None) -> None:
        if self._connection is not None:
            self._connection.tell(f"{BASE}/{entity.name}/state", said(value).encode(), retain=True)

    def there(self, there: bool) -> None:
        """It comes or goes by its own word."""
        if self._connection is not None:
            self._connection.tell(THERE, b"online" if there else b"offline", retain=True)


async def _at_once() -> None:
    """Nothing is waited for."""


def description(entity: Entity) -> dict[str, Any]:
    """What the node publishes about one entity."""
    told: dict[str, Any] = {
        "~": f"{BASE}/{entity.name}",
        "stat_t": "~/state",
        "avty_t": THERE,
        "uniq_id": f"{NODE}_{entity.name}",
        "dev": {"ids": [NODE], "name": "simulated node"},
    }
    if entity.kind in (Kind.LOCK, Kind.SWITCH, Kind.NUMBER, Kind.SELECT, Kind.TEXT):
        told["cmd_t"] = "~/set"
    if entity.unit:
        told["unit_of_meas"] = entity.unit
    if entity.takes is not None and entity.kind is Kind.NUMBER:
        told |= {"min": entity.takes.min, "max": entity.takes.max, "step": entity.step}
    if entity.takes is not None and entity.takes.words:
        told["ops"] = entity.takes.words
    return told


def _component(entity: Entity) -> str:
    return "sensor" if entity.kind is Kind.TEXT_SENSOR else entity.kind.value


def said(value: Value | None) -> str:
    """A value as its payload."""
    match value:
        case None:
            return "None"
        case bool():
            return "ON" if value else "OFF"
        case LockState():
            return value.name
        case _:
            return str(value)


def commanded(kind: Kind, payload: str) -> Value | None:
    """None for what is no command of that kind."""
    match kind:
        case Kind.LOCK:
            return {"LOCK": LockState.LOCKED, "UNLOCK": LockState.UNLOCKED}.get(payload)
        case Kind.SWITCH:
            return {"ON": True, "OFF": False}.get(payload)
        case Kind.NUMBER:
            try:
                return float(payload)
            except ValueError:
                return None
        case _:
            return payload


class MqttSimulation:
    """A broker with one node behind it. `unplug` ends the broker."""

    def __init__(self, context: SimulatorContext, entities: tuple[Entity, ...], device: DeviceConfig) -> None:
        self.device = device
        self.broker = SimulatedBroker(context.link_dir / "broker")
        self.end = MqttNode(self.broker, entities, context)
        self._secrets = context.secrets
        self._running: asyncio.Task[None] | None = None

    @property
    def line(self) -> LineConfig:
        if not self.broker.port:
            raise RuntimeError("the simulation is not open")
        return LineConfig(url=f"mqtt://{HOST}:{self.broker.port}")

    async def __aenter__(self) -> Self:
        self._secrets.write(PASSWORD_NAME, self.broker.password.encode())
        self.broker.open()
        try:
            await self.broker.ready()
        except BaseException:
            self.broker.stop()
            raise
        self._running = asyncio.create_task(self.end.run(), name="simulated node")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._running is not None
        self._running.cancel()
        await asyncio.wait([self._running])
        self.end.node.stop()
        self.broker.stop()

    def unplug(self) -> None:
        self.broker.stop()

    def plug_in(self) -> None:
        self.broker.start()

    def mute(self, muted: bool) -> None:
        self.end.node.mute = muted

    def state(self) -> dict[str, object]:
        return self.end.node.state()

    def actions(self) -> Mapping[str, Action]:
        return {
            **self.end.node.actions(),
            "leave": lambda words: self.end.there(False),
            "return": lambda words: self.end.there(True),
        }

    def act(self, words: Sequence[str]) -> None:
        do(self.actions(), words)


def _options(**more: object) -> dict[str, object]:
    return {"node": NODE, "user": "station", "password": PASSWORD_NAME, **more}


class MqttLockSimulation(MqttSimulation):
    """A door behind a broker."""

    def __init__(self, context: SimulatorContext) -> None:
        options = _options(contact=CONTACT.name, buttons={"call": CALL.name})
        super().__init__(context, DOOR, DeviceConfig(driver="mqtt_lock", line=LINE, options=options))


class MqttDeviceSimulation(MqttSimulation):
    """A room behind a broker."""

    def __init__(self, context: SimulatorContext) -> None:
        options = _options(period_s=5.0)
        super().__init__(context, ROOM, DeviceConfig(driver="mqtt_device", line=LINE, options=options))
