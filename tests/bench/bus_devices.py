"""Simulated Modbus units on one paced line, in a process of their own: `python -m tests.bench.bus_devices PROFILE ...`

Units 1, 2, ... serve the profiles in turn; `lock` is the relay board. Prints the line's path, then takes commands on
standard input, a line each, and answers each with `ok`: `mute UNIT 0|1`, `slow UNIT SECONDS`, `babble 0|1`.
"""

import asyncio
import random
import selectors
import sys
from pathlib import Path

from firmware_bridge.profiles import load
from firmware_bridge.simulators.modbus_devices import RelayBoard
from firmware_bridge.simulators.modbus_profile import ProfileSlave
from firmware_bridge.simulators.modbus_slave import TURNAROUND_S
from firmware_bridge.simulators.paced_pty import NO_FAULTS, Faults, PacedPty

PROFILES = Path(__file__).resolve().parents[2] / "config" / "devices"
BAUD = 9600
BITS_PER_BYTE = 10
# A device that babbles: bursts of up to 12 bytes, seven a second, and now and then into another one's frame.
BURST_BYTES_MAX, BURST_S_MEAN = 12, 0.15
INTO_FRAMES = Faults(overlap=0.05)


class Babbler:
    def __init__(self, line, rng):
        self._line = line
        self._rng = rng
        self._timer = None

    def babble(self, on):
        self._line.faults = INTO_FRAMES if on else NO_FAULTS
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if on:
            self._later()

    def _later(self):
        delay_s = self._rng.expovariate(1 / BURST_S_MEAN)
        self._timer = asyncio.get_running_loop().call_later(delay_s, self._speak)

    def _speak(self):
        self._line.send(self._rng.randbytes(self._rng.randint(1, BURST_BYTES_MAX)))
        self._later()


async def main(names):
    rng = random.Random(3)
    line = PacedPty("line", BITS_PER_BYTE / BAUD, rng=rng)
    units = {}
    for unit, name in enumerate(names, start=1):
        if name == "lock":
            units[unit] = RelayBoard(line, unit, lambda relay, on: None)
        else:
            units[unit] = ProfileSlave(line, unit, load(PROFILES, name))
            units[unit].turnaround_s = TURNAROUND_S
    babbler = Babbler(line, rng)
    print(line.open(), flush=True)
    commands = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(commands), sys.stdin)
    while words := (await commands.readline()).decode().split():
        match words:
            case ["mute", unit, on]:
                units[int(unit)].mute = on == "1"
            case ["slow", unit, seconds]:
                units[int(unit)].turnaround_s = float(seconds) or TURNAROUND_S
            case ["babble", on]:
                babbler.babble(on == "1")
        print("ok", flush=True)
    babbler.babble(False)
    line.close()
    for slave in units.values():
        slave.stop()


def exact_loop():
    """An event loop whose timers are not rounded up to the next millisecond, as epoll's are."""
    return asyncio.SelectorEventLoop(selectors.SelectSelector())


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=exact_loop) as runner:
        runner.run(main(sys.argv[1:]))
