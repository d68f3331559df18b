"""Modbus RTU frames: vectors of the specification and of real devices, round trips, and a dirty line."""

import contextlib
import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge.codecs import FrameError
from firmware_bridge.codecs import modbus_rtu as modbus
from firmware_bridge.codecs.modbus_rtu import Function

units = st.integers(1, 247)
words = st.integers(0, 0xFFFF)
bits = st.lists(st.booleans(), min_size=1, max_size=40).map(tuple)
registers = st.lists(words, min_size=1, max_size=20).map(tuple)

reads = st.one_of(
    st.builds(modbus.Read, st.sampled_from(modbus.BIT_READS), words, st.integers(1, 40)),
    st.builds(modbus.Read, st.sampled_from(modbus.REGISTER_READS), words, st.integers(1, 20)),
)
single_writes = st.builds(
    modbus.WriteOne, st.sampled_from((Function.WRITE_COIL, Function.WRITE_REGISTER)), words, words
)
requests = st.one_of(
    reads, single_writes, st.builds(modbus.WriteBits, words, bits), st.builds(modbus.WriteRegisters, words, registers)
)


@st.composite
def conversations(draw):
    """A request and an answer that fits it."""
    request = draw(requests)
    match request:
        case modbus.Read(function, _, count) if function in modbus.BIT_READS:
            answer = modbus.Bits(function, tuple(draw(st.lists(st.booleans(), min_size=count, max_size=count))))
        case modbus.Read(function, _, count):
            answer = modbus.Registers(function, tuple(draw(st.lists(words, min_size=count, max_size=count))))
        case modbus.WriteOne():
            answer = request
        case modbus.WriteBits(address, values):
            answer = modbus.Written(Function.WRITE_COILS, address, len(values))
        case modbus.WriteRegisters(address, values):
            answer = modbus.Written(Function.WRITE_REGISTERS, address, len(values))
    return request, answer


def chunks_of(draw, data):
    cuts = sorted(draw(st.lists(st.integers(0, len(data)), max_size=6)))
    edges = [0, *cuts, len(data)]
    return [data[start:end] for start, end in itertools.pairwise(edges)]


@pytest.mark.parametrize(
    ("unit", "request_", "frame"),
    [
        # A relay board and a climate sensor, seen on the wire of the named peers (design notes, devices.md).
        (1, modbus.WriteOne(Function.WRITE_COIL, 0, modbus.COIL_ON), "01 05 0000 ff00 8c3a"),
        (2, modbus.Read(Function.READ_INPUT_REGISTERS, 1, 2), "02 04 0001 0002 2038"),
        # Modbus over Serial Line 1.02 prints no frames; these two are from the vendors' own manuals.
        (1, modbus.WriteOne(Function.WRITE_COIL, 0x0200, 7), "01 05 0200 0007 8db0"),
        (1, modbus.Read(Function.READ_COILS, 0, 8), "01 01 0000 0008 3dcc"),
    ],
)
def test_requests_are_the_bytes_of_the_manuals(unit, request_, frame):
    assert modbus.encode_request(unit, request_) == bytes.fromhex(frame)


def test_a_climate_reply_reads_as_signed_by_the_profile_and_raw_here():
    parser = modbus.ReplyParser(2, modbus.Read(Function.READ_INPUT_REGISTERS, 1, 2))
    body = bytes.fromhex("02 04 04 ff15 019c")
    frame = body + modbus.crc16(body).to_bytes(2, "little")
    assert parser.feed(frame) == modbus.Registers(Function.READ_INPUT_REGISTERS, (0xFF15, 412))


def test_the_crc_is_the_one_of_the_catalogue():
    assert modbus.crc16(b"123456789") == 0x4B37


@given(unit=units, request_=requests, data=st.data())
def test_a_device_finds_every_request_however_it_is_cut(unit, request_, data):
    parser = modbus.RequestParser()
    found = []
    for chunk in chunks_of(data.draw, modbus.encode_request(unit, request_) * 2):
        found += parser.feed(chunk)
    assert found == [(unit, request_)] * 2
    assert parser.discarded == 0


@given(unit=units, conversation=conversations(), data=st.data())
def test_a_reply_is_found_however_it_is_cut(unit, conversation, data):
    request, answer = conversation
    parser = modbus.ReplyParser(unit, request)
    replies = [parser.feed(chunk) for chunk in chunks_of(data.draw, modbus.encode_reply(unit, answer))]
    assert [reply for reply in replies if reply is not None] == [answer]


@given(unit=units, conversation=conversations(), noise=st.binary(max_size=60))
def test_a_reply_is_found_behind_noise_that_no_frame_begins_with(unit, conversation, noise):
    request, answer = conversation
    noise = noise.replace(bytes((unit,)), b"")
    parser = modbus.ReplyParser(unit, request)
    assert parser.feed(noise + modbus.encode_reply(unit, answer)) == answer
    assert parser.discarded == len(noise)


@given(unit=units, conversation=conversations(), data=st.data())
def test_a_flipped_bit_is_never_taken_for_an_answer(unit, conversation, data):
    request, answer = conversation
    frame = bytearray(modbus.encode_reply(unit, answer))
    at = data.draw(st.integers(0, len(frame) - 1))
    frame[at] ^= 1 << data.draw(st.integers(0, 7))
    assert modbus.ReplyParser(unit, request).feed(bytes(frame)) is None


@given(noise=st.binary(max_size=2000))
def test_no_noise_breaks_a_parser(noise):
    device = modbus.RequestParser()
    device.feed(noise)
    device.idle()
    parser = modbus.ReplyParser(1, modbus.Read(Function.READ_COILS, 0, 8))
    with contextlib.suppress(FrameError):
        parser.feed(noise)
    assert parser.discarded <= len(noise)
    assert device.discarded <= len(noise)


def test_an_endless_babble_ends_the_wait_for_a_reply():
    parser = modbus.ReplyParser(1, modbus.Read(Function.READ_COILS, 0, 8))
    with pytest.raises(FrameError, match="no reply in"):
        parser.feed(b"\xaa" * (modbus.BUFFER_BYTES_MAX + 2))


@given(unit=units, request_=requests, code=st.integers(1, 255))
def test_a_refusal_is_an_answer(unit, request_, code):
    function = {
        modbus.WriteBits: Function.WRITE_COILS,
        modbus.WriteRegisters: Function.WRITE_REGISTERS,
    }.get(type(request_)) or request_.function
    refused = modbus.Refused(function, code)
    assert modbus.ReplyParser(unit, request_).feed(modbus.encode_reply(unit, refused)) == refused


def test_a_refusal_says_what_it_means():
    assert modbus.Refused(Function.READ_COILS, 2).text == "exception 02 (illegal address)"
    assert modbus.Refused(Function.READ_COILS, 77).text == "exception 77"


def test_an_echo_that_differs_from_what_was_written_is_an_error():
    written = modbus.WriteOne(Function.WRITE_COIL, 0, modbus.COIL_ON)
    other = modbus.encode_reply(1, modbus.WriteOne(Function.WRITE_COIL, 1, modbus.COIL_ON))
    with pytest.raises(FrameError, match="is not what was written"):
        modbus.ReplyParser(1, written).feed(other)


def test_counts_that_differ_from_what_was_written_are_an_error():
    written = modbus.WriteRegisters(16, (1, 2))
    with pytest.raises(FrameError, match="2 from 16"):
        modbus.ReplyParser(1, written).feed(modbus.encode_reply(1, modbus.Written(Function.WRITE_REGISTERS, 16, 1)))


def test_the_echo_of_our_own_request_is_not_taken_for_a_reading():
    request = modbus.Read(Function.READ_DISCRETE_INPUTS, 0, 2)
    answer = modbus.Bits(Function.READ_DISCRETE_INPUTS, (True, False))
    parser = modbus.ReplyParser(1, request)
    assert parser.feed(modbus.encode_request(1, request) + modbus.encode_reply(1, answer)) == answer
    assert parser.discarded == 8


def test_half_a_request_is_forgotten_after_silence():
    device = modbus.RequestParser()
    frame = modbus.encode_request(1, modbus.Read(Function.READ_COILS, 0, 8))
    assert device.feed(frame[:5]) == []
    device.idle()
    assert device.feed(frame) == [(1, modbus.Read(Function.READ_COILS, 0, 8))]
    assert device.discarded == 5


@pytest.mark.parametrize(
    ("unit", "request_", "message"),
    [
        (1, modbus.Read(Function.READ_COILS, 0, 2001), "2001 at once"),
        (1, modbus.Read(Function.READ_HOLDING_REGISTERS, 0, 0), "0 at once"),
        (1, modbus.Read(Function.READ_HOLDING_REGISTERS, 0x10000, 1), "does not fit 16 bits"),
        (1, modbus.WriteRegisters(0, (0,) * 124), "124 at once"),
        (1, modbus.WriteOne(Function.WRITE_REGISTER, 0, -1), "does not fit 16 bits"),
        (256, modbus.Read(Function.READ_COILS, 0, 1), "unit address 256"),
    ],
)
def test_what_no_frame_can_carry_is_refused(unit, request_, message):
    with pytest.raises(ValueError, match=message):
        modbus.encode_request(unit, request_)
