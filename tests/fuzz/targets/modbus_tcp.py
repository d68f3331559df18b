"""Modbus TCP: requests as a device hears them, answers to whatever was asked, and a listener between the two."""

from firmware_bridge.codecs import FrameError
from firmware_bridge.codecs import modbus_pdu as pdu
from firmware_bridge.codecs import modbus_tcp as modbus

SEEDS: list[bytes] = [
    modbus.encode_request(1, 255, pdu.Read(pdu.Function.READ_HOLDING_REGISTERS, 107, 3)),
    modbus.encode_request(1, 2, pdu.WriteRegisters(16, (1, 2, 3))),
    modbus.encode_reply(1, 2, pdu.Registers(pdu.Function.READ_INPUT_REGISTERS, (65301, 412))),
    modbus.encode_reply(1, 2, pdu.Refused(pdu.Function.READ_COILS, 2)),
    modbus.encode_request(1, 2, pdu.Read(pdu.Function.READ_INPUT_REGISTERS, 1, 2))
    + modbus.encode_reply(1, 2, pdu.Registers(pdu.Function.READ_INPUT_REGISTERS, (1, 2))),
]
ASKED = (
    pdu.Read(pdu.Function.READ_INPUT_REGISTERS, 1, 2),
    pdu.Read(pdu.Function.READ_COILS, 0, 9),
    pdu.WriteOne(pdu.Function.WRITE_COIL, 0, pdu.COIL_ON),
    pdu.WriteRegisters(16, (1, 2, 3)),
)


def target(data: bytes) -> None:
    cut = data[0] % (len(data) + 1) if data else 0
    sniffer = modbus.Sniffer()
    seen = [*sniffer.feed(data[:cut]), *sniffer.feed(data[cut:]), *sniffer.idle()]
    assert b"".join(one.data for one in seen) == data
    heard = modbus.RequestParser()
    for transaction, unit, request in [*heard.feed(data[:cut]), *heard.feed(data[cut:])]:
        # A count that no frame can carry is heard, and answered by a refusal; it is never sent.
        if isinstance(request, pdu.Read) and not 1 <= request.count <= pdu.READ_REGISTERS_MAX:
            continue
        again = modbus.RequestParser().feed(modbus.encode_request(transaction, unit, request))
        assert again == [(transaction, unit, request)]
    for request in ASKED:
        parser = modbus.ReplyParser(1, 2, request)
        try:
            for at in range(0, len(data), 7):
                if parser.feed(data[at : at + 7]) is not None:
                    break
        except FrameError:
            continue
        assert parser.discarded <= len(data)
