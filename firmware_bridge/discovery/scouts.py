"""The serial protocols that a search knows: one row each. PURE."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from firmware_bridge.codecs import alpha_sign as alpha
from firmware_bridge.codecs import modbus_rtu as modbus
from firmware_bridge.config import LineConfig
from firmware_bridge.discovery.finding import Finding
from firmware_bridge.discovery.questions import Framing, Listener, Question, Reach, Scout
from firmware_bridge.exchange import Exchange

# Units that devices are shipped with or are moved to first; a search of all 247 takes eight times as long.
MODBUS_UNITS_USUAL = range(1, 33)
MODBUS_UNITS = range(1, 248)
MODBUS_FRAMINGS = (
    Framing(9600),
    Framing(9600, parity="E"),
    Framing(19200),
    Framing(19200, parity="E"),
    Framing(4800),
    Framing(38400),
    Framing(115200),
    Framing(2400),
)


def _modbus(reach: Reach) -> Iterator[Question]:
    """One holding register of every unit: a refusal is as good an answer as a value."""
    request = modbus.Read(modbus.Function.READ_HOLDING_REGISTERS, 0, 1)
    for unit in MODBUS_UNITS if reach.every_address else MODBUS_UNITS_USUAL:
        exchange: Exchange[modbus.Reply] = Exchange(
            parts=(modbus.encode_request(unit, request),), reply=partial(modbus.ReplyParser, unit, request)
        )
        yield Question(f"Modbus unit {unit}", exchange, partial(_modbus_unit, unit))


def _modbus_unit(unit: int, reply: modbus.Reply, line: LineConfig) -> Finding:
    return Finding(f"Modbus unit {unit}", line, driver=None, address=unit)


def _alpha(reach: Reach) -> Iterator[Question]:
    exchange: Exchange[alpha.Command] = Exchange(
        parts=alpha.encode_parts(alpha.ReadErrorStatus()), reply=partial(alpha.ReplyParser, alpha.ErrorStatusIs)
    )
    yield Question("Alpha sign", exchange, _alpha_sign)


def _alpha_sign(reply: alpha.Command, line: LineConfig) -> Finding:
    remark = "put its width and height in dots into the options"
    return Finding("Alpha / BetaBrite sign", line, "alpha_sign", options={"width": 80, "height": 7}, remarks=(remark,))


SCOUTS: tuple[Scout, ...] = (
    Scout("modbus", MODBUS_FRAMINGS, _modbus, timeout_s=0.1),
    Scout("alpha", (Framing(9600, 7, "E"), Framing(9600)), _alpha, timeout_s=1.0, alone=True),
)
LISTENERS: tuple[Listener, ...] = ()
