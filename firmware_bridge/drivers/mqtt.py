"""Nodes behind a broker that describe themselves by Home Assistant's discovery: their lock, and what they tell."""

from __future__ import annotations

from pydantic import Field

from firmware_bridge.drivers.base import DriverCode, DriverContext, Options
from firmware_bridge.drivers.entity_device import EntityDevice, EntityDeviceOptions, check_entity_device
from firmware_bridge.drivers.entity_lock import EntityLock, EntityLockOptions, check_entity_lock
from firmware_bridge.entities import Node
from firmware_bridge.secrets import SecretName
from firmware_bridge.sessions.mqtt import Login, MqttSession


class BrokerOptions(Options):
    """Which node, and how to come to its broker. Devices of one line say the same, or leave it to one of them."""

    node: str = Field(
        min_length=1,
        max_length=255,
        description="The node: an identifier or a connection of its device, or the node id or object id of its topic",
    )
    discovery_prefix: str = Field(
        default="homeassistant",
        pattern=r"^[^+#/\x00]+(/[^+#/\x00]+)*$",
        description="Topic under which nodes describe themselves",
    )
    user: str | None = Field(default=None, description="User at the broker")
    password: SecretName | None = Field(default=None, description="Secret that holds the user's password")
    ca: SecretName | None = Field(
        default=None, description="Secret that holds the certificate (PEM) that a mqtts:// broker is checked against"
    )
    allow_plain: bool = Field(
        default=False, description="Use mqtt:// beyond this machine too: whoever hears it can open the door"
    )


class MqttLockOptions(BrokerOptions, EntityLockOptions):
    """Which entities of the node make the door."""


class MqttDeviceOptions(BrokerOptions, EntityDeviceOptions):
    """Which entities of the node are told."""


class MqttLock(EntityLock):
    def __init__(self, context: DriverContext) -> None:
        options = context.options
        assert isinstance(options, MqttLockOptions)
        super().__init__(context, _node(context, options), options)


class MqttDevice(EntityDevice):
    def __init__(self, context: DriverContext) -> None:
        options = context.options
        assert isinstance(options, MqttDeviceOptions)
        super().__init__(context, _node(context, options), options)


def _node(context: DriverContext, options: BrokerOptions) -> Node:
    login = Login(options.user, options.password, options.ca, options.allow_plain)
    session = context.session(MqttSession)
    return session.attach(context.name, login, prefix=options.discovery_prefix, node=options.node)


LOCK = DriverCode(options=MqttLockOptions, factory=MqttLock, check=check_entity_lock)
DEVICE = DriverCode(options=MqttDeviceOptions, factory=MqttDevice, check=check_entity_device)
