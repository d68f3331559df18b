"""Bytes of libosdp's readers, kept: they pin codec, Secure Channel and session where the peer is not installed."""

from pathlib import Path

import pytest

from firmware_bridge.codecs import osdp
from firmware_bridge.codecs import osdp_commands as commands
from firmware_bridge.codecs import osdp_replies as replies
from firmware_bridge.codecs.osdp_commands import CommandCode
from firmware_bridge.drivers.osdp_session import Keys, PanelSession

CAPTURE = Path(__file__).parents[2] / "captures" / "osdp_libosdp.txt"
KEY = bytes(range(16))
RANDOM = bytes(range(0xA0, 0xA8))
POLL = commands.Question(CommandCode.POLL)
KEYS = {"plain": Keys(), "secured": Keys(KEY), "install": Keys(KEY, install=True, fresh=True)}
AFTER_THE_HANDSHAKE = [
    (commands.Question(CommandCode.LSTAT), replies.LocalStatus(False, False)),
    (commands.Question(CommandCode.ISTAT), replies.InputStatus((False,))),
    (POLL, replies.RawCard(0, 1, 26, bytes.fromhex("a1b2c3c0"))),
    (POLL, replies.Keypad(0, b"12")),
    (POLL, replies.LocalStatus(True, False)),
    (commands.SetLeds((commands.Led(0, 0, temporary=commands.Blink(1, 0, 2), timer=30),)), replies.Ack()),
    (commands.SetOutputs((commands.Output(0, 2),)), replies.Ack()),
    (commands.Question(CommandCode.OSTAT), replies.OutputStatus((True,))),
    (POLL, replies.Ack()),
]


def conversation(name):
    """The exchanges of one section of the capture."""
    section = CAPTURE.read_text(encoding="ascii").split(f"# {name}\n", 1)[1].split("#", 1)[0]
    return [tuple(map(bytes.fromhex, line.split())) for line in section.splitlines()]


@pytest.mark.parametrize("name", sorted(KEYS))
def test_our_panel_would_say_the_same_again_and_understands_the_same(name):
    panel = PanelSession(1, KEYS[name], random_bytes=lambda count: RANDOM)
    exchanges = iter(conversation(name))

    def say(command):
        sent = panel.encode(command)
        recorded, answered = next(exchanges)
        assert sent.wire == recorded
        parser = osdp.ReplyParser(1, sent.sequence)
        answer = [found for one in answered if (found := parser.feed(bytes((one,)))) is not None]
        assert parser.discarded == 0
        return panel.heard(answer[0])

    while (due := panel.due()) is not None:
        say(due)
    assert panel.secured == (name != "plain")
    assert [say(command) for command, _ in AFTER_THE_HANDSHAKE] == [reply for _, reply in AFTER_THE_HANDSHAKE]
    assert next(exchanges, None) is None


@pytest.mark.parametrize("name", sorted(KEYS))
def test_a_monitor_hears_the_whole_of_it(name):
    sniffer = osdp.Sniffer()
    line = b"".join(sent + answered for sent, answered in conversation(name))
    seen = sniffer.feed(line) + sniffer.idle()
    assert all(one.ok for one in seen)
    assert b"".join(one.data for one in seen) == line
    words = "\n".join(one.text for one in seen)
    assert KEY.hex() not in words
    assert "a1b2c3c0" not in words
    assert ("RAW, secured" in words) == (name != "plain")
