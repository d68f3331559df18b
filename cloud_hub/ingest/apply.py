"""PURE: which rows of the batches that came take effect, and what stations are told: wire/envelope.py's mark rule.

Each (station, spool, stream) has one mark: the highest sequence number up to which everything is stored.

    after <= mark: rows above the mark are new, the mark moves to the last row    (a repetition brings no row)
    after >  mark: something is missing, nothing of the batch is new              (the answer asks for it again)
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from pydantic import ValidationError

from station_agent.wire.envelope import Batch, Row, Stream
from station_agent.wire.topics import Up, station_of

SEQ_MAX = (
    2**53
)  # beyond it a browser would round; a station that writes 1,000 rows a second gets there in 285,000 years
BATCH_BYTES_MAX = 1024 * 1024
_LEAVES = {Up.EVENTS: Stream.EVENTS, Up.TELEMETRY: Stream.TELEMETRY}


@dataclass(frozen=True, slots=True)
class Source:
    station: str
    spool: str
    stream: Stream


@dataclass(frozen=True, slots=True)
class Refused:
    """A payload that is no batch of its sender: `reason` is one word, for the count."""

    station: str
    reason: str
    detail: str


@dataclass(slots=True)
class Absorbed:
    """`rows` are to be stored in this order; `marks` holds the mark of every source that was heard of."""

    rows: list[tuple[Source, Row]] = field(default_factory=list)
    marks: dict[Source, int] = field(default_factory=dict)
    moved: set[Source] = field(default_factory=set)
    repeated: int = 0
    gaps: int = 0


def read_batch(subject: str, payload: bytes) -> Batch | Refused:
    """The batch, if the station of the subject (whom the broker knows) sent it as its own."""
    sender = station_of(subject)
    if sender is None or sender[1] not in _LEAVES:
        return Refused("unknown", "subject", subject[:100])
    station, leaf = sender
    if len(payload) > BATCH_BYTES_MAX:
        return Refused(station, "too_large", f"{len(payload)} bytes, at most {BATCH_BYTES_MAX}")
    try:
        batch = Batch.model_validate_json(payload)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        return Refused(station, "not_a_batch", f"{'.'.join(map(str, first['loc']))}: {first['msg']}"[:300])
    if batch.station != station:
        return Refused(station, "other_station", f"speaks for {batch.station}")
    if batch.stream is not _LEAVES[leaf]:
        return Refused(station, "other_stream", f"{batch.stream} on {leaf}")
    if batch.rows[-1].seq > SEQ_MAX:
        return Refused(station, "seq", f"{batch.rows[-1].seq} is above {SEQ_MAX}")
    return batch


def absorb(marks: Mapping[Source, int], batches: Iterable[Batch]) -> Absorbed:
    """`marks` holds the stored ones; a source that it lacks is new and stands at 0."""
    result = Absorbed()
    for batch in batches:
        source = Source(batch.station, batch.spool, batch.stream)
        mark = result.marks.setdefault(source, marks.get(source, 0))
        if batch.after > mark:
            result.gaps += 1
            continue
        new = [row for row in batch.rows if row.seq > mark]
        result.repeated += len(batch.rows) - len(new)
        if new:
            result.rows.extend((source, row) for row in new)
            result.marks[source] = new[-1].seq
            result.moved.add(source)
    return result


_AHEAD_MAX = timedelta(minutes=5)
_OFF_MAX = timedelta(minutes=2)
_BEFORE_US = datetime(2024, 1, 1, tzinfo=UTC)  # a clock that was never set


def settled_at(row: Row, received_at: datetime, boot_began: datetime | None) -> datetime:
    """When the row really was. `boot_began`: when the boot that wrote it began, once the station knew the time.

    A stamp from before the station knew the time is repaired by the boot's beginning and the row's monotonic time.
    Where that is unknown, a stamp from the future or from before there were stations becomes the time of arrival.
    """
    if boot_began is not None:
        try:
            truth = boot_began + timedelta(milliseconds=row.mono_ms)
        except OverflowError:
            truth = received_at
        if abs(row.at - truth) > _OFF_MAX and _BEFORE_US < truth <= received_at + _AHEAD_MAX:
            return truth
    if row.at > received_at + _AHEAD_MAX or row.at < _BEFORE_US:
        return received_at
    return row.at
