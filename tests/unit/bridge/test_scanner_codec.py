"""Texts from a scanner: every framing, every cut, bounded, counted."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge.codecs.scanner import TEXT_BYTES_MAX, Framing, ScannerParser, Sniffer, encode
from firmware_bridge.codecs.scanner_commands import COMMAND_SETS

GM65_ANSWER = bytes.fromhex("02000001003331")  # of the manual's own example

texts = st.text(st.characters(codec="utf-8", exclude_characters="\r\n\x02\x03"), min_size=1, max_size=60)
framings = st.sampled_from(
    [(Framing.LINE, b"\r"), (Framing.LINE, b"\n"), (Framing.LINE, b"\r\n"), (Framing.STX_ETX, b"\r")]
)


@given(shown=st.lists(texts, max_size=4), framing=framings, cut=st.integers(1, 7))
def test_every_text_arrives_however_it_is_cut(shown, framing, cut):
    kind, end = framing
    data = b"".join(encode(text, kind, end=end) for text in shown)
    parser = ScannerParser(kind)
    found = []
    for at in range(0, len(data), cut):
        found += parser.feed(data[at : at + cut])
    assert found == shown
    assert parser.counters.texts == len(shown)
    assert not parser.partial


@given(noise=st.binary(max_size=300), framing=framings)
def test_after_any_noise_and_a_silence_a_text_arrives(noise, framing):
    kind, end = framing
    parser = ScannerParser(kind)
    parser.feed(noise)
    parser.idle()
    assert parser.feed(encode("YZ1:code", kind, end=end)) == ["YZ1:code"]


@given(noise=st.binary(max_size=50).filter(lambda data: b"\x02" not in data))
def test_noise_between_frames_is_counted_and_harms_nothing(noise):
    parser = ScannerParser(Framing.STX_ETX)
    assert parser.feed(noise + encode("one", Framing.STX_ETX) + noise + encode("two", Framing.STX_ETX)) == [
        "one",
        "two",
    ]
    assert parser.counters.noise_bytes == 2 * len(noise)


def test_a_text_past_the_bound_is_dropped_and_the_next_one_is_read():
    parser = ScannerParser(Framing.LINE, max_bytes=16)
    assert parser.feed(b"x" * 5000 + b"\r" + b"next\r") == ["next"]
    assert parser.counters.overlong == 1


def test_the_bound_itself_still_fits():
    parser = ScannerParser(Framing.LINE)
    assert parser.feed(b"x" * TEXT_BYTES_MAX + b"\r") == ["x" * TEXT_BYTES_MAX]


def test_half_a_code_never_joins_the_next_one():
    parser = ScannerParser(Framing.LINE)
    parser.feed(b"HALF")
    assert parser.partial
    parser.idle()
    assert parser.feed(b"WHOLE\r") == ["WHOLE"]
    assert parser.counters.broken == 1


def test_a_frame_that_begins_anew_drops_what_was_begun():
    parser = ScannerParser(Framing.STX_ETX)
    assert parser.feed(b"\x02HAL\x02WHOLE\x03") == ["WHOLE"]
    assert parser.counters.broken == 1


def test_empty_lines_are_no_texts():
    assert ScannerParser(Framing.LINE).feed(b"\r\n\r\n\n") == []


def test_bytes_that_are_no_utf8_are_kept_one_for_one():
    assert ScannerParser(Framing.LINE).feed(b"A\xffB\r") == ["A\xffB"]


@pytest.mark.parametrize(
    ("text", "framing", "end", "message"),
    [
        ("a\rb", Framing.LINE, b"\r", "CR or LF"),
        ("a\x03b", Framing.STX_ETX, b"\r", "STX or ETX"),
        ("ab", Framing.LINE, b";", "ends no line"),
        ("ab\n", Framing.IDLE, b"", "ends in CR or LF"),
        ("", Framing.IDLE, b"", "empty"),
    ],
)
def test_a_text_that_its_framing_would_cut_is_refused(text, framing, end, message):
    with pytest.raises(ValueError, match=message):
        encode(text, framing, end=end)


@given(text=texts, end=st.sampled_from([b"", b"\r", b"\r\n"]), cut=st.integers(1, 7))
def test_with_idle_framing_a_silence_ends_a_text(text, end, cut):
    parser = ScannerParser(Framing.IDLE)
    data = encode(text, Framing.IDLE) + end
    for at in range(0, len(data), cut):
        assert parser.feed(data[at : at + cut]) == []
    assert parser.partial
    assert parser.idle() == [text]
    assert parser.idle() == []
    assert (parser.counters.texts, parser.counters.broken) == (1, 0)


def test_a_text_without_end_mark_past_the_bound_is_dropped():
    parser = ScannerParser(Framing.IDLE, max_bytes=16)
    parser.feed(b"x" * 17)
    assert parser.idle() == []
    assert parser.counters.overlong == 1
    parser.feed(b"next")
    assert parser.idle() == ["next"]


def test_a_line_that_goes_drops_what_was_begun_whatever_the_framing():
    for framing in Framing:
        parser = ScannerParser(framing)
        parser.feed(b"\x02HALF")
        parser.drop()
        assert parser.idle() == []
        assert parser.counters.broken == 1


def test_what_the_scanner_puts_around_a_code_is_taken_off_where_it_is():
    parser = ScannerParser(Framing.LINE, prefix=b"]Q1", suffix="完".encode())
    assert parser.feed("]Q1code完\rbare\r]Q1]Q1\r]Q1完\r".encode()) == ["code", "bare", "]Q1"]


@pytest.mark.parametrize("framing", Framing)
@given(shown=texts, cut=st.integers(1, 9))
def test_an_answer_to_a_command_is_no_text_and_no_part_of_one(framing, shown, cut):
    parser = ScannerParser(framing)
    parser.expect(GM65_ANSWER)
    data = GM65_ANSWER + encode(shown, framing)
    found = [text for at in range(0, len(data), cut) for text in parser.feed(data[at : at + cut])] + parser.idle()
    assert found == [shown]
    assert (parser.counters.replies, parser.counters.noise_bytes, parser.counters.broken) == (1, 0, 0)


def test_a_newland_answer_is_no_text_although_it_is_framed_like_one():
    command = COMMAND_SETS["newland"].beep
    parser = ScannerParser(Framing.STX_ETX)
    parser.expect(command.reply)
    assert parser.feed(command.reply + b"\x02code\x03") == ["code"]
    # Nothing was expected any more: now it is what it looks like.
    assert parser.feed(command.reply) != []


@pytest.mark.parametrize("framing", Framing)
def test_a_text_that_begins_like_the_answer_loses_nothing(framing):
    parser = ScannerParser(framing)
    parser.expect(b"\x02\x01OK")
    text = "\x01OX" if framing is Framing.STX_ETX else "\x02\x01OX"
    assert parser.feed(encode(text, framing)) + parser.idle() == [text]


def test_an_answer_that_does_not_come_gives_back_what_looked_like_it():
    parser = ScannerParser(Framing.LINE)
    parser.expect(b"OKAY")
    assert parser.feed(b"OK") == []
    parser.expect_nothing()
    assert parser.feed(b"\r") == ["OK"]


def test_an_answer_inside_a_text_is_a_part_of_the_text():
    parser = ScannerParser(Framing.LINE)
    parser.expect(b"OK")
    assert parser.feed(b"aOK\rOKb\r") == ["aOK", "b"]


def test_command_sets_say_where_they_come_from_and_answers_are_not_printable_texts():
    for name, commands in COMMAND_SETS.items():
        assert commands.source, name
        for command in (commands.start, commands.stop, commands.beep, commands.light):
            if command is not None:
                assert command.send
                assert command.reply == b"" or command.reply[0] < 0x20, "it could be a code"


def test_the_trigger_of_the_gm65_is_as_its_manual_writes_it():
    assert COMMAND_SETS["gm65"].start.send == bytes.fromhex("7e000801000201abcd")
    assert COMMAND_SETS["gm65"].start.reply == GM65_ANSWER
    assert COMMAND_SETS["honeywell"].start.send == bytes((22, 84, 13))
    assert COMMAND_SETS["honeywell"].stop.send == bytes((22, 85, 13))


@given(data=st.binary(max_size=300), cut=st.integers(1, 40))
def test_a_sniffer_tells_every_byte_once_and_shows_no_code(data, cut):
    sniffer = Sniffer()
    seen = [one for at in range(0, len(data), cut) for one in sniffer.feed(data[at : at + cut])] + sniffer.idle()
    assert b"".join(one.data for one in seen) == data


def test_a_sniffer_says_how_long_a_code_is_and_not_what_it_is():
    sniffer = Sniffer()
    seen = sniffer.feed(b"YZ1:SECRET\r\n\x02YZ1:OTHER\x03" + GM65_ANSWER) + sniffer.idle()
    assert [(one.text, one.ok) for one in seen] == [
        ("text of 10 bytes", True),
        ("text of 9 bytes", True),
        ("7 bytes that are no text", False),
    ]
