"""A capture file is what people and tests read of a line."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge.capture import (
    Capture,
    CaptureError,
    Direction,
    Row,
    conversations,
    format_header,
    format_row,
    parse,
)

ROWS = st.builds(
    Row,
    st.integers(min_value=0, max_value=10**9).map(lambda micros: micros / 1e6),
    st.sampled_from(Direction),
    st.binary(min_size=1, max_size=300),
)


@given(st.lists(ROWS, min_size=1, max_size=20))
def test_what_is_written_is_read_again(rows):
    text = format_header({"protocol": "modbus", "line": "9600 8N1"}) + "".join(map(format_row, rows))
    assert parse(text.splitlines()) == Capture({"protocol": "modbus", "line": "9600 8N1"}, tuple(rows))


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "empty"),
        ("0.0 > 01", "line 1: a capture begins with"),
        ("# yizhan capture 1\n0.0 > 0g", "line 2: not"),
        ("# yizhan capture 1\n0.0 ? 01", "line 2: not"),
        ("# yizhan capture 1\n\nsoon > 01", "line 3: not"),
        ("# yizhan capture 1\n0.0 >", "line 2: not"),
    ],
)
def test_a_file_that_is_no_capture_is_refused_by_its_line(text, why):
    with pytest.raises(CaptureError, match=why):
        parse(text.splitlines())


def test_a_conversation_is_what_was_asked_and_all_that_came_before_the_next_question():
    out, back = Direction.OUT, Direction.IN
    rows = [Row(0, back, b"hi"), Row(1, out, b"a"), Row(2, out, b"b"), Row(3, back, b"c"), Row(4, back, b"d")]
    rows.append(Row(5, out, b"e"))
    assert list(conversations(rows)) == [(b"", b"hi"), (b"ab", b"cd"), (b"e", b"")]
