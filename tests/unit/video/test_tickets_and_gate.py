"""Who may see what, and when a way is too slow."""

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloud_hub.video.tickets import BadTicket, Purpose, Ticket, Tickets
from station_agent.wire.commands import VideoPush
from station_agent.wire.media import LATE_S, UNRECEIVED_BYTES_MAX, BadMessage, Chunk, FlowGate, Received, chunk, notice

NOW_S = 1_795_000_000.0
TICKET = Ticket(Purpose.PUSH, "demo-01", "demo-01", "door", "0123456789abcdef", int(NOW_S) + 60)


@pytest.fixture
def tickets() -> Tickets:
    return Tickets(bytes(range(32)))


def test_a_ticket_is_good_for_what_it_says(tickets: Tickets) -> None:
    assert tickets.check(tickets.signed(TICKET), Purpose.PUSH, "demo-01", "door", NOW_S) == TICKET


@pytest.mark.parametrize(
    ("purpose", "station", "camera", "now_s"),
    [
        (Purpose.VIEW, "demo-01", "door", NOW_S),
        (Purpose.PUSH, "demo-02", "door", NOW_S),
        (Purpose.PUSH, "demo-01", "attic", NOW_S),
        (Purpose.PUSH, "demo-01", "door", NOW_S + 60),
    ],
)
def test_and_for_nothing_else(tickets: Tickets, purpose: Purpose, station: str, camera: str, now_s: float) -> None:
    with pytest.raises(BadTicket):
        tickets.check(tickets.signed(TICKET), purpose, station, camera, now_s)


def test_another_hub_s_ticket_is_refused(tickets: Tickets) -> None:
    foreign = Tickets(bytes(32)).signed(TICKET)
    with pytest.raises(BadTicket, match="not signed"):
        tickets.check(foreign, Purpose.PUSH, "demo-01", "door", NOW_S)


@given(st.integers(0, 10_000), st.characters(codec="ascii"))
def test_no_altered_ticket_passes(at: int, letter: str) -> None:
    tickets = Tickets(bytes(range(32)))
    text = tickets.signed(TICKET)
    at %= len(text)
    altered = text[:at] + letter + text[at + 1 :]
    try:
        assert tickets.check(altered, Purpose.PUSH, "demo-01", "door", NOW_S) == TICKET
        assert tickets._seal(altered.partition(".")[0]) == tickets._seal(text.partition(".")[0])
    except BadTicket:
        assert altered != text


@given(st.text(max_size=50))
def test_no_text_breaks_the_check_in_another_way_than_saying_so(text: str) -> None:
    with pytest.raises(BadTicket):
        Tickets(bytes(range(32))).check(text, Purpose.PUSH, "demo-01", "door", NOW_S)


def test_the_longest_ticket_fits_in_an_order(tickets: Tickets) -> None:
    longest = dataclasses.replace(TICKET, holder="s" * 32, station="s" * 32, camera="c" * 48)
    VideoPush(camera="c" * 48, push_path="/api", ticket=tickets.signed(longest))


def test_a_short_key_is_refused() -> None:
    with pytest.raises(ValueError, match="32"):
        Tickets(b"short")


def test_a_way_is_late_when_a_message_is_long_under_way() -> None:
    gate = FlowGate()
    gate.sent(100, 0.0)
    gate.sent(100, 1.0)
    assert not gate.late(LATE_S)
    assert gate.late(LATE_S + 0.01)
    gate.received(100)
    assert not gate.late(LATE_S + 0.01)
    assert gate.late(1.0 + LATE_S + 0.01)
    gate.received(200)
    assert not gate.late(1000.0)


def test_a_way_is_late_when_too_much_is_under_way() -> None:
    gate = FlowGate()
    gate.sent(UNRECEIVED_BYTES_MAX + 1, 0.0)
    assert gate.late(0.0)


@pytest.mark.parametrize("total", [49, 201])
def test_a_receipt_that_cannot_be_is_refused(total: int) -> None:
    gate = FlowGate()
    gate.sent(200, 0.0)
    gate.received(50)
    with pytest.raises(BadMessage, match=str(total)):
        gate.received(total)


def test_messages_of_the_protocol_are_told_apart() -> None:
    assert chunk(b"k" + bytes(20)) is Chunk.KEY
    assert notice(Received(bytes=5).model_dump_json()) == Received(bytes=5)


@pytest.mark.parametrize("message", [b"", b"k", b"x" + bytes(20), b"\xff" + bytes(20)])
def test_other_binary_messages_are_refused(message: bytes) -> None:
    with pytest.raises(BadMessage):
        chunk(message)


@pytest.mark.parametrize("text", ["", "{}", '{"kind":"received","bytes":-1}', '{"kind":"open"}', "x" * 3000])
def test_other_notices_are_refused(text: str) -> None:
    with pytest.raises(BadMessage):
        notice(text)
