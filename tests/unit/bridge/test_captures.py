"""Bytes of peers that we did not write, kept so that they pin the codecs where no peer is installed."""

from pathlib import Path

import pytest

from firmware_bridge.codecs import alpha_sign as alpha
from firmware_bridge.codecs import modbus_rtu as modbus
from firmware_bridge.codecs import modbus_tcp

CAPTURES = Path(__file__).parents[2] / "captures"


def rows(name):
    lines = (CAPTURES / name).read_text(encoding="ascii").splitlines()
    return [[bytes.fromhex(word) for word in line.split()] for line in lines if line and not line.startswith("#")]


@pytest.mark.parametrize(("request_bytes", "answer_bytes"), rows("modbus_libmodbus.txt"))
def test_what_a_slave_answered_is_read_and_would_be_written_the_same(request_bytes, answer_bytes):
    device = modbus.RequestParser()
    ((unit, request),) = device.feed(request_bytes)
    assert modbus.encode_request(unit, request) == request_bytes
    parser = modbus.ReplyParser(unit, request)
    answer = parser.feed(answer_bytes)
    assert answer is not None
    assert modbus.encode_reply(unit, answer) == answer_bytes
    assert (device.discarded, parser.discarded) == (0, 0)


@pytest.mark.parametrize(("request_bytes", "answer_bytes"), rows("modbus_tcp_libmodbus.txt"))
def test_what_a_slave_answered_over_tcp_is_read_and_would_be_written_the_same(request_bytes, answer_bytes):
    device = modbus_tcp.RequestParser()
    ((transaction, unit, request),) = device.feed(request_bytes)
    assert modbus_tcp.encode_request(transaction, unit, request) == request_bytes
    answer = modbus_tcp.ReplyParser(transaction, unit, request).feed(answer_bytes)
    assert answer is not None
    assert modbus_tcp.encode_reply(transaction, unit, answer) == answer_bytes


@pytest.mark.parametrize(
    ("name", "make"), [("modbus_libmodbus", modbus.Sniffer), ("modbus_tcp_libmodbus", modbus_tcp.Sniffer)]
)
def test_a_listener_reads_all_that_was_captured(name, make):
    sniffer = make()
    seen = [one for row in rows(f"{name}.txt") for part in row for one in sniffer.feed(part)]
    assert len(seen) == 2 * len(rows(f"{name}.txt"))
    assert all(one.ok and "unasked" not in one.text for one in seen)


def test_the_captured_climate_and_inputs_read_as_they_were_set():
    answers = {}
    for request_bytes, answer_bytes in rows("modbus_libmodbus.txt"):
        ((unit, request),) = modbus.RequestParser().feed(request_bytes)
        answers.setdefault(request, modbus.ReplyParser(unit, request).feed(answer_bytes))
    inputs = answers[modbus.Read(modbus.Function.READ_DISCRETE_INPUTS, 0, 8)]
    assert [index for index, level in enumerate(inputs.bits) if level] == [0, 3]
    climate = answers[modbus.Read(modbus.Function.READ_INPUT_REGISTERS, 1, 2)]
    assert climate.registers == (65301, 412)
    refused = answers[modbus.Read(modbus.Function.READ_INPUT_REGISTERS, 4000, 2)]
    assert refused.text == "exception 02 (illegal address)"


@pytest.mark.parametrize("packet", [packet for (packet,) in rows("alpha_alphasignpy.txt")])
def test_a_packet_of_another_library_is_read_and_would_be_written_the_same(packet):
    (found,) = alpha.PacketParser().feed(packet)
    (command,) = found.commands
    assert not isinstance(command, alpha.Unknown)
    assert alpha.encode(command, type_code=found.type_code, address=found.address) == packet
