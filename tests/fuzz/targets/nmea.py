"""NMEA: any bytes as sentences, any body to the library behind."""

from firmware_bridge.codecs import nmea

SEEDS = [
    nmea.encode("GPGGA,184353.07,4353.1234,N,12519.5678,E,1,08,1.2,212.3,M,6.1,M,,"),
    nmea.encode("GNRMC,184353.07,A,4353.1234,N,12519.5678,E,10.00,90.0,251126,,,A,V"),
    nmea.encode("GPGST,184353.07,1.8,,,,3.0,4.0,9.0"),
    nmea.encode("GPGGA,,,,,,0,00,99.99,,,,,,"),
    b"$GPGGA,*\r\n",
]


def target(data: bytes) -> None:
    half = len(data) // 2
    parser = nmea.SentenceParser()
    bodies = [*parser.feed(data[:half]), *parser.feed(data[half:])]
    assert len(parser._buffer) <= nmea.SENTENCE_BYTES_MAX
    for body in bodies:
        nmea.decode(body)
        try:
            written = nmea.encode(body)
        except ValueError:
            continue  # a star or a control character inside is read and never written
        assert nmea.SentenceParser().feed(written) == [body]
    # The library sees what has no right checksum, too.
    for body in ("GPGGA", "GNRMC", "GPGST"):
        content = nmea.decode(body + "," + data[:80].decode("ascii", errors="replace"))
        if isinstance(content, nmea.Gga | nmea.Rmc) and content.place is not None:
            assert abs(content.place[0]) <= 90
            assert abs(content.place[1]) <= 180
    sniffer = nmea.Sniffer()
    seen = [*sniffer.feed(data[:half]), *sniffer.feed(data[half:]), *sniffer.idle()]
    assert b"".join(one.data for one in seen) == data
