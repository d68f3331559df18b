"""A Modbus slave by pymodbus, for `tests/contract/bridge`: `python pymodbus_slave.py PATH UNIT`, or `tcp:PORT UNIT`.

Eight coils, discrete inputs, input registers and holding registers. Commands come on stdin, one a line, each
answered by one line: `di N V` (set an input), `ir N V`, `hr N V` (set a register), `hr N`, `coil N` (say it),
`refuse V` (answer every write with "device failure").
"""

import asyncio
import sys

from pymodbus import FramerType
from pymodbus.constants import ExcCodes
from pymodbus.server import ModbusSerialServer, ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

COUNT = 8
READ_DISCRETE, READ_HOLDING, READ_INPUT = 2, 3, 4
COIL_WRITES = (5, 15)


class Slave:
    def __init__(self):
        self.inputs = [0] * COUNT
        self.registers = [0] * COUNT
        self.coils = [0] * COUNT
        self.holding = [0] * COUNT
        self.refuse = False

    async def action(self, function, start, address, count, registers, values):
        """pymodbus calls this before it answers; what it reads is replaced by what was set."""
        if function == READ_DISCRETE:
            registers[0] = sum(bit << index for index, bit in enumerate(self.inputs))
        elif function == READ_INPUT:
            registers[:COUNT] = self.registers
        elif function == READ_HOLDING:
            registers[:COUNT] = self.holding
        elif values is not None:
            if self.refuse:
                return ExcCodes.DEVICE_FAILURE
            kept = self.coils if function in COIL_WRITES else self.holding
            kept[address : address + len(values)] = map(int, values)
        return None

    def command(self, line):
        match line.split():
            case ["di", index, value]:
                self.inputs[int(index)] = int(value)
            case ["ir", index, value]:
                self.registers[int(index)] = int(value)
            case ["hr", index, value]:
                self.holding[int(index)] = int(value)
            case ["hr", index]:
                return str(self.holding[int(index)])
            case ["refuse", refused]:
                self.refuse = refused == "1"
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
    if path.startswith("tcp:"):
        server = ModbusTcpServer(device, address=("127.0.0.1", int(path.removeprefix("tcp:"))))
    else:
        server = ModbusSerialServer(device, framer=FramerType.RTU, port=path, baudrate=9600)
    await server.serve_forever(background=True)
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    print("ready", flush=True)
    while line := await reader.readline():
        print(slave.command(line.decode()), flush=True)
    await server.shutdown()


asyncio.run(main())
