"""Alpha signs: what a packet holds is written the same again."""

from firmware_bridge.codecs import alpha_sign as alpha

SEEDS = [
    alpha.encode(alpha.WriteText("A", (alpha.Part(alpha.Mode.HOLD, b"OPEN"),))),
    alpha.encode(alpha.WriteDots("P", 3, 2, bytes((0, 1, 2, 3, 1, 0)))),
    alpha.encode(alpha.SetMemory((alpha.File("A", "A", True, 0x400, "FFFF"),))),
    alpha.encode(alpha.ErrorStatusIs(alpha.ErrorStatus.CHECKSUM), type_code="0"),
]


def target(data: bytes) -> None:
    parser = alpha.PacketParser()
    third = len(data) // 3
    for packet in [*parser.feed(data[:third]), *parser.feed(data[third:])]:
        for command in packet.commands:
            frame = alpha.encode(command, type_code=packet.type_code, address=packet.address)
            (again,) = alpha.PacketParser().feed(frame)
            assert alpha.encode(again.commands[0], type_code=packet.type_code, address=packet.address) == frame
    assert parser.bad_packets <= len(data)
