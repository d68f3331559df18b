"""Every driver there is. A row here, a codec, a simulator and a paragraph of docs make a driver.

A row names its code and does not import it: a station imports the drivers of its own devices. A library is imported
by the function that needs it.
"""

from __future__ import annotations

from collections.abc import Callable

from firmware_bridge.config import BYTE_STREAMS, MODBUS_LINES, LineKind
from firmware_bridge.drivers.base import Capability, DriverCode, DriverContext, DriverRow, LineUse, Options
from firmware_bridge.session import Session, SessionContext

__all__ = ["DRIVERS", "SESSIONS", "Capability", "DriverCode", "DriverContext", "DriverRow", "LineUse", "Options"]

DRIVERS: dict[str, DriverRow] = {
    "modbus_lock": DriverRow(
        code="modbus:LOCK",
        capabilities=(Capability.LOCK, Capability.CONTACT, Capability.BUTTON),
        needs_profile=True,
        lines=MODBUS_LINES,
        line_use=LineUse.SHARED,
        summary="Modbus relay board wired to a lock, a door contact and buttons",
    ),
    "modbus_sensor": DriverRow(
        code="modbus_points:SENSOR",
        capabilities=(Capability.SENSOR,),
        needs_profile=True,
        lines=MODBUS_LINES,
        line_use=LineUse.SHARED,
        summary="Modbus device whose points stand in a device profile; inputs are told as they change",
    ),
    "nmea_gnss": DriverRow(
        code="nmea:GNSS",
        capabilities=(Capability.LOCATOR, Capability.SENSOR),
        needs_profile=False,
        lines=BYTE_STREAMS,
        line_use=LineUse.ALONE,
        summary="GNSS receiver that speaks NMEA 0183",
    ),
    "modbus_control": DriverRow(
        code="modbus_points:CONTROL",
        capabilities=(Capability.SENSOR, Capability.CONTROL),
        needs_profile=True,
        lines=MODBUS_LINES,
        line_use=LineUse.SHARED,
        summary="Modbus device some of whose points can be set, and are read back",
    ),
    "at_modem": DriverRow(
        code="at_modem:MODEM",
        capabilities=(Capability.SENSOR,),
        needs_profile=False,
        lines=BYTE_STREAMS,
        line_use=LineUse.ALONE,
        summary="Cellular modem: signal, registration, operator and SIM by AT commands",
    ),
    "serial_scanner": DriverRow(
        code="scanner:SCANNER",
        capabilities=(Capability.SCANNER, Capability.IDENTIFY),
        needs_profile=False,
        lines=BYTE_STREAMS,
        line_use=LineUse.ALONE,
        summary="QR scanner that types texts on a serial line",
    ),
    "door_board": DriverRow(
        code="door_board:BOARD",
        capabilities=(
            Capability.LOCK,
            Capability.CONTACT,
            Capability.BUTTON,
            Capability.TAMPER,
            Capability.SENSOR,
            Capability.IDENTIFY,
            Capability.FIRMWARE,
        ),
        needs_profile=False,
        lines=BYTE_STREAMS,
        line_use=LineUse.SHARED,
        summary="Our door board: lock, contact, egress button, fire and tamper inputs, new firmware over its line",
    ),
    "dlt645_meter": DriverRow(
        code="dlt645:METER",
        capabilities=(Capability.SENSOR,),
        needs_profile=False,
        lines=BYTE_STREAMS,
        line_use=LineUse.MANY,
        summary="DL/T 645-2007 electricity meter",
    ),
    "osdp_reader": DriverRow(
        code="osdp:READER",
        capabilities=(
            Capability.READER,
            Capability.KEYPAD,
            Capability.TAMPER,
            Capability.CONTROL,
            Capability.IDENTIFY,
        ),
        needs_profile=False,
        lines=BYTE_STREAMS,
        line_use=LineUse.SHARED,
        summary="OSDP card reader, plain or in a Secure Channel",
    ),
    "alpha_sign": DriverRow(
        code="alpha_sign:SIGN",
        capabilities=(Capability.SIGN, Capability.IDENTIFY),
        needs_profile=False,
        lines=BYTE_STREAMS,
        line_use=LineUse.ALONE,
        summary="Alpha / BetaBrite LED sign",
    ),
    "huidu_sign": DriverRow(
        code="huidu_sign:SIGN",
        capabilities=(Capability.SIGN, Capability.IDENTIFY, Capability.CONTROL),
        needs_profile=False,
        lines=frozenset({LineKind.TCP}),
        line_use=LineUse.ALONE,
        summary="Sign on a Huidu full-colour card",
    ),
    "framebuffer_sign": DriverRow(
        code="framebuffer_sign:SIGN",
        capabilities=(Capability.SIGN, Capability.IDENTIFY),
        needs_profile=False,
        lines=frozenset({LineKind.FRAMEBUFFER}),
        line_use=LineUse.MANY,
        summary="Sign behind a framebuffer: HDMI sending cards",
    ),
    "hub75_sign": DriverRow(
        code="hub75_sign:SIGN",
        capabilities=(Capability.SIGN, Capability.IDENTIFY),
        needs_profile=False,
        lines=frozenset({LineKind.HUB75}),
        line_use=LineUse.ALONE,
        summary="HUB75 panels at the pins of this board",
    ),
    "uhppote_door": DriverRow(
        code="uhppote:DOOR",
        capabilities=(Capability.LOCK, Capability.CONTACT, Capability.BUTTON, Capability.SENSOR),
        needs_profile=False,
        lines=frozenset({LineKind.UDP}),
        line_use=LineUse.SHARED,
        summary="One door of a UHPPOTE door controller",
    ),
    "onvif_camera": DriverRow(
        code="onvif:CAMERA",
        capabilities=(Capability.CAMERA,),
        needs_profile=False,
        lines=frozenset({LineKind.ONVIF}),
        line_use=LineUse.MANY,
        summary="ONVIF network camera: pictures, motor, motion, tamper and digital inputs",
    ),
    "nut_ups": DriverRow(
        code="nut:UPS",
        capabilities=(Capability.SENSOR,),
        needs_profile=False,
        lines=frozenset({LineKind.TCP}),
        line_use=LineUse.MANY,
        summary="UPS behind a NUT server",
    ),
    "esphome_lock": DriverRow(
        code="esphome:LOCK",
        capabilities=(Capability.LOCK, Capability.CONTACT, Capability.BUTTON),
        needs_profile=False,
        lines=frozenset({LineKind.ESPHOME}),
        line_use=LineUse.MANY,
        summary="Lock, door contact and buttons of an ESPHome node",
    ),
    "esphome_device": DriverRow(
        code="esphome:DEVICE",
        capabilities=(Capability.SENSOR, Capability.CONTROL),
        needs_profile=False,
        lines=frozenset({LineKind.ESPHOME}),
        line_use=LineUse.MANY,
        summary="What an ESPHome node measures, and what can be set on it",
    ),
    "mqtt_lock": DriverRow(
        code="mqtt:LOCK",
        capabilities=(Capability.LOCK, Capability.CONTACT, Capability.BUTTON),
        needs_profile=False,
        lines=frozenset({LineKind.MQTT, LineKind.MQTTS}),
        line_use=LineUse.MANY,
        summary="Lock, door contact and buttons of a node behind a broker, by Home Assistant's discovery",
    ),
    "mqtt_device": DriverRow(
        code="mqtt:DEVICE",
        capabilities=(Capability.SENSOR, Capability.CONTROL),
        needs_profile=False,
        lines=frozenset({LineKind.MQTT, LineKind.MQTTS}),
        line_use=LineUse.MANY,
        summary="What a node behind a broker measures, and what can be set on it: Tasmota, Zigbee2MQTT, Shelly",
    ),
}


def _esphome(context: SessionContext) -> Session:
    from firmware_bridge.sessions.esphome import EsphomeSession

    return EsphomeSession(context)


def _mqtt(context: SessionContext) -> Session:
    from firmware_bridge.sessions.mqtt import MqttSession

    return MqttSession(context)


def _onvif(context: SessionContext) -> Session:
    from firmware_bridge.drivers.onvif_http import OnvifSession

    return OnvifSession(context)


def _surface(context: SessionContext) -> Session:
    from firmware_bridge.sessions.surface import SurfaceSession

    return SurfaceSession(context)


# What keeps the connection of a line that has no bus.
SESSIONS: dict[LineKind, Callable[[SessionContext], Session]] = {
    LineKind.ESPHOME: _esphome,
    LineKind.MQTT: _mqtt,
    LineKind.MQTTS: _mqtt,
    LineKind.ONVIF: _onvif,
    LineKind.FRAMEBUFFER: _surface,
    LineKind.HUB75: _surface,
}
