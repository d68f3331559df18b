"""Code scanners: both framings, texts that never end, silence in between."""

from firmware_bridge.codecs.scanner import Framing, ScannerParser, encode

SEEDS = [b"U1:ABC\r", b"U1:ABC\r\nU1:DEF\n", b"\x02U1:ABC\x03", "\x02幸福\x03".encode(), b"x" * 80 + b"\r"]
MOST = 64


def target(data: bytes) -> None:
    for framing in (Framing.LINE, Framing.STX_ETX):
        parser = ScannerParser(framing, max_bytes=MOST)
        half = len(data) // 2
        texts = [*parser.feed(data[:half]), *parser.feed(data[half:])]
        for text in texts:
            assert text
            assert len(text) <= MOST
            try:
                typed = encode(text, framing)
            except ValueError:
                continue
            assert ScannerParser(framing, max_bytes=4 * MOST).feed(typed) == [text]
        parser.idle()
        assert not parser.partial
