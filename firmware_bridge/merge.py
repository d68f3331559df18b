"""Which reads bring the points of a device: the fewest that its profile allows, and of those the shortest. PURE.

```
 address   0   1   2   3   4   5   6   7   8         one read for 0..3 spans the unused 2: four bytes more, instead
 point     a   b       c           [ hole ]  d       of another request, turnaround and gap
 reads    [------------]                    [-]
```
Theory of operation: points in order of their first address are cut into runs. A run is one read; it may span at
most `merge_gap` unused addresses between two points, none of a hole, and no more than one read may bring. Of all
cuts `plan` takes the one with the fewest reads, and among equals the one that is on the wire for the shortest
time at the line's baud, by dynamic programming over the prefixes. That no order but this one can be better is
what the test against brute force shows.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from firmware_bridge.points import BIT_SPACES, Point, Space

# One read brings as many as fit a frame: Modbus Application Protocol 1.1b3, sections 6.1 to 6.4.
READ_BITS_MAX = 2000
READ_REGISTERS_MAX = 125


@dataclass(frozen=True, slots=True)
class Block:
    """Neighbouring points that one read brings."""

    space: Space
    address: int
    count: int
    points: tuple[Point, ...]


@dataclass(frozen=True, slots=True)
class Limits:
    """What a profile allows a read to be."""

    merge_gap: int = 4
    registers_max: int = READ_REGISTERS_MAX
    holes: tuple[tuple[Space, int, int], ...] = ()  # space, first, last

    def most(self, space: Space) -> int:
        return READ_BITS_MAX if space in BIT_SPACES else self.registers_max

    def may_span(self, space: Space, first: int, after: int) -> bool:
        """Whether a read may bring the unused addresses from `first` up to `after`."""
        if after - first > self.merge_gap:
            return False
        return not any(hole is space and low < after and first <= high for hole, low, high in self.holes)


@dataclass(frozen=True, slots=True)
class WireTime:
    """What a read costs on one line: bytes, the device's turnaround, and the silence around both frames."""

    byte_s: float
    gap_s: float
    turnaround_s: float
    overhead_bytes: int  # request and answer without the data: 8 + 5 on a serial line, 12 + 9 in TCP

    def of(self, space: Space, count: int) -> float:
        """Seconds from the first byte of a read until the line is free for the next one."""
        data = (count + 7) // 8 if space in BIT_SPACES else 2 * count
        return (self.overhead_bytes + data) * self.byte_s + self.turnaround_s + self.gap_s


RTU_OVERHEAD_BYTES = 13
TCP_OVERHEAD_BYTES = 21


def plan(points: Sequence[Point], limits: Limits, wire: WireTime) -> tuple[Block, ...]:
    """The reads for `points`, in order of space and address."""
    blocks: list[Block] = []
    for space in Space:
        inside = sorted((point for point in points if point.space is space), key=lambda point: point.address)
        blocks += _cut(space, inside, limits, wire)
    return tuple(blocks)


def _cut(space: Space, points: list[Point], limits: Limits, wire: WireTime) -> list[Block]:
    # best[i]: reads and seconds for the first i points, and where the last of those reads begins.
    best = [(0, 0.0, 0)] + [(len(points) + 1, math.inf, 0)] * len(points)
    for first, point in enumerate(points):
        reads, seconds, _ = best[first]
        after = point.address
        for last in range(first, len(points)):
            begin = points[last].address
            if begin > after and not limits.may_span(space, after, begin):
                break
            after = max(after, begin + points[last].words)
            count = after - point.address
            if count > limits.most(space):
                break
            best[last + 1] = min(best[last + 1], (reads + 1, seconds + wire.of(space, count), first))
    blocks: list[Block] = []
    end = len(points)
    while end:
        run = tuple(points[best[end][2] : end])
        after = max(point.address + point.words for point in run)
        blocks.append(Block(space, run[0].address, after - run[0].address, run))
        end = best[end][2]
    return blocks[::-1]
