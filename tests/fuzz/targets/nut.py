"""Fuzz target: lines of a NUT server and of its clients."""

from firmware_bridge.codecs import FrameError, nut

SEEDS: list[bytes] = [
    b'BEGIN LIST VAR station\nVAR station battery.charge "100"\nEND LIST VAR station\n',
    b'BEGIN LIST UPS\nUPS station "A \\"quoted\\" name"\nEND LIST UPS\n',
    b"ERR DATA-STALE\n",
    b"LIST VAR station\r\n",
    b'PASSWORD "secret word"\n',
]
REQUESTS: tuple[nut.Request, ...] = (
    nut.ListVariables("station"),
    nut.ListUps(),
    nut.GetVariable("station", "ups.status"),
    nut.Login("station"),
)


def target(data: bytes) -> None:
    sniffer = nut.Sniffer()
    seen = [*sniffer.feed(data), *sniffer.idle()]
    assert b"".join(one.data for one in seen) == data
    for request in REQUESTS:
        _parse(request, data)
    lines = nut.Lines()
    for line in lines.feed(data):
        _read(line)
    assert lines.discarded <= len(data)


def _parse(request: nut.Request, data: bytes) -> None:
    parser = nut.ReplyParser(request)
    reply = parser.feed(data)
    if isinstance(reply, nut.Variables | nut.UpsList | nut.Variable):
        assert nut.ReplyParser(request).feed(nut.encode_reply(reply)) == reply


def _read(line: str) -> None:
    try:
        words = nut.split(line)
    except FrameError:
        return
    assert nut.split(" ".join(nut.quote(word) for word in words)) == words
    try:
        request = nut.decode_request(line)
    except FrameError:
        return
    assert nut.decode_request(nut.encode_request(request).decode().removesuffix("\n")) == request
