"""A Modbus RTU slave by pymodbus, for `tests/contract/bridge`: run as `python pymodbus_slave.py PATH UNIT`.

Eight coils, eight discrete inputs, eight input registers. Commands come on stdin, one a line, each answered
by one line: `di N V` (set an input), `ir N V` (set an input register), `coil N` (says 0 or 1).
"""

import asyncio
import sys

from pymodbus import FramerType
from pymodbus.server import ModbusSerialServer
from pymodbus.simulator import DataType, SimData, SimDevice

COUNT = 8
READ_DISCRETE, READ_INPUT, WRITE_COIL = 2, 4, 5


class Slave:
    def __init__(self):
        self.inputs = [0] * COUNT
        self.registers = [0] * COUNT
        self.coils = [0] * COUNT

    async def action(self, function, start, address, count, registers, values):
        """pymodbus calls this before it answers; what it reads is replaced by what was set."""
        if function == READ_DISCRETE:
            registers[0] = sum(bit << index for index, bit in enumerate(self.inputs))
        elif function == READ_INPUT:
            registers[:COUNT] = self.registers
        elif function == WRITE_COIL and values is not None:
            self.coils[address] = int(bool(values[0]))

    def command(self, line):
        match line.split():
            case ["di", index, value]:
                self.inputs[int(index)] = int(value)
            case ["ir", index, value]:
                self.registers[int(index)] = int(value)
            case ["coil", index]:
                return str(self.coils[int(index)])
        return "ok"


async def main():
    path, unit = sys.argv[1], int(sys.argv[2])
    slave = Slave()
    bits = SimData(0, values=[False] * 16, datatype=DataType.BITS)
    more_bits = SimData(0, values=[False] * 16, datatype=DataType.BITS)
    words = SimData(0, count=COUNT, values=0, datatype=DataType.REGISTERS)
    more_words = SimData(0, count=COUNT, values=0, datatype=DataType.REGISTERS)
    device = SimDevice(unit, simdata=([bits], [more_bits], [words], [more_words]), action=slave.action)
    server = ModbusSerialServer(device, framer=FramerType.RTU, port=path, baudrate=9600)
    await server.serve_forever(background=True)
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    print("ready", flush=True)
    while line := await reader.readline():
        print(slave.command(line.decode()), flush=True)
    await server.shutdown()


asyncio.run(main())
