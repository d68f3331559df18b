"""Modbus TCP frames: vectors, round trips, answers that come too late, and bytes that are none."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge.codecs import FrameError
from firmware_bridge.codecs import modbus_pdu as pdu
from firmware_bridge.codecs import modbus_tcp as modbus
from firmware_bridge.codecs.modbus_pdu import Function
from tests.unit.bridge.test_modbus_codec import chunks_of, conversations, requests

transactions = st.integers(0, 0xFFFF)
units = st.integers(0, 255)
HOLDING = pdu.Read(Function.READ_HOLDING_REGISTERS, 0x6B, 3)


def test_the_frame_is_the_one_of_the_guide():
    # Header as in section 3.1.3 around the request of section 6.3 of the protocol.
    assert modbus.encode_request(0x1501, 0xFF, HOLDING) == bytes.fromhex("1501 0000 0006 ff 03 006b 0003")
    answer = pdu.Registers(Function.READ_HOLDING_REGISTERS, (0x022B, 0, 0x64))
    frame = bytes.fromhex("1501 0000 0009 ff 03 06 022b 0000 0064")
    assert modbus.encode_reply(0x1501, 0xFF, answer) == frame
    assert modbus.ReplyParser(0x1501, 0xFF, HOLDING).feed(frame) == answer


@given(transaction=transactions, unit=units, request_=requests, data=st.data())
def test_a_device_finds_every_request_however_it_is_cut(transaction, unit, request_, data):
    parser = modbus.RequestParser()
    found = []
    for chunk in chunks_of(data.draw, modbus.encode_request(transaction, unit, request_) * 2):
        found += parser.feed(chunk)
    assert found == [(transaction, unit, request_)] * 2
    assert parser.discarded == 0


@given(transaction=transactions, unit=units, conversation=conversations(), data=st.data())
def test_a_reply_is_found_however_it_is_cut(transaction, unit, conversation, data):
    request, answer = conversation
    parser = modbus.ReplyParser(transaction, unit, request)
    replies = [parser.feed(chunk) for chunk in chunks_of(data.draw, modbus.encode_reply(transaction, unit, answer))]
    assert [reply for reply in replies if reply is not None] == [answer]


@given(transaction=transactions, other=transactions, unit=units, conversation=conversations())
def test_the_answer_of_another_transaction_is_dropped(transaction, other, unit, conversation):
    request, answer = conversation
    late = modbus.encode_reply(other, unit, answer)
    parser = modbus.ReplyParser(transaction, unit, request)
    if other == transaction:
        assert parser.feed(late) == answer
        return
    assert parser.feed(late) is None
    assert parser.feed(modbus.encode_reply(transaction, unit, answer)) == answer
    assert parser.discarded == len(late)


@given(unit=units, conversation=conversations(), cut=st.integers(1, 8))
def test_after_half_of_a_late_answer_the_next_one_is_found(unit, conversation, cut):
    request, answer = conversation
    half = modbus.encode_reply(7, unit, answer)[-cut:]
    parser = modbus.ReplyParser(0xFFFE, unit, request)
    assert parser.feed(half + modbus.encode_reply(0xFFFE, unit, answer)) == answer


def test_the_answer_of_another_unit_or_function_is_none():
    answer = pdu.Registers(Function.READ_HOLDING_REGISTERS, (1, 2, 3))
    parser = modbus.ReplyParser(5, 1, HOLDING)
    assert parser.feed(modbus.encode_reply(5, 2, answer)) is None
    assert parser.feed(modbus.encode_reply(5, 1, pdu.Registers(Function.READ_INPUT_REGISTERS, (1, 2, 3)))) is None
    assert parser.feed(modbus.encode_reply(5, 1, answer)) == answer


@given(transaction=transactions, unit=units, request_=requests, code=st.integers(1, 255))
def test_a_refusal_is_an_answer(transaction, unit, request_, code):
    refused = pdu.Refused(pdu.function_of(request_), code)
    parser = modbus.ReplyParser(transaction, unit, request_)
    assert parser.feed(modbus.encode_reply(transaction, unit, refused)) == refused


def test_an_echo_that_differs_from_what_was_written_is_an_error():
    written = pdu.WriteOne(Function.WRITE_REGISTER, 4, 21)
    other = modbus.encode_reply(1, 1, pdu.WriteOne(Function.WRITE_REGISTER, 4, 20))
    with pytest.raises(FrameError, match="is not what was written"):
        modbus.ReplyParser(1, 1, written).feed(other)


def test_a_frame_that_is_too_short_for_its_function_is_no_request():
    # FC16 with four bytes behind it: found by fuzzing, when it was taken for a write of no registers.
    parser = modbus.RequestParser()
    frame = bytes.fromhex("0001 0000 0006 02 10 0400 0300")
    assert parser.feed(frame) == []
    good = modbus.encode_request(2, 2, HOLDING)
    assert parser.feed(good) == [(2, 2, HOLDING)]
    assert parser.discarded == len(frame)


@given(noise=st.binary(max_size=2000))
def test_no_noise_breaks_a_parser(noise):
    device = modbus.RequestParser()
    device.feed(noise)
    device.idle()
    parser = modbus.ReplyParser(1, 1, HOLDING)
    with contextlib.suppress(FrameError):
        parser.feed(noise)
    assert parser.discarded <= len(noise)
    assert device.discarded <= len(noise)


def test_an_endless_babble_ends_the_wait_for_a_reply():
    with pytest.raises(FrameError, match="no reply in"):
        modbus.ReplyParser(1, 1, HOLDING).feed(b"\xaa" * (modbus.BUFFER_BYTES_MAX + 1))


@pytest.mark.parametrize(
    ("transaction", "unit", "message"), [(0x10000, 1, "does not fit 16 bits"), (1, 256, "unit address 256")]
)
def test_what_no_frame_can_carry_is_refused(transaction, unit, message):
    with pytest.raises(ValueError, match=message):
        modbus.encode_request(transaction, unit, HOLDING)
