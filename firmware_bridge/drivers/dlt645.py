"""A DL/T 645-2007 electricity meter as a Sensor: energy in all and by tariff, power, voltage, current.

What a meter has is not known before it is asked: data that it refuses as "no such data" is left out from then
on, until it was silent and is back (it may be another meter then).
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass

from pydantic import Field

from firmware_bridge.capabilities import DeviceError, DeviceRefused, DeviceTimeout, Health, Priority, Quality, Reading
from firmware_bridge.codecs import dlt645 as dlt
from firmware_bridge.drivers.base import DriverCode, DriverContext, Options
from firmware_bridge.exchange import DevicePolicy, Exchange
from firmware_bridge.profiles import DeviceProfile

log = logging.getLogger(__name__)

# A meter begins its answer within 500 ms (section 5.3.3); the longest answer here is 4 wake-up bytes, 12 of frame,
# 4 of identifier and 4 of value.
ANSWER_S_MAX = 0.5
ANSWER_BYTES_MAX = 24
RETRIES = 2
QUARANTINE_S_MAX = 60.0
TARIFFS_MAX = 4


@dataclass(frozen=True, slots=True)
class Item:
    """One value: its identifier, its size on the wire, and how its digits become `unit`."""

    point: str
    identifier: int
    size: int
    decimals: int  # digits behind the point, in `unit`
    unit: str
    signed: bool = False
    phase: int = 0  # 0: of the meter as a whole
    tariff: int = 0  # 0: of all tariffs

    def decode(self, data: bytes) -> float | None:
        """None for bytes that are no number, or are of another size."""
        number = dlt.decode_bcd(data, signed=self.signed) if len(data) == self.size else None
        return None if number is None else number / 10**self.decimals


# DL/T 645-2007, annex A, tables A.1 and A.2. Power is XX.XXXX kW on the wire: tenths of a watt.
ITEMS: tuple[Item, ...] = (
    Item("energy", 0x00010000, 4, 2, "kWh"),
    *(Item(f"energy_t{n}", 0x00010000 + (n << 8), 4, 2, "kWh", tariff=n) for n in range(1, TARIFFS_MAX + 1)),
    Item("energy_returned", 0x00020000, 4, 2, "kWh"),
    Item("power", 0x02030000, 3, 1, "W", signed=True),
    *(Item(f"voltage_{p}", 0x02010000 + (n << 8), 2, 1, "V", phase=n) for n, p in enumerate("abc", 1)),
    *(Item(f"current_{p}", 0x02020000 + (n << 8), 3, 3, "A", signed=True, phase=n) for n, p in enumerate("abc", 1)),
    Item("power_factor", 0x02060000, 2, 3, "", signed=True),
    Item("frequency", 0x02800002, 2, 2, "Hz"),
)


class MeterOptions(Options):
    """Which meter, and what is read of it."""

    meter: str | None = Field(
        default=None,
        min_length=12,
        max_length=12,
        pattern=dlt.ADDRESS_PATTERN,
        description="The 12 digits on its plate, the first pairs may be AA; without it the one meter of the line",
    )
    phases: int = Field(default=1, ge=1, le=3, description="Phases whose voltage and current are read, from A")
    tariffs: int = Field(default=TARIFFS_MAX, ge=0, le=TARIFFS_MAX, description="Tariffs whose energy is read")
    period_s: float = Field(default=60.0, ge=1, le=3600, description="Seconds between two readings")


class Dlt645Meter:
    """Values one by one: every meter has those, while blocks are left to the maker."""

    def __init__(self, context: DriverContext) -> None:
        assert isinstance(context.options, MeterOptions)
        self.name = context.name
        self._options = context.options
        self._meter = context.options.meter
        self._bus = context.bus
        self._emit = context.emit
        self._clock = context.clock
        self._items = tuple(
            item for item in ITEMS if item.phase <= context.options.phases and item.tariff <= context.options.tariffs
        )
        self._lacking: set[str] = set()
        self._told: set[str] = set()
        self._tell = context.health_listener()
        timeout_s = ANSWER_S_MAX + ANSWER_BYTES_MAX * context.line.byte_s
        self._deadline_s = 2.0 + (1 + RETRIES) * 2 * timeout_s
        policy = DevicePolicy(timeout_s=timeout_s, retries=RETRIES, quarantine_s_max=QUARANTINE_S_MAX)
        context.bus.attach(context.name, policy, self._on_health)

    async def read(self) -> Sequence[Reading]:
        """One Reading of each value that the meter has. A silent meter's are MISSING."""
        readings: list[Reading] = []
        for item in self._items:
            if item.point not in self._lacking:
                reading = await self._read_item(item)
                if reading is not None:
                    readings.append(reading)
        return readings

    async def run(self) -> None:
        """Emit every value every period, until cancelled."""
        while True:
            began = self._clock.monotonic()
            for reading in await self.read():
                self._emit(reading)
            spent = self._clock.monotonic() - began
            await self._bus.pause(max(0.0, self._options.period_s - spent))

    async def _read_item(self, item: Item) -> Reading | None:
        """None for what the meter says it does not have."""
        value: float | None = None
        quality = Quality.INVALID
        try:
            reply = await self._ask(await self._number(), dlt.ReadData(item.identifier))
        except DeviceTimeout:
            quality = Quality.MISSING
        except DeviceError as error:
            self._complain(str(error))
        else:
            match reply:
                case dlt.Refused(_, error_word) if error_word & dlt.NO_SUCH_DATA:
                    self._lacking.add(item.point)
                    log.info("%s has no %s (%08x)", self.name, item.point, item.identifier)
                    return None
                case dlt.Refused():
                    self._complain(f"{self.name}: refuses to be read: {reply.text}")
                case dlt.Data(follows=True):
                    self._complain(f"{self.name}: sends a single value in several frames; that is not understood")
                case dlt.Data(value=data):
                    value = item.decode(data)
                    quality = Quality.INVALID if value is None else Quality.GOOD
        return Reading(self.name, item.point, value, item.unit, quality, self._clock.now(), self._clock.monotonic())

    def _complain(self, text: str) -> None:
        """Once, and again only after it was silent."""
        if text not in self._told:
            self._told.add(text)
            log.warning("%s", text)

    async def _number(self) -> str:
        """The meter's number: as it was given, or as the one meter of the line says."""
        if self._meter is None:
            reply = await self._ask(dlt.ANY_METER, dlt.ReadAddress())
            if not isinstance(reply, dlt.Address):
                raise DeviceRefused(self.name, "does not tell its number; give it as option `meter`")
            self._meter = reply.meter
            log.info("%s is meter %s", self.name, self._meter)
        return self._meter

    async def _ask(self, meter: str, request: dlt.Request) -> dlt.Reply:
        exchange: Exchange[dlt.Reply] = Exchange(
            parts=(dlt.encode_request(meter, request),), reply=lambda: dlt.ReplyParser(meter, request)
        )
        return await self._bus.request(self.name, exchange, priority=Priority.TELEMETRY, deadline_s=self._deadline_s)

    def _on_health(self, health: Health, detail: str) -> None:
        if health is Health.OFFLINE:
            self._meter = self._options.meter
            self._lacking.clear()
            self._told.clear()
        self._tell(health, detail)


def check_meter(address: int, options: Options, profile: DeviceProfile | None) -> list[str]:
    """A meter is told apart by its number; what it has is in this file's table."""
    return ["profile: a DL/T 645 meter needs none"] if profile is not None else []


METER = DriverCode(options=MeterOptions, factory=Dlt645Meter, check=check_meter)
