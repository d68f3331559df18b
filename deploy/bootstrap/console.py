"""Owns what the user sees while things are set up: one line a step, and one sentence when it cannot go on."""

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

SPINNER = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"


class Stop(Exception):
    """Set-up cannot go on; the message is one sentence that says why and what to do. Exit status 2."""


class Console:
    """Writes steps to `stream`; draws a moving sign only where that is a terminal."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._moves = stream.isatty()
        self._current = ""
        self._began = 0.0
        self._turn = 0

    def say(self, text: str = "") -> None:
        self._wipe()
        self._write(text + "\n")

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Shows `name` while the block runs and one line with its time when it is through."""
        self._current, self._began = name, time.monotonic()
        self.turn()
        try:
            yield
        except BaseException:
            self._finish("✗")
            raise
        self._finish("✓")

    def turn(self) -> None:
        """Moves the sign on; called now and then by whoever waits."""
        if self._moves and self._current:
            self._turn += 1
            sign = SPINNER[self._turn % len(SPINNER)]
            self._write(f"\r\x1b[K  {sign} {self._current}  {self._elapsed()}")

    def _finish(self, sign: str) -> None:
        line = f"  {sign} {self._current}  {self._elapsed()}"
        self._wipe()
        self._current = ""
        self.say(line)

    def _elapsed(self) -> str:
        return f"{time.monotonic() - self._began:.1f} s"

    def _wipe(self) -> None:
        if self._moves and self._current:
            self._write("\r\x1b[K")

    def _write(self, text: str) -> None:
        try:
            self._stream.write(text)
            self._stream.flush()
        except BrokenPipeError:
            # Whoever read along has gone (`| head`): the work goes on, and Python's own flush at the end stays quiet.
            with open(os.devnull, "wb") as nowhere:
                os.dup2(nowhere.fileno(), self._stream.fileno())


def standard_console() -> Console:
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")  # a terminal without Chinese must not end the run
    return Console(sys.stdout)
