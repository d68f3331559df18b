"""What a search found becomes rows of a station profile, which the station's own reader takes."""

import tomllib
from pathlib import Path

from firmware_bridge.bridge import check
from firmware_bridge.config import DeviceConfig, LineConfig
from firmware_bridge.discovery.finding import Finding, proposed_rows

PROFILES = Path(__file__).parents[3] / "config" / "devices"
METER = LineConfig(url="/dev/ttyS1", baud=2400, parity="E")
WIRE = LineConfig(url="serial:///dev/serial/by-id/usb-A", baud=9600)
FOUND = (
    Finding("relay board, unit 1", WIRE, "modbus_lock", address=1, profile="generic_relay", options={"contact": 0}),
    Finding("something at unit 9", WIRE, remarks=("it refuses every read",)),
    Finding("climate, unit 2", WIRE, "modbus_sensor", address=2, profile="xy_md02"),
    Finding("also climate, unit 3", METER, "modbus_sensor", address=3, profile="xy_md02"),
)


def test_the_rows_are_toml_and_the_bridge_takes_them():
    rows = tomllib.loads(proposed_rows(FOUND))
    lines = {name: LineConfig.model_validate(row) for name, row in rows["lines"].items()}
    devices = {name: DeviceConfig.model_validate(row) for name, row in rows["devices"].items()}
    assert list(lines.values()) == [WIRE, METER]
    assert devices["modbus_lock_1"].options == {"contact": 0}
    assert {name: device.line for name, device in devices.items()} == {
        "modbus_lock_1": "line_1",
        "modbus_sensor_1": "line_1",
        "modbus_sensor_2": "line_2",
    }
    assert check(lines, devices, PROFILES) == []


def test_what_no_driver_fits_is_a_remark_and_no_row():
    text = proposed_rows(FOUND)
    assert "# something at unit 9\n# it refuses every read\n# no driver fits\n" in text


def test_a_name_with_quotes_stays_a_name():
    found = Finding("sign", LineConfig(url="tcp://10.0.0.5:10001"), "huidu_sign", options={"title": '"北门"\n'})
    assert tomllib.loads(proposed_rows([found]))["devices"]["huidu_sign_1"]["options"] == {"title": '"北门"\n'}
