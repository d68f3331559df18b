"""What was said between us and peers that we did not write: it pins the codecs where no peer is installed."""

from pathlib import Path

import pytest

from firmware_bridge.capture import Direction, conversations, parse
from firmware_bridge.codecs import at_modem as at
from firmware_bridge.codecs import dlt645 as dlt
from firmware_bridge.codecs import nmea
from firmware_bridge.drivers.dlt645 import ITEMS

CAPTURES = Path(__file__).parents[2] / "captures"
SNIFFERS = {"dlt645": dlt.Sniffer, "nmea": nmea.Sniffer, "at": at.Sniffer}
# Those that a driver replays are `.cap` (test_replay.py); in the others the peer asked and we answered.
KEPT = ("dlt645_dlt645.cap", "dlt645_python_dlt645.txt", "nmea_nmeasim.cap", "at_pyatcommand.cap", "at_comgt.txt")
METER = "202611250001"


def load(name):
    with (CAPTURES / name).open(encoding="ascii") as lines:
        return parse(lines)


@pytest.mark.parametrize("name", KEPT)
def test_a_monitor_understands_every_byte_of_it(name):
    capture = load(name)
    sniffer = SNIFFERS[capture.header["protocol"]]()
    seen = [one for row in capture.rows for one in sniffer.feed(row.data)] + sniffer.idle()
    assert [one.text for one in seen if not one.ok] == []
    assert b"".join(one.data for one in seen) == b"".join(row.data for row in capture.rows)


def test_a_meter_of_dlt645_gave_the_values_that_were_set():
    items = {item.identifier: item for item in ITEMS}
    values, refused = {}, []
    for asked, answered in conversations(load("dlt645_dlt645.cap").rows):
        ((_, _, frame),) = dlt.FrameParser().feed(asked)
        request = dlt.decode_request(frame)
        assert dlt.encode_request(frame.meter, request) == asked
        reply = dlt.ReplyParser(frame.meter, request).feed(answered)
        match reply:
            case dlt.Address(meter):
                assert meter == METER
            case dlt.Data(identifier, value):
                values[items[identifier].point] = items[identifier].decode(value)
            case dlt.Refused():
                refused.append(reply)
        assert dlt.encode_reply(METER, reply) == answered
    set_ones = {"energy": 1234.56, "energy_t1": 1000.0, "power": -850.5, "voltage_a": 228.4, "current_a": 3.721}
    assert {point: values[point] for point in set_ones} == set_ones
    assert refused == []


def test_a_client_of_python_dlt645_asks_as_our_meter_understands():
    parser = dlt.FrameParser()
    heard = b"".join(row.data for row in load("dlt645_python_dlt645.txt").rows if row.direction is Direction.IN)
    requests = [(frame.meter, dlt.decode_request(frame)) for _, _, frame in parser.feed(heard)]
    assert requests == [
        (dlt.ANY_METER, dlt.ReadAddress()),
        (METER, dlt.ReadData(0)),
        (METER, dlt.ReadData(0x02010100)),
        (METER, dlt.ReadData(0x02010200)),
    ]
    assert b"".join(dlt.encode_request(*request) for request in requests) == heard


def test_nmeasim_stood_where_it_was_put():
    parser = nmea.SentenceParser()
    contents = [nmea.decode(body) for row in load("nmea_nmeasim.cap").rows for body in parser.feed(row.data)]
    fixes = [content for content in contents if isinstance(content, nmea.Gga)]
    times = [content for content in contents if isinstance(content, nmea.Rmc)]
    assert len(fixes) >= 2
    for fix in fixes:
        assert fix.place == pytest.approx((43.8868, 125.3245), abs=1e-5)
        assert (fix.kind, fix.altitude_m) == (nmea.FixKind.GNSS, 212.0)
    assert all(moment.valid and moment.at is not None for moment in times)
    assert (parser.counters.bad_checksums, parser.counters.unchecked) == (0, 0)


def test_a_modem_of_pyatcommand_answered_each_command():
    commands = (at.HELLO, at.NO_ECHO, at.ERRORS_BY_NUMBER, at.SIGNAL, at.EXTENDED_SIGNAL, at.SIM)
    commands += (at.REGISTRATION, at.LTE_REGISTRATION, at.OPERATOR)
    by_line = {at.encode(command): command for command in commands}
    answers = {}
    for asked, answered in conversations(load("at_pyatcommand.cap").rows):
        answers[by_line[asked]] = at.ReplyParser(by_line[asked]).feed(answered)
    assert set(answers) == set(commands)
    assert at.signal_dbm(answers[at.SIGNAL].lines[0]) == -77
    assert at.registration(answers[at.LTE_REGISTRATION].lines) is at.Registration.HOME
    assert at.operator(answers[at.OPERATOR].lines[0]) == at.Operator("PEER", "lte")
    assert at.sim_state(answers[at.SIM]) == "ready"


def test_comgt_asks_what_our_simulator_knows():
    heard = b"".join(row.data for row in load("at_comgt.txt").rows if row.direction is Direction.IN)
    assert {"AT+CSQ", "AT+CREG?", "AT+COPS?"} <= set(at.LineCutter().feed(heard))
