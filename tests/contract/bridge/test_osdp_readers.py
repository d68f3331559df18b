"""Our panel with readers by libosdp, on one paced wire: plain and secured, cards, keys, lights, tamper, keys set."""

import asyncio
import json
import time
from contextlib import asynccontextmanager

import pytest

from firmware_bridge.capabilities import CardRead, DeviceTimeout, HealthChanged, Indication, KeysPressed
from firmware_bridge.config import DeviceConfig, LineConfig
from firmware_bridge.secrets import SecretDirectory
from firmware_bridge.simulators.paced import NO_FAULTS, Faults
from tests.harness.peers import LOCKS

pytestmark = pytest.mark.contract

BAUD = 9600
KEY = bytes(range(16))
OTHER_KEY = bytes(range(16, 32))
KEY_FILE = "reader.key"
CARD = "a1b2c3c0"
RETRIES_MIN, CARDS_MAX = 4, 150


@pytest.fixture
def secrets(tmp_path):
    return SecretDirectory(tmp_path / "keys")


class Readers:
    """A bridge whose readers are libosdp's."""

    def __init__(self, told, peer, wire):
        self.told = told
        self.peer = peer
        self.wire = wire

    def of(self, kind):
        return [event for event in self.told.events if isinstance(event, kind)]

    async def seen(self, address):
        return json.loads(await self.peer.say(f"seen {address}"))

    async def state(self, address):
        return json.loads(await self.peer.say(f"state {address}"))

    async def online(self, *names):
        await self.told.until(lambda: all(self.told.health(name)[-1:] == ["online"] for name in names))


@pytest.fixture
def readers_on(bridge_on, peer_wire, start_peer, peer_python, secrets):
    @asynccontextmanager
    async def make(keys, **options):
        """`keys`: address -> the key of libosdp's reader; `options` of all of ours."""
        wire = peer_wire(BAUD)
        line = LineConfig(url=wire.open(), baud=BAUD)
        spec = [{"address": address, "key": key.hex() if key else None} for address, key in keys.items()]
        devices = {
            f"reader_{address}": DeviceConfig(driver="osdp_reader", line="readers", address=address, options=options)
            for address in keys
        }
        program = LOCKS / "libosdp_readers.py"
        try:
            async with (
                start_peer(peer_python("libosdp"), program, wire.peer_path, json.dumps(spec)) as peer,
                bridge_on({"readers": line}, devices, secrets=secrets) as told,
            ):
                yield Readers(told, peer, wire)
        finally:
            wire.close()

    return make


@pytest.mark.parametrize("secured", [False, True])
async def test_a_reader_and_all_that_it_has(readers_on, secrets, secured):
    if secured:
        secrets.write(KEY_FILE, KEY)
    options = {"key": KEY_FILE} if secured else {}
    async with readers_on({5: KEY if secured else None}, outputs=1, **options) as readers:
        told = readers.told
        await readers.online("reader_5")
        assert ("Secure Channel" in readers.of(HealthChanged)[0].detail) == secured
        assert (await readers.state(5))["secured"] == secured
        await told.until(lambda: told.inputs("input_0") == [False])
        assert (told.inputs("tamper"), told.inputs("power_fault")) == ([False], [False])

        await readers.peer.say(f"card 5 26 {CARD}")
        await readers.peer.say("keys 5 12")
        await told.until(lambda: readers.of(KeysPressed))
        (card,) = readers.of(CardRead)
        assert (card.device, card.reader, card.bits, card.data.hex()) == ("reader_5", 0, 26, CARD)
        assert readers.of(KeysPressed)[0].keys == "12"

        await readers.peer.say("tamper 5 1")
        await readers.peer.say("input 5 1")
        await told.until(lambda: told.inputs("input_0") == [False, True])
        assert told.inputs("tamper") == [False, True]

        await told.bridge.reader("reader_5").indicate(Indication.GRANTED)
        light, tone = await readers.seen(5)
        assert light["told"] == "led"
        assert {name: light["temporary"][name] for name in ("code", "on_colour", "timer")} == {
            "code": 2,
            "on_colour": 2,
            "timer": 30,
        }
        assert (tone["told"], tone["tone"], tone["times"]) == ("buzzer", 2, 1)
        await told.bridge.reader("reader_5").indicate(Indication.READY)
        (light,) = await readers.seen(5)
        assert (light["temporary"]["code"], light["permanent"]["code"], light["permanent"]["on_colour"]) == (1, 1, 1)

        for on in (True, False):
            reading = await told.bridge.control("reader_5").set("output_0", on)
            assert (reading.point, reading.value) == ("output_0", on)
        assert [one["code"] for one in await readers.seen(5)] == [2, 1]
        assert "blinks amber" in await told.bridge.identifiable("reader_5").identify(4.0)
        light, tone = await readers.seen(5)
        assert (light["temporary"]["on_colour"], light["temporary"]["timer"], tone["times"]) == (3, 40, 4)
        stats = told.bridge.stats("reader_5")
        assert (stats.bad_frames, stats.timeouts, stats.failed) == (0, 0, 0)


async def test_four_secured_readers_share_a_line(readers_on, secrets):
    secrets.write(KEY_FILE, KEY)
    async with readers_on(dict.fromkeys(range(4), KEY), key=KEY_FILE) as readers:
        told = readers.told
        began = time.monotonic()
        names = [f"reader_{address}" for address in range(4)]
        await readers.online(*names)
        assert time.monotonic() - began < 3.0
        took = []
        for address in (2, 0, 3, 1):
            shown = time.monotonic()
            await readers.peer.say(f"card {address} 32 0000000{address}")
            await told.until(lambda count=len(took) + 1: len(readers.of(CardRead)) == count)
            took.append(readers.of(CardRead)[-1].mono_s - shown)
        assert [(card.device, card.data[-1]) for card in readers.of(CardRead)] == [
            (f"reader_{address}", address) for address in (2, 0, 3, 1)
        ]
        # A round of four secured polls and their answers takes 4 x 45 ms at 9600 baud.
        assert sorted(took)[1] < 0.5
        assert all(told.health(name) == ["online"] for name in names)


async def test_a_reader_is_given_its_key_and_keeps_it(readers_on, secrets):
    async with readers_on({1: None}, key=KEY_FILE, install_mode=True) as readers:
        await readers.online("reader_1")
        key = secrets.read(KEY_FILE)
        assert len(key) == 16
        assert await readers.state(1) == {"secured": True, "key": key.hex()}
        await readers.peer.say(f"card 1 26 {CARD}")
        await readers.told.until(lambda: readers.of(CardRead))


async def test_a_key_that_was_kept_and_never_sent_is_sent_later(readers_on, secrets):
    secrets.write(f"{KEY_FILE}.pending", OTHER_KEY)
    async with readers_on({1: None}, key=KEY_FILE, install_mode=True) as readers:
        await readers.online("reader_1")
        assert (await readers.state(1))["key"] == OTHER_KEY.hex()
    assert secrets.read(KEY_FILE) == OTHER_KEY


async def test_a_key_that_was_sent_and_never_confirmed_is_found_in_the_reader(readers_on, secrets):
    secrets.write(f"{KEY_FILE}.pending", OTHER_KEY)
    async with readers_on({1: OTHER_KEY}, key=KEY_FILE, install_mode=True) as readers:
        await readers.online("reader_1")
        assert (await readers.state(1))["secured"]
    assert secrets.read(KEY_FILE) == OTHER_KEY


@pytest.mark.parametrize("readers_key", [None, OTHER_KEY])
async def test_a_panel_with_a_key_takes_no_card_of_a_reader_with_another(readers_on, secrets, readers_key):
    secrets.write(KEY_FILE, KEY)
    async with readers_on({1: readers_key}, key=KEY_FILE, install_mode=True) as readers:
        told = readers.told
        await readers.peer.say(f"card 1 26 {CARD}")
        await told.until(lambda: told.health("reader_1"))
        (health,) = readers.of(HealthChanged)
        assert health.health == "offline"
        assert "key" in health.detail
        with pytest.raises(DeviceTimeout, match="key"):
            await told.bridge.reader("reader_1").indicate(Indication.READY)
        assert not readers.of(CardRead)
        assert (await readers.state(1))["key"] == (readers_key.hex() if readers_key else None)


async def test_a_line_that_was_unplugged_comes_back_with_its_readers(readers_on, secrets):
    secrets.write(KEY_FILE, KEY)
    async with readers_on({1: KEY, 2: KEY}, key=KEY_FILE) as readers:
        await readers.online("reader_1", "reader_2")
        readers.wire.paced.close()
        await readers.told.until(lambda: readers.told.health("reader_2") == ["online", "offline"])
        readers.wire.paced.open()
        await readers.online("reader_1", "reader_2")
        await readers.peer.say(f"card 2 26 {CARD}")
        await readers.told.until(lambda: readers.of(CardRead))
        assert readers.told.health("reader_1") == ["online", "offline", "online"]


async def test_a_bad_wire_costs_sessions_and_no_more(readers_on, secrets):
    # libosdp does a repeated command anew, and then finds its MAC wrong: each damage is a session.
    secrets.write(KEY_FILE, KEY)
    async with readers_on({1: KEY}, key=KEY_FILE) as readers:
        await readers.online("reader_1")
        stats = readers.told.bridge.stats("reader_1")
        readers.wire.paced.faults = Faults(flip=0.01, drop=0.005, split=0.3)
        for _ in range(CARDS_MAX):
            if stats.retries >= RETRIES_MIN:
                break
            await readers.peer.say(f"card 1 26 {CARD}")
            # Load, not a wait: the line is used while it is bad.
            await asyncio.sleep(0.1)
        assert stats.retries >= RETRIES_MIN
        readers.wire.paced.faults = NO_FAULTS
        while await readers.peer.say("card 1 8 5a") == "full":
            before = len(readers.of(CardRead))
            await readers.told.until(lambda before=before: len(readers.of(CardRead)) > before)
        await readers.told.until(lambda: readers.of(CardRead)[-1:] and readers.of(CardRead)[-1].data == b"\x5a")
        assert {card.data.hex() for card in readers.of(CardRead)} <= {CARD, "5a"}
        assert readers.told.health("reader_1")[-1] == "online"
        assert (await readers.state(1))["secured"]


async def test_an_indication_is_shown_while_cards_come(readers_on):
    async with readers_on({1: None}) as readers:
        await readers.online("reader_1")
        reader = readers.told.bridge.reader("reader_1")
        for count in range(1, 6):
            await readers.peer.say(f"card 1 26 {CARD}")
            await asyncio.gather(
                reader.indicate(Indication.DENIED),
                readers.told.until(lambda count=count: len(readers.of(CardRead)) == count),
            )
        seen = [one["told"] for one in await readers.seen(1)]
        assert seen == ["led", "buzzer"] * 5
