"""However batches are split, repeated, reordered or lost on the way, each row takes effect once and in order."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloud_hub.ingest.apply import BATCH_BYTES_MAX, Refused, Source, absorb, read_batch, settled_at
from station_agent.wire.envelope import Batch, Row, Stream

STATION, SPOOL, BOOT = "demo-01", "spool-000001", "boot-0000001"
NOW = datetime(2026, 1, 31, 8, tzinfo=UTC)
SOURCE = Source(STATION, SPOOL, Stream.EVENTS)


def row(seq: int, at: datetime = NOW, mono_ms: int = 0) -> Row:
    return Row(seq=seq, at=at, boot=BOOT, mono_ms=mono_ms, kind="some.kind", body={})


def batch(after: int, *seqs: int) -> Batch:
    rows = tuple(row(seq) for seq in seqs)
    return Batch(station=STATION, spool=SPOOL, stream=Stream.EVENTS, after=after, rows=rows)


def seqs(rows: list[tuple[Source, Row]]) -> list[int]:
    return [one.seq for _, one in rows]


@st.composite
def deliveries(draw: st.DrawFn) -> tuple[list[int], list[list[Batch]]]:
    """A spool's row numbers (thinned: with holes), and transactions of batches cut from it in any way and order."""
    spool = sorted(draw(st.sets(st.integers(1, 60), min_size=1, max_size=25)))
    cuts = st.tuples(st.integers(0, len(spool) - 1), st.integers(1, 8))

    def cut(start: int, length: int) -> Batch:
        return batch(spool[start - 1] if start else 0, *spool[start : start + length])

    transactions = draw(st.lists(st.lists(cuts, max_size=6), max_size=12))
    return spool, [[cut(*one) for one in transaction] for transaction in transactions]


@given(deliveries())
def test_each_row_is_stored_once_and_in_order(delivery: tuple[list[int], list[list[Batch]]]) -> None:
    spool, transactions = delivery
    stored: list[int] = []
    marks: dict[Source, int] = {}
    for batches in transactions:
        result = absorb(marks, batches)
        stored += seqs(result.rows)
        marks |= result.marks
        assert stored == spool[: len(stored)]
        assert marks.get(SOURCE, 0) == (stored[-1] if stored else 0)
    missing = spool[len(stored) :]
    if missing:  # what a station does: it sends what is not acknowledged
        last = absorb(marks, [batch(stored[-1] if stored else 0, *missing)])
        assert stored + seqs(last.rows) == spool


def test_a_batch_that_comes_too_early_is_answered_with_the_mark() -> None:
    result = absorb({SOURCE: 5}, [batch(8, 9, 10)])
    assert (result.rows, result.marks, result.gaps, result.moved) == ([], {SOURCE: 5}, 1, set())


def test_thinned_rows_are_passed_over() -> None:
    result = absorb({SOURCE: 41}, [batch(41, 42, 43, 47)])
    assert (seqs(result.rows), result.marks) == ([42, 43, 47], {SOURCE: 47})


def test_a_repetition_brings_only_what_is_new() -> None:
    result = absorb({SOURCE: 2}, [batch(0, 1, 2, 3)])
    assert (seqs(result.rows), result.repeated) == ([3], 2)


def test_a_new_spool_starts_at_nothing_and_leaves_the_old_mark() -> None:
    other = Batch(station=STATION, spool="spool-000002", stream=Stream.EVENTS, after=0, rows=(row(1),))
    result = absorb({SOURCE: 9}, [other])
    assert result.marks == {Source(STATION, "spool-000002", Stream.EVENTS): 1}


def test_events_and_telemetry_have_marks_of_their_own() -> None:
    telemetry = Batch(station=STATION, spool=SPOOL, stream=Stream.TELEMETRY, after=0, rows=(row(1),))
    result = absorb({SOURCE: 9}, [telemetry])
    assert seqs(result.rows) == [1]


SUBJECT = f"yizhan.v1.{STATION}.up.events"
GOOD = batch(0, 1, 2)


def changed(**fields: object) -> bytes:
    return json.dumps(GOOD.model_dump(mode="json") | fields).encode()


@pytest.mark.parametrize(
    ("subject", "payload", "reason"),
    [
        (SUBJECT, b"", "not_a_batch"),
        (SUBJECT, b"{}", "not_a_batch"),
        (SUBJECT, b"\xff\xfe", "not_a_batch"),
        (SUBJECT, b"[" * 100_000, "not_a_batch"),
        (SUBJECT, changed(rows=[]), "not_a_batch"),
        (SUBJECT, changed(after=7), "not_a_batch"),
        (SUBJECT, changed(extra=1), "not_a_batch"),
        (SUBJECT, changed(station="demo-02"), "other_station"),
        (SUBJECT, changed(stream="telemetry"), "other_stream"),
        (SUBJECT, batch(0, 2**60).model_dump_json().encode(), "seq"),
        (SUBJECT, b" " * (BATCH_BYTES_MAX + 1), "too_large"),
        (f"yizhan.v1.{STATION}.up.state", changed(), "subject"),
        ("yizhan.v1.>.up.events", changed(), "subject"),
    ],
)
def test_what_is_no_batch_of_its_sender_is_refused(subject: str, payload: bytes, reason: str) -> None:
    refused = read_batch(subject, payload)
    assert isinstance(refused, Refused)
    assert refused.reason == reason


def test_a_batch_is_read_as_it_was_made() -> None:
    assert read_batch(SUBJECT, GOOD.model_dump_json().encode()) == GOOD


@given(st.binary(max_size=200))
def test_no_bytes_make_reading_fail(payload: bytes) -> None:
    assert isinstance(read_batch(SUBJECT, payload), Refused)


def test_a_stamp_from_before_the_clock_was_set_is_repaired_by_the_boot() -> None:
    reported = datetime(1970, 1, 1, 0, 1, tzinfo=UTC)
    began = NOW - timedelta(hours=2)
    assert settled_at(row(1, reported, mono_ms=600_000), NOW, began) == began + timedelta(minutes=10)


def test_a_wrong_stamp_of_an_unknown_boot_becomes_the_arrival() -> None:
    for reported in (datetime(1970, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, tzinfo=UTC), NOW + timedelta(minutes=6)):
        assert settled_at(row(1, reported), NOW, None) == NOW


def test_a_plausible_stamp_stays() -> None:
    reported = NOW - timedelta(days=9)
    assert settled_at(row(1, reported), NOW, None) == reported
    assert settled_at(row(1, reported, mono_ms=1000), NOW, reported) == reported


@given(st.datetimes(timezones=st.just(UTC)), st.integers(0, 2**63), st.datetimes(timezones=st.just(UTC)))
def test_settled_times_are_never_in_the_future(reported: datetime, mono_ms: int, began: datetime) -> None:
    assert settled_at(row(1, reported, mono_ms), NOW, began) <= NOW + timedelta(minutes=5)
