"""Alpha sign packets: the frame of the manual, round trips, damage."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge.codecs import FrameError
from firmware_bridge.codecs import alpha_sign as alpha

labels = st.sampled_from("ABCDPQRSTUVWXYZ")
bodies = st.lists(st.integers(0x20, 0x7D), max_size=40).map(bytes)
parts = st.lists(st.builds(alpha.Part, st.sampled_from(alpha.Mode), bodies), max_size=4).map(tuple)


@st.composite
def pictures(draw):
    width, height = draw(st.integers(1, 40)), draw(st.integers(1, 31))
    size = width * height
    dots = draw(st.lists(st.integers(0, 8), min_size=size, max_size=size))
    return alpha.WriteDots(draw(labels), width, height, bytes(dots))


files = st.builds(
    alpha.File, labels, st.sampled_from("ABD"), st.booleans(), st.integers(0, 0xFFFF), st.sampled_from(["FFFF", "2000"])
)
commands = st.one_of(
    st.builds(alpha.WriteText, labels, parts),
    st.builds(alpha.ReadText, labels),
    st.builds(alpha.ReadDots, labels),
    pictures(),
    st.builds(alpha.SetMemory, st.lists(files, max_size=5).map(tuple)),
    st.just(alpha.ReadMemory()),
    st.just(alpha.ReadErrorStatus()),
    st.just(alpha.ClearErrorStatus()),
    st.builds(alpha.ErrorStatusIs, st.integers(0, 0x3F).map(alpha.ErrorStatus)),
)


def test_a_text_packet_is_the_one_of_the_manual():
    packet = alpha.encode(alpha.WriteText("A", (alpha.Part(alpha.Mode.ROTATE, b"HELLO"),)))
    total = sum(b"\x02AA\x1b aHELLO\x03")
    assert packet == b"\0\0\0\0\0\x01Z00\x02AA\x1b aHELLO\x03" + f"{total:04X}".encode() + b"\x04"


def test_a_picture_goes_in_two_parts_with_the_size_at_the_end_of_the_first():
    head, rows = alpha.encode_parts(alpha.WriteDots("P", 3, 2, bytes((1, 0, 1, 0, 2, 0))), address="07")
    assert head == b"\0\0\0\0\0\x01Z07\x02IP0203"
    assert rows.startswith(b"101\r020\r\x03")


@given(command=commands, cut=st.integers(1, 50))
def test_every_packet_is_read_back_however_it_is_cut(command, cut):
    data = alpha.encode(command, type_code="0", address="0A")
    parser = alpha.PacketParser()
    found = []
    for at in range(0, len(data), cut):
        found += parser.feed(data[at : at + cut])
    assert found == [alpha.Packet("0", "0A", (command,))]
    assert (parser.discarded, parser.bad_packets) == (0, 0)


@given(noise=st.binary(max_size=400), command=commands)
def test_after_any_noise_a_packet_is_read(noise, command):
    parser = alpha.PacketParser()
    parser.feed(noise)
    assert parser.feed(alpha.encode(command))[-1].commands == (command,)


@given(command=commands, data=st.data())
def test_a_flipped_bit_is_never_taken_for_the_command(command, data):
    frame = bytearray(alpha.encode(command))
    at = data.draw(st.integers(frame.index(alpha.STX), len(frame) - 6))
    frame[at] ^= 1 << data.draw(st.integers(0, 6))
    found = alpha.PacketParser().feed(bytes(frame))
    assert all(packet.commands != (command,) for packet in found)


def test_a_wrong_sum_is_counted_and_says_so():
    parser = alpha.PacketParser()
    frame = alpha.encode(alpha.ReadMemory())
    assert parser.feed(frame[:-5] + b"0000\x04") == []
    assert parser.bad_packets == 1
    assert "add up to" in parser.last_error


def test_an_endless_packet_is_dropped():
    parser = alpha.PacketParser()
    assert parser.feed(b"\x01" + b"A" * (alpha.PACKET_BYTES_MAX + 10)) == []
    assert parser.bad_packets == 1
    assert len(parser.feed(alpha.encode(alpha.ReadMemory()))) == 1


def test_the_largest_picture_passes():
    command = alpha.WriteDots("P", alpha.WIDTH_MAX, alpha.HEIGHT_MAX, bytes(alpha.WIDTH_MAX * alpha.HEIGHT_MAX))
    assert alpha.PacketParser().feed(alpha.encode(command))[0].commands == (command,)


def test_a_reply_is_told_from_our_own_echo():
    parser = alpha.ReplyParser(alpha.SetMemory)
    table = alpha.SetMemory((alpha.File("A", "A", True, 1024, "FFFF"),))
    assert parser.feed(alpha.encode(alpha.SetMemory(()))) is None
    assert parser.feed(alpha.encode(table, type_code="0")) == table


def test_a_broken_reply_is_an_error():
    parser = alpha.ReplyParser(alpha.ErrorStatusIs)
    frame = alpha.encode(alpha.ErrorStatusIs(alpha.ErrorStatus(0)), type_code="0")
    with pytest.raises(FrameError):
        parser.feed(frame[:-5] + b"0000\x04")


def test_a_files_answer_is_told_by_its_label():
    parser = alpha.ReplyParser(alpha.WriteText, "B")
    other = alpha.WriteText("A", (alpha.Part(alpha.Mode.HOLD, b"NO"),))
    wanted = alpha.WriteText("B", (alpha.Part(alpha.Mode.HOLD, b"YES"),))
    assert parser.feed(alpha.encode(other, type_code="0")) is None
    assert parser.feed(alpha.encode(wanted, type_code="0")) == wanted


def test_codes_of_speed_and_colour_are_not_seen():
    assert alpha.visible(b"\x15\x1c1OPEN\x19 24 h\x1c3") == b"OPEN 24 h"
    assert alpha.called_picture(b"\x16\x14P") == "P"
    assert alpha.called_picture(b"\x14P and more") is None
    assert alpha.called_picture(b"P") is None


@given(noise=st.binary(max_size=60), sent=st.lists(commands, max_size=3), cut=st.integers(1, 40))
def test_a_monitor_shows_every_byte_once(noise, sent, cut):
    stream = b"".join(map(alpha.encode, sent)) + noise + alpha.encode(alpha.ReadMemory())
    sniffer = alpha.Sniffer()
    seen = []
    for at in range(0, len(stream), cut):
        seen += sniffer.feed(stream[at : at + cut])
    seen += sniffer.idle()
    assert b"".join(one.data for one in seen) == stream
    assert seen[-1].text == "00 <- read memory"
    assert [one.ok for one in seen[: len(sent)]] == [True] * len(sent)
    assert all("\n" not in one.text for one in seen)


def test_a_monitor_names_what_it_sees():
    text = alpha.WriteText("A", (alpha.Part(alpha.Mode.HOLD, b"\x1c1OPEN"),))
    stream = [
        alpha.encode(text, address="07"),
        alpha.encode(alpha.ReadText("A"), address="07"),
        alpha.encode(text, type_code="0"),
        alpha.encode(alpha.WriteDots("P", 3, 2, bytes(6)))[:-1] + b"\x05\x04",
        b"\x01" + b"A" * alpha.PACKET_BYTES_MAX,
    ]
    sniffer = alpha.Sniffer()
    seen = [one for data in stream for one in sniffer.feed(data)] + sniffer.idle()
    assert [one.text for one in seen[:3]] == ["07 <- text A: 'OPEN'", "07 <- read text A", "00 -> text A: 'OPEN'"]
    assert not any(one.ok for one in seen[3:])
    assert seen[-1].text == f"{alpha.PACKET_BYTES_MAX + 1} bytes that are no packet"


@pytest.mark.parametrize(
    ("width", "height", "dots", "message"),
    [(256, 1, 256, "255x31"), (1, 32, 32, "255x31"), (2, 2, 3, "3 dots"), (0, 1, 0, "255x31")],
)
def test_a_picture_that_no_sign_takes_is_refused(width, height, dots, message):
    with pytest.raises(ValueError, match=message):
        alpha.WriteDots("P", width, height, bytes(dots))


@pytest.mark.parametrize("label", ["", "AB", "?", "\x1f", "\x7f"])
def test_a_label_that_no_sign_takes_is_refused(label):
    with pytest.raises(ValueError, match="no file label"):
        alpha.encode(alpha.WriteText(label, ()))
