"""OSDP: frames of both directions, what they say, a Secure Channel that hears anything, and a listener."""

import contextlib

from firmware_bridge.codecs import FrameError, osdp, osdp_secure
from firmware_bridge.codecs import osdp_commands as commands
from firmware_bridge.codecs import osdp_replies as replies
from firmware_bridge.codecs.osdp import Frame, SecurityBlock

KEYS = osdp_secure.derive(osdp_secure.SCBK_D, bytes(range(8)))
SEEDS = [
    bytes.fromhex("53 01 0800 04 60 ba00"),
    osdp.on_wire(osdp.encode_frame(Frame(1, True, 1, 0x50, bytes.fromhex("00011a00a1b2c300")))),
    osdp.encode_frame(Frame(1, False, 2, *commands.encode_command(commands.Buzzer(0, 2, 1, 1, 2)), crc=False)),
    osdp.encode_frame(Frame(1, True, 0, 0x76, bytes(32), SecurityBlock(osdp.SCS_12, b"\x01"))),
    osdp.encode_frame(osdp_secure.SecureChannel(KEYS, bytes(16)).seal(Frame(1, True, 1, 0x50, b"12345678"))),
]


def target(data: bytes) -> None:
    parser = osdp.FrameParser()
    cut = data[0] % (len(data) + 1) if data else 0
    found = [*parser.split(data[:cut]), *parser.split(data[cut:])]
    assert len(parser.pending) <= osdp.FRAME_BYTES_MAX
    raw = b"".join(osdp.encode_frame(part) if isinstance(part, Frame) else part for part in found)
    assert raw + parser.pending == data
    for frame in found:
        if isinstance(frame, Frame):
            _one_frame(frame)
    reply = osdp.ReplyParser(1, 1)
    try:
        for at in range(0, len(data), 7):
            if reply.feed(data[at : at + 7]) is not None:
                break
    except FrameError:
        pass
    assert reply.discarded <= len(data)
    sniffer = osdp.Sniffer()
    seen = [*sniffer.feed(data[:cut]), *sniffer.feed(data[cut:]), *sniffer.idle()]
    assert b"".join(one.data for one in seen) == data


def _one_frame(frame: Frame) -> None:
    # The same bytes as a frame, and the payload as one that was sent by whoever holds the keys.
    channel = osdp_secure.SecureChannel(KEYS, bytes(16))
    with contextlib.suppress(osdp_secure.SecurityError):
        channel.open(frame)
    plain = Frame(frame.address, frame.is_reply, frame.sequence, frame.code, frame.data[:1024], crc=frame.crc)
    sealed = osdp_secure.SecureChannel(KEYS, bytes(16)).seal(plain)
    assert osdp_secure.SecureChannel(KEYS, bytes(16)).open(sealed) == plain
    try:
        if frame.is_reply:
            said = replies.decode_reply(frame.code, frame.data)
            assert replies.decode_reply(*replies.encode_reply(said)) == said
        else:
            asked = commands.decode_command(frame.code, frame.data)
            assert commands.decode_command(*commands.encode_command(asked)) == asked
    except FrameError:
        pass
