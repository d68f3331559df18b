"""DL/T 645-2007: the standard's frames, every cut, noise, damage, BCD with and without a sign."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge.codecs import FrameError
from firmware_bridge.codecs import dlt645 as dlt

METER = "112233445566"
ENERGY = dlt.ReadData(0x00010000)
# As python-dlt645 0.1.4 writes them: 68, address backwards, 68, control, length, identifier + 33, sum, 16.
READ_ENERGY = bytes.fromhex("fefefefe 68 665544332211 68 11 04 33333433 17 16")
ENERGY_IS = bytes.fromhex("fefefefe 68 665544332211 68 91 08 33333433 ab896745 7b 16")
READ_ADDRESS = bytes.fromhex("fefefefe 68 aaaaaaaaaaaa 68 13 00 df 16")

meters = st.from_regex(r"[0-9]{12}", fullmatch=True)
replies = st.one_of(
    st.builds(dlt.Data, st.integers(0, 0xFFFFFFFF), st.binary(max_size=196), st.booleans()),
    st.builds(dlt.Refused, st.just(0x11), st.integers(0, 255)),
)


def cut(data, size):
    return [data[at : at + size] for at in range(0, len(data), size)]


def answer(parser, data, size=1):
    for piece in cut(data, size):
        if (reply := parser.feed(piece)) is not None:
            return reply
    return None


def test_requests_are_written_as_the_standard_draws_them():
    assert dlt.encode_request(METER, ENERGY) == READ_ENERGY
    assert dlt.encode_request(METER, dlt.ReadAddress()) == READ_ADDRESS


def test_an_answer_is_read_and_its_value_has_the_lowest_pair_first():
    reply = dlt.ReplyParser(METER, ENERGY).feed(ENERGY_IS)
    assert reply == dlt.Data(0x00010000, bytes.fromhex("78563412"))
    assert dlt.decode_bcd(reply.value, signed=False) == 12345678


@given(
    meter=meters, reply=replies, size=st.integers(1, 9), noise=st.binary(max_size=40).filter(lambda b: 0x68 not in b)
)
def test_an_answer_is_found_in_any_cut_behind_any_noise(meter, reply, size, noise):
    identifier = reply.identifier if isinstance(reply, dlt.Data) else 0
    parser = dlt.ReplyParser(meter, dlt.ReadData(identifier))
    assert answer(parser, noise + dlt.encode_reply(meter, reply), size) == reply
    assert parser.discarded == len(noise) - noise.count(0xFE)


@given(at=st.integers(4, len(ENERGY_IS) - 1), bit=st.integers(0, 7))
def test_a_flipped_bit_never_gives_a_wrong_value(at, bit):
    damaged = bytearray(ENERGY_IS)
    damaged[at] ^= 1 << bit
    assert dlt.ReplyParser(METER, ENERGY).feed(bytes(damaged)) is None


def test_a_frame_that_was_cut_off_does_not_hide_the_next_one():
    parser = dlt.ReplyParser(METER, ENERGY)
    assert parser.feed(ENERGY_IS[:-3]) is None
    assert isinstance(parser.feed(ENERGY_IS), dlt.Data)


@pytest.mark.parametrize(
    "foreign",
    [
        READ_ENERGY,  # the adapter's own echo
        dlt.encode_reply("999999999999", dlt.Data(0x00010000, b"\x00")),
        dlt.encode_reply(METER, dlt.Data(0x02010100, b"\x00")),
        dlt.encode_reply(METER, dlt.Refused(0x14, 2)),
    ],
)
def test_frames_that_are_no_answer_are_skipped_and_counted(foreign):
    parser = dlt.ReplyParser(METER, ENERGY)
    assert isinstance(parser.feed(foreign + ENERGY_IS), dlt.Data)
    assert parser.discarded == len(foreign) - 4  # without its wake-up bytes


def test_a_refusal_says_what_is_wrong():
    frame = dlt.encode_reply(METER, dlt.Refused(0x11, 0x06))
    reply = dlt.ReplyParser(METER, ENERGY).feed(frame)
    assert reply.text == "no such data, wrong password or not authorised"
    assert dlt.Refused(0x11, 0x80).text == "error word 80"


def test_a_meter_is_asked_for_its_number():
    parser = dlt.ReplyParser(dlt.ANY_METER, dlt.ReadAddress())
    assert parser.feed(dlt.encode_reply(METER, dlt.Address(METER))) == dlt.Address(METER)


def test_more_than_a_frame_takes_is_said():
    frame = dlt.encode_reply(METER, dlt.Data(0x00010000, b"\x01" * 8, follows=True))
    assert frame[12] == 0xB1
    assert dlt.ReplyParser(METER, ENERGY).feed(frame).follows


def test_pairs_that_are_not_known_are_written_as_aa():
    assert dlt.encode_address("AAAAAA445566") == bytes.fromhex("665544aaaaaa")
    assert dlt.matches("AAAAAA445566", METER)
    assert not dlt.matches("AAAAAA445567", METER)
    reply = dlt.ReplyParser("AAAAAA445566", ENERGY).feed(ENERGY_IS)
    assert isinstance(reply, dlt.Data)


@pytest.mark.parametrize("meter", ["1122", "11223344556A", "1122334455AA", "", "112233445566778"])
def test_what_is_no_number_of_a_meter_is_refused(meter):
    with pytest.raises(ValueError, match="no meter number"):
        dlt.encode_address(meter)


@given(number=st.integers(-79_999_999, 79_999_999))
def test_a_signed_number_comes_back(number):
    assert dlt.decode_bcd(dlt.encode_bcd(number, 4, signed=True), signed=True) == number


@pytest.mark.parametrize(
    ("data", "signed", "number"),
    [
        ("2301", False, 123),
        ("2381", True, -123),
        ("2381", False, 8123),
        ("ffff", True, None),
        ("ffff", False, None),
        ("2a01", False, None),
        ("", True, None),
    ],
)
def test_bytes_of_a_value(data, signed, number):
    assert dlt.decode_bcd(bytes.fromhex(data), signed=signed) == number


@pytest.mark.parametrize(("number", "signed"), [(10000, False), (-1, False), (8000, True)])
def test_a_number_that_does_not_fit_is_refused(number, signed):
    with pytest.raises(ValueError, match="does not fit"):
        dlt.encode_bcd(number, 2, signed=signed)


def test_noise_without_end_ends_the_wait():
    parser = dlt.ReplyParser(METER, ENERGY)
    assert parser.feed(b"\x01" * dlt.BUFFER_BYTES_MAX) is None
    with pytest.raises(FrameError, match="noise"):
        parser.feed(b"\x01")


@given(data=st.binary(max_size=400), size=st.integers(1, 50))
def test_a_sniffer_tells_every_byte_once(data, size):
    sniffer = dlt.Sniffer()
    stream = data + READ_ENERGY + ENERGY_IS
    seen = [one for piece in cut(stream, size) for one in sniffer.feed(piece)]
    seen += sniffer.idle()
    assert b"".join(one.data for one in seen) == stream


def test_a_sniffer_shows_who_said_what():
    seen = dlt.Sniffer().feed(READ_ADDRESS + b"\x01" + READ_ENERGY + ENERGY_IS)
    assert [(one.text, one.ok) for one in seen] == [
        ("any meter <- read address", True),
        ("1 bytes of noise", False),
        ("meter 112233445566 <- read 00010000", True),
        ("meter 112233445566 -> 00010000 = 12345678", True),
    ]
