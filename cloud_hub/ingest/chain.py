"""PURE: follows the hash chain of every spool's events as they are taken in (station_agent/wire/chain.py).

    head + row -> the chain that the row must carry
                  it does          the head moves
                  it does not      a break, on record for good; the head moves to what the row says, so that one
                                   break is one, and what follows can still be followed

Rows are stored either way: an event that was tampered with is evidence, and nothing is lost. The chain of a station
that learned to chain later begins with its first chained row.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from cloud_hub.ingest.apply import Source
from station_agent.wire import chain
from station_agent.wire.envelope import Row, Stream


@dataclass(frozen=True, slots=True)
class Break:
    source: Source
    seq: int
    detail: str


@dataclass(slots=True)
class Followed:
    """`heads` holds the chain of every source that had events, by source."""

    heads: dict[Source, str] = field(default_factory=dict)
    breaks: list[Break] = field(default_factory=list)


def follow(heads: Mapping[Source, str | None], rows: Iterable[tuple[Source, Row]]) -> Followed:
    """`heads`: the chain at the mark of each known source; None, or no entry, before its first chained event."""
    result = Followed()
    for source, row in rows:
        if source.stream is not Stream.EVENTS:
            continue
        head = result.heads.get(source, heads.get(source))
        if row.chain is None:
            if head is not None:
                result.breaks.append(Break(source, row.seq, "the event is not chained, and those before it are"))
            continue
        before = head or chain.beginning(source.spool)
        if chain.link(before, row.seq, row.at, row.boot, row.mono_ms, row.kind, row.body) != row.chain:
            result.breaks.append(Break(source, row.seq, "the event does not follow from the one before it"))
        result.heads[source] = row.chain
    return result
