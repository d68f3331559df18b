"""UHPPOTE datagrams: the vectors that the uhppoted project publishes (uhppote-core 0.9, messages/*_test.go)."""

from dataclasses import replace
from ipaddress import IPv4Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge.codecs import FrameError
from firmware_bridge.codecs import uhppote as codec
from firmware_bridge.codecs.uhppote_messages import (
    Controller,
    Done,
    Door,
    DoorMode,
    Event,
    Function,
    GetController,
    GetDoor,
    GetEvent,
    GetListener,
    GetStatus,
    Listener,
    OpenDoor,
    RecordSpecialEvents,
    SetDoor,
    SetListener,
    Status,
)
from tests.fuzz.targets import uhppote as fuzz

SERIAL = 423187757


def datagram(text):
    return bytes.fromhex(text).ljust(64, b"\0")


REQUESTS = [
    ("1720 0000 2d553919", SERIAL, GetStatus()),
    ("1794 0000 00000000", 0, GetController()),
    ("1740 0000 2d553919 03", SERIAL, OpenDoor(3)),
    ("1782 0000 2d553919 04", SERIAL, GetDoor(4)),
    ("1780 0000 2d553919 04 02 05", SERIAL, SetDoor(4, DoorMode.NORMALLY_CLOSED, 5)),
    ("1792 0000 2d553919", SERIAL, GetListener()),
    ("1790 0000 2d553919 c0a800e1 9226 0d", SERIAL, SetListener(IPv4Address("192.168.0.225"), 9874, 13)),
    ("178e 0000 2d553919 01", SERIAL, RecordSpecialEvents(True)),
    ("17b0 0000 2d553919 01", SERIAL, GetEvent(1)),
]
SWIPED = Event(57, 1, False, 3, 1, 6154410, "20190419170009", 6)
STATUS = Status(
    event=SWIPED,
    open=(True, False, True, True),
    pressed=(False, False, True, True),
    error=9,
    at="20190420143702",
    sequence=17,
    special=43,
    relays=4,
    inputs=1,
)
STATUS_HEX = (
    "1720 0000 2d553919 39000000 01 00 03 01 aae85d00 20190419170009 06 01000101 00000101 09 143702 11000000"
    "00000000 2b 04 01 190420"
)
REPLIES = [
    (STATUS_HEX, Function.STATUS, STATUS),
    (
        "1794 0000 2d553919 c0a80000 ffffff00 00000000 00661939552d 0892 20180816",
        Function.GET_CONTROLLER,
        Controller(
            IPv4Address("192.168.0.0"),
            IPv4Address("255.255.255.0"),
            IPv4Address("0.0.0.0"),
            bytes.fromhex("00661939552d"),
            0x0892,
            "20180816",
        ),
    ),
    ("1740 0000 2d553919 01", Function.OPEN_DOOR, Done(True)),
    ("1782 0000 2d553919 04 02 05", Function.GET_DOOR, Door(4, DoorMode.NORMALLY_CLOSED, 5)),
    ("1780 0000 2d553919 04 02 05", Function.SET_DOOR, Door(4, DoorMode.NORMALLY_CLOSED, 5)),
    (
        "1792 0000 2d553919 c0a800e1 9226 0d",
        Function.GET_LISTENER,
        Listener(IPv4Address("192.168.0.225"), 9874, 13),
    ),
    ("1790 0000 2d553919 01", Function.SET_LISTENER, Done(True)),
    ("178e 0000 2d553919 01", Function.RECORD_SPECIAL_EVENTS, Done(True)),
    (
        "17b0 0000 2d553919 08000000 02 01 03 01 ade85d00 20190210071201 06",
        Function.GET_EVENT,
        Event(8, 2, True, 3, 1, 6154413, "20190210071201", 6),
    ),
]


@pytest.mark.parametrize(("text", "serial", "request_"), REQUESTS)
def test_requests_are_the_published_ones_both_ways(text, serial, request_):
    assert codec.encode_request(serial, request_) == datagram(text)
    assert codec.decode_request(datagram(text)) == (serial, request_)


@pytest.mark.parametrize(("text", "function", "reply"), REPLIES)
def test_answers_are_the_published_ones_both_ways(text, function, reply):
    packet = codec.decode_reply(datagram(text))
    assert (packet.serial, packet.function, packet.reply) == (SERIAL, function, reply)
    assert codec.encode_reply(SERIAL, function, reply) == datagram(text)


def test_bytes_that_have_no_meaning_are_let_be():
    published = datagram(STATUS_HEX + "0000 93260488 0892 0000")
    assert codec.decode_reply(published).reply == STATUS


def test_an_event_of_firmware_6_62_is_read_and_nothing_else_may_begin_so():
    event = b"\x19" + datagram(STATUS_HEX)[1:]
    assert codec.decode_reply(event).reply == STATUS
    with pytest.raises(FrameError, match="begins with 0x19"):
        codec.decode_reply(b"\x19" + datagram("1740 0000 2d553919 01")[1:])


def test_a_clock_that_was_never_set_is_no_time():
    never = datagram("17b0 0000 2d553919 ac2b0300 01 00 02 01 a07a9900 20000000000000 06")
    assert codec.decode_reply(never).reply.at == "20000000000000"
    assert codec.decode_reply(datagram("17b0 0000 2d553919")).reply == Event(0, 0, False, 0, 0, 0, None, 0)
    broken = datagram("17b0 0000 2d553919 ac2b0300 01 00 02 01 a07a9900 20ff0000000000 06")
    assert codec.decode_reply(broken).reply.at is None


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"\x17\x20", "2 bytes"),
        (datagram("1720") + b"\0", "65 bytes"),
        (datagram("1820"), "begins with 0x18"),
        (datagram("1777"), "function 0x77"),
        (datagram("1782 0000 2d553919 01 07"), "7 is no mode"),
    ],
)
def test_what_is_no_answer_says_why(data, message):
    with pytest.raises(FrameError, match=message):
        codec.decode_reply(data)


def parser_of(request):
    heard = []
    return codec.ReplyParser(SERIAL, request, heard.append), heard


def test_an_event_that_comes_before_the_answer_is_handed_on():
    parser, heard = parser_of(OpenDoor(3))
    assert parser.feed(datagram(STATUS_HEX)) is None
    assert heard == [STATUS]
    assert parser.feed(datagram("1740 0000 2d553919 01")) == Done(True)
    assert parser.discarded == 0


@pytest.mark.parametrize(
    "text",
    [
        "1782 0000 2e553919 04 02 05",  # another controller
        "1782 0000 2d553919 03 02 05",  # another door: the late answer to somebody else
        "1780 0000 2d553919 04 02 05",  # another function
        "1782 0000 2d553919 04 00 05",  # a mode that there is not
    ],
)
def test_what_is_not_the_answer_is_counted_and_waited_past(text):
    parser, heard = parser_of(GetDoor(4))
    assert parser.feed(datagram(text)) is None
    assert (parser.discarded, heard) == (64, [])
    assert parser.feed(datagram("1782 0000 2d553919 04 03 07")) == Door(4, DoorMode.CONTROLLED, 7)


def test_half_a_datagram_is_never_joined_to_the_next():
    whole = datagram("1782 0000 2d553919 04 03 07")
    parser, _ = parser_of(GetDoor(4))
    assert [parser.feed(whole[:20]), parser.feed(whole[20:])] == [None, None]
    assert parser.discarded == 64


def test_a_monitor_tells_both_directions_and_no_card():
    sniffer = codec.Sniffer()
    asked = datagram("1740 0000 2d553919 01")  # the same bytes both ways
    seen = [*sniffer.feed(asked), *sniffer.feed(asked), *sniffer.feed(datagram(STATUS_HEX)), *sniffer.feed(b"noise")]
    assert [one.text.split(" ")[1] for one in seen[:3]] == ["<-", "->", "->"]
    assert seen[0].text == f"{SERIAL} <- OpenDoor(door=1)"
    assert "6154410" not in seen[2].text
    assert [one.ok for one in seen] == [True, True, True, False]
    assert sniffer.idle() == []


octets = st.integers(0, 255)
numbers = st.integers(0, 0xFFFF_FFFF)
moments = st.none() | st.datetimes().map(lambda at: f"{at.year:04d}{at:%m%d%H%M%S}").filter(lambda at: int(at) > 0)
events = st.builds(Event, numbers, octets, st.booleans(), octets, octets, numbers, moments, octets)
fours = st.tuples(*[st.booleans()] * 4)
clocks = st.none() | st.from_regex(r"20(?!000000)[0-9]{12}", fullmatch=True)
statuses = st.builds(
    Status,
    st.none() | events.filter(lambda event: event.index > 0),
    fours,
    fours,
    octets,
    clocks,
    numbers,
    octets,
    octets,
    octets,
)
requests = st.one_of(
    st.builds(OpenDoor, octets),
    st.builds(SetDoor, octets, st.sampled_from(DoorMode), octets),
    st.builds(SetListener, st.ip_addresses(v=4), st.integers(0, 0xFFFF), octets),
    st.builds(GetEvent, numbers),
    st.builds(RecordSpecialEvents, st.booleans()),
)


@given(serial=numbers, request_=requests)
def test_a_request_comes_out_as_it_went_in(serial, request_):
    assert codec.decode_request(codec.encode_request(serial, request_)) == (serial, request_)


@given(serial=numbers, status=statuses)
def test_a_status_comes_out_as_it_went_in(serial, status):
    packet = codec.decode_reply(codec.encode_reply(serial, Function.STATUS, status))
    assert (packet.serial, packet.reply) == (serial, status)


@given(event=events)
def test_an_event_comes_out_as_it_went_in_and_hides_its_card(event):
    assert codec.decode_reply(codec.encode_reply(1, Function.GET_EVENT, event)).reply == event
    assert repr(replace(event, card=987654321)) == repr(replace(event, card=123456789))


@given(st.one_of(st.binary(max_size=200), st.sampled_from(fuzz.SEEDS)), st.integers(0, 63), octets)
def test_the_fuzz_target_holds_for_damaged_datagrams(data, at, byte):
    fuzz.target(data)
    fuzz.target(data[:at] + bytes((byte,)) + data[at + 1 :])
