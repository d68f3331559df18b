"""An ESPHome node on loopback: the server side of the native API, encrypted, with the library's own messages.

```
 01 | length u16be | data                        every frame
    client: empty                                hello
    node:   01 name 00 mac 00                    hello
    client: 00 and 48 bytes, node: the same      Noise_NNpsk0_25519_ChaChaPoly_SHA256; prologue "NoiseAPIInit", hello
    then, encrypted: type u16be | length u16be | protobuf
```
It shares the library's messages with our client, and with it their mistakes: `tests/contract/bridge` shows our
client to a node that ESPHome made, and not to this one alone.
"""

from __future__ import annotations

import base64
import math
import struct
from collections.abc import Callable, Mapping
from typing import Any

from firmware_bridge.config import DeviceConfig
from firmware_bridge.entities import Entity, Kind, LockState, Value
from firmware_bridge.simulators.base import Action, SimulatorContext, WireSimulation
from firmware_bridge.simulators.node import CALL, CONTACT, DOOR, ROOM, SimulatedNode
from firmware_bridge.simulators.paced_net import PacedTcp

PROTOCOL = b"Noise_NNpsk0_25519_ChaChaPoly_SHA256"
PROLOGUE = b"NoiseAPIInit"
NAME, MAC = "yizhan-node", "02:00:00:00:00:01"
FRAME = struct.Struct(">BH")
MESSAGE = struct.Struct(">HH")
# A client's longest frame is a hello or a text; one that announces more is cut off.
BUFFER_BYTES_MAX = 4096

_DESCRIBES = {
    Kind.LOCK: "ListEntitiesLockResponse",
    Kind.BINARY_SENSOR: "ListEntitiesBinarySensorResponse",
    Kind.SENSOR: "ListEntitiesSensorResponse",
    Kind.TEXT_SENSOR: "ListEntitiesTextSensorResponse",
    Kind.SWITCH: "ListEntitiesSwitchResponse",
    Kind.NUMBER: "ListEntitiesNumberResponse",
    Kind.SELECT: "ListEntitiesSelectResponse",
    Kind.TEXT: "ListEntitiesTextResponse",
}
_SAYS = {
    Kind.LOCK: "LockStateResponse",
    Kind.BINARY_SENSOR: "BinarySensorStateResponse",
    Kind.SENSOR: "SensorStateResponse",
    Kind.TEXT_SENSOR: "TextSensorStateResponse",
    Kind.SWITCH: "SwitchStateResponse",
    Kind.NUMBER: "NumberStateResponse",
    Kind.SELECT: "SelectStateResponse",
    Kind.TEXT: "TextStateResponse",
}
_COMMANDS = {
    "LockCommandRequest": Kind.LOCK,
    "SwitchCommandRequest": Kind.SWITCH,
    "NumberCommandRequest": Kind.NUMBER,
    "SelectCommandRequest": Kind.SELECT,
    "TextCommandRequest": Kind.TEXT,
}


class NodeWire(PacedTcp):
    """A TCP end that tells when a client came."""

    on_client: Callable[[], None] = staticmethod(lambda: None)

    def connected(self) -> None:
        self.on_client()


class EsphomeServer:
    """One client's conversation after another."""

    def __init__(self, wire: NodeWire, key: bytes) -> None:
        self._wire = wire
        self._key = key
        self.node: SimulatedNode | None = None
        self.refused = 0
        self._begin()
        wire.on_client = self._begin
        wire.listen(self._heard)

    def _begin(self) -> None:
        self._buffer = bytearray()
        self._hello: bytes | None = None
        self._noise: Any = None
        self._subscribed = False

    def _heard(self, data: bytes, first_byte_s: float) -> None:
        if self.node is None or self.node.mute:
            return
        self._buffer += data
        while len(self._buffer) >= FRAME.size:
            indicator, count = FRAME.unpack_from(self._buffer)
            if indicator != 1 or count > BUFFER_BYTES_MAX:
                self._refuse("Bad indicator byte")
                return
            if len(self._buffer) < FRAME.size + count:
                return
            frame = bytes(self._buffer[FRAME.size : FRAME.size + count])
            del self._buffer[: FRAME.size + count]
            if not self._frame(frame):
                return

    def _frame(self, frame: bytes) -> bool:
        """False: the client was cut off."""
        from cryptography.exceptions import InvalidTag

        if self._hello is None:
            self._hello = frame
            self._put(b"\x01" + NAME.encode() + b"\0" + MAC.encode() + b"\0")
            return True
        try:
            if self._noise is None:
                self._shake(frame)
                return True
            plain = self._noise.decrypt(frame)
        except InvalidTag:
            self._refuse("Handshake MAC failure")
            return False
        kind, count = MESSAGE.unpack_from(plain)
        return self._message(kind, plain[MESSAGE.size : MESSAGE.size + count])

    def _shake(self, frame: bytes) -> None:
        from aioesphomeapi._frame_helper.noise_encryption import ESPHOME_NOISE_BACKEND
        from noise.connection import NoiseConnection  # type: ignore[import-untyped]  # has no types

        assert self._hello is not None
        noise = NoiseConnection.from_name(PROTOCOL, backend=ESPHOME_NOISE_BACKEND)
        noise.set_as_responder()
        noise.set_psks(self._key)
        noise.set_prologue(PROLOGUE + struct.pack(">H", len(self._hello)) + self._hello)
        noise.start_handshake()
        noise.read_message(frame[1:])
        self._put(b"\x00" + bytes(noise.write_message()))
        self._noise = noise

    def _refuse(self, why: str) -> None:
        """As a node does: say why, and hang up."""
        self.refused += 1
        self._put(b"\x01" + why.encode())
        self._buffer.clear()
        self._begin()

    def _put(self, frame: bytes) -> None:
        self._wire.send(FRAME.pack(1, len(frame)) + frame)

    def _message(self, kind: int, data: bytes) -> bool:
        from aioesphomeapi.core import MESSAGE_TYPE_TO_PROTO

        node = self.node
        assert node is not None
        shape = MESSAGE_TYPE_TO_PROTO.get(kind)
        if shape is None:
            return True
        message: Any = shape()
        message.ParseFromString(data)
        name = shape.__name__
        match name:
            case "HelloRequest":
                self._send(
                    "HelloResponse", api_version_major=1, api_version_minor=10, name=NAME, server_info="simulated"
                )
            case "PingRequest":
                self._send("PingResponse")
            case "DisconnectRequest":
                self._send("DisconnectResponse")
            case "DeviceInfoRequest":
                self._send(
                    "DeviceInfoResponse", name=NAME, mac_address=MAC, model="simulated", esphome_version="2026.6.5"
                )
            case "ListEntitiesRequest":
                for entity in node.entities.values():
                    self._send(_DESCRIBES[entity.kind], **_described(entity))
                self._send("ListEntitiesDoneResponse")
            case "SubscribeStatesRequest":
                self._subscribed = True
                for entity, value in node.values.items():
                    self.say(entity, value)
            case _ if name in _COMMANDS:
                for entity in node.entities.values():
                    if entity.kind is _COMMANDS[name] and _key(entity) == message.key:
                        node.command(entity.kind, entity.name, _commanded(entity.kind, message))
        return True

    def say(self, entity: Entity, value: Value | None) -> None:
        """A state, to a client that listens."""
        from aioesphomeapi import api_pb2

        if not self._subscribed:
            return
        said: dict[str, Any] = {"key": _key(entity)}
        match entity.kind:
            case Kind.LOCK:
                assert isinstance(value, LockState)
                said["state"] = getattr(api_pb2, f"LOCK_STATE_{value.name}")
            case Kind.SENSOR | Kind.NUMBER:
                said["state"] = math.nan if value is None else value
            case _ if value is None:
                said["missing_state"] = True
            case _:
                said["state"] = value
        self._send(_SAYS[entity.kind], **said)

    def _send(self, message: str, /, **fields: Any) -> None:
        from aioesphomeapi import api_pb2
        from aioesphomeapi.core import MESSAGE_TYPE_TO_PROTO

        if self._noise is None:
            return
        shape = getattr(api_pb2, message)
        number = next(number for number, known in MESSAGE_TYPE_TO_PROTO.items() if known is shape)
        data = shape(**fields).SerializeToString()
        self._put(bytes(self._noise.encrypt(MESSAGE.pack(number, len(data)) + data)))


def _key(entity: Entity) -> int:
    """Any number that tells entities apart."""
    return 1 + list(Kind).index(entity.kind) * 1000 + sum(entity.name.encode())


def _described(entity: Entity) -> dict[str, Any]:
    told: dict[str, Any] = {"object_id": entity.name, "key": _key(entity), "name": entity.name}
    if entity.unit:
        told["unit_of_measurement"] = entity.unit
    if entity.kind is Kind.NUMBER and entity.takes is not None:
        told |= {"min_value": entity.takes.min, "max_value": entity.takes.max, "step": entity.step}
    if entity.kind is Kind.SELECT and entity.takes is not None:
        told["options"] = entity.takes.words
    return told


def _commanded(kind: Kind, message: Any) -> Value:
    if kind is Kind.LOCK:
        return LockState.LOCKED if message.command else LockState.UNLOCKED
    value: Value = message.state
    return value


class _NodeSimulation(WireSimulation):
    """A node alone on its line; its key is kept where the bridge finds it."""

    KEY_NAME = "simulated_node.key"

    def __init__(self, context: SimulatorContext, entities: tuple[Entity, ...], device: DeviceConfig) -> None:
        wire = NodeWire("node", rng=context.rng, scheme="esphome")
        super().__init__(wire, device)
        self._key = context.rng.randbytes(32)
        self._secrets = context.secrets
        self.server = EsphomeServer(wire, self._key)
        self.node = SimulatedNode(entities, self.server.say)
        self.server.node = self.node

    async def __aenter__(self) -> Any:
        self._secrets.write(self.KEY_NAME, base64.b64encode(self._key))
        return await super().__aenter__()

    def stop(self) -> None:
        self.node.stop()

    def mute(self, muted: bool) -> None:
        self.node.mute = muted

    def state(self) -> dict[str, object]:
        return self.node.state()

    def actions(self) -> Mapping[str, Action]:
        return self.node.actions()


class EsphomeLockSimulation(_NodeSimulation):
    """A door as a node."""

    def __init__(self, context: SimulatorContext) -> None:
        options = {"key": self.KEY_NAME, "contact": CONTACT.name, "buttons": {"call": CALL.name}}
        device = DeviceConfig(driver="esphome_lock", line=self.LINE, options=options)
        super().__init__(context, DOOR, device)


class EsphomeDeviceSimulation(_NodeSimulation):
    """A room as a node."""

    def __init__(self, context: SimulatorContext) -> None:
        options = {"key": self.KEY_NAME, "period_s": 5.0}
        super().__init__(context, ROOM, DeviceConfig(driver="esphome_device", line=self.LINE, options=options))
