"""Fuzz target: datagrams of a UHPPOTE controller, as requests, as answers, and as a monitor sees them."""

from firmware_bridge.codecs import FrameError
from firmware_bridge.codecs import uhppote as codec
from firmware_bridge.codecs.uhppote_messages import GetDoor, GetStatus, Packet, Status

SERIAL = 0x1939552D
SEEDS: list[bytes] = [
    codec.encode_request(SERIAL, GetStatus()),
    codec.encode_request(0, GetDoor(4)),
    bytes.fromhex(
        "172000002d5539193900000001000301aae85d0020190419170009060100010100000101091437021100000021000000"
        "2b0401190420000093260488089200ff"
    ),
    bytes.fromhex("179400002d553919c0a80000ffffff000000000000661939552d089220180816") + bytes(32),
]


def target(data: bytes) -> None:
    sniffer = codec.Sniffer()
    seen = [*sniffer.feed(data), *sniffer.idle()]
    assert b"".join(one.data for one in seen) == data
    try:
        packet = codec.decode_reply(data)
    except FrameError:
        pass
    else:
        again = codec.encode_reply(packet.serial, packet.function, packet.reply)
        assert codec.decode_reply(again) == packet
    try:
        serial, request = codec.decode_request(data)
    except FrameError:
        pass
    else:
        assert codec.decode_request(codec.encode_request(serial, request)) == (serial, request)
    _parse(data)


def _parse(data: bytes) -> None:
    heard: list[Status] = []
    parser = codec.ReplyParser(SERIAL, GetDoor(4), heard.append)
    reply = parser.feed(data)
    taken = reply is not None or bool(heard)
    assert parser.discarded == (0 if taken else len(data))
    if reply is not None:
        assert codec.decode_reply(data) == Packet(SERIAL, codec.function_of(GetDoor(4)), reply)
