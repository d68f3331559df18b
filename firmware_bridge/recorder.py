"""Writes a capture while a line is used: a Tap that keeps a file. See `capture.py` for the format."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from firmware_bridge.capture import Direction, Row, format_header, format_row

# A day of a busy 9600 baud line is about 250 MB as text; nobody reads more than some minutes of it.
CAPTURE_BYTES_MAX = 64 * 1024 * 1024


class Recorder:
    """`with Recorder(path, header) as recorder:` and `recorder.tap` as a line's tap.

    The file is for its owner only: codes, cards and keys may have gone over the line. It is cut at
    CAPTURE_BYTES_MAX, and says so.
    """

    def __init__(self, path: Path, header: Mapping[str, str]) -> None:
        self._path = path
        self._header = dict(header)
        self._descriptor = -1
        self._began_s: float | None = None
        self._written = 0
        self.full = False

    def __enter__(self) -> Self:
        self._descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        self._write(format_header(self._header))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._descriptor)
        self._descriptor = -1

    def tap(self, direction: Direction, data: bytes, mono_s: float) -> None:
        if self.full:
            return
        if self._began_s is None:
            self._began_s = mono_s
        self._write(format_row(Row(mono_s - self._began_s, direction, data)))
        if self._written > CAPTURE_BYTES_MAX:
            self.full = True
            self._write(f"# full: cut after {CAPTURE_BYTES_MAX} bytes\n")

    def _write(self, text: str) -> None:
        self._written += os.write(self._descriptor, text.encode("ascii", "replace"))
