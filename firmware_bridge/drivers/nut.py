"""A UPS behind a NUT server: charge, runtime, load and voltage as readings, mains and battery as inputs.

```
 [USERNAME, PASSWORD, LOGIN once a connection]   LIST VAR ups every period -> readings, on_battery, low_battery
```
Reading needs no login. With one, the server counts the station among those who need the UPS: its primary waits
with the shutdown until the station has gone.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping, Sequence

from pydantic import Field

from firmware_bridge.capabilities import (
    DeviceError,
    DeviceRefused,
    DeviceTimeout,
    Health,
    InputChanged,
    Priority,
    Quality,
    Reading,
)
from firmware_bridge.codecs import nut
from firmware_bridge.drivers.base import DriverCode, DriverContext, Options
from firmware_bridge.exchange import DevicePolicy, Exchange
from firmware_bridge.profiles import DeviceProfile
from firmware_bridge.secrets import SecretError, SecretName

log = logging.getLogger(__name__)

# Point, the server's variable, unit. NUT user manual, appendix "Variables".
NUMBERS = (
    ("charge", "battery.charge", "%"),
    ("runtime", "battery.runtime", "s"),
    ("load", "ups.load", "%"),
    ("voltage", "input.voltage", "V"),
)
STATUS, STATUS_VARIABLE = "status", "ups.status"
ON_BATTERY, LOW_BATTERY = "on_battery", "low_battery"
DEADLINE_S = 4.0


class NutOptions(Options):
    """Which UPS of the server, and who the station is to it."""

    ups: str = Field(pattern=r'^[^\s"\\]{1,64}$', description="Name of the UPS on the server, as `upsc -l` tells it")
    period_s: float = Field(default=5.0, ge=0.5, le=300, description="Seconds between two readings")
    username: str | None = Field(
        default=None, min_length=1, max_length=64, description="User of the server's upsd.users"
    )
    password: SecretName | None = Field(default=None, description="Name of the secret that holds this user's password")


class NutUps:
    """A UPS as Sensor; `on_battery` and `low_battery` as inputs."""

    QUARANTINE_S_MAX = 30.0

    def __init__(self, context: DriverContext) -> None:
        assert isinstance(context.options, NutOptions)
        self.name = context.name
        self._options = context.options
        self._bus = context.bus
        self._secrets = context.secrets
        self._emit = context.emit
        self._clock = context.clock
        self._tell_health = context.health_listener()
        self._greeted = False
        self._levels: dict[str, bool] = {}
        self._told = ""
        policy = DevicePolicy(timeout_s=1.0, retries=1, quarantine_s_max=self.QUARANTINE_S_MAX)
        context.bus.attach(context.name, policy, self._on_health)

    async def read(self) -> Sequence[Reading]:
        """One Reading of each point. Raises DeviceRefused for a UPS that the server does not know."""
        try:
            values = await self._variables()
        except DeviceTimeout:
            return self._readings({}, Quality.MISSING)
        return self._readings(values, Quality.INVALID)

    async def run(self) -> None:
        """Emit every point every period, and inputs as they change, until cancelled."""
        while True:
            began = self._clock.monotonic()
            values: Mapping[str, str] = {}
            missing = Quality.INVALID
            try:
                values = await self._variables()
                self._tell_once("")
            except DeviceError as error:
                missing = Quality.MISSING if isinstance(error, DeviceTimeout) else Quality.INVALID
                self._levels.clear()  # what the mains did meanwhile is not known: it is told anew
                self._tell_once("" if self._is_silence(error) else str(error))
            self._emit_changes(values.get(STATUS_VARIABLE, ""))
            for reading in self._readings(values, missing):
                self._emit(reading)
            spent = self._clock.monotonic() - began
            await self._bus.pause(max(0.0, self._options.period_s - spent))

    async def _variables(self) -> Mapping[str, str]:
        if not self._greeted:
            await self._greet()
        reply = await self._ask(nut.ListVariables(self._options.ups))
        if isinstance(reply, nut.Refused):
            if reply.code in nut.STALE:
                raise UpsSilent(
                    self.name, f"the server hears nothing of it ({reply.code}); check the UPS and its cable"
                )
            raise DeviceRefused(self.name, f"{self._options.ups!r} was refused: {reply.code}; check the option ups")
        assert isinstance(reply, nut.Variables)
        return reply.values

    async def _greet(self) -> None:
        """Say who we are, once a connection. A server that does not want us is read all the same."""
        if self._options.username is not None:
            for request in (
                nut.Username(self._options.username),
                nut.Password(self._password()),
                nut.Login(self._options.ups),
            ):
                reply = await self._ask(request)
                if isinstance(reply, nut.Refused) and reply.code not in nut.ALREADY:
                    log.warning(
                        "%s: the server refused the login (%s); check username and password against its upsd.users",
                        self.name,
                        reply.code,
                    )
                    break
        self._greeted = True

    def _password(self) -> str:
        assert self._options.password is not None
        try:
            found = self._secrets.read(self._options.password)
        except SecretError as error:
            raise DeviceError(self.name, str(error)) from None
        if found is None:
            where = self._secrets.where(self._options.password)
            raise DeviceError(
                self.name, f"there is no secret {self._options.password!r}; write the password to {where}"
            )
        return found.decode("utf-8", errors="replace").rstrip("\r\n")

    async def _ask(self, request: nut.Request) -> nut.Reply:
        exchange: Exchange[nut.Reply] = Exchange(
            parts=(nut.encode_request(request),), reply=lambda: nut.ReplyParser(request)
        )
        return await self._bus.request(self.name, exchange, priority=Priority.ALARM, deadline_s=DEADLINE_S)

    def _on_health(self, health: Health, detail: str) -> None:
        if health is Health.OFFLINE:
            self._greeted = False  # the next connection does not know us
        self._tell_health(health, detail)

    def _emit_changes(self, status: str) -> None:
        """OB: on battery, OL: on line; LB: low, FSD: the server is about to switch off. Anything else says nothing."""
        words = set(status.split())
        levels: dict[str, bool] = {}
        if words & {"OB", "OL"}:
            levels = {ON_BATTERY: "OB" in words, LOW_BATTERY: bool(words & {"LB", "FSD"})}
        at, mono_s = self._clock.now(), self._clock.monotonic()
        for name, active in levels.items():
            if self._levels.get(name) is not active:
                self._levels[name] = active
                self._emit(InputChanged(self.name, name, active, at, mono_s))

    def _readings(self, values: Mapping[str, str], missing: Quality) -> list[Reading]:
        at, mono_s = self._clock.now(), self._clock.monotonic()

        def reading(point: str, value: float | str | None, unit: str) -> Reading:
            quality = missing if value is None else Quality.GOOD
            return Reading(self.name, point, value, unit, quality, at, mono_s)

        found = [reading(point, _number(values.get(variable)), unit) for point, variable, unit in NUMBERS]
        return [*found, reading(STATUS, values.get(STATUS_VARIABLE) or None, "")]

    def _is_silence(self, error: DeviceError) -> bool:
        """Silence of the server is told by the bus, as health; silence of the UPS behind it is told here."""
        return isinstance(error, DeviceTimeout) and not isinstance(error, UpsSilent)

    def _tell_once(self, text: str) -> None:
        if text and text != self._told:
            log.warning("%s", text)
        self._told = text


class UpsSilent(DeviceTimeout):
    """The server answers, and says that the UPS does not."""


def _number(text: str | None) -> float | None:
    try:
        value = float(text or "")
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def check_ups(address: int, options: Options, profile: DeviceProfile | None) -> list[str]:
    """Every way in which a UPS cannot be read."""
    assert isinstance(options, NutOptions)
    found = ["profile: a UPS has none"] if profile is not None else []
    if (options.username is None) != (options.password is None):
        found.append("options.username: a user has a password, and a password a user: give both or none")
    return found


UPS = DriverCode(options=NutOptions, factory=NutUps, check=check_ups)
