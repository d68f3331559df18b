"""Lines and devices of a profile: every mistake is found at once and named by its path."""

from pathlib import Path

import jsonschema
import pytest
from pydantic import ValidationError

from firmware_bridge.bridge import Bridge, BridgeConfigError, check, driver_options_schema
from firmware_bridge.clock import SystemClock
from firmware_bridge.config import (
    DeviceConfig,
    FileEndpoint,
    LineConfig,
    SerialEndpoint,
    ServiceEndpoint,
    TcpEndpoint,
    UdpEndpoint,
    parse_url,
)
from firmware_bridge.drivers import DRIVERS

PROFILES = Path(__file__).parents[3] / "config" / "devices"

LINES = {name: LineConfig(url=f"/dev/{name}") for name in ("door", "air", "scanner", "sign")}
LOCK = DeviceConfig(
    driver="modbus_lock", line="door", profile="waveshare_relay_d", options={"contact": 0, "buttons": {"face": 1}}
)
SENSOR = DeviceConfig(driver="modbus_sensor", line="air", profile="xy_md02", address=2)
SCANNER = DeviceConfig(driver="serial_scanner", line="scanner")
SIGN = DeviceConfig(driver="alpha_sign", line="sign", options={"width": 128, "height": 16})


def changed(device, **changes):
    return device.model_copy(update=changes)


def test_a_right_profile_has_no_mistakes():
    assert check(LINES, {"lock": LOCK, "climate": SENSOR, "scanner": SCANNER, "sign": SIGN}, PROFILES) == []


@pytest.mark.parametrize(
    ("device", "mistakes"),
    [
        (changed(LOCK, driver="nope"), ["devices.it.driver: 'nope' is none of "]),
        (changed(LOCK, line="nope"), ["devices.it.line: there is no line 'nope'"]),
        (changed(LOCK, profile=None), ["devices.it.profile: driver modbus_lock needs one"]),
        (changed(LOCK, profile="nope"), ["devices.it.profile: no device profile 'nope'; there are: "]),
        (changed(LOCK, profile="xy_md02"), ["devices.it.profile: describes no relays"]),
        (changed(LOCK, address=0), ["devices.it.address: 0, a Modbus unit is 1..247"]),
        (changed(LOCK, options={"coil": 8}), ["devices.it.options.coil: 8, the board has relays 0..7"]),
        (changed(LOCK, options={"coil": -1}), ["devices.it.options.coil: Input should be greater"]),
        (changed(LOCK, options={"contact": 8}), ["devices.it.options.contact: 8, the board has inputs 0..7"]),
        (
            changed(LOCK, options={"contact": 0, "buttons": {"face": 0}}),
            ["devices.it.options.buttons.face: input 0 is wired twice", "devices.it.options.contact: input 0"],
        ),
        (changed(LOCK, options={"buttons": {"contact": 1}}), ["devices.it.options.buttons.contact: the name"]),
        (changed(LOCK, options={"coyl": 1}), ["devices.it.options.coyl: Extra inputs"]),
        (changed(SENSOR, profile="generic_relay"), ["devices.it.profile: describes no points to read"]),
        (changed(SCANNER, profile="xy_md02"), ["devices.it.profile: a scanner has none"]),
        (changed(SIGN, options={}), ["devices.it.options.width: Field required", "devices.it.options.height: "]),
        (changed(SIGN, options={"width": 300, "height": 16}), ["devices.it.options.width: Input should be less"]),
    ],
)
def test_a_mistake_is_named_by_its_path(device, mistakes):
    found = check(LINES, {"it": device}, PROFILES)
    assert len(found) == len(mistakes)
    for line, start in zip(found, mistakes, strict=True):
        assert line.startswith(start)


def test_a_scanner_or_a_sign_has_a_line_of_its_own():
    found = check(LINES, {"lock": LOCK, "scanner": changed(SCANNER, line="door")}, PROFILES)
    assert found == ["devices.scanner.line: a serial_scanner needs a line of its own, 'door' also has lock"]


def test_an_address_is_taken_once_on_a_line():
    devices = {"lock": LOCK, "climate": changed(SENSOR, line="door", address=1)}
    assert check(LINES, devices, PROFILES) == ["devices.climate.address: 1 is taken by lock on line 'door'"]


def test_a_line_has_one_master():
    lines = {"a": LineConfig(url="/dev/x"), "b": LineConfig(url="/dev/x")}
    assert check(lines, {}, PROFILES) == ["lines.b.url: line 'a' has the same one, and a line has one master"]


async def test_a_wrong_profile_is_not_opened_and_all_mistakes_are_told():
    devices = {"a": changed(LOCK, profile=None), "b": changed(SENSOR, line="nope")}
    with pytest.raises(BridgeConfigError) as told:
        async with Bridge.open(LINES, devices, profiles_dir=PROFILES, emit=lambda event: None, clock=SystemClock()):
            pass
    assert len(told.value.errors) == 2


async def test_a_bridge_gives_capabilities_by_name_and_refuses_others():
    devices = {"lock": LOCK, "climate": SENSOR, "scanner": SCANNER, "sign": SIGN}
    async with Bridge.open(
        LINES, devices, profiles_dir=PROFILES, emit=lambda event: None, clock=SystemClock()
    ) as bridge:
        assert bridge.lock("lock").name == "lock"
        assert bridge.sign("sign").size == (128, 16)
        assert bridge.sensor("climate").name == "climate"
        assert [name for name, _ in bridge.services] == [
            *(f"line:{name}" for name in LINES),
            *(f"device:{name}" for name in devices),
            "statistics",
        ]
        for wrong in (bridge.lock, bridge.sensor):
            with pytest.raises(KeyError):
                wrong("sign")
        with pytest.raises(KeyError):
            bridge.sign("lock")


@pytest.mark.parametrize(
    ("url", "endpoint"),
    [
        ("serial:///dev/ttyUSB0", SerialEndpoint("/dev/ttyUSB0")),
        ("/dev/pts/4", SerialEndpoint("/dev/pts/4")),
        ("tcp://10.0.0.5:4001", TcpEndpoint("10.0.0.5", 4001)),
        ("tcp://[::1]:4001", TcpEndpoint("::1", 4001)),
        ("modbus-tcp://10.0.0.6", TcpEndpoint("10.0.0.6", 502)),
        ("udp://10.0.0.7:60000", UdpEndpoint("10.0.0.7", 60000)),
        ("mqtt://broker", ServiceEndpoint("broker", 1883, "")),
        ("onvif://10.0.0.8/onvif/device_service", ServiceEndpoint("10.0.0.8", 80, "/onvif/device_service")),
        ("fb:///dev/fb0", FileEndpoint("/dev/fb0")),
        ("hub75://local", FileEndpoint("")),
    ],
)
def test_a_url_says_where_a_line_is(url, endpoint):
    assert parse_url(url) == endpoint


@pytest.mark.parametrize(
    "url",
    [
        *("", "ttyUSB0", "tcp://host", "tcp://host:99999", "http://host:1", "serial://ttyUSB0", "tcp://host:1/path"),
        *("udp://host", "fb://dev/fb0", "hub75://elsewhere", "mqtt://host?tls=no", "esphome://"),
    ],
)
def test_a_url_that_is_none_says_what_is(url):
    with pytest.raises(ValidationError, match=r"tty|Port|write serial"):
        LineConfig(url=url)


def test_a_password_in_a_url_is_refused_and_not_repeated():
    with pytest.raises(ValueError, match="options of the device name the secret") as told:
        parse_url("mqtt://station:hunter2@broker")
    assert "hunter2" not in str(told.value)


def test_a_device_on_a_line_of_another_kind_is_told_which_it_needs():
    lines = {"air": LineConfig(url="mqtt://broker")}
    assert check(lines, {"it": changed(SENSOR, line="air")}, PROFILES) == [
        "devices.it.line: 'air' is mqtt://, a modbus_sensor needs modbus-tcp:// or serial:// or tcp://"
    ]


def test_bytes_take_time_on_a_wire_and_behind_a_serial_server_whose_baud_is_given():
    assert LineConfig(url="/x", baud=9600).byte_s == pytest.approx(10 / 9600)
    assert LineConfig(url="tcp://server:4001", baud=9600).byte_s == pytest.approx(10 / 9600)
    assert LineConfig(url="tcp://device:3493").byte_s == 0
    assert LineConfig(url="udp://device:60000").gap_s == 0


def test_the_gap_is_three_and_a_half_characters_and_never_under_its_floor():
    assert LineConfig(url="/x", baud=9600).gap_s == pytest.approx(3.5 * 10 / 9600)
    assert LineConfig(url="/x", baud=9600, parity="E").gap_s == pytest.approx(3.5 * 11 / 9600)
    assert LineConfig(url="/x", baud=115200).gap_s == 0.00175
    assert LineConfig(url="/x", gap_ms=12).gap_s == 0.012


def test_options_are_known_as_json_schema_and_it_judges_as_we_do():
    schema = driver_options_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    assert set(schema["properties"]) == set(DRIVERS)
    validator = jsonschema.Draft202012Validator(schema)
    assert validator.is_valid({"modbus_lock": LOCK.options, "alpha_sign": SIGN.options})
    assert not validator.is_valid({"alpha_sign": {}})
    assert not validator.is_valid({"modbus_lock": {"coyl": 1}})
