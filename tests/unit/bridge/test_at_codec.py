"""AT answers: every cut, echoes, unsolicited lines, and the figures of 3GPP TS 27.007."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge.codecs import FrameError
from firmware_bridge.codecs import at_modem as at
from firmware_bridge.codecs.at_modem import Answer, Operator, Refused, Registration

texts = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), max_size=40).map(str.strip)


def answer(command, data, size=1):
    parser = at.ReplyParser(command)
    for start in range(0, len(data), size):
        if (reply := parser.feed(data[start : start + size])) is not None:
            return reply
    return None


def test_a_command_is_a_line_that_ends_in_cr():
    assert at.encode(at.SIGNAL) == b"AT+CSQ\r"
    assert at.encode(at.HELLO) == b"AT\r"
    with pytest.raises(ValueError, match="no AT command"):
        at.encode(at.Command("+CPIN=1\r+CFUN=0"))


@given(lines=st.lists(texts, min_size=1, max_size=3), size=st.integers(1, 9))
def test_an_answer_is_read_in_any_cut(lines, size):
    data = at.encode_reply(at.SIGNAL, Answer(tuple(lines)))
    assert answer(at.SIGNAL, data, size) == Answer(tuple(lines))


def test_an_echo_is_no_answer():
    assert answer(at.SIGNAL, b"AT+CSQ\r\r\n+CSQ: 18,99\r\n\r\nOK\r\n") == Answer(("18,99",))
    assert answer(at.HELLO, b"AT\r\r\nOK\r\n") == Answer()


def test_unsolicited_lines_in_between_are_tolerated_and_counted():
    parser = at.ReplyParser(at.SIGNAL)
    reply = parser.feed(b"\r\nRING\r\n\r\n^RSSI:19\r\n\r\n+CSQ: 18,99\r\n\r\n+CREG: 5\r\n\r\nOK\r\n")
    assert reply == Answer(("18,99",))
    assert parser.unsolicited == 3
    assert parser.discarded == 0


def test_a_late_ok_of_another_command_is_not_this_ones():
    parser = at.ReplyParser(at.SIGNAL)
    assert parser.feed(b"\r\n+COPS: 0\r\n\r\nOK\r\n") is None
    assert parser.feed(b"\r\n+CSQ: 7,99\r\n\r\nOK\r\n") == Answer(("7,99",))


@pytest.mark.parametrize(
    ("said", "reply"),
    [
        (b"\r\nERROR\r\n", Refused("ERROR")),
        (b"\r\n+CME ERROR: 10\r\n", Refused("+CME ERROR: 10", 10)),
        (b"\r\n+CME ERROR: SIM not inserted\r\n", Refused("+CME ERROR: SIM not inserted")),
        (b"\r\nCOMMAND NOT SUPPORT\r\n", Refused("COMMAND NOT SUPPORT")),
        (b"\r\nNO CARRIER\r\n", Refused("NO CARRIER")),
    ],
)
def test_a_refusal_ends_the_wait(said, reply):
    assert answer(at.SIM, said) == reply
    assert at.encode_reply(at.SIM, reply) == said


@given(noise=st.binary(max_size=300).filter(lambda data: b"OK" not in data and b"ERROR" not in data))
def test_after_noise_an_answer_is_read(noise):
    parser = at.ReplyParser(at.SIGNAL)
    found = parser.feed(noise + b"\r\n")
    assert found is None or isinstance(found, Refused)
    if found is None:
        assert parser.feed(b"\r\n+CSQ: 18,99\r\n\r\nOK\r\n").lines[-1] == "18,99"


def test_a_line_without_end_is_dropped_and_a_flood_ends_the_wait():
    cutter = at.LineCutter()
    assert cutter.feed(b"x" * 5000 + b"\rOK\r") == ["OK"]
    assert cutter.dropped == 5000
    parser = at.ReplyParser(at.SIGNAL)
    flood = b"RING\r\n" * (at.ANSWER_BYTES_MAX // 6 + 1)
    with pytest.raises(FrameError, match="no answer"):
        parser.feed(flood)


@pytest.mark.parametrize(
    ("line", "dbm"),
    [
        ("0,99", -113),
        ("1,99", -111),
        ("2,0", -109),
        ("30,99", -53),
        ("31,99", -51),
        ("99,99", None),
        ("", None),
        ("x", None),
        ("-3", None),
    ],
)
def test_the_signal_in_dbm(line, dbm):
    assert at.signal_dbm(line) == dbm


def test_the_extended_signal_is_that_of_the_network_that_the_modem_is_on():
    assert at.extended_signal("99,99,255,255,20,43") == at.ExtendedSignal(-98, -10.0, None, None)
    assert at.extended_signal("99,99,61,24,255,255") == at.ExtendedSignal(None, None, -60, None)
    assert at.extended_signal("34,0,255,255,255,255") == at.ExtendedSignal(None, None, None, -77)
    assert at.extended_signal("99,99,255,255,0,97") == at.ExtendedSignal(-44, -20.0, None, None)
    assert at.extended_signal("") == at.ExtendedSignal(None, None, None, None)


@pytest.mark.parametrize(
    ("lines", "state"),
    [
        (["0,1"], Registration.HOME),
        (["0,5"], Registration.ROAMING),
        (['2,1,"1A2B","0C3D4E5F",7'], Registration.HOME),
        (["0,0"], Registration.OFF),
        (["0,2"], Registration.SEARCHING),
        (["0,3"], Registration.DENIED),
        (["0,8"], Registration.EMERGENCY),
        (["0,11"], None),
        (["1"], None),
        # Unsolicited ones look alike; the one that was asked for has a number second.
        (["5", "0,1"], Registration.HOME),
        (['1,"1A2B","0C3D4E5F",7', "2,2"], Registration.SEARCHING),
        ([""], None),
        ([], None),
    ],
)
def test_the_registration_in_words(lines, state):
    assert at.registration(lines) is state


@pytest.mark.parametrize(
    ("line", "operator"),
    [
        ('0,0,"CHINA MOBILE",7', Operator("CHINA MOBILE", "lte")),
        ('0,2,"46000",2', Operator("46000", "umts")),
        ('1,0,"A, B & C"', Operator("A, B & C", None)),
        ('0,0,"X",99', Operator("X", "technology_99")),
        ("0", Operator(None, None)),
        ("", Operator(None, None)),
        ('0,0,"unended', Operator("unended", None)),
    ],
)
def test_the_operator_and_the_technology(line, operator):
    assert at.operator(line) == operator


@pytest.mark.parametrize(
    ("reply", "state"),
    [
        (Answer(("READY",)), "ready"),
        (Answer(("SIM PIN",)), "pin"),
        (Answer(("SIM PUK",)), "puk"),
        (Answer(("PH-NET PIN",)), "locked"),
        (Refused("+CME ERROR: 10", 10), "missing"),
        (Refused("+CME ERROR: SIM not inserted"), "missing"),
        (Refused("+CME ERROR: 14", 14), "busy"),
        (Refused("ERROR"), None),
        (Refused("+CME ERROR: 100", 100), None),
    ],
)
def test_the_sim_in_words(reply, state):
    assert at.sim_state(reply) == state


@given(line=st.text(max_size=60))
def test_any_line_is_read_without_an_error(line):
    at.signal_dbm(line)
    at.extended_signal(line)
    at.operator(line)
    at.registration([line])


@given(data=st.binary(max_size=700), cut=st.integers(1, 60))
def test_a_sniffer_tells_every_byte_once(data, cut):
    sniffer = at.Sniffer()
    seen = [one for start in range(0, len(data), cut) for one in sniffer.feed(data[start : start + cut])]
    seen += sniffer.idle()
    assert b"".join(one.data for one in seen) == data


def test_a_sniffer_shows_lines_and_no_pin():
    sniffer = at.Sniffer()
    seen = sniffer.feed(b'AT+CSQ\r\r\n+CSQ: 18,99\r\n\r\nOK\r\nAT+CPIN="1234"\r') + sniffer.idle()
    assert [one.text for one in seen] == ["AT+CSQ", "+CSQ: 18,99", "OK", "AT+CPIN=..."]
