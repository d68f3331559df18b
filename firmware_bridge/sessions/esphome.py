"""One ESPHome node by its native API: `aioesphomeapi` keeps the connection, this keeps it coming back.

```
 run(): key --> connect, noise --> entities --> states --> node is online --> ... --> lost --> pause --> again
```
A node whose key is named is spoken to encrypted or not at all: the library never falls back to plain text. Without
a key only a node on this machine is spoken to, or one whose devices say `allow_plain`.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import importlib
import logging
import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from firmware_bridge.capabilities import ControlRange, DeviceTimeout, Quality
from firmware_bridge.config import ServiceEndpoint, parse_url
from firmware_bridge.entities import Agreement, Entity, Kind, LockState, Node, State, Value, farewell
from firmware_bridge.exchange import LineLost
from firmware_bridge.secrets import SecretError
from firmware_bridge.session import SessionContext
from firmware_bridge.sessions.reconnect import is_this_machine, keep_connected

if TYPE_CHECKING:
    from aioesphomeapi.client import APIClient
    from aioesphomeapi.model import EntityInfo, EntityState

log = logging.getLogger(__name__)

CONNECT_S_MAX = 10.0
# The library gives a node up that answered no ping for 4.5 of these.
KEEPALIVE_S = 4.0
# After the list of entities each says its state; one that has none to say is not waited for longer than this.
STATES_S_MAX = 1.0
ANSWER_S_MAX = 3.0
KEY_BYTES = 32

# Kind -> model class of the library that describes it, and of a state of it.
_INFOS = {
    "LockInfo": Kind.LOCK,
    "BinarySensorInfo": Kind.BINARY_SENSOR,
    "SensorInfo": Kind.SENSOR,
    "TextSensorInfo": Kind.TEXT_SENSOR,
    "SwitchInfo": Kind.SWITCH,
    "NumberInfo": Kind.NUMBER,
    "SelectInfo": Kind.SELECT,
    "TextInfo": Kind.TEXT,
}
_STATES = {
    "LockEntityState": Kind.LOCK,
    "BinarySensorState": Kind.BINARY_SENSOR,
    "SensorState": Kind.SENSOR,
    "TextSensorState": Kind.TEXT_SENSOR,
    "SwitchState": Kind.SWITCH,
    "NumberState": Kind.NUMBER,
    "SelectState": Kind.SELECT,
    "TextState": Kind.TEXT,
}
_LOCK_STATES = {
    "LOCKED": LockState.LOCKED,
    "UNLOCKED": LockState.UNLOCKED,
    "JAMMED": LockState.JAMMED,
    "LOCKING": LockState.LOCKING,
    "UNLOCKING": LockState.UNLOCKING,
    "OPENING": LockState.OPENING,
    "OPEN": LockState.OPEN,
}

Address = tuple[Kind, int, int]  # kind, sub-device, key


class EsphomeSession:
    """The node of one line."""

    def __init__(self, context: SessionContext) -> None:
        self.name = context.name
        endpoint = parse_url(context.line.url)
        assert isinstance(endpoint, ServiceEndpoint)
        self._endpoint = endpoint
        self._clock = context.clock
        self._rng = context.rng
        self._secrets = context.secrets
        self._said: dict[str, Mapping[str, object]] = {}
        self._client: APIClient | None = None
        self._addresses: dict[tuple[Kind, str], Address] = {}
        self._names: dict[Address, str] = {}
        self.node = Node(f"node {context.name}", send=self._send, ask=self._ask)
        self.connections = 0

    def attach(self, device: str, *, key: str | None, allow_plain: bool) -> Node:
        """A device of this line, and what it says about the line: the node that it lives on."""
        self._said[device] = {"key": key, "allow_plain": allow_plain or None}
        return self.node

    async def run(self) -> None:
        """Keep the connection until cancelled."""
        name = f"line {self.name} ({self._endpoint.host}:{self._endpoint.port})"
        await keep_connected(name, self._live, self.node.offline, clock=self._clock, rng=self._rng)

    async def _live(self) -> str:
        """One connection from its first packet to its last; why it ended. Raises nothing that a network can do."""
        try:
            key = self._key()
        except (SecretError, ValueError) as error:
            return str(error)

        # It takes half a second of a quick machine, and the door's loop must not stand still for it.
        await asyncio.to_thread(importlib.import_module, "aioesphomeapi.client")
        from aioesphomeapi.client import APIClient
        from aioesphomeapi.core import APIConnectionError

        lost: asyncio.Future[str] = asyncio.get_running_loop().create_future()

        async def on_stop(expected: bool) -> None:
            if not lost.done():
                lost.set_result("the node said goodbye" if expected else "the connection was lost")

        client = APIClient(
            self._endpoint.host,
            self._endpoint.port,
            None,
            client_info="yizhan",
            keepalive=KEEPALIVE_S,
            noise_psk=key,
        )
        try:
            async with asyncio.timeout(CONNECT_S_MAX):
                await client.connect(on_stop=on_stop, login=False, log_errors=False)
                _, infos, _ = await client.device_info_and_list_entities()
            self._describe(infos)
            client.subscribe_states(self._on_state)
            self._client = client
            await self._first_states(lost)
            self.connections += 1
            log.info("line %s (%s:%d) is open", self.name, self._endpoint.host, self._endpoint.port)
            if not lost.done():
                self.node.online()
            return await lost
        except (APIConnectionError, OSError) as error:
            return _explain(error, bool(key))
        except asyncio.CancelledError:
            await farewell([self.node])
            self.node.close("the station is stopping")
            raise
        finally:
            self._client = None
            await client.disconnect(force=True)

    async def _first_states(self, lost: asyncio.Future[str]) -> None:
        try:
            async with asyncio.timeout(STATES_S_MAX):
                await self.node.until(lambda: not self.node.silent or lost.done())
        except TimeoutError:
            log.info("line %s: %s say nothing yet", self.name, ", ".join(one.name for one in self.node.silent))

    def _key(self) -> str | None:
        """The node's key as the library takes it. Raises ValueError saying what to do, SecretError."""
        agreement = Agreement(self._said)
        if (conflict := agreement.conflict()) is not None:
            raise ValueError(conflict)
        name = agreement.value("key")
        if not isinstance(name, str):
            if is_this_machine(self._endpoint.host) or agreement.value("allow_plain"):
                return None
            raise ValueError(
                "no key is named, so everybody on the network could open the door: name the node's key in option "
                "`key`, or say `allow_plain = true`"
            )
        data = self._secrets.read(name)
        if data is None:
            raise ValueError(f"its key is not there: write the node's `api: encryption: key` to {self._where(name)}")
        text = data.strip()
        try:
            if len(base64.b64decode(text, validate=True)) != KEY_BYTES:
                raise binascii.Error
        except binascii.Error:
            where = self._where(name)
            raise ValueError(f"its key is none: {where} must hold the base64 text of {KEY_BYTES} bytes") from None
        return text.decode("ascii")

    def _where(self, name: str) -> str:
        return self._secrets.where(name)

    def _describe(self, infos: list[EntityInfo]) -> None:
        self._addresses.clear()
        self._names.clear()
        entities: list[Entity] = []
        described = [(info, entity) for info in infos if (entity := entity_of(info)) is not None]
        names = [(entity.kind, entity.name) for _, entity in described]
        for info, entity in described:
            if names.count((entity.kind, entity.name)) > 1:  # of several sub-devices: which one, nobody could say
                log.warning("line %s: several are called %s %s; left out", self.name, entity.kind, entity.name)
                continue
            address = (entity.kind, info.device_id, info.key)
            self._addresses[entity.kind, entity.name] = address
            self._names[address] = entity.name
            entities.append(entity)
        self.node.describe(entities)

    def _on_state(self, state: EntityState) -> None:
        kind = _STATES.get(type(state).__name__)
        if kind is None:
            return
        name = self._names.get((kind, state.device_id, state.key))
        if name is None:
            return
        value = value_of(kind, state)
        quality = Quality.INVALID if value is None else Quality.GOOD
        self.node.tell(kind, name, State(value, quality, self._clock.now(), self._clock.monotonic()))

    async def _send(self, entity: Entity, value: Value) -> None:
        from aioesphomeapi.core import APIConnectionError
        from aioesphomeapi.model import LockCommand

        client = self._client
        if client is None:
            raise LineLost(self.name, self.node.down or "the connection is gone")
        _, device, key = self._addresses[entity.kind, entity.name]
        try:
            match entity.kind:
                case Kind.LOCK:
                    command = LockCommand.UNLOCK if value == LockState.UNLOCKED else LockCommand.LOCK
                    client.lock_command(key, command, device_id=device)
                case Kind.SWITCH:
                    client.switch_command(key, bool(value), device_id=device)
                case Kind.NUMBER:
                    client.number_command(key, float(value), device_id=device)
                case Kind.SELECT:
                    client.select_command(key, str(value), device_id=device)
                case Kind.TEXT:
                    client.text_command(key, str(value), device_id=device)
                case _:
                    raise AssertionError(f"{entity} takes no command")
        except APIConnectionError as error:
            raise LineLost(self.name, f"could not be told: {error}") from None

    async def _ask(self) -> None:
        """Any answer: what was sent before has been taken, and what the node said is not older than that."""
        from aioesphomeapi.core import APIConnectionError

        client = self._client
        if client is None:
            raise LineLost(self.name, self.node.down or "the connection is gone")
        try:
            async with asyncio.timeout(ANSWER_S_MAX):
                await client.device_info()
        except (APIConnectionError, TimeoutError) as error:
            raise DeviceTimeout(self.name, f"the node does not answer: {error or 'silence'}") from None


def entity_of(info: EntityInfo) -> Entity | None:
    """What the library describes, in our words; None for what no device of ours uses, or must not be read."""
    kind = _INFOS.get(type(info).__name__)
    told: Any = info
    name: str = told.object_id
    match kind:
        case Kind.LOCK:
            return Entity(kind, name, tells=not told.assumed_state)
        case Kind.BINARY_SENSOR | Kind.TEXT_SENSOR:
            return Entity(kind, name)
        case Kind.SENSOR:
            return Entity(kind, name, unit=told.unit_of_measurement)
        case Kind.SWITCH:
            assumed = told.assumed_state
            return Entity(kind, name, takes=None if assumed else ControlRange(), tells=not assumed)
        case Kind.NUMBER:
            takes = ControlRange(told.unit_of_measurement, told.min_value, told.max_value)
            return Entity(kind, name, unit=takes.unit, takes=takes, step=told.step)
        case Kind.SELECT:
            return Entity(kind, name, takes=ControlRange(words=tuple(told.options)))
        case Kind.TEXT if getattr(told.mode, "name", "") != "PASSWORD":
            return Entity(kind, name, takes=ControlRange())
    return None


def value_of(kind: Kind, state: EntityState) -> Value | None:
    """None for what the node marks as missing, and for no number."""
    told: Any = state
    if getattr(told, "missing_state", False):
        return None
    match kind:
        case Kind.LOCK:
            return _LOCK_STATES.get(getattr(told.state, "name", ""))
        case Kind.BINARY_SENSOR | Kind.SWITCH:
            return bool(told.state)
        case Kind.SENSOR | Kind.NUMBER:
            return round(float(told.state), 6) if math.isfinite(told.state) else None
        case _:
            return str(told.state)


def _explain(error: Exception, with_key: bool) -> str:
    """What went wrong, and what to do about it."""
    name = type(error).__name__
    if name == "RequiresEncryptionAPIError":
        return "the node wants encryption: name its key in option `key`"
    if name in ("InvalidEncryptionKeyAPIError", "EncryptionErrorAPIError"):
        return "the node refuses the key: write the node's `api: encryption: key` to the file that option `key` names"
    if name == "HandshakeAPIError" and with_key:
        return f"no encrypted connection: {error}; a node without encryption is refused while a key is named"
    return f"cannot connect: {error or 'no answer'}"
