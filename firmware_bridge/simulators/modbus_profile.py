"""A Modbus unit made from a device profile, any file of config/devices: plausible values, and the manners it states.

It serves the addresses of its points and the gaps that its profile lets a read span, refuses every other one, takes
what its writable points take, and shows it when their time to settle is over.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Mapping, Sequence

from firmware_bridge.codecs import modbus_pdu as pdu
from firmware_bridge.config import DeviceConfig
from firmware_bridge.points import BIT_SPACES, Point, Space
from firmware_bridge.profiles import DeviceProfile, ProfileError, load
from firmware_bridge.simulators.base import Action, SimulatorContext, WireSimulation
from firmware_bridge.simulators.modbus_slave import ModbusSlave
from firmware_bridge.simulators.paced import PacedWire
from firmware_bridge.simulators.paced_net import PacedTcp
from firmware_bridge.simulators.paced_pty import PacedPty

Value = float | bool | str
SPACES = {
    pdu.Function.READ_COILS: Space.COIL,
    pdu.Function.READ_DISCRETE_INPUTS: Space.DISCRETE,
    pdu.Function.READ_HOLDING_REGISTERS: Space.HOLDING,
    pdu.Function.READ_INPUT_REGISTERS: Space.INPUT,
}
# How far a plausible value lies in its range, and the range of a point that states none.
PLAUSIBLE_SHARE = 0.4
PLAUSIBLE_SPAN = 100.0


class ProfileSlave(ModbusSlave):
    """One unit with the registers of a profile."""

    def __init__(self, wire: PacedWire, unit: int, profile: DeviceProfile) -> None:
        super().__init__(wire, unit, turnaround_s=profile.timing.turnaround_ms / 1000)
        self.profile = profile
        self._memory: dict[tuple[Space, int], int] = {}
        self._serve_addresses()
        self._settling: set[asyncio.TimerHandle] = set()
        self.refuse = False  # answers every write with "device failure"
        self.stuck: set[str] = set()  # points that take what is written and do not show it
        self.writes = 0
        for point in profile.points:
            self.set(point.name, _plausible(point))

    def stop(self) -> None:
        super().stop()
        for timer in self._settling:
            timer.cancel()
        self._settling.clear()

    def _serve_addresses(self) -> None:
        limits = self.profile.limits
        for space in Space:
            used = sorted({address for point in self._points_of(space) for address in _addresses(point)})
            self._memory.update({(space, address): 0 for address in used})
            for address, following in itertools.pairwise(used):
                if limits.may_span(space, address + 1, following):
                    self._memory.update({(space, between): 0 for between in range(address + 1, following)})

    def _points_of(self, space: Space) -> list[Point]:
        return [point for point in self.profile.points if point.space is space]

    def point(self, name: str) -> Point:
        """Raises ValueError naming the points that there are."""
        for point in self.profile.points:
            if point.name == name:
                return point
        raise ValueError(f"no point {name!r}; there are: {', '.join(point.name for point in self.profile.points)}")

    def get(self, name: str) -> Value | None:
        """What the device shows now."""
        point = self.point(name)
        return point.decode(self._words(point))

    def set(self, name: str, value: Value | None) -> None:
        """What the device shows from now on; None is its marker for "no value".

        Raises ValueError for a value that the point cannot show.
        """
        point = self.point(name)
        self._store(point, point.pack(value, self._words(point)) if value is not None else _marker(point))

    def _words(self, point: Point) -> tuple[int, ...]:
        return tuple(self._memory[point.space, address] for address in _addresses(point))

    def _store(self, point: Point, words: Sequence[int]) -> None:
        for address, word in zip(_addresses(point), words, strict=True):
            self._memory[point.space, address] = word

    # What it answers.

    def answer(self, request: pdu.Request, first_byte_s: float) -> pdu.Reply:
        match request:
            case pdu.Read(function, address, count):
                return self._read(function, address, count)
            case pdu.WriteOne(pdu.Function.WRITE_COIL, address, value):
                if value not in (pdu.COIL_ON, pdu.COIL_OFF):
                    return pdu.Refused(request.function, pdu.Refusal.ILLEGAL_VALUE)
                refusal = self._write(Space.COIL, address, (int(value == pdu.COIL_ON),))
            case pdu.WriteOne(_, address, value):
                refusal = self._write(Space.HOLDING, address, (value,))
            case pdu.WriteBits(address, bits):
                refusal = self._write(Space.COIL, address, tuple(map(int, bits)))
            case pdu.WriteRegisters(address, registers):
                refusal = self._write(Space.HOLDING, address, registers)
        function = pdu.function_of(request)
        if refusal is not None:
            return pdu.Refused(function, refusal)
        match request:
            case pdu.WriteOne():
                return request
            case pdu.WriteBits(address, bits):
                return pdu.Written(function, address, len(bits))
            case pdu.WriteRegisters(address, registers):
                return pdu.Written(function, address, len(registers))

    def _read(self, function: pdu.Function, address: int, count: int) -> pdu.Reply:
        space = SPACES[function]
        if not 1 <= count <= self.profile.limits.most(space):
            return pdu.Refused(function, pdu.Refusal.ILLEGAL_VALUE)
        wanted = [self._memory.get((space, address + more)) for more in range(count)]
        words = [word for word in wanted if word is not None]
        if len(words) < count:
            return pdu.Refused(function, pdu.Refusal.ILLEGAL_ADDRESS)
        if space in BIT_SPACES:
            return pdu.Bits(function, tuple(map(bool, words)))
        return pdu.Registers(function, tuple(words))

    def _write(self, space: Space, address: int, words: tuple[int, ...]) -> pdu.Refusal | None:
        """Take words for the writable points at `address`; what is refused, and why."""
        if self.refuse:
            return pdu.Refusal.DEVICE_FAILURE
        taken: list[tuple[Point, tuple[int, ...]]] = []
        left = set(range(address, address + len(words)))
        for point in self.profile.controls.values():
            target = Space.COIL if point.space in BIT_SPACES else Space.HOLDING
            first = point.write_address - address
            if target is not space or first < 0 or first + point.words > len(words):
                continue
            mine = words[first : first + point.words]
            value = point.decode(mine)
            try:
                if value is None:
                    return pdu.Refusal.ILLEGAL_VALUE
                point.encode(value, mine)
            except ValueError:
                return pdu.Refusal.ILLEGAL_VALUE
            taken.append((point, mine))
            left -= set(range(point.write_address, point.write_address + point.words))
        if left:
            return pdu.Refusal.ILLEGAL_ADDRESS
        for point, mine in taken:
            self._take(point, mine)
        return None

    def _take(self, point: Point, words: tuple[int, ...]) -> None:
        self.writes += 1
        if point.name in self.stuck:
            return
        assert point.write is not None
        if not point.write.settle_ms:
            self._store(point, words)
            return
        timer: asyncio.TimerHandle

        def settled() -> None:
            self._settling.discard(timer)
            self._store(point, words)

        timer = asyncio.get_running_loop().call_later(point.write.settle_ms / 2000, settled)
        self._settling.add(timer)


def _addresses(point: Point) -> range:
    return range(point.address, point.address + point.words)


def _marker(point: Point) -> tuple[int, ...]:
    """Words that the point reads as no value. Raises ValueError where it has none."""
    low, high = point.raw_range
    for raw in (*point.invalid, 0x7FC00000 if point.type == "float32" else 0, high, low, *range(256)):
        words = tuple(raw >> 16 * (point.words - 1 - index) & 0xFFFF for index in range(point.words))
        if not point.alters_a_part and point.decode(words) is None:
            return words
    raise ValueError(f"{point.name} has no marker for a value that is none")


def _plausible(point: Point) -> Value:
    """A value in the point's range: its first word, false, or a number a little below the middle."""
    if point.values:
        return next(iter(point.values.values())) if not point.is_bool else False
    if point.type == "bit":
        return False
    low = point.min if point.min is not None else 0.0 if point.max is None else point.max - PLAUSIBLE_SPAN
    high = point.max if point.max is not None else low + PLAUSIBLE_SPAN
    wanted = low + PLAUSIBLE_SHARE * (high - low)
    raw_low, raw_high = point.raw_range
    raw = min(raw_high, max(raw_low, round((wanted - point.offset) / point.scale)))
    if point.type == "float32":
        return round(wanted, min(point.decimals, 2))
    while raw > raw_low and raw in point.invalid:
        raw -= 1
    return raw * point.scale + point.offset


class ProfileSimulation(WireSimulation):
    """One unit after a profile, on a serial line at its factory baud, or on a TCP port."""

    def __init__(self, context: SimulatorContext, driver: str, name: str, *, tcp: bool = False) -> None:
        profile = load(context.profiles_dir, name)
        factory = profile.factory
        options: dict[str, object] = {"period_s": 2.0, "poll_ms": 100}
        device = DeviceConfig(driver=driver, line=self.LINE, profile=name, address=factory.address, options=options)
        wire: PacedWire
        if tcp:
            wire = PacedTcp(name, rng=context.rng, scheme="modbus-tcp")
            super().__init__(wire, device)
        else:
            framing = {"baud": factory.baud, "parity": factory.parity, "stop_bits": factory.stop_bits}
            bits = 9 + (factory.parity != "N") + factory.stop_bits
            wire = PacedPty(name, bits / factory.baud, rng=context.rng, link_dir=context.link_dir)
            super().__init__(wire, device, framing)
        self.slave = ProfileSlave(wire, device.address, profile)

    def stop(self) -> None:
        self.slave.stop()

    def mute(self, muted: bool) -> None:
        self.slave.mute = muted

    def state(self) -> dict[str, object]:
        return {point.name: self.slave.get(point.name) for point in self.slave.profile.points}

    def actions(self) -> Mapping[str, Action]:
        return {
            "set": lambda words: self.slave.set(words[0], _parsed(self.slave.point(words[0]), words[1])),
            "stick": lambda words: self.slave.stuck.add(self.slave.point(words[0]).name),
            "loosen": lambda words: self.slave.stuck.discard(words[0]),
            "refuse": lambda words: self._refuse(words[0] == "on"),
            "slow": lambda words: self._slow(float(words[0])),
        }

    def _refuse(self, refused: bool) -> None:
        self.slave.refuse = refused

    def _slow(self, turnaround_s: float) -> None:
        self.slave.turnaround_s = turnaround_s


def _parsed(point: Point, word: str) -> Value | None:
    if word == "none":
        return None
    if point.is_bool:
        return {"true": True, "false": False}[word]
    return word if point.values else float(word)


def sensor(context: SimulatorContext) -> ProfileSimulation:
    """A temperature and humidity sensor."""
    return ProfileSimulation(context, "modbus_sensor", "xy_md02")


def control(context: SimulatorContext) -> ProfileSimulation:
    """A board with relays to set and inputs to hear of."""
    return ProfileSimulation(context, "modbus_control", "waveshare_relay_d_io")


def any_profile(context: SimulatorContext, name: str, *, tcp: bool = False) -> ProfileSimulation:
    """Whatever a profile describes, for the driver that can do most with it. Raises ProfileError without points."""
    profile = load(context.profiles_dir, name)
    if not profile.points:
        raise ProfileError(f"{name}: has no points; its relays are simulated as modbus_lock")
    return ProfileSimulation(context, "modbus_control" if profile.controls else "modbus_sensor", name, tcp=tcp)
