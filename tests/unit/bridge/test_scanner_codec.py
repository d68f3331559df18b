"""Texts from a scanner: every framing, every cut, bounded, counted."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge.codecs.scanner import TEXT_BYTES_MAX, Framing, ScannerParser, encode

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
    ],
)
def test_a_text_that_its_framing_would_cut_is_refused(text, framing, end, message):
    with pytest.raises(ValueError, match=message):
        encode(text, framing, end=end)
