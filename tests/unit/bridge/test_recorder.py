"""A capture is kept while a line is used: for its owner only, bounded, readable again."""

import stat

from firmware_bridge import recorder as module
from firmware_bridge.capture import Direction, Row, parse
from firmware_bridge.recorder import Recorder


def test_what_was_tapped_is_read_again(tmp_path):
    path = tmp_path / "door.cap"
    with Recorder(path, {"protocol": "modbus"}) as recorder:
        recorder.tap(Direction.OUT, b"\x01\x05", 500.0)
        recorder.tap(Direction.IN, b"\x01", 500.25)
    with path.open() as file:
        capture = parse(file)
    assert capture.header == {"protocol": "modbus"}
    assert capture.rows == (Row(0.0, Direction.OUT, b"\x01\x05"), Row(0.25, Direction.IN, b"\x01"))
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_capture_that_grows_too_long_is_cut_and_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "CAPTURE_BYTES_MAX", 500)
    path = tmp_path / "busy.cap"
    with Recorder(path, {}) as recorder:
        for number in range(1000):
            recorder.tap(Direction.IN, b"x" * 16, float(number))
        assert recorder.full
    text = path.read_text()
    assert len(text) < 700
    assert text.endswith("# full: cut after 500 bytes\n")
    assert parse(text.splitlines()).rows
