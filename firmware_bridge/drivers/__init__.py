"""Every driver there is. A row here, a codec, a simulator and a paragraph of docs make a driver."""

from __future__ import annotations

from firmware_bridge.drivers import alpha_sign, modbus, scanner
from firmware_bridge.drivers.base import Capability, DriverContext, DriverRow, LineUse, Options

__all__ = ["DRIVERS", "Capability", "DriverContext", "DriverRow", "LineUse", "Options"]

DRIVERS: dict[str, DriverRow] = {
    "modbus_lock": DriverRow(
        options=modbus.LockOptions,
        capabilities=(Capability.LOCK, Capability.CONTACT, Capability.BUTTON),
        factory=modbus.ModbusLock,
        check=modbus.check_lock,
        needs_profile=True,
        line_use=LineUse.SHARED,
        summary="Modbus RTU relay board wired to a lock, a door contact and buttons",
    ),
    "modbus_sensor": DriverRow(
        options=modbus.SensorOptions,
        capabilities=(Capability.SENSOR,),
        factory=modbus.ModbusSensor,
        check=modbus.check_sensor,
        needs_profile=True,
        line_use=LineUse.SHARED,
        summary="Modbus RTU device whose points stand in a device profile",
    ),
    "serial_scanner": DriverRow(
        options=scanner.ScannerOptions,
        capabilities=(Capability.SCANNER,),
        factory=scanner.SerialScanner,
        check=scanner.check_scanner,
        needs_profile=False,
        line_use=LineUse.ALONE,
        summary="QR scanner that types texts on a serial line",
    ),
    "alpha_sign": DriverRow(
        options=alpha_sign.AlphaSignOptions,
        capabilities=(Capability.SIGN,),
        factory=alpha_sign.AlphaSign,
        check=alpha_sign.check_sign,
        needs_profile=False,
        line_use=LineUse.ALONE,
        summary="Alpha / BetaBrite LED sign",
    ),
}
