"""Device profiles: strict, with every mistake named; decoding and merging of points."""

import struct
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge.profiles import Point, ProfileError, Space, load, merge

PROFILES = Path(__file__).parents[3] / "config" / "devices"

HEAD = """
vendor = "V"
model = "M"
protocol = "modbus-rtu"
source = "a manual"
verified = "manual"
"""


def point(**changes):
    fields = {"name": "p", "space": "input", "address": 1, "type": "int16"} | changes
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


def test_neighbours_are_fetched_by_one_read():
    points = tuple(point(name=f"p{address}", address=address) for address in (1, 2, 6, 20))
    blocks = merge(points, gap=4)
    assert [(block.address, block.count) for block in blocks] == [(1, 6), (20, 1)]


def test_a_read_never_grows_past_a_frame():
    points = tuple(point(name=f"p{address}", address=address) for address in range(300))
    assert [block.count for block in merge(points, gap=4)] == [125, 125, 50]


@given(
    st.lists(
        st.tuples(st.integers(0, 400), st.sampled_from(["int16", "uint32"]), st.sampled_from(["input", "holding"])),
        min_size=1,
        max_size=30,
    )
)
def test_every_point_lies_whole_inside_its_block(rows):
    points = tuple(
        point(name=f"p{index}", address=address, type=kind, space=space)
        for index, (address, kind, space) in enumerate(rows)
    )
    blocks = merge(points, gap=4)
    assert sorted(point.name for block in blocks for point in block.points) == sorted(p.name for p in points)
    for block in blocks:
        for inside in block.points:
            assert inside.space is Space(block.space)
            assert block.address <= inside.address
            assert inside.address + inside.words <= block.address + block.count
