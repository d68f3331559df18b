"""Fuzz target: both ends of an XMODEM transfer hear anything, in any chunks; an image of a firmware is anything."""

from firmware_bridge.flashing import image
from firmware_bridge.flashing.xmodem import ACK, EOT, Receiver, Sender, TransferError, frame

_BYTES_MAX = 2048
_FILE = bytes(range(256)) * 5
SEEDS: list[bytes] = [
    frame(1, b"a" * 128) + frame(2, b"b" * 128) + bytes((EOT,)),
    frame(1, b"a" * 1024),
    b"C" + bytes((ACK, ACK, ACK, ACK)),
    b"YZDB" + bytes(300),
]


def target(data: bytes) -> None:
    receiver, sender = Receiver(_BYTES_MAX), Sender(_FILE)
    for at in range(0, len(data), 7):
        for end in (receiver, sender):
            try:
                answer = end.heard(data[at : at + 7])
            except TransferError:
                continue
            assert len(answer) <= 1029
    assert len(receiver.data) <= _BYTES_MAX
    assert len(receiver.data) % 128 == 0
    assert 0 <= sender.sent <= len(_FILE)
    assert not sender.done or sender.sent == len(_FILE)
    try:
        parsed = image.parse(data)
    except image.ImageError:
        return
    assert data.endswith(parsed.body)
