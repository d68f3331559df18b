"""NMEA sentences: framing, checksums, and what GGA, RMC and GST of real receivers say."""

from datetime import UTC, datetime, time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge.codecs import nmea
from firmware_bridge.codecs.nmea import FixKind, Gga, Gst, Rmc

GGA = "GPGGA,184353.07,4353.1234,N,12519.5678,E,1,08,1.2,212.3,M,6.1,M,,"
RMC = "GNRMC,184353.07,A,4353.1234,N,12519.5678,E,10.00,90.0,251126,,,A,V"
bodies = st.text(
    st.characters(min_codepoint=0x20, max_codepoint=0x7E, exclude_characters="$*!"), min_size=1, max_size=90
)


def test_a_sentence_of_the_standard_is_read():
    parser = nmea.SentenceParser()
    # The example that most manuals print.
    sentence = b"$GPGGA,123519,4807.038,N,01131.000,E,1,08,0.9,545.4,M,46.9,M,,*47\r\n"
    (body,) = parser.feed(sentence)
    assert nmea.encode(body) == sentence
    assert nmea.decode(body) == Gga(
        FixKind.GNSS, time(12, 35, 19, tzinfo=UTC), (48 + 7.038 / 60, 11 + 31 / 60), 545.4, 8, 0.9
    )


@given(written=st.lists(bodies, max_size=5), cut=st.integers(1, 11))
def test_every_sentence_arrives_however_it_is_cut(written, cut):
    parser = nmea.SentenceParser()
    data = b"".join(nmea.encode(body) for body in written)
    assert [body for at in range(0, len(data), cut) for body in parser.feed(data[at : at + cut])] == written
    assert parser.counters.sentences == len(written)
    assert parser.counters.noise_bytes == 0


@given(noise=st.binary(max_size=400))
def test_after_any_noise_the_next_sentence_is_read(noise):
    parser = nmea.SentenceParser()
    parser.feed(noise)
    assert parser.feed(nmea.encode(GGA)) == [GGA]
    assert len(parser._buffer) <= nmea.SENTENCE_BYTES_MAX


@given(at=st.integers(1, len(GGA) + 3), bit=st.integers(0, 6))
def test_a_flipped_bit_never_gives_another_body(at, bit):
    data = bytearray(nmea.encode(GGA))
    data[at] ^= 1 << bit
    assert nmea.SentenceParser().feed(bytes(data)) in ([], [GGA])  # a digit of the checksum may change its case


def test_what_is_wrong_is_counted():
    parser = nmea.SentenceParser()
    good = nmea.encode(GGA)
    parser.feed(good.replace(b"212.3", b"212.4"))
    parser.feed(b"$GPGGA,no,checksum\r\n$GPGGA,1*5\r\n")
    parser.feed(b"$" + b"x" * 500 + b"\r\n")
    parser.feed(b"$GPGGA,half")
    parser.idle()
    counters = parser.counters
    assert (counters.bad_checksums, counters.unchecked, counters.overlong, counters.sentences) == (1, 2, 1, 0)
    assert counters.noise_bytes == 339 + len("GPGGA,half")


@pytest.mark.parametrize("body", ["GP$GGA", "GP*GGA", "GPGGA\r", "幸福"])
def test_what_no_sentence_can_hold_is_refused(body):
    with pytest.raises(ValueError, match="no body"):
        nmea.encode(body)


def test_rmc_gives_the_time_and_the_speed():
    rmc = nmea.decode(RMC)
    assert rmc == Rmc(
        True,
        datetime(2026, 11, 25, 18, 43, 53, 70000, UTC),
        (pytest.approx(43 + 53.1234 / 60), pytest.approx(125 + 19.5678 / 60)),
        pytest.approx(18.52),
    )


@pytest.mark.parametrize(
    ("quality", "kind", "placed"),
    [
        ("0", FixKind.NONE, False),
        ("1", FixKind.GNSS, True),
        ("2", FixKind.DIFFERENTIAL, True),
        ("4", FixKind.RTK, True),
        ("5", FixKind.FLOAT_RTK, True),
        ("6", FixKind.ESTIMATED, False),
        ("7", FixKind.MANUAL, False),
        ("8", FixKind.SIMULATED, False),
        ("9", FixKind.NONE, False),
        ("", FixKind.NONE, False),
        ("x", FixKind.NONE, False),
        ("-1", FixKind.NONE, False),
    ],
)
def test_only_a_measured_place_is_one(quality, kind, placed):
    gga = nmea.decode(GGA.replace(",1,08", f",{quality},08"))
    assert gga.kind is kind
    assert (gga.place is not None) == placed


@pytest.mark.parametrize(
    "broken",
    [
        GGA.replace("4353.1234,N", ",").replace(",,", ",", 1),
        "GPGGA,,,,,,0,00,99.99,,,,,,",
        GGA.replace("4353.1234", ""),
        GGA.replace(",N,", ",X,"),
        GGA.replace("4353.1234", "4353"),
        GGA.replace("4353.1234", "9953.1234"),
        "GPGGA",
        "GPGGA,",
    ],
)
def test_a_place_that_is_not_whole_is_none(broken):
    content = nmea.decode(broken)
    assert content is None or content.place is None


def test_an_rmc_that_warns_has_no_place_and_no_speed():
    rmc = nmea.decode(RMC.replace(",A,4353", ",V,4353"))
    assert (rmc.valid, rmc.place, rmc.speed_kmh) == (False, None, None)
    assert nmea.decode(RMC.replace(",A,V", ",N,V")).valid is False
    # Without the date of a receiver that has none yet.
    assert nmea.decode(RMC.replace("251126", "")).at is None


def test_gst_gives_the_accuracy_in_metres():
    assert nmea.decode("GPGST,184353.07,1.8,,,,3.0,4.0,9.0") == Gst(5.0)
    assert nmea.decode("GPGST,184353.07,,,,,,,") == Gst(None)


@pytest.mark.parametrize("body", ["GPGSV,1,1,00", "PUBX,00,1", "", "GPRMC", "BDGSA,A,3,,,,,,,,,,,,,1,1,1"])
def test_other_sentences_say_nothing_here(body):
    assert nmea.decode(body) is None


@given(
    fields=st.lists(
        st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E, exclude_characters="$*!"), max_size=8),
        max_size=16,
    )
)
def test_fields_of_nonsense_never_raise(fields):
    for name in ("GPGGA", "GNRMC", "GPGST"):
        nmea.decode(",".join([name, *fields]))


@given(data=st.binary(max_size=400), cut=st.integers(1, 50))
def test_a_sniffer_tells_every_byte_once(data, cut):
    sniffer = nmea.Sniffer()
    stream = nmea.encode(GGA) + data + nmea.encode(RMC)
    seen = [one for at in range(0, len(stream), cut) for one in sniffer.feed(stream[at : at + cut])] + sniffer.idle()
    assert b"".join(one.data for one in seen) == stream
    assert (seen[0].text, seen[-1].text) == (GGA, RMC)


def test_a_makers_own_sentence_that_looks_like_a_position_says_nothing():
    """Found by fuzzing: the library reads it as another class, which has none of the fields."""
    assert nmea.decode("PGGGA,184353.07,4353.1234,N,12519.5678,E,1,08,21.,.2213,M,6.1,M,,") is None
