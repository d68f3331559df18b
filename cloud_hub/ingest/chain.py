"""PURE: follows the hash chain of every spool's events as they are taken in (station_agent/wire/chain.py).

    head + row -> the chain that the row must carry
                  it does          the head moves
                  it does not      a break, on record for good; the head moves to what the row says, so that one
                                   break is one, and what follows can still be followed

A gap is such a break: a station had delivered more to a hub that was then restored from a backup.

Rows are stored either way: an event that was tampered with is evidence, and nothing is lost. The chain of a station
that learned to chain later begins with its first chained row.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import groupby
from operator import itemgetter
from types import MappingProxyType

from cloud_hub.ingest.apply import Source
from station_agent.wire import chain
from station_agent.wire.envelope import Row, Stream


@dataclass(frozen=True, slots=True)
class Break:
    """`gap`: events before this one never came; the station had been told that they were safe."""

    source: Source
    seq: int
    detail: str
    gap: bool = False


@dataclass(slots=True)
class Followed:
    """`heads` holds the chain of every source that had events, by source."""

    heads: dict[Source, str] = field(default_factory=dict)
    breaks: list[Break] = field(default_factory=list)


def follow(
    heads: Mapping[Source, str | None],
    rows: Iterable[tuple[Source, Row]],
    marks: Mapping[Source, int] = MappingProxyType({}),
) -> Followed:
    """`heads`: the chain at the mark of each known source; None, or no entry, before its first chained event."""
    result = Followed()
    last: dict[Source, int] = {}
    for source, group in groupby(rows, key=itemgetter(0)):  # rows of a source stand together, as they came in batches
        if source.stream is Stream.EVENTS:
            seq = last.get(source, marks.get(source, 0))
            head = result.heads.get(source, heads.get(source))
            for _, row in group:
                missing, seq = seq + 1, row.seq
                if row.chain is None:
                    if head is not None:
                        what = "the event is not chained, and those before it are"
                        result.breaks.append(Break(source, row.seq, what))
                    continue
                before = head or chain.beginning(source.spool)
                if chain.link(before, row.seq, row.at, row.boot, row.mono_ms, row.kind, row.body) != row.chain:
                    result.breaks.append(_break(source, row.seq, missing, row.seq - 1))
                head = row.chain
            last[source] = seq
            if head is not None:
                result.heads[source] = head
    return result


def _break(source: Source, seq: int, first: int, last: int) -> Break:
    if first > last:
        return Break(source, seq, "the event does not follow from the one before it")
    what = f"event {first}" if first == last else f"events {first} to {last}"
    return Break(source, seq, f"{what} before it never came", gap=True)
