"""Alpha signs: what a packet holds is written the same again."""

from firmware_bridge.codecs import alpha_sign as alpha

SEEDS = [
    alpha.encode(alpha.WriteText("A", (alpha.Part(alpha.Mode.HOLD, b"OPEN"),))),
    alpha.encode(alpha.WriteDots("P", 3, 2, bytes((0, 1, 2, 3, 1, 0)))),
    alpha.encode(alpha.SetMemory((alpha.File("A", "A", True, 0x400, "FFFF"),))),
    alpha.encode(alpha.ErrorStatusIs(alpha.ErrorStatus.CHECKSUM), type_code="0"),
    alpha.encode(alpha.ReadText("A")),
    b"IP0203101\r020\r",
    b"AA\x1b b\x16\x14P\x1b c\x1c1OPEN",
]


def target(data: bytes) -> None:
    _packets(data)
    # What has no sum is no packet: the bytes once more, as a command with the right one.
    command = bytes(byte & 0x7F for byte in data if byte & 0x7F not in (alpha.SOH, alpha.STX, alpha.ETX, alpha.EOT))
    if command:
        _packets(alpha.encode(alpha.Unknown(command)))


def _packets(data: bytes) -> None:
    parser, sniffer = alpha.PacketParser(), alpha.Sniffer()
    third = len(data) // 3
    for packet in [*parser.feed(data[:third]), *parser.feed(data[third:])]:
        for command in packet.commands:
            frame = alpha.encode(command, type_code=packet.type_code, address=packet.address)
            (again,) = alpha.PacketParser().feed(frame)
            assert alpha.encode(again.commands[0], type_code=packet.type_code, address=packet.address) == frame
            if isinstance(command, alpha.WriteText):
                assert all(len(alpha.visible(part.body)) <= len(part.body) for part in command.parts)
    assert parser.bad_packets <= len(data)
    seen = [*sniffer.feed(data), *sniffer.idle()]
    assert b"".join(one.data for one in seen) == data
