"""ESPHome nodes: their lock as a Lock, what they measure and set as a Sensor and a Control."""

from __future__ import annotations

from pydantic import Field

from firmware_bridge.drivers.base import DriverCode, DriverContext
from firmware_bridge.drivers.entity_device import EntityDevice, EntityDeviceOptions, check_entity_device
from firmware_bridge.drivers.entity_lock import EntityLock, EntityLockOptions, check_entity_lock
from firmware_bridge.secrets import SecretName
from firmware_bridge.sessions.esphome import EsphomeSession

_KEY = "Secret that holds the node's `api: encryption: key`, as it stands there"
_ALLOW_PLAIN = "Speak to the node without encryption, beyond this machine too: whoever hears it can open the door"


class EsphomeLockOptions(EntityLockOptions):
    """Which entities of the node make the door, and the node's key."""

    key: SecretName | None = Field(default=None, description=_KEY)
    allow_plain: bool = Field(default=False, description=_ALLOW_PLAIN)


class EsphomeDeviceOptions(EntityDeviceOptions):
    """Which entities of the node are told, and the node's key."""

    key: SecretName | None = Field(default=None, description=_KEY)
    allow_plain: bool = Field(default=False, description=_ALLOW_PLAIN)


class EsphomeLock(EntityLock):
    def __init__(self, context: DriverContext) -> None:
        options = context.options
        assert isinstance(options, EsphomeLockOptions)
        session = context.session(EsphomeSession)
        node = session.attach(context.name, key=options.key, allow_plain=options.allow_plain)
        super().__init__(context, node, options)


class EsphomeDevice(EntityDevice):
    def __init__(self, context: DriverContext) -> None:
        options = context.options
        assert isinstance(options, EsphomeDeviceOptions)
        session = context.session(EsphomeSession)
        node = session.attach(context.name, key=options.key, allow_plain=options.allow_plain)
        super().__init__(context, node, options)


LOCK = DriverCode(options=EsphomeLockOptions, factory=EsphomeLock, check=check_entity_lock)
DEVICE = DriverCode(options=EsphomeDeviceOptions, factory=EsphomeDevice, check=check_entity_device)
