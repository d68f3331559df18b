"""Every driver's simulated device, by the driver's name. A row names its code, which is imported when it is made."""

from __future__ import annotations

from firmware_bridge.simulators.base import SimulatorRow

SIMULATORS: dict[str, SimulatorRow] = {
    "modbus_lock": SimulatorRow("station_devices:LockSimulation", "relay board with a door"),
    "modbus_sensor": SimulatorRow("modbus_profile:sensor", "temperature and humidity sensor"),
    "modbus_control": SimulatorRow("modbus_profile:control", "board with eight relays and eight inputs"),
    "serial_scanner": SimulatorRow("station_devices:ScannerSimulation", "scanner that types what it is shown"),
    "nmea_gnss": SimulatorRow("nmea_gnss:GnssSimulation", "GNSS receiver that stands where it is put"),
    "at_modem": SimulatorRow("at_modem:ModemSimulation", "cellular modem with a SIM"),
    "door_board": SimulatorRow("door_board:DoorBoardSimulation", "our door board with a door"),
    "dlt645_meter": SimulatorRow("dlt645_meter:MeterSimulation", "electricity meter of one phase"),
    "osdp_reader": SimulatorRow("osdp_reader:ReaderSimulation", "card reader with a keypad, in a Secure Channel"),
    "alpha_sign": SimulatorRow("station_devices:AlphaSimulation", "sign of 128 x 16 dots"),
    "huidu_sign": SimulatorRow("huidu_card:HuiduSimulation", "full-colour card with 128 x 32 dots"),
    "framebuffer_sign": SimulatorRow("framebuffer_screen:FramebufferSimulation", "screen as a plain file"),
    "hub75_sign": SimulatorRow("hub75_panel:Hub75Simulation", "two panels, inside this process only"),
    "uhppote_door": SimulatorRow("uhppote:UhppoteSimulation", "door controller with cards, a contact and a button"),
    "onvif_camera": SimulatorRow("onvif_camera:OnvifSimulation", "camera with a motor, motion, tamper and an input"),
    "nut_ups": SimulatorRow("nut_ups:UpsSimulation", "UPS behind a NUT server"),
    "esphome_lock": SimulatorRow("esphome_node:EsphomeLockSimulation", "ESPHome node with a door"),
    "esphome_device": SimulatorRow("esphome_node:EsphomeDeviceSimulation", "ESPHome node in a heated room"),
    "mqtt_lock": SimulatorRow("mqtt_node:MqttLockSimulation", "broker, and a node with a door behind it"),
    "mqtt_device": SimulatorRow("mqtt_node:MqttDeviceSimulation", "broker, and a node in a heated room behind it"),
}
