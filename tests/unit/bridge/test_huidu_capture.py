"""What another client once did with our simulated card is done again, packet by packet."""

import random
from pathlib import Path

import pytest

from firmware_bridge.codecs import huidu
from firmware_bridge.codecs import huidu_xml as xml
from firmware_bridge.simulators.huidu_card import CardPage, SimulatedHuidu

CAPTURE = Path(__file__).parents[2] / "captures" / "huidu_node_sdk.txt"
PACKETS = [bytes.fromhex(line) for line in CAPTURE.read_text("ascii").splitlines() if not line.startswith("#")]


class MemoryWire:
    """A line that keeps what the card says. The seed of the card's guid is that of the capture."""

    def __init__(self):
        self.connections = 1
        self.said = []
        self._listeners = []

    def listen(self, heard):
        self._listeners.append(heard)

    def send(self, data):
        self.said += huidu.PacketParser().feed(data)

    def hear(self, data):
        for heard in self._listeners:
            heard(data, 0.0)


@pytest.mark.parametrize("packet", PACKETS)
def test_every_packet_is_read_and_would_be_written_the_same(packet):
    message = huidu.decode(packet)
    assert huidu.encode(message) == packet
    if isinstance(message, huidu.XmlPiece):
        assert xml.decode_request(message.data).method


def test_the_card_does_what_it_was_asked():
    wire = MemoryWire()
    card = SimulatedHuidu(wire, random.Random(1), width=128, height=32)
    pages = []
    for packet in PACKETS:
        for _ in range(2):  # a program whose file is still written is asked for again, and so is one not yet listed
            before = len(wire.said)
            wire.hear(packet)
            answers = [xml.decode_answer(said.data) for said in wire.said[before:] if isinstance(said, huidu.XmlPiece)]
            if not answers or answers[0].result not in xml.NOT_YET:
                break
        if card.pages not in pages:
            pages.append(card.pages)
    picture = CardPage(None, 128, 32, bytes(x * y % 2 for y in range(32) for x in range(128)))
    assert pages[:3] == [(), (picture,), (CardPage(text="OPEN 24 h"),)]
    assert (card.name, card.brightness, card.screen_on, card.files) == ("GATE1", 42, True, {})
    assert not any(isinstance(said, huidu.ErrorAnswer) for said in wire.said)
