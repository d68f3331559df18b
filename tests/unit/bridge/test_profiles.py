"""Device profiles: strict, with every mistake named; decoding and merging of points."""

import re
import struct
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge.points import Point, Write, WriteFunction
from firmware_bridge.profiles import DeviceKind, DeviceProfile, Factory, Hole, ProfileError, Relays, Timing, load

ROOT = Path(__file__).parents[3]
PROFILES = ROOT / "config" / "devices"
PAGE = (ROOT / "docs" / "adding-a-driver.md").read_text(encoding="utf-8").split("## A new protocol")[0]

HEAD = """
vendor = "V"
model = "M"
kind = "sensor"
protocol = "modbus-rtu"
source = "a manual"
verified = "manual"
"""
POINT = "[[points]]\nname='t'\nspace='holding'\naddress=1\n"


def point(**changes):
    fields = {"name": "p", "space": "holding", "address": 1, "type": "int16"} | changes
    return Point.model_validate(fields)


@pytest.mark.parametrize("name", sorted(path.stem for path in PROFILES.glob("*.toml")))
def test_every_profile_that_we_ship_loads_and_names_its_source(name):
    profile = load(PROFILES, name)
    assert len(profile.source) > 10


def test_the_climate_sensor_reads_cold_as_cold():
    temperature, humidity = load(PROFILES, "xy_md02").points
    assert temperature.decode((0xFF15,)) == -23.5
    assert humidity.decode((412,)) == 41.2
    assert temperature.decode((0x7FFF,)) is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "[[points]]\nname='t'\nspace='input'\naddress=1\ntype='int16'\nscal=0.1\n",
            r"bad\.toml: points\.0\.scal: Extra",
        ),
        (
            "[[points]]\nname='t'\nspace='coil'\naddress=1\ntype='int16'\n",
            r"points\.0: type int16 does not fit space coil",
        ),
        ("[[points]]\nname='t'\nspace='input'\naddress=70000\ntype='int16'\n", r"points\.0\.address"),
        ("[relays]\ncoils=0\n", r"relays\.coils"),
        (POINT + "type='uint16'\nbits=[4, 16]\n", r"points\.0: bits 4\.\.16 are not in the 16 bits of uint16"),
        (POINT + "type='float32'\nbits=[0, 3]\n", "`bits` cannot be cut out of type float32"),
        (POINT + "type='bit'\n", "type bit of space holding needs `bit`"),
        (POINT + "type='uint16'\nbit=3\n", "`bit` belongs to type bit of a register"),
        (POINT + "type='uint16'\nmin=5\nmax=1\n", r"min 5\.0 is above max 1\.0"),
        (POINT + "type='uint16'\nscale=0\n", "scale: 0 makes every value the same"),
        (POINT + "type='uint16'\ninvalid=[65536]\n", r"invalid: 65536 is not a raw value of 16 bits, 0\.\.65535"),
        (POINT + "type='uint16'\nvalues={0='off',1=true}\n", "either words or true and false, not both"),
        (POINT + "type='uint16'\nbits=[0,1]\nvalues={4='off'}\n", r"4 is not a raw value of this point, 0\.\.3"),
        (POINT + "type='float32'\nvalues={0='off'}\n", "values: a float has none"),
        (POINT + "type='uint16'\nunit='W'\nvalues={0='off'}\n", "a point with words has no unit"),
        (POINT + "type='uint16'\ninput=true\n", "an input is true or false"),
        (POINT + "type='uint32'\nwrite={function='register'}\n", "uint32 needs registers"),
        (POINT + "type='uint16'\nwrite={function='coil'}\n", "a register is not written by coil"),
        (POINT + "type='uint16'\nwrite={allowed=['on']}\n", "the point has numbers"),
        (POINT + "type='uint16'\nvalues={0='off'}\nwrite={allowed=['on']}\n", "on is none of its values"),
        (POINT + "type='bit'\nbit=1\nwrite={address=9}\n", "bits of a register are read, altered and written"),
        (POINT + "type='uint16'\nvalues={0='off'}\nwrite={min=1}\n", "a point with words has no min"),
        ("[[points]]\nname='t'\nspace='input'\naddress=1\ntype='int16'\nwrite={}\n", "say write.address"),
        ("[[points]]\nname='t'\nspace='coil'\naddress=1\ntype='bit'\nwrite={function='register'}\n", "a coil is not"),
        ("registers_max=1\n" + POINT + "type='uint32'\n", "registers_max 1 is less than t needs"),
        ("holes=[{space='holding',first=2,last=4}]\n" + POINT + "type='uint32'\n", r"t lies in the hole 2\.\.4"),
        (
            "holes=[{space='holding',first=4,last=2}]\n" + POINT + "type='uint32'\n",
            r"holes\.0: first 4 is above last 2",
        ),
        ("", "neither relays nor points"),
        ("[[[", r"bad\.toml: "),
        ("2*[[points]]", r"bad\.toml: "),
    ],
)
def test_a_mistake_is_named_with_file_and_key(tmp_path, text, message):
    (tmp_path / "bad.toml").write_text(HEAD + text)
    with pytest.raises(ProfileError, match=message):
        load(tmp_path, "bad")


def test_points_have_names_of_their_own(tmp_path):
    one = "[[points]]\nname='t'\nspace='input'\naddress=1\ntype='int16'\n"
    (tmp_path / "bad.toml").write_text(HEAD + one + one)
    with pytest.raises(ProfileError, match="named twice: t"):
        load(tmp_path, "bad")


def test_a_profile_that_is_not_there_lists_those_that_are(tmp_path):
    (tmp_path / "one.toml").write_text("")
    with pytest.raises(ProfileError, match="no device profile 'two'; there are: one"):
        load(tmp_path, "two")


@given(st.integers(-(2**31), 2**31 - 1))
def test_signed_words_come_back_in_both_orders(value):
    data = value.to_bytes(4, "big", signed=True)
    words = (int.from_bytes(data[:2], "big"), int.from_bytes(data[2:], "big"))
    assert point(type="int32").decode(words) == value
    assert point(type="int32", word_order="low_first").decode(words[::-1]) == value


@given(st.floats(width=32, allow_nan=True, allow_infinity=True))
def test_a_float_that_is_no_number_is_no_value(value):
    words = struct.unpack(">HH", struct.pack(">f", value))
    decoded = point(type="float32", decimals=9).decode(words)
    if value != value or value in (float("inf"), float("-inf")):
        assert decoded is None
    else:
        assert decoded == round(value, 9)


def test_a_value_out_of_range_is_no_value():
    assert point(min=0, max=100).decode((101,)) is None
    assert point(min=0, max=100).decode((100,)) == 100


@pytest.mark.parametrize(
    ("word_order", "byte_order", "words"),
    [
        ("high_first", "big", (0x4148, 0x0000)),
        ("low_first", "big", (0x0000, 0x4148)),
        ("high_first", "little", (0x4841, 0x0000)),
        ("low_first", "little", (0x0000, 0x4841)),
    ],
)
def test_a_float_is_read_and_written_in_every_order_there_is(word_order, byte_order, words):
    power = point(type="float32", word_order=word_order, byte_order=byte_order, write={})
    assert power.decode(words) == 12.5
    assert power.encode(12.5) == words


def test_bits_of_one_register_are_points_of_their_own():
    status = (0b1000_0010_1111_0100,)
    assert point(type="bit", bit=2).decode(status) is True
    assert point(type="bit", bit=3).decode(status) is False
    assert point(type="uint16", bits=(4, 7)).decode(status) == 0b1111
    assert point(type="int16", bits=(4, 7)).decode(status) == -1
    assert point(type="uint16", bits=(8, 15), values={0x82: "defrost"}).decode(status) == "defrost"
    assert point(type="uint16", bits=(8, 15), invalid=[0x82]).decode(status) is None
    assert point(type="uint32", bits=(16, 19)).decode((0x000A, 0)) == 10


def test_a_raw_value_that_the_profile_has_no_word_for_is_no_value():
    fan = point(type="uint16", values={0: "low", 1: "high"})
    assert (fan.decode((1,)), fan.decode((2,))) == ("high", None)


def test_values_of_true_and_false_make_an_input_of_a_register():
    smoke = point(type="uint16", values={0: False, 1: True, 2: True}, input=True)
    assert [smoke.decode((raw,)) for raw in (0, 1, 2, 3)] == [False, True, True, None]


def test_words_that_are_written_twice_are_written_as_the_first_of_them():
    mode = point(type="uint16", values={3: "heat", 4: "heat", 0: "off"}, write={})
    assert mode.encode("heat") == (3,)
    assert mode.control_range.words == ("heat", "off")


def test_a_part_of_a_register_leaves_the_rest_of_it_alone():
    fan = point(type="uint16", bits=(4, 6), values={0: "auto", 5: "high"}, write={})
    assert fan.encode("high", (0xFF8F,)) == (0xFFDF,)
    assert point(type="bit", bit=15, write={}).encode(False, (0xFFFF,)) == (0x7FFF,)


@pytest.mark.parametrize(
    ("changes", "value", "message"),
    [
        ({"write": {"min": 16, "max": 30}, "unit": "°C"}, 31, r"p takes 16\.0\.\.30\.0 °C, not 31"),
        ({"write": {"min": 5, "step": 0.5}, "scale": 0.1}, 21.3, r"p goes in steps of 0\.5, not to 21\.3"),
        ({"write": {}, "scale": 0.1}, 21.57, r"p goes in steps of 0\.1, not to 21\.57"),
        ({"write": {}}, 40_000, "p cannot hold 40000"),
        ({"write": {}}, True, "p is a number, not True"),
        ({"write": {}}, float("nan"), "p is a number, not nan"),
        ({"write": {}, "type": "float32"}, 1e39, "p cannot hold 1e[+]39"),
        ({"write": {"allowed": ["low"]}, "values": {0: "low", 1: "high"}}, "high", "p takes low, not 'high'"),
        ({"write": {}, "values": {0: "low", 1: "high"}}, 0, "p takes low, high, not 0"),
        ({"write": {}, "type": "bit", "bit": 0}, 1, "p takes false, true, not 1"),
        ({}, 1, "p cannot be written; its profile has no `write`"),
    ],
)
def test_what_a_point_does_not_take_is_named_with_what_it_takes(changes, value, message):
    with pytest.raises(ValueError, match=message):
        point(**changes).encode(value, (0,))


@pytest.mark.parametrize(
    ("changes", "function"),
    [
        ({"space": "coil", "type": "bit"}, WriteFunction.COIL),
        ({"space": "coil", "type": "bit", "write": {"function": "coils"}}, WriteFunction.COILS),
        ({}, WriteFunction.REGISTER),
        ({"write": {"function": "registers"}}, WriteFunction.REGISTERS),
        ({"type": "uint32"}, WriteFunction.REGISTERS),
        ({"space": "input", "write": {"address": 7}}, WriteFunction.REGISTER),
    ],
)
def test_a_point_is_written_by_the_shortest_function_or_the_one_that_its_profile_names(changes, function):
    assert point(**({"write": {}} | changes)).write_function is function


kinds = st.sampled_from(("int16", "uint16", "int32", "uint32", "int64", "uint64"))
orders = st.sampled_from(("high_first", "low_first"))
byte_orders = st.sampled_from(("big", "little"))


@given(kind=kinds, word_order=orders, byte_order=byte_orders, data=st.data())
def test_every_number_that_a_point_holds_is_written_and_read_back(kind, word_order, byte_order, data):
    it = point(type=kind, word_order=word_order, byte_order=byte_order, scale=0.5, offset=-3.0, decimals=1, write={})
    bits = min(it.words * 16, 48)  # a float holds no more than 53 bits of a long counter exactly
    low, high = (-(1 << bits - 1), (1 << bits - 1) - 1) if kind[0] == "i" else (0, (1 << bits) - 1)
    value = data.draw(st.integers(low, high)) * 0.5 - 3.0
    assert it.decode(it.encode(value)) == value


@given(st.lists(st.integers(0, 0xFFFF), min_size=2, max_size=2), st.integers(0, 31), st.integers(0, 31), st.data())
def test_a_field_of_bits_is_read_and_altered_where_it_is(words, one, other, data):
    first, last = min(one, other), max(one, other)
    it = point(type="uint32", bits=(first, last), write={}, decimals=0)
    value = data.draw(st.integers(0, (1 << last - first + 1) - 1))
    written = it.encode(value, tuple(words))
    assert it.decode(written) == value
    rest = ~(((1 << last - first + 1) - 1) << first)
    assert (written[0] << 16 | written[1]) & rest == (words[0] << 16 | words[1]) & rest


@pytest.mark.parametrize("table", [DeviceProfile, Factory, Timing, Relays, Hole, Point, Write])
def test_every_key_of_a_profile_has_its_words_on_the_page(table):
    for key in table.model_fields:
        assert f"`{key}`" in PAGE or f"{key} = " in PAGE, key


def test_every_kind_of_device_and_function_that_writes_is_on_the_page():
    for word in (*DeviceKind, *WriteFunction):
        assert f"`{word.value}`" in PAGE, word


def test_the_examples_of_the_page_are_a_profile(tmp_path):
    (tmp_path / "acme.toml").write_text("\n".join(re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)))
    profile = load(tmp_path, "acme")
    assert [point.name for point in profile.points] == ["co2", "mode", "filter_dirty", "target"]
    assert profile.controls["target"].encode(21.5) == (215,)
    assert profile.controls["mode"].control_range.words == ("off", "cool", "heat")
