"""DL/T 645: any bytes as frames, as an answer, as seen by a monitor."""

from firmware_bridge.codecs import FrameError
from firmware_bridge.codecs import dlt645 as dlt

METER = "112233445566"
ENERGY = dlt.ReadData(0x00010000)
SEEDS = [
    dlt.encode_request(METER, ENERGY),
    dlt.encode_request(METER, dlt.ReadAddress()),
    dlt.encode_reply(METER, dlt.Data(0x00010000, bytes.fromhex("56341200"))),
    dlt.encode_reply(METER, dlt.Data(0x00010000, bytes(196), follows=True)),
    dlt.encode_reply(METER, dlt.Address(METER)),
    dlt.encode_reply(METER, dlt.Refused(dlt.Function.READ, dlt.NO_SUCH_DATA)),
]


def target(data: bytes) -> None:
    half = len(data) // 2
    pieces = (data[:half], data[half:])
    _frames(pieces)
    _answers(pieces)
    sniffer = dlt.Sniffer()
    seen = [one for piece in pieces for one in sniffer.feed(piece)] + sniffer.idle()
    assert b"".join(one.data for one in seen) == data


def _frames(pieces: tuple[bytes, bytes]) -> None:
    parser = dlt.FrameParser()
    for piece in pieces:
        for _, raw, frame in parser.feed(piece):
            assert len(frame.data) <= dlt.DATA_BYTES_MAX
            value = dlt.decode_bcd(frame.data, signed=True)
            if value:
                assert dlt.encode_bcd(value, len(frame.data), signed=True) == frame.data
            try:
                assert dlt.encode_frame(frame, wake_up=b"") == raw
            except ValueError:
                assert not frame.meter.isdecimal()  # addresses that are no digits are read and never written
    assert len(parser._buffer) <= dlt.FRAME_BYTES_MAX


def _answers(pieces: tuple[bytes, bytes]) -> None:
    for request in (ENERGY, dlt.ReadAddress()):
        parser = dlt.ReplyParser(dlt.ANY_METER, request)
        try:
            for piece in pieces:
                parser.feed(piece)
        except FrameError:
            assert parser.discarded > dlt.BUFFER_BYTES_MAX
