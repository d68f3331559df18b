"""What the driver makes of a board's dictionary, and of one that has none."""

from pathlib import Path

import pytest

from firmware_bridge.capabilities import DeviceRefused, Priority
from firmware_bridge.codecs import board_dictionary as dictionary
from firmware_bridge.drivers.door_board import DoorBoardOptions, check_board
from firmware_bridge.drivers.door_board_map import ENTRIES_A_READ, BoardMap, learn, read
from firmware_bridge.points import Space
from firmware_bridge.profiles import load
from firmware_bridge.simulators.door_board_points import ENTRIES

PROFILES = Path(__file__).parents[3] / "config" / "devices"
NEWER = dictionary.Entry("battery", "V", Space.INPUT, "uint16", 40, -3, dictionary.READ, 0, 0)


class Unit:
    """A board that answers reads from what is published, and keeps how it was asked."""

    name = "door"

    def __init__(self, entries, **changed):
        self.words = {
            **dict(enumerate(dictionary.encode_head(entries), dictionary.START)),
            **dict(enumerate(dictionary.encode_entries(entries), dictionary.ENTRIES_START)),
            **changed.get("words", {}),
        }
        self.reads = []

    async def raw(self, space, address, count, *, priority, deadline_s):
        self.reads.append((space, address, count))
        return tuple(self.words[address + index] for index in range(count))


async def test_the_dictionary_is_read_in_few_reads_and_known_by_name():
    unit = Unit(ENTRIES)
    board = await learn(unit, priority=Priority.READER)
    assert tuple(board.entries.values()) == ENTRIES
    assert len(unit.reads) == 1 + -(-len(ENTRIES) // ENTRIES_A_READ)
    assert max(count for _, _, count in unit.reads) <= 120


async def test_a_point_that_the_driver_does_not_know_is_one_more():
    board = await learn(Unit((*ENTRIES, NEWER)), priority=Priority.READER)
    assert board.entries["battery"] == NEWER


async def test_points_of_a_space_come_in_one_read():
    board = BoardMap({entry.name: entry for entry in ENTRIES})
    unit = Unit(ENTRIES, words={0: 1, 1: 0, 2: 1, 3: 0, 7: 1, 8: 2})
    assert await read(unit, board, ("contact", "fire"), priority=Priority.READER) == {"contact": True, "fire": True}
    assert await read(unit, board, ("uptime",), priority=Priority.READER) == {"uptime": 65538}
    assert unit.reads == [(Space.DISCRETE, 0, 3), (Space.INPUT, 7, 2)]


async def test_another_device_says_that_it_is_none():
    with pytest.raises(DeviceRefused, match=r"door: it is no door board.*0x0000 stands there"):
        await learn(Unit(ENTRIES, words={dictionary.START: 0}), priority=Priority.READER)


async def test_a_board_that_lacks_a_point_says_which():
    with pytest.raises(DeviceRefused, match="lacks lock_for, fire: update its firmware"):
        await learn(
            Unit([entry for entry in ENTRIES if entry.name not in ("fire", "lock_for")]), priority=Priority.READER
        )


@pytest.mark.parametrize(
    ("name", "value", "raw"),
    [("lock_for", 0.3, 3), ("lock_for", 5.0, 50), ("lock_for", 0.04, 0), ("lock_for", 1e6, 0xFFFF), ("trial", 1, 5)],
)
def test_a_value_becomes_the_boards_number_in_its_range(name, value, raw):
    assert BoardMap({entry.name: entry for entry in ENTRIES}).raw(name, value) == raw


def test_a_board_needs_a_unit_and_no_profile():
    options = DoorBoardOptions()
    assert check_board(1, options, None) == []
    assert any("address: 248" in line for line in check_board(248, options, None))
    profile = load(PROFILES, "waveshare_relay_d")
    assert any("publishes its own dictionary" in line for line in check_board(1, options, profile))
