"""Huidu cards are found on a network, whatever else answers there."""

import random
from contextlib import contextmanager

import pytest

from firmware_bridge.codecs import huidu
from firmware_bridge.discovery.finding import proposed_rows
from firmware_bridge.discovery.huidu import search
from firmware_bridge.simulators.paced_net import PacedUdp

pytestmark = pytest.mark.contract

LOOPBACK = "127.0.0.1"
WAIT_S = 0.4


@contextmanager
def answering(*answers):
    """An end that gives these answers to a search: its port."""
    wire = PacedUdp("cards", rng=random.Random(1))

    def heard(data, first_byte_s):
        if data == huidu.encode_search():
            for answer in answers:
                wire.send(answer)

    wire.listen(heard)
    wire.open()
    try:
        yield wire.port
    finally:
        wire.close()


async def test_cards_are_rows_in_the_order_of_their_ids():
    with answering(*map(huidu.encode_search_answer, ("C36-D10-B0002", "C16L-D00-A000F"))) as port:
        found = await search(interface=LOOPBACK, wait_s=WAIT_S, to=LOOPBACK, port=port)
    assert [finding.title for finding in found] == [
        f"Huidu card C16L-D00-A000F at {LOOPBACK}",
        f"Huidu card C36-D10-B0002 at {LOOPBACK}",
    ]
    assert found[0].line.url == f"tcp://{LOOPBACK}:10001"
    assert 'driver = "huidu_sign"' in proposed_rows(found)


async def test_whoever_answers_otherwise_is_no_finding():
    with answering(b"", b"\xff" * 64, huidu.encode_search(), b"<a/>" * 99) as port:
        assert await search(interface=LOOPBACK, wait_s=WAIT_S, to=LOOPBACK, port=port) == []


async def test_a_search_is_bounded_and_wants_an_interface_that_is_there():
    with pytest.raises(ValueError, match="at most 60 s"):
        await search(wait_s=100)
    with pytest.raises(OSError):
        await search(interface="192.0.2.77", wait_s=0.1)
