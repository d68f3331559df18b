"""The sender of the spool against a hub that keeps one mark, over a line that loses and repeats."""

from __future__ import annotations

from collections import deque
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from station_agent.telemetry.ack import (
    ASKED_S_MIN,
    BATCH_BYTES_MAX,
    RESEND_S_FIRST,
    WINDOW,
    AckMachine,
    SpooledRow,
)
from station_agent.wire.envelope import ROWS_PER_BATCH, Batch, Eack, Row, Stream

SPOOL = "5p001d00"


def row(seq: int, size: int = 100) -> SpooledRow:
    return SpooledRow(
        Row(seq=seq, at=datetime(2026, 12, 1, tzinfo=UTC), boot="b00t0000", mono_ms=0, kind="readings", body={}), size
    )


def machine(*, acked: int = 0, last: int = 0) -> AckMachine:
    return AckMachine("demo-01", SPOOL, Stream.EVENTS, acked=acked, last=last)


def eack(upto: int) -> Eack:
    return Eack(spool=SPOOL, stream=Stream.EVENTS, upto=upto)


class Hub:
    """Keeps one mark by the rule of wire/envelope.py."""

    def __init__(self) -> None:
        self.mark = 0
        self.stored: list[int] = []

    def take(self, batch: Batch) -> Eack:
        if batch.after <= self.mark:
            self.stored += [row.seq for row in batch.rows if row.seq > self.mark]
            self.mark = max(self.mark, batch.rows[-1].seq)
        return eack(self.mark)


class Spool:
    """Rows by number, as the store would give them."""

    def __init__(self) -> None:
        self.rows: dict[int, SpooledRow] = {}
        self.made = 0

    def add(self, count: int) -> int:
        for _ in range(count):
            self.made += 1
            self.rows[self.made] = row(self.made)
        return self.made

    def after(self, seq: int) -> list[SpooledRow]:
        return [self.rows[number] for number in sorted(self.rows) if number > seq][:ROWS_PER_BATCH]


def send_all(sender: AckMachine, spool: Spool, now: float) -> list[Batch]:
    batches = []
    while (after := sender.wants()) is not None:
        batch = sender.offer(after, spool.after(after), now)
        if batch is not None:
            batches.append(batch)
    return batches


def test_nothing_is_sent_while_there_is_no_link() -> None:
    sender = machine(last=5)
    assert sender.wants() is None


def test_rows_follow_each_other_and_an_ack_makes_them_safe() -> None:
    sender, spool, hub = machine(), Spool(), Hub()
    sender.connected(0)
    sender.grown(spool.add(3))
    (batch,) = send_all(sender, spool, 0)
    assert (batch.after, [row.seq for row in batch.rows]) == (0, [1, 2, 3])
    assert sender.acknowledged(hub.take(batch), 0.1)
    assert sender.acked == 3
    assert sender.due() is None
    sender.grown(spool.add(1))
    (batch,) = send_all(sender, spool, 1)
    assert batch.after == 3


def test_at_most_a_window_of_batches_is_in_flight() -> None:
    sender, spool = machine(), Spool()
    sender.connected(0)
    sender.grown(spool.add(ROWS_PER_BATCH * 10))
    batches = send_all(sender, spool, 0)
    assert len(batches) == WINDOW
    assert all(len(batch.rows) == ROWS_PER_BATCH for batch in batches)


def test_a_batch_is_bounded_in_bytes_and_always_carries_a_row() -> None:
    sender = machine(last=3)
    sender.connected(0)
    rows = [row(1, BATCH_BYTES_MAX * 2), row(2, BATCH_BYTES_MAX // 2), row(3, BATCH_BYTES_MAX // 2)]
    sizes = []
    while (after := sender.wants()) is not None:
        batch = sender.offer(after, [one for one in rows if one.row.seq > after], 0)
        assert batch is not None
        sizes.append([one.seq for one in batch.rows])
    assert sizes == [[1], [2], [3]]


def test_what_is_not_acknowledged_is_sent_again_after_a_growing_while() -> None:
    sender, spool = machine(), Spool()
    sender.connected(0)
    sender.grown(spool.add(1))
    send_all(sender, spool, 0)
    assert sender.due() == RESEND_S_FIRST
    sender.tick(RESEND_S_FIRST - 0.01)
    assert sender.wants() is None
    sender.tick(RESEND_S_FIRST)
    (again,) = send_all(sender, spool, RESEND_S_FIRST)
    assert again.after == 0
    assert sender.due() == RESEND_S_FIRST * 3


def test_the_hub_asks_again_and_is_answered_once() -> None:
    sender, spool, hub = machine(), Spool(), Hub()
    sender.connected(0)
    sender.grown(spool.add(ROWS_PER_BATCH * 3))
    first, second, third = send_all(sender, spool, 0)
    assert first.after == 0  # lost
    for batch in (second, third):
        sender.acknowledged(hub.take(batch), ASKED_S_MIN)
    again = send_all(sender, spool, ASKED_S_MIN)
    assert [batch.after for batch in again] == [0, 200, 400]
    assert sender.resends == 1


def test_rows_that_were_thinned_are_passed_over() -> None:
    sender, spool, hub = machine(), Spool(), Hub()
    sender.connected(0)
    sender.grown(spool.add(6))
    for gone in (2, 4, 5):
        del spool.rows[gone]
    (batch,) = send_all(sender, spool, 0)
    sender.acknowledged(hub.take(batch), 0)
    assert hub.stored == [1, 3, 6]
    assert sender.acked == 6


def test_a_tail_that_was_thinned_leaves_no_gap_for_the_hub() -> None:
    sender, spool, hub = machine(), Spool(), Hub()
    sender.connected(0)
    sender.grown(spool.add(2))
    spool.rows.clear()
    assert send_all(sender, spool, 0) == []
    sender.grown(spool.add(1))
    (batch,) = send_all(sender, spool, 0)
    sender.acknowledged(hub.take(batch), 0)
    assert hub.stored == [3]


def test_a_hub_that_was_restored_from_a_backup_gets_what_there_is() -> None:
    sender, spool, hub = machine(acked=40, last=41), Spool(), Hub()
    spool.made = 40
    spool.add(1)
    hub.mark = 12
    sender.connected(0)
    (batch,) = send_all(sender, spool, 0)
    assert not sender.acknowledged(hub.take(batch), 1)
    (batch,) = send_all(sender, spool, 1)
    assert sender.acknowledged(hub.take(batch), 1)
    assert hub.stored == [41]


@pytest.mark.parametrize(
    "word",
    [
        Eack(spool="another0", stream=Stream.EVENTS, upto=1),
        Eack(spool=SPOOL, stream=Stream.TELEMETRY, upto=1),
        eack(99),
    ],
)
def test_an_acknowledgement_that_is_not_ours_deletes_nothing(word: Eack) -> None:
    sender = machine(last=3)
    sender.connected(0)
    assert not sender.acknowledged(word, 0)
    assert (sender.acked, sender.strange) == (0, 1)


@given(
    events=st.lists(
        st.sampled_from(
            ["make", "make", "send", "lose", "deliver", "deliver", "repeat", "ack", "drop_ack", "relink", "wait"]
        ),
        max_size=120,
    )
)
def test_every_row_reaches_the_hub_exactly_once_and_in_order(events: list[str]) -> None:
    sender, spool, hub = machine(), Spool(), Hub()
    now = 0.0
    line: deque[Batch] = deque()
    acks: deque[Eack] = deque()
    sender.connected(now)
    for event in events:
        now += 0.3
        match event:
            case "make":
                sender.grown(spool.add(70))
            case "send":
                line.extend(send_all(sender, spool, now))
            case "lose" if line:
                line.popleft()
            case "deliver" if line:
                acks.append(hub.take(line.popleft()))
            case "repeat" if line:
                acks.append(hub.take(line[-1]))
            case "ack" if acks:
                sender.acknowledged(acks.popleft(), now)
            case "drop_ack" if acks:
                acks.popleft()
            case "relink":
                sender.lost()
                line.clear()
                sender.connected(now)
            case "wait":
                now += 100
                sender.tick(now)
        assert sender.acked <= hub.mark, "nothing is called safe that the hub has not said"
    for _ in range(200):  # then the line is good
        now += 100
        sender.tick(now)
        for batch in send_all(sender, spool, now):
            sender.acknowledged(hub.take(batch), now)
    assert hub.stored == list(range(1, spool.made + 1))
    assert sender.acked == spool.made
