"""What the user sees during set-up: a line a step, moving signs on terminals only."""

import io
import os

import pytest

from deploy.bootstrap.console import Console


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_step_is_one_line_with_its_time() -> None:
    stream = io.StringIO()
    console = Console(stream)
    with console.step("web pages"):
        console.turn()
    assert stream.getvalue() == "  ✓ web pages  0.0 s\n"


def test_a_step_that_fails_says_so_and_lets_the_error_through() -> None:
    stream = io.StringIO()
    console = Console(stream)
    with pytest.raises(OSError, match="disk"), console.step("web pages"):
        raise OSError("disk")
    assert stream.getvalue() == "  ✗ web pages  0.0 s\n"


def test_a_terminal_sees_a_moving_sign_that_is_wiped_at_the_end() -> None:
    stream = Terminal()
    console = Console(stream)
    with console.step("web pages"):
        console.turn()
    assert "⠹" in stream.getvalue()
    assert stream.getvalue().endswith("\r\x1b[K  ✓ web pages  0.0 s\n")


def test_a_reader_that_has_gone_does_not_end_the_work() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with open(writing, "w") as stream:
        console = Console(stream)
        with console.step("web pages"):
            console.say("nobody reads this")
        console.say("nor this")
