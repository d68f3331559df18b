"""Code scanners: every framing, texts that never end, silence in between, answers to commands."""

from firmware_bridge.codecs.scanner import Framing, ScannerParser, Sniffer, encode
from firmware_bridge.codecs.scanner_commands import COMMAND_SETS

SEEDS = [b"U1:ABC\r", b"U1:ABC\r\nU1:DEF\n", b"\x02U1:ABC\x03", "\x02幸福\x03".encode(), b"x" * 80 + b"\r"]
SEEDS += [commands.start.reply + b"U1:ABC\r" for commands in COMMAND_SETS.values()]
ANSWERS = [commands.start.reply for commands in COMMAND_SETS.values() if commands.start.reply]
MOST = 64


def target(data: bytes) -> None:
    half = len(data) // 2
    for framing in Framing:
        parser = ScannerParser(framing, max_bytes=MOST)
        for answer in ANSWERS:
            parser.expect(answer)
        texts = [*parser.feed(data[:half]), *parser.feed(data[half:])]
        assert len(parser._buffer) <= MOST
        assert len(parser._held) < max(map(len, ANSWERS))
        texts += parser.idle()
        assert not parser.partial
        assert parser.counters.texts == len(texts)
        assert parser.counters.replies <= len(ANSWERS)
        for text in texts:
            assert text
            assert len(text) <= MOST
            try:
                typed = encode(text, framing)
            except ValueError:
                continue
            again = ScannerParser(framing, max_bytes=4 * MOST)
            assert again.feed(typed) + again.idle() == [text]
    sniffer = Sniffer()
    seen = [*sniffer.feed(data[:half]), *sniffer.feed(data[half:]), *sniffer.idle()]
    assert b"".join(one.data for one in seen) == data
