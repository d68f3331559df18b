"""Which reads bring a device's points: as few as its profile allows, and the shortest of those."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge.merge import RTU_OVERHEAD_BYTES, TCP_OVERHEAD_BYTES, Limits, WireTime, plan
from firmware_bridge.points import BIT_SPACES, WORDS_OF, Point, Space

WIRE = WireTime(byte_s=10 / 9600, gap_s=35 / 9600, turnaround_s=0.005, overhead_bytes=RTU_OVERHEAD_BYTES)
NETWORK = WireTime(byte_s=0.0, gap_s=0.0, turnaround_s=0.005, overhead_bytes=TCP_OVERHEAD_BYTES)


def points_at(*addresses, kind="int16", space="input"):
    return tuple(
        Point(name=f"p{number}", space=space, address=address, type=kind) for number, address in enumerate(addresses)
    )


def reads(blocks):
    return [(block.address, block.count) for block in blocks]


def test_neighbours_are_fetched_by_one_read():
    assert reads(plan(points_at(1, 2, 6, 20), Limits(merge_gap=4), WIRE)) == [(1, 6), (20, 1)]


def test_a_read_never_grows_past_a_frame():
    blocks = plan(points_at(*range(300)), Limits(), WIRE)
    assert len(blocks) == 3
    assert all(block.count <= 125 for block in blocks)


def test_a_read_brings_no_more_registers_than_the_device_allows():
    assert reads(plan(points_at(0, 1, 2, 3), Limits(registers_max=2), WIRE)) == [(0, 2), (2, 2)]


def test_a_cut_that_must_be_made_is_made_where_it_saves_most():
    # Three registers at most: a cut behind the first address spans nothing, every other one a hole of one.
    blocks = plan(points_at(0, 2, 3, 4), Limits(registers_max=3), WIRE)
    assert reads(blocks) == [(0, 1), (2, 3)]


def test_a_hole_is_never_read_not_even_in_passing():
    limits = Limits(merge_gap=64, holes=((Space.INPUT, 3, 3),))
    assert reads(plan(points_at(1, 2, 4, 5), limits, WIRE)) == [(1, 2), (4, 2)]
    other = Limits(merge_gap=64, holes=((Space.HOLDING, 3, 3),))
    assert reads(plan(points_at(1, 2, 4, 5), other, WIRE)) == [(1, 5)]


def test_spaces_are_read_apart():
    blocks = plan(points_at(1, 2) + points_at(1, 2, space="holding"), Limits(), WIRE)
    assert [block.space for block in blocks] == [Space.HOLDING, Space.INPUT]


def test_several_points_of_one_register_need_one_read():
    bits = tuple(Point(name=f"b{bit}", space="input", address=7, type="bit", bit=bit) for bit in range(5))
    assert reads(plan(bits, Limits(), WIRE)) == [(7, 1)]


def test_the_time_of_a_read_is_that_of_both_frames_the_turnaround_and_the_gap():
    # 8 bytes out, 5 + 4 back.
    assert WIRE.of(Space.INPUT, 2) == pytest.approx(17 * 10 / 9600 + 0.005 + 35 / 9600)
    assert WIRE.of(Space.COIL, 9) == pytest.approx(15 * 10 / 9600 + 0.005 + 35 / 9600)


spaces = st.sampled_from(("holding", "coil"))
rows = st.lists(
    st.tuples(st.integers(0, 40), st.sampled_from(("int16", "uint32", "int64")), spaces), min_size=1, max_size=6
)
holes = st.lists(
    st.tuples(st.sampled_from((Space.HOLDING, Space.COIL)), st.integers(0, 44), st.integers(0, 3)), max_size=3
)


def partitions(items):
    """Every way to put items into groups."""
    if not items:
        yield []
        return
    first, *others = items
    for groups in partitions(others):
        yield [[first], *groups]
        for at, group in enumerate(groups):
            yield [*groups[:at], [first, *group], *groups[at + 1 :]]


def cost_of(group, limits, wire):
    """Seconds of one read for a group of points, by the rules as an author reads them; None: not allowed."""
    space = group[0].space
    used = {address for point in group for address in range(point.address, point.address + point.words)}
    low, high = min(used), max(used)
    if any(point.space is not space for point in group) or high - low + 1 > limits.most(space):
        return None
    unused = 0
    for address in range(low, high + 1):
        unused = 0 if address in used else unused + 1
        if unused > limits.merge_gap:
            return None
        if address not in used and any(
            hole is space and first <= address <= last for hole, first, last in limits.holes
        ):
            return None
    return wire.of(space, high - low + 1)


@given(rows=rows, holes=holes, gap=st.integers(0, 12), most=st.integers(4, 20), wire=st.sampled_from((WIRE, NETWORK)))
def test_no_other_way_to_read_the_points_is_better(rows, holes, gap, most, wire):
    points = tuple(
        Point(name=f"p{number}", space=space, address=address, type="bit" if Space(space) in BIT_SPACES else kind)
        for number, (address, kind, space) in enumerate(rows)
    )
    limits = Limits(gap, most, tuple((space, first, first + more) for space, first, more in holes))
    best = None
    for groups in partitions(list(points)):
        costs = [cost_of(group, limits, wire) for group in groups]
        if None not in costs:
            found = (len(costs), sum(costs))
            best = found if best is None else min(best, found)
    blocks = plan(points, limits, wire)
    planned = [cost_of(list(block.points), limits, wire) for block in blocks]
    assert None not in planned
    assert sorted(point.name for block in blocks for point in block.points) == sorted(point.name for point in points)
    for block in blocks:
        assert wire.of(block.space, block.count) == pytest.approx(cost_of(list(block.points), limits, wire))
    assert (len(planned), sum(planned)) == (best[0], pytest.approx(best[1]))


@given(rows=st.lists(st.tuples(st.integers(0, 400), st.sampled_from(sorted(WORDS_OF))), min_size=1, max_size=30))
def test_every_point_lies_whole_inside_its_block(rows):
    points = tuple(
        Point(name=f"p{number}", space="input", address=address, type=kind, bit=0 if kind == "bit" else None)
        for number, (address, kind) in enumerate(rows)
    )
    for block in plan(points, Limits(), WIRE):
        for inside in block.points:
            assert block.address <= inside.address
            assert inside.address + inside.words <= block.address + block.count
