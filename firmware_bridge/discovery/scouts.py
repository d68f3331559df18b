"""The serial protocols that a search knows: one row each. PURE."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from firmware_bridge.codecs import FrameError, at_modem, dlt645, nmea, osdp, osdp_commands, osdp_replies
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
    usual = sorted({*MODBUS_UNITS_USUAL, *reach.modbus_units})
    for unit in MODBUS_UNITS if reach.every_address else usual:
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


# Readers come as 0, and lines have a handful; all 127 take a quarter of a minute for each baud.
OSDP_ADDRESSES_USUAL = range(8)
OSDP_ADDRESSES = range(127)
OSDP_FRAMINGS = (Framing(9600), Framing(38400), Framing(115200), Framing(19200), Framing(57600))


def _osdp(reach: Reach) -> Iterator[Question]:
    """Who are you? With the number 0, which begins a conversation anew and moves nothing."""
    code, data = osdp_commands.encode_command(osdp_commands.Question(osdp_commands.CommandCode.ID))
    for address in OSDP_ADDRESSES if reach.every_address else OSDP_ADDRESSES_USUAL:
        frame = osdp.Frame(address, is_reply=False, sequence=0, code=code, data=data)
        exchange: Exchange[osdp.Frame] = Exchange(
            parts=(osdp.on_wire(osdp.encode_frame(frame)),), reply=partial(osdp.ReplyParser, address, 0)
        )
        yield Question(f"OSDP address {address}", exchange, partial(_osdp_reader, address))


def _osdp_reader(address: int, reply: osdp.Frame, line: LineConfig) -> Finding:
    title = f"OSDP reader at address {address}"
    try:
        identity = osdp_replies.decode_reply(reply.code, reply.data)
    except FrameError:
        identity = None
    if not isinstance(identity, osdp_replies.Identity):
        remark = "it answers and does not say who it is: it may want its Secure Channel key"
        return Finding(title, line, "osdp_reader", address=address, remarks=(remark,))
    remark = "give it a key of its own: install_mode, see docs/devices/osdp.md"
    return Finding(f"{title}: {identity}", line, "osdp_reader", address=address, remarks=(remark,))


DLT645_FRAMINGS = (Framing(2400, parity="E"), Framing(9600, parity="E"), Framing(4800, parity="E"), Framing(2400))


def _dlt645(reach: Reach) -> Iterator[Question]:
    """Its number: only one meter on a line can answer this, several talk into each other."""
    request = dlt645.ReadAddress()
    exchange: Exchange[dlt645.Reply] = Exchange(
        parts=(dlt645.encode_request(dlt645.ANY_METER, request),),
        reply=partial(dlt645.ReplyParser, dlt645.ANY_METER, request),
    )
    yield Question("DL/T 645 meter", exchange, _dlt645_meter)


def _dlt645_meter(reply: dlt645.Reply, line: LineConfig) -> Finding | None:
    if not isinstance(reply, dlt645.Address):
        return None
    return Finding(f"DL/T 645 meter {reply.meter}", line, "dlt645_meter", options={"meter": reply.meter})


AT_FRAMINGS = (Framing(115200), Framing(9600))


def _at(reach: Reach) -> Iterator[Question]:
    exchange: Exchange[at_modem.Reply] = Exchange(
        parts=(at_modem.encode(at_modem.HELLO),), reply=partial(at_modem.ReplyParser, at_modem.HELLO)
    )
    yield Question("modem", exchange, _modem)


def _modem(reply: at_modem.Reply, line: LineConfig) -> Finding | None:
    return Finding("modem that answers AT", line, "at_modem") if isinstance(reply, at_modem.Answer) else None


# A receiver says its position once a second, in several sentences.
NMEA_S = 1.5
SENTENCES_MIN = 2


def _nmea(heard: bytes, line: LineConfig) -> Finding | None:
    parser = nmea.SentenceParser()
    parser.feed(heard)
    if parser.counters.sentences < SENTENCES_MIN:
        return None
    return Finding("NMEA 0183 receiver that speaks by itself", line, "nmea_gnss")


SCOUTS: tuple[Scout, ...] = (
    Scout("modbus", MODBUS_FRAMINGS, _modbus, timeout_s=0.1),
    Scout("osdp", OSDP_FRAMINGS, _osdp, timeout_s=0.2),
    Scout("dlt645", DLT645_FRAMINGS, _dlt645, timeout_s=0.8, alone=True),
    Scout("at", AT_FRAMINGS, _at, timeout_s=0.5, alone=True),
    Scout("alpha", (Framing(9600, 7, "E"), Framing(9600)), _alpha, timeout_s=1.0, alone=True),
)
LISTENERS: tuple[Listener, ...] = (Listener("nmea", (Framing(9600), Framing(115200), Framing(4800)), NMEA_S, _nmea),)
