"""Our simulated reader with panels that we did not write: libosdp, and the Python package osdp."""

import json
import random
from contextlib import asynccontextmanager

import pytest

from firmware_bridge.codecs.osdp_commands import Colour
from firmware_bridge.simulators.osdp_reader import OsdpReader
from firmware_bridge.simulators.paced_pty import PacedPty
from tests.harness.peers import LOCKS

pytestmark = pytest.mark.contract

# osdp 1.6 waits for 16 characters' time a hundred times over between two commands: not at 9600.
BAUD = 115200
ADDRESS = 3
KEY = bytes(range(16))
MASTER_KEY = bytes(range(100, 116))
CARD = bytes.fromhex("a1b2c3c0")
ROUNDS_MAX = 2000


@pytest.fixture
def reader_for(start_peer, peer_python, tmp_path):
    """A simulated reader and the panel that holds its line."""

    @asynccontextmanager
    async def make(peer, *arguments, key=None):
        wire = PacedPty("reader", 10 / BAUD, rng=random.Random(3), link_dir=tmp_path)
        reader = OsdpReader(wire, ADDRESS, key=key)
        path = wire.open()
        try:
            python, program = peer_python(peer), LOCKS / f"{peer}_panel.py"
            async with start_peer(python, program, path, *arguments) as panel:
                yield reader, panel
        finally:
            wire.close()
            reader.stop()

    return make


async def heard_by(panel, told):
    """The next of what the panel heard that is of this kind; states it also asks for by itself."""
    while True:
        event = json.loads(await panel.say("event"))
        if event["told"] == told:
            return event


@pytest.mark.parametrize("mode", ["plain", "secure", "install"])
async def test_libosdp_as_the_panel(reader_for, mode):
    arguments = [str(ADDRESS), mode] + ([KEY.hex()] if mode != "plain" else [])
    async with reader_for("libosdp", *arguments, key=KEY if mode == "secure" else None) as (reader, panel):
        assert await panel.say("online") == "ok"
        if mode != "plain":
            assert await panel.say("secured") == "ok"
            assert reader.protocol.key == KEY
        assert reader.protocol.secured == (mode != "plain")

        reader.face.card(CARD, 26)
        card = await heard_by(panel, "card")
        assert (card["length"], card["data"], card["format"]) == (26, CARD.hex(), 1)
        reader.face.keys("12#")
        assert (await heard_by(panel, "keys"))["data"] == "31320d"
        reader.face.set_tamper(True)
        assert (await heard_by(panel, "status"))["report"] == "0100"

        for command in ("led 2 50", "buzzer 3", "output 0 2", "text WAIT HERE", "status 1"):
            assert await panel.say(command) == "ok"
        assert (await heard_by(panel, "status"))["report"] == "01"
        light = reader.face.lights[0].temporary
        assert (light.on_colour, light.on, light.off) == (Colour.GREEN, 2, 2)
        assert (reader.face.beeps, reader.face.text, reader.face.outputs) == (3, b"WAIT HERE", [True])
        counters = reader.protocol.counters
        assert (counters.repeated, counters.refused) == (0, 0)


async def test_libosdp_gives_a_secured_reader_another_key(reader_for):
    async with reader_for("libosdp", str(ADDRESS), "secure", KEY.hex(), key=KEY) as (reader, panel):
        assert await panel.say("secured") == "ok"
        assert await panel.say(f"keyset {MASTER_KEY.hex()}") == "ok"
        reader.face.card(CARD, 26)
        # It is told in the session under the new key: the panel threw the old one away.
        await heard_by(panel, "card")
        assert reader.protocol.key == MASTER_KEY
        assert reader.protocol.counters.channels == 2


async def test_libosdp_with_a_wrong_key_hears_nothing(reader_for):
    async with reader_for("libosdp", str(ADDRESS), "secure", MASTER_KEY.hex(), key=KEY) as (reader, panel):
        reader.face.card(CARD, 26)
        for _ in range(ROUNDS_MAX):
            assert await panel.say("led 2 50") == "refused"
            if reader.protocol.counters.challenges:
                break
        assert reader.protocol.counters.challenges
        assert not reader.protocol.secured
        assert reader.face.polls == 0


@pytest.mark.parametrize("check", ["crc", "sum"])
@pytest.mark.parametrize("key", ["plain", MASTER_KEY.hex()])
async def test_the_python_package_osdp_as_the_panel(reader_for, key, check):
    async with reader_for("osdp", str(BAUD), str(ADDRESS), check, key) as (reader, panel):
        if key != "plain":
            # It meets the default key, sets the reader's own, and begins anew with that.
            assert await panel.say("secured") == "ok"
            assert reader.protocol.key is not None
            assert reader.protocol.secured
        assert json.loads(await panel.say("id")) == {"vendor": "cafe01", "serial": 7}
        assert json.loads(await panel.say("capabilities")) == 9
        assert json.loads(await panel.say("local")) == [False, False]
        reader.face.card(CARD, 26)
        card = await heard_by(panel, "card")
        assert (card["bits"], card["data"]) == (26, CARD.hex())
        reader.face.keys("9*")
        assert (await heard_by(panel, "keys"))["keys"] == "397f"
        assert await panel.say("led 2 50") == "ok"
        assert await panel.say("buzzer 2") == "ok"
        assert await panel.say("output 0") == "ok"
        assert json.loads(await panel.say("outputs")) == [True]
        assert json.loads(await panel.say("inputs")) == [False]
        assert (reader.face.beeps, reader.face.outputs) == (2, [True])
        assert reader.face.lights[0].temporary.on_colour == Colour.GREEN
