"""The dictionary that a board publishes: read as it is laid out, and not believed when it is wrong."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge.codecs import FrameError
from firmware_bridge.codecs.board_dictionary import (
    ENTRIES_MAX,
    ENTRY_WORDS,
    READ,
    SPACES,
    TYPES,
    WRITE,
    Entry,
    encode_entries,
    encode_head,
    parse_entries,
    parse_head,
)
from firmware_bridge.points import Space
from tests.fuzz.targets import board_dictionary as fuzz

SUPPLY = Entry("supply", "V", Space.INPUT, "uint16", 9, -3, READ, 0, 0)
LOCK_FOR = Entry("lock_for", "s", Space.COIL, "uint16", 0x0200, -1, WRITE, 0, 0xFFFF)


def entries():
    def readable(space):
        types = st.just("bit") if space in (Space.COIL, Space.DISCRETE) else st.sampled_from(TYPES[1:])
        return st.builds(
            Entry,
            name=st.text("az_09", max_size=15).map(lambda rest: f"n{rest}"),
            unit=st.sampled_from(["", "V", "s", "°C", "µg/m3"]),
            space=st.just(space),
            type=types,
            address=st.integers(0, 0xFFFE),
            power=st.integers(-9, 9),
            access=st.sampled_from([READ, READ | WRITE]),
            least=st.integers(0, 0xFFFF),
            most=st.integers(0, 0xFFFF),
        )

    return st.lists(st.sampled_from(SPACES).flatmap(readable), max_size=8, unique_by=lambda entry: entry.name)


@given(entries())
def test_what_is_encoded_is_parsed(table):
    assert parse_entries(encode_entries(table)) == tuple(table)
    if table:
        assert parse_head(encode_head(table)) == len(table)


def test_an_entry_is_laid_out_as_it_is_drawn():
    words = encode_entries([SUPPLY])
    assert len(words) == ENTRY_WORDS
    assert words[0] == int.from_bytes(b"su", "big")
    assert words[11] == 3 << 8 | 1  # input, uint16
    assert words[12] == 9
    assert words[13] == 0xFD << 8 | READ


def test_a_readable_entry_is_a_point():
    assert SUPPLY.point().decode((5006,)) == 5.006
    assert not LOCK_FOR.readable
    uptime = Entry("uptime", "s", Space.INPUT, "uint32", 7, 0, READ, 0, 0)
    assert uptime.point().decode((1, 2)) == 65538


@pytest.mark.parametrize(
    ("head", "says"),
    [
        ((0, 1, 3, 16), "no dictionary"),
        ((0x5944, 2, 3, 16), "version 2"),
        ((0x5944, 1, 3, 20), "20 registers"),
        ((0x5944, 1, 0, 16), "0 entries"),
        ((0x5944, 1, ENTRIES_MAX + 1, 16), "129 entries"),
    ],
)
def test_a_head_that_is_not_ours_says_so(head, says):
    with pytest.raises(FrameError, match=says):
        parse_head(head)


def test_wrong_entries_say_which_and_what():
    words = list(encode_entries([SUPPLY, LOCK_FOR]))
    with pytest.raises(FrameError, match="no whole entries"):
        parse_entries(words[:-1])
    with pytest.raises(FrameError, match="twice: supply"):
        parse_entries(words[:16] * 2)
    with pytest.raises(FrameError, match="supply has space 9"):
        parse_entries([*words[:11], 9 << 8, *words[12:]])
    with pytest.raises(FrameError, match="entry 0 of the dictionary has the name"):
        parse_entries([0x4141, *words[1:]])
    with pytest.raises(FrameError, match="supply has the unit"):
        parse_entries([*words[:8], 0xFFFF, *words[9:]])
    with pytest.raises(FrameError, match="supply cannot be read: bit"):
        parse_entries([*words[:11], 3 << 8, *words[12:]])
    with pytest.raises(ValueError, match="16 bytes"):
        encode_entries([Entry("a" * 17, "", Space.INPUT, "uint16", 0, 0, READ, 0, 0)])


@given(st.lists(st.integers(0, 0xFFFF), max_size=64))
def test_noise_is_a_frame_error_or_entries_that_are_encoded_back(words):
    try:
        table = parse_entries(words)
    except FrameError:
        return
    assert len(table) == len(words) // ENTRY_WORDS
    for entry in table:
        if entry.readable:
            entry.point()


@pytest.mark.parametrize("seed", fuzz.SEEDS)
def test_the_fuzz_target_takes_its_seeds(seed):
    fuzz.target(seed)
