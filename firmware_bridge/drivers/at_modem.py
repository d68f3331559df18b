"""The station's cellular modem as a Sensor: how strong the signal is, on which network, and how the SIM is.

The modem is only asked. Its AT port must be one that nothing else uses: a modem has several, and the one that dials
(or ModemManager's) is not to be had.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence

from pydantic import Field

from firmware_bridge.capabilities import DeviceError, DeviceTimeout, Health, Priority, Quality, Reading
from firmware_bridge.codecs import at_modem as at
from firmware_bridge.drivers.base import DriverCode, DriverContext, Options
from firmware_bridge.exchange import DevicePolicy, Exchange
from firmware_bridge.profiles import DeviceProfile

log = logging.getLogger(__name__)

# What needs no network answers in under 0.3 s by most manuals; +COPS? and +CPIN? may take seconds after a start.
TIMEOUT_S = 3.0
RETRIES = 1
QUARANTINE_S_MAX = 60.0
DEADLINE_S = 10.0

UNITS = {
    "signal": "dBm",
    "rsrp": "dBm",
    "rsrq": "dB",
    "registration": "",
    "network": "",
    "operator": "",
    "sim": "",
}
# What a modem may lack: such points are left out, and a refused command is not asked again until it was silent.
OPTIONAL = frozenset({"rsrp", "rsrq"})
OPTIONAL_COMMANDS = frozenset({at.EXTENDED_SIGNAL, at.LTE_REGISTRATION})


class ModemOptions(Options):
    """How often the modem is asked."""

    period_s: float = Field(default=30.0, ge=1, le=3600, description="Seconds between two readings")


class AtModem:
    """Asks every period; forgets what it knew of the modem when that falls silent."""

    def __init__(self, context: DriverContext) -> None:
        assert isinstance(context.options, ModemOptions)
        self.name = context.name
        self._period_s = context.options.period_s
        self._bus = context.bus
        self._emit = context.emit
        self._clock = context.clock
        self._tell = context.health_listener()
        self._greeted = False
        self._lacking: set[at.Command] = set()
        self.unsolicited = 0
        policy = DevicePolicy(timeout_s=TIMEOUT_S, retries=RETRIES, quarantine_s_max=QUARANTINE_S_MAX)
        context.bus.attach(context.name, policy, self._on_health)

    async def read(self) -> Sequence[Reading]:
        """One Reading of each value; a silent modem's are MISSING."""
        try:
            values = await self._values()
        except DeviceTimeout:
            return [self._reading(point, None, Quality.MISSING) for point in UNITS if point not in OPTIONAL]
        return [self._reading(point, value, Quality.GOOD) for point, value in values.items()]

    async def run(self) -> None:
        """Emit every value every period, until cancelled."""
        while True:
            began = self._clock.monotonic()
            try:
                readings = await self.read()
            except DeviceError as error:
                log.warning("%s", error)
                readings = []
            for reading in readings:
                self._emit(reading)
            spent = self._clock.monotonic() - began
            await self._bus.pause(max(0.0, self._period_s - spent))

    async def _values(self) -> dict[str, float | str | None]:
        if not self._greeted:
            await self._ask(at.HELLO)
            await self._ask(at.NO_ECHO)
            await self._ask(at.ERRORS_BY_NUMBER)  # not every modem can; its plain ERROR is understood, too
            self._greeted = True
        signal, extended = await self._line(at.SIGNAL), await self._line(at.EXTENDED_SIGNAL)
        lte, any_net = await self._registration(at.LTE_REGISTRATION), await self._registration(at.REGISTRATION)
        registered = lte if lte in at.ON_THE_NET or any_net is None else any_net
        operator = await self._line(at.OPERATOR)
        net = at.operator(operator) if operator is not None else at.Operator(None, None)
        values: dict[str, float | str | None] = {
            "signal": None if signal is None else at.signal_dbm(signal),
            "registration": None if registered is None else registered.value,
            "network": net.technology,
            "operator": net.name,
            "sim": at.sim_state(await self._ask(at.SIM)),
        }
        if extended is not None:
            lte_signal = at.extended_signal(extended)
            values |= {"rsrp": lte_signal.rsrp_dbm, "rsrq": lte_signal.rsrq_db}
        return values

    async def _registration(self, command: at.Command) -> at.Registration | None:
        reply = await self._maybe(command)
        return at.registration(reply.lines) if isinstance(reply, at.Answer) else None

    async def _line(self, command: at.Command) -> str | None:
        reply = await self._maybe(command)
        return reply.lines[-1] if isinstance(reply, at.Answer) else None

    async def _maybe(self, command: at.Command) -> at.Reply | None:
        """None for what the modem does not know."""
        if command in self._lacking:
            return None
        reply = await self._ask(command)
        if isinstance(reply, at.Refused) and command in OPTIONAL_COMMANDS and reply.code not in at.SIM_ERRORS:
            self._lacking.add(command)
            log.info("%s does not know AT%s: %s", self.name, command.text, reply.text)
        return reply

    async def _ask(self, command: at.Command) -> at.Reply:
        parsers: list[at.ReplyParser] = []

        def parser() -> at.ReplyParser:
            parsers.append(at.ReplyParser(command))
            return parsers[-1]

        exchange: Exchange[at.Reply] = Exchange(parts=(at.encode(command),), reply=parser)
        try:
            return await self._bus.request(self.name, exchange, priority=Priority.TELEMETRY, deadline_s=DEADLINE_S)
        finally:
            self.unsolicited += sum(one.unsolicited for one in parsers)

    def _on_health(self, health: Health, detail: str) -> None:
        if health is Health.OFFLINE:
            self._greeted = False
            self._lacking.clear()
        self._tell(health, detail)

    def _reading(self, point: str, value: float | str | None, quality: Quality) -> Reading:
        known = Quality.INVALID if value is None and quality is Quality.GOOD else quality
        return Reading(self.name, point, value, UNITS[point], known, self._clock.now(), self._clock.monotonic())


def check_modem(address: int, options: Options, profile: DeviceProfile | None) -> list[str]:
    """A modem has no address and no profile."""
    return ["profile: a modem has none"] if profile is not None else []


MODEM = DriverCode(options=ModemOptions, factory=AtModem, check=check_modem)
