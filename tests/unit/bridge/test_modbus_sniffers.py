"""A listener on a Modbus line: both directions mixed, answers read by what was asked, every byte in one place."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge.codecs import modbus_pdu as pdu
from firmware_bridge.codecs import modbus_rtu, modbus_tcp
from firmware_bridge.codecs.modbus_pdu import Function
from tests.unit.bridge.test_modbus_codec import chunks_of, conversations, units

CLIMATE = pdu.Read(Function.READ_INPUT_REGISTERS, 1, 2)
VALUES = pdu.Registers(Function.READ_INPUT_REGISTERS, (65301, 412))
SWITCH = pdu.WriteOne(Function.WRITE_COIL, 0, pdu.COIL_ON)


def texts(seen):
    return [one.text for one in seen]


def rtu(unit, request, answer):
    return modbus_rtu.encode_request(unit, request) + modbus_rtu.encode_reply(unit, answer)


def tcp(transaction, unit, request, answer):
    return modbus_tcp.encode_request(transaction, unit, request) + modbus_tcp.encode_reply(transaction, unit, answer)


def test_an_answer_is_read_by_its_request():
    seen = modbus_rtu.Sniffer().feed(rtu(2, CLIMATE, VALUES) + rtu(1, SWITCH, SWITCH))
    assert texts(seen) == [
        "unit 2 <- read input registers 1..2",
        "unit 2 -> input registers 65301 412",
        "unit 1 <- write coil 0 = on",
        "unit 1 -> did write coil 0 = on",
    ]


def test_a_broadcast_has_no_answer():
    write = pdu.WriteRegisters(3, (7, 8))
    seen = modbus_rtu.Sniffer().feed(modbus_rtu.encode_request(0, write) + rtu(2, CLIMATE, VALUES))
    assert texts(seen)[0] == "all units <- write registers 3..4 = 7 8"
    assert len(seen) == 3


def test_an_answer_whose_request_was_not_heard_is_told_as_such():
    assert texts(modbus_rtu.Sniffer().feed(modbus_rtu.encode_reply(2, VALUES))) == [
        "unit 2 -> input registers 65301 412, unasked"
    ]


def test_noise_is_told_once_and_what_stands_behind_it_is_found():
    sniffer = modbus_rtu.Sniffer()
    # These bytes begin as a long write would, so the frame behind them is known only when the line falls silent.
    noise = bytes.fromhex("01 10 0000 0010 20 ffff")
    frame = modbus_rtu.encode_request(2, CLIMATE)
    assert sniffer.feed(noise + frame) == []
    seen = sniffer.idle()
    assert [(one.data, one.ok) for one in seen] == [(noise, False), (frame, True)]
    assert sniffer.idle() == []


def test_a_refusal_and_a_wrong_echo_are_told():
    refused = modbus_rtu.encode_reply(2, pdu.Refused(Function.READ_INPUT_REGISTERS, 2))
    other = pdu.WriteOne(Function.WRITE_COIL, 1, pdu.COIL_ON)
    seen = modbus_rtu.Sniffer().feed(modbus_rtu.encode_request(2, CLIMATE) + refused + rtu(1, SWITCH, other))
    assert texts(seen)[1] == "unit 2 -> refuses to read input registers: exception 02 (illegal address)"
    assert "is not what was written" in texts(seen)[3]


def test_answers_on_a_connection_are_paired_by_their_transaction():
    one, two = modbus_tcp.encode_request(1, 9, CLIMATE), modbus_tcp.encode_request(2, 9, SWITCH)
    answers = modbus_tcp.encode_reply(2, 9, SWITCH) + modbus_tcp.encode_reply(1, 9, VALUES)
    assert texts(modbus_tcp.Sniffer().feed(one + two + answers)) == [
        "#1 unit 9 <- read input registers 1..2",
        "#2 unit 9 <- write coil 0 = on",
        "#2 unit 9 -> did write coil 0 = on",
        "#1 unit 9 -> input registers 65301 412",
    ]


def test_requests_that_are_never_answered_are_forgotten():
    sniffer = modbus_tcp.Sniffer()
    for transaction in range(10 * modbus_tcp.ASKED_MAX):
        sniffer.feed(modbus_tcp.encode_request(transaction, 1, CLIMATE))
    assert len(sniffer._asked) == modbus_tcp.ASKED_MAX
    assert texts(sniffer.feed(modbus_tcp.encode_reply(0, 1, VALUES)))[0].endswith("unasked")


@given(conversations=st.lists(st.tuples(units, conversations()), min_size=1, max_size=4), data=st.data())
def test_every_frame_is_seen_however_the_line_is_cut(conversations, data):
    line = b"".join(rtu(unit, request, answer) for unit, (request, answer) in conversations)
    connection = b"".join(tcp(7, unit, request, answer) for unit, (request, answer) in conversations)
    for sniffer, wire in ((modbus_rtu.Sniffer(), line), (modbus_tcp.Sniffer(), connection)):
        seen = [one for chunk in chunks_of(data.draw, wire) for one in sniffer.feed(chunk)]
        assert len(seen) == 2 * len(conversations)
        assert all(one.ok for one in seen)
        assert b"".join(one.data for one in seen) == wire


@pytest.mark.parametrize("make", [modbus_rtu.Sniffer, modbus_tcp.Sniffer])
@given(noise=st.lists(st.binary(max_size=300), max_size=5), conversation=conversations(), unit=units)
def test_every_byte_is_in_just_one_place(make, noise, conversation, unit):
    wire = rtu(unit, *conversation) if make is modbus_rtu.Sniffer else tcp(3, unit, *conversation)
    sniffer = make()
    seen = []
    for piece in noise:
        seen += sniffer.feed(piece)
        seen += sniffer.feed(wire)
    seen += sniffer.idle()
    assert b"".join(one.data for one in seen) == b"".join(piece + wire for piece in noise)
