"""Every driver there is. A row here, a codec, a simulator and a paragraph of docs make a driver.

A driver's module must be cheap to import: a station imports all of them and uses a few. A library is imported
by the function that needs it.
"""

from __future__ import annotations

from collections.abc import Callable

from firmware_bridge.config import BYTE_STREAMS, LineKind
from firmware_bridge.drivers import (
    alpha_sign,
    at_modem,
    dlt645,
    door_board,
    esphome,
    framebuffer_sign,
    hub75_sign,
    huidu_sign,
    modbus,
    modbus_points,
    mqtt,
    nmea,
    nut,
    onvif,
    osdp,
    scanner,
    uhppote,
)
from firmware_bridge.drivers.base import Capability, DriverContext, DriverRow, LineUse, Options
from firmware_bridge.drivers.entity_device import check_entity_device
from firmware_bridge.drivers.entity_lock import check_entity_lock
from firmware_bridge.drivers.modbus_unit import MODBUS_LINES
from firmware_bridge.drivers.onvif_http import OnvifSession
from firmware_bridge.session import Session, SessionContext
from firmware_bridge.sessions.esphome import EsphomeSession
from firmware_bridge.sessions.mqtt import MqttSession
from firmware_bridge.sessions.surface import SurfaceSession

__all__ = ["DRIVERS", "SESSIONS", "Capability", "DriverContext", "DriverRow", "LineUse", "Options"]

DRIVERS: dict[str, DriverRow] = {
    "modbus_lock": DriverRow(
        options=modbus.LockOptions,
        capabilities=(Capability.LOCK, Capability.CONTACT, Capability.BUTTON),
        factory=modbus.ModbusLock,
        check=modbus.check_lock,
        needs_profile=True,
        lines=MODBUS_LINES,
        line_use=LineUse.SHARED,
        summary="Modbus relay board wired to a lock, a door contact and buttons",
    ),
    "modbus_sensor": DriverRow(
        options=modbus_points.PointsOptions,
        capabilities=(Capability.SENSOR,),
        factory=modbus_points.ModbusSensor,
        check=modbus_points.check_sensor,
        needs_profile=True,
        lines=MODBUS_LINES,
        line_use=LineUse.SHARED,
        summary="Modbus device whose points stand in a device profile; inputs are told as they change",
    ),
    "nmea_gnss": DriverRow(
        options=nmea.GnssOptions,
        capabilities=(Capability.LOCATOR, Capability.SENSOR),
        factory=nmea.NmeaGnss,
        check=nmea.check_gnss,
        needs_profile=False,
        lines=BYTE_STREAMS,
        line_use=LineUse.ALONE,
        summary="GNSS receiver that speaks NMEA 0183",
    ),
    "modbus_control": DriverRow(
        options=modbus_points.PointsOptions,
        capabilities=(Capability.SENSOR, Capability.CONTROL),
        factory=modbus_points.ModbusControl,
        check=modbus_points.check_control,
        needs_profile=True,
        lines=MODBUS_LINES,
        line_use=LineUse.SHARED,
        summary="Modbus device some of whose points can be set, and are read back",
    ),
    "at_modem": DriverRow(
        options=at_modem.ModemOptions,
        capabilities=(Capability.SENSOR,),
        factory=at_modem.AtModem,
        check=at_modem.check_modem,
        needs_profile=False,
        lines=BYTE_STREAMS,
        line_use=LineUse.ALONE,
        summary="Cellular modem: signal, registration, operator and SIM by AT commands",
    ),
    "serial_scanner": DriverRow(
        options=scanner.ScannerOptions,
        capabilities=(Capability.SCANNER, Capability.IDENTIFY),
        factory=scanner.SerialScanner,
        check=scanner.check_scanner,
        needs_profile=False,
        lines=BYTE_STREAMS,
        line_use=LineUse.ALONE,
        summary="QR scanner that types texts on a serial line",
    ),
    "door_board": DriverRow(
        options=door_board.DoorBoardOptions,
        capabilities=(
            Capability.LOCK,
            Capability.CONTACT,
            Capability.BUTTON,
            Capability.TAMPER,
            Capability.SENSOR,
            Capability.IDENTIFY,
            Capability.FIRMWARE,
        ),
        factory=door_board.DoorBoard,
        check=door_board.check_board,
        needs_profile=False,
        lines=BYTE_STREAMS,
        line_use=LineUse.SHARED,
        summary="Our door board: lock, contact, egress button, fire and tamper inputs, new firmware over its line",
    ),
    "dlt645_meter": DriverRow(
        options=dlt645.MeterOptions,
        capabilities=(Capability.SENSOR,),
        factory=dlt645.Dlt645Meter,
        check=dlt645.check_meter,
        needs_profile=False,
        lines=BYTE_STREAMS,
        line_use=LineUse.MANY,
        summary="DL/T 645-2007 electricity meter",
    ),
    "osdp_reader": DriverRow(
        options=osdp.ReaderOptions,
        capabilities=(
            Capability.READER,
            Capability.KEYPAD,
            Capability.TAMPER,
            Capability.CONTROL,
            Capability.IDENTIFY,
        ),
        factory=osdp.OsdpReader,
        check=osdp.check_reader,
        needs_profile=False,
        lines=BYTE_STREAMS,
        line_use=LineUse.SHARED,
        summary="OSDP card reader, plain or in a Secure Channel",
    ),
    "alpha_sign": DriverRow(
        options=alpha_sign.AlphaSignOptions,
        capabilities=(Capability.SIGN, Capability.IDENTIFY),
        factory=alpha_sign.AlphaSign,
        check=alpha_sign.check_sign,
        needs_profile=False,
        lines=BYTE_STREAMS,
        line_use=LineUse.ALONE,
        summary="Alpha / BetaBrite LED sign",
    ),
    "huidu_sign": DriverRow(
        options=huidu_sign.HuiduSignOptions,
        capabilities=(Capability.SIGN, Capability.IDENTIFY, Capability.CONTROL),
        factory=huidu_sign.HuiduSign,
        check=huidu_sign.check_sign,
        needs_profile=False,
        lines=frozenset({LineKind.TCP}),
        line_use=LineUse.ALONE,
        summary="Sign on a Huidu full-colour card",
    ),
    "framebuffer_sign": DriverRow(
        options=framebuffer_sign.FramebufferSignOptions,
        capabilities=(Capability.SIGN, Capability.IDENTIFY),
        factory=framebuffer_sign.FramebufferSign,
        check=framebuffer_sign.check_sign,
        needs_profile=False,
        lines=frozenset({LineKind.FRAMEBUFFER}),
        line_use=LineUse.MANY,
        summary="Sign behind a framebuffer: HDMI sending cards",
    ),
    "hub75_sign": DriverRow(
        options=hub75_sign.Hub75SignOptions,
        capabilities=(Capability.SIGN, Capability.IDENTIFY),
        factory=hub75_sign.Hub75Sign,
        check=hub75_sign.check_sign,
        needs_profile=False,
        lines=frozenset({LineKind.HUB75}),
        line_use=LineUse.ALONE,
        summary="HUB75 panels at the pins of this board",
    ),
    "uhppote_door": DriverRow(
        options=uhppote.UhppoteOptions,
        capabilities=(Capability.LOCK, Capability.CONTACT, Capability.BUTTON, Capability.SENSOR),
        factory=uhppote.UhppoteDoor,
        check=uhppote.check_door,
        needs_profile=False,
        lines=frozenset({LineKind.UDP}),
        line_use=LineUse.SHARED,
        summary="One door of a UHPPOTE door controller",
    ),
    "onvif_camera": DriverRow(
        options=onvif.OnvifOptions,
        capabilities=(Capability.CAMERA,),
        factory=onvif.OnvifCamera,
        check=onvif.check_camera,
        needs_profile=False,
        lines=frozenset({LineKind.ONVIF}),
        line_use=LineUse.MANY,
        summary="ONVIF network camera: pictures, motor, motion, tamper and digital inputs",
    ),
    "nut_ups": DriverRow(
        options=nut.NutOptions,
        capabilities=(Capability.SENSOR,),
        factory=nut.NutUps,
        check=nut.check_ups,
        needs_profile=False,
        lines=frozenset({LineKind.TCP}),
        line_use=LineUse.MANY,
        summary="UPS behind a NUT server",
    ),
    "esphome_lock": DriverRow(
        options=esphome.EsphomeLockOptions,
        capabilities=(Capability.LOCK, Capability.CONTACT, Capability.BUTTON),
        factory=esphome.EsphomeLock,
        check=check_entity_lock,
        needs_profile=False,
        lines=frozenset({LineKind.ESPHOME}),
        line_use=LineUse.MANY,
        summary="Lock, door contact and buttons of an ESPHome node",
    ),
    "esphome_device": DriverRow(
        options=esphome.EsphomeDeviceOptions,
        capabilities=(Capability.SENSOR, Capability.CONTROL),
        factory=esphome.EsphomeDevice,
        check=check_entity_device,
        needs_profile=False,
        lines=frozenset({LineKind.ESPHOME}),
        line_use=LineUse.MANY,
        summary="What an ESPHome node measures, and what can be set on it",
    ),
    "mqtt_lock": DriverRow(
        options=mqtt.MqttLockOptions,
        capabilities=(Capability.LOCK, Capability.CONTACT, Capability.BUTTON),
        factory=mqtt.MqttLock,
        check=check_entity_lock,
        needs_profile=False,
        lines=frozenset({LineKind.MQTT, LineKind.MQTTS}),
        line_use=LineUse.MANY,
        summary="Lock, door contact and buttons of a node behind a broker, by Home Assistant's discovery",
    ),
    "mqtt_device": DriverRow(
        options=mqtt.MqttDeviceOptions,
        capabilities=(Capability.SENSOR, Capability.CONTROL),
        factory=mqtt.MqttDevice,
        check=check_entity_device,
        needs_profile=False,
        lines=frozenset({LineKind.MQTT, LineKind.MQTTS}),
        line_use=LineUse.MANY,
        summary="What a node behind a broker measures, and what can be set on it: Tasmota, Zigbee2MQTT, Shelly",
    ),
}

# What keeps the connection of a line that has no bus.
SESSIONS: dict[LineKind, Callable[[SessionContext], Session]] = {
    LineKind.ESPHOME: EsphomeSession,
    LineKind.MQTT: MqttSession,
    LineKind.MQTTS: MqttSession,
    LineKind.ONVIF: OnvifSession,
    LineKind.FRAMEBUFFER: SurfaceSession,
    LineKind.HUB75: SurfaceSession,
}
