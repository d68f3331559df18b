"""Modbus RTU: requests as a device hears them, replies to whatever was asked, and a listener between the two."""

from firmware_bridge.codecs import FrameError
from firmware_bridge.codecs import modbus_rtu as modbus

SEEDS = [
    bytes.fromhex("02 04 0001 0002 2038"),
    bytes.fromhex("01 05 0000 ff00 8c3a"),
    modbus.encode_request(1, modbus.WriteRegisters(16, (1, 2, 3))),
    modbus.encode_reply(2, modbus.Registers(modbus.Function.READ_INPUT_REGISTERS, (65301, 412))),
    modbus.encode_reply(2, modbus.Refused(modbus.Function.READ_COILS, 2)),
]
ASKED = (
    modbus.Read(modbus.Function.READ_INPUT_REGISTERS, 1, 2),
    modbus.Read(modbus.Function.READ_COILS, 0, 9),
    modbus.WriteOne(modbus.Function.WRITE_COIL, 0, modbus.COIL_ON),
    modbus.WriteRegisters(16, (1, 2, 3)),
)


def target(data: bytes) -> None:
    cut = data[0] % (len(data) + 1) if data else 0
    sniffer = modbus.Sniffer()
    seen = [*sniffer.feed(data[:cut]), *sniffer.feed(data[cut:]), *sniffer.idle()]
    assert b"".join(one.data for one in seen) == data
    heard = modbus.RequestParser()
    for unit, request in [*heard.feed(data[:cut]), *heard.feed(data[cut:])]:
        # A read of all units, or of more than a frame carries, is heard; we never send one.
        if isinstance(request, modbus.Read) and (unit == 0 or not 1 <= request.count <= modbus.READ_REGISTERS_MAX):
            continue
        again = modbus.RequestParser().feed(modbus.encode_request(unit, request))
        assert again == [(unit, request)]
    for request in ASKED:
        parser = modbus.ReplyParser(2, request)
        try:
            for at in range(0, len(data), 7):
                if parser.feed(data[at : at + 7]) is not None:
                    break
        except FrameError:
            continue
        assert parser.discarded <= len(data)
