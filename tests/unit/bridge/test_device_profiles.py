"""The device profiles that we ship, held to their makers' own figures: raw registers in, the manual's value out.

`EXAMPLES` are worked out in the maker's own manual. `TABLES` follow its table, with figures of ours.
"""

import re

import pytest

from firmware_bridge.profiles import DeviceKind, load
from tests.harness.peers import ROOT

DIRECTORY = ROOT / "config" / "devices"
PAGE = (ROOT / "docs" / "devices" / "profiles.md").read_text(encoding="utf-8")
PROFILES = {path.stem: load(DIRECTORY, path.stem) for path in sorted(DIRECTORY.glob("*.toml"))}
# What a rest station may hold, and which kinds and figures stand for it.
MEASURED = {"temperature", "humidity", "co2", "pm2_5"}
KINDS = {
    DeviceKind.RELAY_BOARD,
    DeviceKind.SMOKE_DETECTOR,
    DeviceKind.LEAK_DETECTOR,
    DeviceKind.MOTION_DETECTOR,
    DeviceKind.DOOR_CONTACT,
    DeviceKind.THERMOSTAT,
    DeviceKind.AIR_CONDITIONER,
    DeviceKind.WATER_DISPENSER,
    DeviceKind.PLUG,
    DeviceKind.METER,
}

EXAMPLES = [
    # E+E, EE160, section 4.6: the answer F5 03 04 51 F0 41 BA is 23.290008 degrees.
    ("epluse_ee160", "temperature", (0x51F0, 0x41BA), 23.29),
    # E+E, EE850, section 3.6: the answer 43 03 04 0B 00 44 A1 is 1288.34375 ppm.
    ("epluse_ee850", "co2", (0x0B00, 0x44A1), 1288),
    # ELT, MB-350U-C, section 2.1: the table's own figures.
    ("elt_mb350u_c", "co2", (800,), 800),
    ("elt_mb350u_c", "temperature", (255,), 25.5),
    ("elt_mb350u_c", "humidity", (75,), 75),
    ("elt_mb350u_c", "co", (25,), 25),
    # Uponor, X-147: 23 degrees are 734, 25 are 770; differences of 2 degrees (page 9) and of 5 (page 14) are 36 and 90.
    ("uponor_x147", "setpoint", (0x02DE,), 23.0),
    ("uponor_x147", "setpoint", (0x0302,), 25.0),
    ("uponor_x147", "heating_offset", (0x0024,), 2.0),
    ("uponor_x147", "heating_offset", (0x005A,), 5.0),
    # Peacefair, PZEM-016, section 2.3: the answer 01 04 14 08 98 03 E8 00 00 08 98 00 00 00 00 00 00 01 F4 00 64 00 00.
    ("peacefair_pzem016", "voltage", (0x0898,), 220.0),
    ("peacefair_pzem016", "current", (0x03E8, 0x0000), 1.0),
    ("peacefair_pzem016", "power", (0x0898, 0x0000), 220.0),
    ("peacefair_pzem016", "energy", (0x0000, 0x0000), 0.0),
    ("peacefair_pzem016", "frequency", (0x01F4,), 50.0),
    ("peacefair_pzem016", "power_factor", (0x0064,), 1.0),
]

TABLES = [
    ("peacefair_pzem016", "energy", (0x0001, 0x0001), 65.537),
    ("peacefair_pzem016", "current", (0x0001, 0x0001), 65.537),
    ("elt_mb350u_c", "temperature", (0xFF9C,), -10.0),
    ("elt_mb350u_c", "co2", (0xFFFF,), None),
    ("beok_tds23m", "power", (0x0100,), False),
    ("beok_tds23m", "power", (0x0001,), True),
    ("beok_tds23m", "keys_locked", (0x0100,), True),
    ("beok_tds23m", "temperature", (0x2B2A,), 21.5),
    ("beok_tds23m", "setpoint", (0x2B2A,), 21.0),
    ("beok_tds23m", "temperature", (0xC700,), 99.5),
    ("beok_tds23m", "temperature", (0xC800,), None),
    ("calectro_ug3", "smoke", (1,), True),
    ("calectro_ug3", "service", (0,), False),
    ("icpdas_pir130", "motion", (1,), True),
    ("icpdas_tm_da1p1r1", "open", (0,), True),
    ("icpdas_tm_da1p1r1", "open", (1,), False),
    ("intesis_inmbsdai", "on", (1,), True),
    ("intesis_inmbsdai", "mode", (4,), "cool"),
    ("intesis_inmbsdai", "mode", (5,), None),
    ("intesis_inmbsdai", "fan", (5,), "high"),
    ("intesis_inmbsdai", "vane", (10,), "swing"),
    ("intesis_inmbsdai", "setpoint", (215,), 21.5),
    ("intesis_inmbsdai", "setpoint", (0x805A,), None),  # -32678, "not yet known"
    ("intesis_inmbsdai", "temperature", (0x8000,), None),
    ("intesis_inmbsdai", "temperature", (0xFFCE,), -5.0),
    ("intesis_inmbsdai", "alarm", (1,), True),
    ("kaysun_khpa2", "power", (0x0001,), True),
    ("kaysun_khpa2", "mode", (3,), "e_heater"),
    ("kaysun_khpa2", "setpoint", (106,), 38.0),
    ("kaysun_khpa2", "setpoint", (170,), 70.0),
    ("kaysun_khpa2", "fahrenheit", (0x0040,), True),
    ("kaysun_khpa2", "disinfection", (0x0020,), True),
    ("netio_powercable_101", "frequency", (5003,), 50.03),
    ("netio_powercable_101", "voltage", (2314,), 231.4),
    ("netio_powercable_101", "power_factor", (987,), 0.987),
    ("netio_powercable_101", "current", (4350,), 4.35),
    ("netio_powercable_101", "power", (1005,), 1005),
    ("netio_powercable_101", "energy", (0x0001, 0x0001), 65.537),
    ("rle_ld1500", "leak", (0x0009,), True),
    ("rle_ld1500", "cable_break", (0x0009,), False),
    ("rle_ld1500", "cable_break", (0x0002,), True),
    ("rle_ld1500", "contamination", (0x0004,), True),
    ("rle_ld1500", "summary_alarm", (0x0009,), True),
    ("rle_ld1500", "distance_unit", (0,), "m"),
    ("rle_ld1500", "distance_unit", (1,), "ft"),
    ("rle_ld1500", "leak_current", (37,), 37),
    ("siemens_qsa2700d", "pm2_5", (35,), 35),
    ("siemens_qsa2700d", "pm2_5", (501,), None),
    ("siemens_qsa2700d", "status", (1,), "replace_module"),
    ("siemens_qsa2700d", "status", (7,), None),
    ("uponor_x147", "floor_temperature", (734,), 23.0),
    ("uponor_x147", "floor_temperature", (0x7FFF,), None),
    ("uponor_x147", "thermostat_lost", (1,), True),
]

SETTINGS = [
    # The manuals' own: Uponor's telegrams of 23 degrees and of 2 degrees' difference.
    ("uponor_x147", "setpoint", 23.0, (), (0x02DE,)),
    # After the tables.
    ("uponor_x147", "setpoint", 23.5, (), (743,)),
    ("uponor_x147", "cooling", True, (), (1,)),
    ("beok_tds23m", "setpoint", 22.5, (0x2B2A,), (0x2B2D,)),
    ("beok_tds23m", "power", False, (0x0101,), (0x0100,)),
    ("intesis_inmbsdai", "mode", "heat", (), (1,)),
    ("intesis_inmbsdai", "setpoint", 24.0, (), (240,)),
    ("kaysun_khpa2", "setpoint", 55.0, (), (140,)),
    ("kaysun_khpa2", "power", True, (0x0000,), (0x0001,)),
    ("netio_powercable_101", "on", True, (), (1,)),
    ("icpdas_tm_da1p1r1", "relay", True, (), (1,)),
]

REFUSED = [
    ("beok_tds23m", "setpoint", 40.0, (0x2B2A,)),
    ("intesis_inmbsdai", "setpoint", 21.5, ()),
    ("intesis_inmbsdai", "mode", "hot", ()),
    ("kaysun_khpa2", "setpoint", 75.0, ()),
    ("uponor_x147", "setpoint", 23.2, ()),
    ("uponor_x147", "heating_offset", 2.0, ()),
    ("calectro_ug3", "smoke", False, ()),
]


def point(profile, name):
    (found,) = [point for point in PROFILES[profile].points if point.name == name]
    return found


def row(name):
    (found,) = [line for line in PAGE.splitlines() if line.startswith(f"| `{name}` |")]
    return found


@pytest.mark.parametrize(("profile", "name", "words", "value"), EXAMPLES + TABLES)
def test_registers_are_read_as_the_manual_reads_them(profile, name, words, value):
    assert point(profile, name).decode(words) == value


@pytest.mark.parametrize(("profile", "name", "value", "current", "words"), SETTINGS)
def test_what_is_set_is_written_as_the_manual_writes_it(profile, name, value, current, words):
    assert point(profile, name).encode(value, current) == words


@pytest.mark.parametrize(("profile", "name", "value", "current"), REFUSED)
def test_what_the_device_would_not_take_is_not_sent(profile, name, value, current):
    with pytest.raises(ValueError, match=name):
        point(profile, name).encode(value, current)


def test_a_relay_board_of_the_network_has_its_six_relays():
    relays = PROFILES["moxa_iologik_e1214"].relays
    assert (relays.coils, relays.inputs, relays.flash_on) == (6, 0, None)


def test_every_kind_of_device_in_a_station_has_a_profile():
    assert {profile.kind for profile in PROFILES.values()} >= KINDS
    assert {point.name for profile in PROFILES.values() for point in profile.points} >= MEASURED


@pytest.mark.parametrize("name", sorted(PROFILES))
def test_a_profile_that_no_maker_vouches_for_says_so(name):
    profile = PROFILES[name]
    if profile.verified == "unverified":
        assert re.search("manual|maker|unverified", profile.notes)


@pytest.mark.parametrize("name", sorted(PROFILES))
def test_the_page_tells_of_a_profile_what_its_file_tells(name):
    profile = PROFILES[name]
    assert f"| {profile.kind.value} |" in row(name)
    assert f"| {profile.verified} |" in row(name)


@pytest.mark.parametrize("name", sorted(PROFILES))
def test_alarms_are_told_at_once(name):
    """Whatever names a danger or a door is an input, so that its change is told and not found in a reading."""
    danger = {"smoke", "leak", "cable_break", "motion", "open", "alarm", "thermostat_lost"}
    assert all(point.input for point in PROFILES[name].points if point.name in danger)
