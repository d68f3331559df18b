"""OSDP frames and what they say. Vectors of annex E of SIA OSDP 2.2, and any bytes in any chunks."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge.codecs import FrameError, osdp
from firmware_bridge.codecs import osdp_commands as commands
from firmware_bridge.codecs import osdp_replies as replies
from firmware_bridge.codecs.osdp import Frame, FrameParser, ReplyParser, SecurityBlock, Sniffer

POLL_1 = bytes.fromhex("53 01 0800 04 60 ba00")

byte = st.integers(0, 255)
frames = st.builds(
    lambda security, mac, **rest: Frame(security=security, mac=mac if security and security.has_mac else b"", **rest),
    address=st.integers(0, 127),
    is_reply=st.booleans(),
    sequence=st.integers(0, 3),
    code=byte,
    data=st.binary(max_size=64),
    security=st.none() | st.builds(SecurityBlock, st.integers(0x11, 0x18), st.binary(max_size=3)),
    mac=st.binary(min_size=4, max_size=4),
    crc=st.booleans(),
)


def plain(code, data=b"", *, address=1, is_reply=False, sequence=0, crc=True):
    return Frame(address, is_reply, sequence, code, data, crc=crc)


@pytest.mark.parametrize(
    ("frame", "raw"),
    [
        (plain(0x60), POLL_1),
        # Annex E: a COMSET for whoever is there, and a request for the identity; with CRC and with checksum.
        (plain(0x6E, bytes.fromhex("0080250000"), address=127), bytes.fromhex("537f0d00046e00802500006e38")),
        (plain(0x61, b"\0", address=0), bytes.fromhex("53000900046100c066")),
        (plain(0x6E, bytes.fromhex("0080250000"), address=127, crc=False), bytes.fromhex("537f0c00006e00802500000f")),
        (plain(0x61, b"\0", address=0, crc=False), bytes.fromhex("5300080000610044")),
    ],
)
def test_frames_of_the_specification(frame, raw):
    assert osdp.encode_frame(frame) == raw
    assert osdp.decode_frame(raw) == frame


@pytest.mark.parametrize(
    ("raw", "why"),
    [
        (POLL_1[:-1] + b"\x01", "CRC"),
        (bytes.fromhex("530008000061004f"), "checksum"),
        (b"\x54" + POLL_1[1:], "begins"),
        (POLL_1 + b"\0", "length"),
        (bytes.fromhex("53010800846000"), "length"),
    ],
)
def test_a_wrong_frame_says_what_is_wrong(raw, why):
    with pytest.raises(FrameError, match=why):
        osdp.decode_frame(raw)


def with_crc(body):
    return body + osdp.crc16(body).to_bytes(2, "little")


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ("5301080084 60", "reserved"),
        ("5301090 00c 0160", "security block of 1"),
        ("5301090 00c 4015", "security block of 64"),
        ("53010a 000c 0215", "no room"),
        ("530108 000c 02", "security block of 2"),
    ],
)
def test_a_frame_that_is_checked_but_senseless_is_refused(body, why):
    raw = bytearray(bytes.fromhex(body.replace(" ", "")))
    raw[2] = len(raw) + 2
    with pytest.raises(FrameError, match=why):
        osdp.decode_frame(with_crc(bytes(raw)))


@given(frames)
def test_what_is_sent_is_what_is_read(frame):
    assert osdp.decode_frame(osdp.encode_frame(frame)) == frame


@given(st.lists(frames, max_size=4), st.lists(st.integers(1, 30), min_size=1, max_size=30))
def test_frames_are_found_in_chunks_of_any_size(sent, sizes):
    line = b"".join(osdp.on_wire(osdp.encode_frame(frame)) for frame in sent)
    parser = FrameParser()
    found = []
    at = 0
    for size in sizes * (len(line) + 1):
        if at >= len(line):
            break
        found += parser.feed(line[at : at + size])
        at += size
    assert found == sent
    assert parser.discarded == 0


@given(st.lists(st.binary(max_size=20) | frames, max_size=6))
def test_nothing_that_was_fed_is_lost_and_little_is_kept(parts):
    line = b"".join(part if isinstance(part, bytes) else osdp.encode_frame(part) for part in parts)
    parser = FrameParser()
    found = parser.split(line)
    seen = b"".join(part if isinstance(part, bytes) else osdp.encode_frame(part) for part in found)
    assert seen + parser.pending == line
    assert len(parser.pending) <= osdp.FRAME_BYTES_MAX


def test_a_reply_is_found_behind_noise_an_echo_and_a_neighbours_answer():
    ack = plain(replies.ReplyCode.ACK, is_reply=True, sequence=2)
    line = (
        b"\x53\x13\xff\x00"
        + osdp.on_wire(POLL_1)
        + osdp.encode_frame(plain(0x40, is_reply=True, address=2, sequence=2))
        + b"\x53\x81"
        + osdp.encode_frame(ack)
    )
    parser = ReplyParser(1, 2)
    assert [parser.feed(bytes((one,))) for one in line][-1] == ack
    assert parser.discarded == len(line) - len(osdp.encode_frame(ack)) - 2


def test_an_answer_to_an_earlier_frame_is_not_taken_for_this_ones():
    parser = ReplyParser(1, 2)
    assert parser.feed(osdp.encode_frame(plain(0x50, bytes.fromhex("0001 0800 aa"), is_reply=True, sequence=1))) is None
    late = parser.discarded
    assert late > 0
    ack = plain(0x40, is_reply=True, sequence=2)
    assert parser.feed(osdp.encode_frame(ack)) == ack
    assert parser.discarded == late


@pytest.mark.parametrize("code", [replies.ReplyCode.BUSY, replies.ReplyCode.NAK])
def test_busy_and_a_refusal_count_under_any_number_but_not_when_secured(code):
    data = b"\x04" if code == replies.ReplyCode.NAK else b""
    frame = plain(code, data, is_reply=True, sequence=0)
    assert ReplyParser(1, 2).feed(osdp.encode_frame(frame)) == frame
    secured = Frame(1, True, 0, code, data, SecurityBlock(osdp.SCS_16), b"abcd")
    assert ReplyParser(1, 2).feed(osdp.encode_frame(secured)) is None


def test_endless_noise_is_given_up():
    parser = ReplyParser(1, 1)
    assert parser.feed(b"\x11" * osdp.REPLY_BYTES_MAX) is None
    with pytest.raises(FrameError, match="no reply"):
        parser.feed(b"\x11")


def test_a_reader_hears_its_own_commands_and_those_for_everybody():
    parser = osdp.CommandParser(5)
    line = b"".join(osdp.encode_frame(plain(0x60, address=address, sequence=1)) for address in (4, 5, 127, 6))
    assert [frame.address for frame in parser.feed(line)] == [5, 127]
    # Its own answer, or another reader's, begins nothing.
    assert parser.feed(osdp.encode_frame(plain(0x40, address=5, is_reply=True))) == []


def test_a_security_block_without_a_mac_is_a_frame_that_a_reader_can_refuse():
    # What the Python package osdp sends before it has a channel.
    raw = with_crc(bytes.fromhex("53030a000c021560"))
    frame = osdp.decode_frame(raw)
    assert frame == Frame(3, False, 0, 0x60, security=SecurityBlock(osdp.SCS_15))
    assert osdp.encode_frame(frame) == raw


def test_a_number_that_does_not_fit_is_not_sent():
    with pytest.raises(ValueError, match="address 200"):
        osdp.encode_frame(plain(0x60, address=200))
    with pytest.raises(ValueError, match="at most"):
        osdp.encode_frame(plain(0x60, bytes(osdp.FRAME_BYTES_MAX)))
    with pytest.raises(ValueError, match="MAC"):
        osdp.encode_frame(Frame(1, False, 1, 0x60, mac=b"abcd"))


COMMANDS = [
    (commands.Question(commands.CommandCode.POLL), "60"),
    (commands.Question(commands.CommandCode.ID), "61 00"),
    (commands.Question(commands.CommandCode.LSTAT), "64"),
    (commands.SetOutputs((commands.Output(1, commands.OutputCode.ON_FOR, 300),)), "68 01 05 2c01"),
    (
        commands.SetLeds(
            (
                commands.Led(0, 1, temporary=commands.Blink(2, 3, 2, 1), timer=0x0123),
                commands.Led(0, 0, permanent=commands.Blink(1, 0, 1), cancel=True),
            )
        ),
        "69 00 01 02 02 03 02 01 2301 00 00 00 00 00  00 00 01 00 00 00 00 0000 01 01 00 01 00",
    ),
    (commands.Buzzer(0, commands.Tone.DEFAULT, 1, 2, 3), "6a 00 02 01 02 03"),
    (commands.Text(0, 1, 0, 1, 1, b"HELLO"), "6b 00 01 00 01 01 05 48454c4c4f"),
    (commands.Comset(3, 115200), "6e 03 00c20100"),
    (commands.Keyset(bytes(range(16))), "75 01 10 000102030405060708090a0b0c0d0e0f"),
    (commands.Challenge(b"abcdefgh"), "76 6162636465666768"),
    (commands.ServerCryptogram(bytes(16)), "77" + "00" * 16),
    (commands.OtherCommand(0xA1, b"xy"), "a1 7879"),
]
REPLIES = [
    (replies.Ack(), "40"),
    (replies.Nak(replies.NakReason.SEQUENCE), "41 04"),
    (replies.Identity(b"\xca\xfe\x01", 2, 3, 0x01020304, (1, 22, 3)), "45 cafe01 02 03 04030201 011603"),
    (replies.Abilities((replies.Ability(4, 2, 1), replies.Ability(9, 1, 0))), "46 040201 090100"),
    (replies.LocalStatus(True, False), "48 01 00"),
    (replies.InputStatus((True, False)), "49 01 00"),
    (replies.OutputStatus((False,)), "4a 00"),
    (replies.ReaderStatus((0, 2)), "4b 00 02"),
    (replies.RawCard(0, 1, 26, bytes.fromhex("a1b2c300")), "50 00 01 1a00 a1b2c300"),
    (replies.FormattedCard(0, 0, b"12345"), "51 00 00 05 3132333435"),
    (replies.Keypad(0, b"12\r"), "53 00 03 31320d"),
    (replies.Com(3, 9600), "54 03 80250000"),
    (replies.ClientCryptogram(b"ABCDEFGH", b"abcdefgh", bytes(16)), "76 4142434445464748 6162636465666768" + "00" * 16),
    (replies.InitialMac(bytes(16)), "78" + "00" * 16),
    (replies.Busy(), "79"),
    (replies.OtherReply(0x90, b"x"), "90 78"),
]


@pytest.mark.parametrize(("command", "raw"), COMMANDS)
def test_commands_as_bytes(command, raw):
    code, *data = bytes.fromhex(raw)
    assert commands.encode_command(command) == (code, bytes(data))
    assert commands.decode_command(code, bytes(data)) == command


@pytest.mark.parametrize(("reply", "raw"), REPLIES)
def test_replies_as_bytes(reply, raw):
    code, *data = bytes.fromhex(raw)
    assert replies.encode_reply(reply) == (code, bytes(data))
    assert replies.decode_reply(code, bytes(data)) == reply


@given(byte, st.binary(max_size=60))
def test_whatever_a_command_holds_it_is_read_again_or_refused(code, data):
    try:
        command = commands.decode_command(code, data)
    except FrameError:
        return
    assert commands.decode_command(*commands.encode_command(command)) == command


@given(byte, st.binary(max_size=60))
def test_whatever_a_reply_holds_it_is_read_again_or_refused(code, data):
    try:
        reply = replies.decode_reply(code, data)
    except FrameError:
        return
    assert replies.decode_reply(*replies.encode_reply(reply)) == reply


@pytest.mark.parametrize(
    ("decode", "code", "data"),
    [
        (commands.decode_command, 0x60, "00"),
        (commands.decode_command, 0x68, "010203"),
        (commands.decode_command, 0x68, ""),
        (commands.decode_command, 0x69, "00 00 03 00000000 0000 00 00000000"),
        (commands.decode_command, 0x6B, "00 01 00 01 01 06 48"),
        (commands.decode_command, 0x75, "00 10" + "00" * 16),
        (commands.decode_command, 0x76, "00"),
        (replies.decode_reply, 0x41, ""),
        (replies.decode_reply, 0x50, "00 01 1a00 a1b2c3"),
        (replies.decode_reply, 0x50, "00 01"),
        (replies.decode_reply, 0x53, "00 02 31"),
        (replies.decode_reply, 0x51, "00 00"),
        (replies.decode_reply, 0x76, "00" * 31),
    ],
)
def test_data_that_do_not_fit_their_code_are_refused(decode, code, data):
    with pytest.raises(FrameError):
        decode(code, bytes.fromhex(data))


SECRETS = [
    (commands.Keyset(b"\x5a" * 16), "5a5a"),
    (replies.RawCard(0, 1, 26, b"\x5a\x5a\x5a\x5a"), "5a5a"),
    (replies.Keypad(0, b"7913"), "7913"),
    (replies.FormattedCard(0, 0, b"7913"), "7913"),
]


@pytest.mark.parametrize(("message", "secret"), SECRETS)
def test_no_card_key_or_pin_is_in_the_words_of_a_monitor_or_in_a_repr(message, secret):
    is_reply = not isinstance(message, commands.Keyset)
    code, data = replies.encode_reply(message) if is_reply else commands.encode_command(message)
    frame = plain(code, data, is_reply=is_reply)
    (seen,) = Sniffer().feed(osdp.encode_frame(frame))
    for words in (seen.text, repr(message), repr(frame)):
        assert secret not in words
        assert repr(bytes.fromhex(secret))[2:-1] not in words


def test_a_monitor_shows_both_directions_and_every_byte_once():
    card = plain(0x50, bytes.fromhex("00011a00a1b2c300"), is_reply=True, sequence=1)
    secured = Frame(1, True, 2, 0x50, bytes(16), SecurityBlock(osdp.SCS_18), b"abcd")
    line = osdp.on_wire(POLL_1) + b"\x11\x22" + osdp.on_wire(osdp.encode_frame(card)) + osdp.encode_frame(secured)
    line += osdp.encode_frame(plain(0x6E, bytes.fromhex("0080250000"), address=127)) + b"\xff\x53\x01"
    sniffer = Sniffer()
    seen = [one for byte_ in line for one in sniffer.feed(bytes((byte_,)))] + sniffer.idle()
    assert b"".join(one.data for one in seen) == line
    assert [(one.text, one.ok) for one in seen] == [
        ("reader 1 <- POLL (#0)", True),
        ("1 bytes that are no frame", False),
        ("1 bytes that are no frame", False),
        ("reader 1 -> RAW card of 26 bits at reader part 0 (#1)", True),
        ("reader 1 -> RAW, secured (#2)", True),
        ("all readers <- COMSET address 0, 9600 baud (#0)", True),
        ("3 bytes that are no frame", False),
    ]


@pytest.mark.parametrize(("command", "_"), COMMANDS)
def test_every_command_has_its_words(command, _):
    assert commands.describe_command(*commands.encode_command(command))


@pytest.mark.parametrize(("reply", "_"), REPLIES)
def test_every_reply_has_its_words(reply, _):
    assert replies.describe_reply(*replies.encode_reply(reply))


@given(st.lists(st.binary(min_size=1, max_size=40), max_size=8))
def test_a_monitor_survives_any_bytes_and_loses_none(chunks):
    sniffer = Sniffer()
    seen = [one for chunk in chunks for one in sniffer.feed(chunk)] + sniffer.idle()
    assert b"".join(one.data for one in seen) == b"".join(chunks)
