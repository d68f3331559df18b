"""PURE: which rows go to the hub next, and which are safe. Go-back-N, one machine per stream.

    acked        sent           last
    ..|============|..............|
       in flight     not yet sent

- Batches follow each other in order, at most WINDOW of them unacknowledged.
- `acknowledged(upto)` moves `acked`; where the hub says less than was sent and nothing moves, everything after
  its word is sent again: after a resend time that doubles while the hub is silent, or at once when it asks for
  it by repeating an old word.
- After a new connection everything unacknowledged is sent again: what was in flight may be lost, and repeating
  a row has no effect at the hub.
- A hub that was restored from a backup says less than it once acknowledged. Those rows are gone here, so the next
  batch follows the hub's own word: they will never come, like thinned ones.

No clock and no I/O: the caller gives `now` (monotonic seconds), reads rows and publishes what comes out.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from station_agent.wire.envelope import ROWS_PER_BATCH, Batch, Eack, Row, Stream

WINDOW = 4
"""Batches in flight: enough to hide one round trip of commit time, little enough to repeat."""

BATCH_BYTES_MAX = 200 * 1024
"""JSON of the bodies in one batch; with 200 rows of overhead still far below the broker's limit of 1 MiB."""

RESEND_S_FIRST = 2.0
RESEND_S_MAX = 60.0
ASKED_S_MIN = 0.2
"""A batch that was lost makes the hub repeat itself once for each one behind it: only the first counts."""

_ROW_OVERHEAD = 160  # seq, at, boot, mono_ms, kind and punctuation around a body


@dataclass(frozen=True, slots=True)
class SpooledRow:
    """A row as it was read from the spool, with the size of its body in JSON."""

    row: Row
    size: int


@dataclass(frozen=True, slots=True)
class _InFlight:
    after: int
    upto: int
    sent_at: float


class AckMachine:
    """The sender of one stream. See the module for its rules."""

    def __init__(self, station: str, spool: str, stream: Stream, *, acked: int, last: int) -> None:
        self._station = station
        self._spool = spool
        self.stream = stream
        self.acked = acked
        self._sent = acked
        self._last = last
        self._hub_forgot_to: int | None = None
        self._in_flight: deque[_InFlight] = deque()
        self._connected = False
        self._resend_s = RESEND_S_FIRST
        self._quiet_since = 0.0
        self.resends = 0
        self.strange = 0
        """Acknowledgements that fit nothing that this spool has ever made."""

    def connected(self, now: float) -> None:
        self._connected = True
        self._resend_s = RESEND_S_FIRST
        self._go_back(now)

    def lost(self) -> None:
        self._connected = False

    def grown(self, last: int) -> None:
        """Rows up to `last` are committed in the spool."""
        self._last = max(self._last, last)

    def wants(self) -> int | None:
        """The sequence number after which to read the next rows; None when nothing may be sent now."""
        if not self._connected or len(self._in_flight) >= WINDOW or self._sent >= self._last:
            return None
        return self._sent

    def offer(self, after: int, rows: Sequence[SpooledRow], now: float) -> Batch | None:
        """The batch to publish, made of rows that were read after `after`; None when that is no longer wanted."""
        if self.wants() != after:
            return None
        if not rows:  # thinned meanwhile, to the last one
            self._last = self._sent
            return None
        taken = rows[: self._fitting(rows)]
        follows = after
        if after == self.acked and self._hub_forgot_to is not None:
            follows = self._hub_forgot_to
        batch = Batch(
            station=self._station,
            spool=self._spool,
            stream=self.stream,
            after=follows,
            rows=tuple(row.row for row in taken),
        )
        self._sent = taken[-1].row.seq
        self._last = max(self._last, self._sent)
        if not self._in_flight:
            self._quiet_since = now
        self._in_flight.append(_InFlight(after, self._sent, now))
        return batch

    def acknowledged(self, eack: Eack, now: float) -> bool:
        """Take the hub's word. True when rows have become safe."""
        if eack.spool != self._spool or eack.stream is not self.stream or eack.upto > self._last:
            self.strange += 1
            return False
        if eack.upto > self.acked:
            self.acked = eack.upto
            self._hub_forgot_to = None
            self._sent = max(self._sent, eack.upto)
            while self._in_flight and self._in_flight[0].upto <= eack.upto:
                self._in_flight.popleft()
            self._quiet_since = now
            self._resend_s = RESEND_S_FIRST
            return True
        if self._in_flight and now - self._in_flight[0].sent_at >= ASKED_S_MIN:
            self._hub_forgot_to = eack.upto if eack.upto < self.acked else None
            self._go_back(now)
        return False

    def due(self) -> float | None:
        """When `tick` must be called at the latest; None while nothing is in flight."""
        if not self._connected or not self._in_flight:
            return None
        return self._quiet_since + self._resend_s

    def tick(self, now: float) -> None:
        due = self.due()
        if due is not None and now >= due:
            self._resend_s = min(self._resend_s * 2, RESEND_S_MAX)
            self._go_back(now)

    def _go_back(self, now: float) -> None:
        if self._in_flight:
            self.resends += 1
        self._in_flight.clear()
        self._sent = self.acked
        self._quiet_since = now

    def _fitting(self, rows: Sequence[SpooledRow]) -> int:
        """How many rows go into one batch; always at least one."""
        size = 0
        for count, row in enumerate(rows[:ROWS_PER_BATCH]):
            size += row.size + _ROW_OVERHEAD
            if size > BATCH_BYTES_MAX and count > 0:
                return count
        return min(len(rows), ROWS_PER_BATCH)
