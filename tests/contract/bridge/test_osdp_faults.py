"""The reader's driver on the simulated reader: damage on the wire, loss of power, a key that goes, a person at it."""

import asyncio
import random
import time
from contextlib import asynccontextmanager

import pytest

from firmware_bridge.capabilities import CardRead, HealthChanged, Indication, KeysPressed
from firmware_bridge.simulators.osdp_reader import ReaderSimulation
from firmware_bridge.simulators.paced import NO_FAULTS, Faults

pytestmark = pytest.mark.contract

NAME = "reader"
# About one exchange in ten is damaged; four in a row, which end a session, are one in ten thousand.
NOISE = Faults(drop=0.0005, flip=0.0005, split=0.2, overlap=0.03, late=0.02, mute=0.03, split_s=0.02, late_s=0.12)
CARDS_MIN, CARDS_MAX, RETRIES_MIN = 15, 120, 3


@pytest.fixture
def simulated(bridge_on, simulator_context):
    @asynccontextmanager
    async def make(**options):
        async with ReaderSimulation(simulator_context) as simulation:
            device = simulation.device.model_copy(update={"options": {**simulation.device.options, **options}})
            lines = {simulation.device.line: simulation.line}
            async with bridge_on(lines, {NAME: device}, secrets=simulator_context.secrets) as told:
                yield simulation, told

    return make


def cards(told):
    return [event for event in told.events if isinstance(event, CardRead)]


async def test_a_person_at_the_reader(simulated):
    async with simulated() as (simulation, told):
        await told.until(lambda: told.inputs("input_0"))
        assert simulation.state()["secured"]
        for words in ("card a1b2c3c0 26", "keys 12#", "tamper on", "power off", "input 0 on"):
            simulation.act(words.split())
        await told.until(lambda: told.inputs("input_0") == [False, True])
        assert (cards(told)[0].bits, cards(told)[0].data.hex()) == (26, "a1b2c3c0")
        assert [event.keys for event in told.events if isinstance(event, KeysPressed)] == ["12#"]
        assert told.inputs("tamper") == told.inputs("power_fault") == [False, True]
        await told.bridge.reader(NAME).indicate(Indication.GRANTED)
        await told.bridge.control(NAME).set("output_0", True)
        state = simulation.state()
        assert (state["lights"][0], state["beeps"], state["outputs"]) == ("green", 1, [True])
        for wrong in ("card xyz", "card a1 9", "keys 1A", "tamper maybe", "input 7 on", "power"):
            with pytest.raises(ValueError, match=wrong.split()[0]):
                simulation.act(wrong.split())


async def test_no_card_is_lost_or_doubled_on_a_dirty_wire(simulated):
    async with simulated() as (simulation, told):
        await told.until(lambda: told.inputs("input_0"))
        stats = told.bridge.stats(NAME)
        simulation.wire.faults = NOISE
        number = 0
        while number < CARDS_MIN or (stats.retries < RETRIES_MIN and number < CARDS_MAX):
            simulation.act(["card", f"{number:08x}"])
            number += 1
            await told.until(lambda shown=number: len(cards(told)) == shown)
        simulation.wire.faults = NO_FAULTS
        assert [int.from_bytes(card.data, "big") for card in cards(told)] == list(range(number))
        assert stats.retries >= RETRIES_MIN
        assert stats.bad_frames + stats.timeouts >= RETRIES_MIN
        # A damaged frame was sent again; hardly ever did that cost the session.
        assert simulation.reader.protocol.counters.channels < 5
        assert told.health(NAME)[-1] == "online"


async def test_a_reader_that_loses_power_or_its_key(simulated):
    async with simulated() as (simulation, told):
        await told.until(lambda: told.health(NAME) == ["online"])
        simulation.act(["power-cycle"])
        simulation.act(["card", "01020304"])
        await told.until(lambda: cards(told))
        assert told.health(NAME) == ["online"]
        # Somebody resets it to the default key: it is not spoken to any more.
        simulation.act(["forget-key"])
        simulation.act(["card", "05060708"])
        await told.until(lambda: told.health(NAME) == ["online", "offline"])
        (offline,) = [event for event in told.events if isinstance(event, HealthChanged) and event.health == "offline"]
        assert "does not use the key" in offline.detail
        assert len(cards(told)) == 1


async def test_a_card_is_told_a_poll_after_it_was_shown(simulated):
    async with simulated() as (simulation, told):
        await told.until(lambda: told.inputs("input_0"))
        rng = random.Random(6)
        took = []
        for number in range(12):
            # Load, not a wait: people come at any moment of the poll.
            await asyncio.sleep(rng.uniform(0.1, 0.2))
            shown = time.monotonic()
            simulation.act(["card", f"{number:08x}"])
            await told.until(lambda number=number: len(cards(told)) == number + 1)
            took.append(cards(told)[-1].mono_s - shown)
        # 80 ms between polls, and a secured exchange with a card takes about 60 ms at 9600 baud.
        assert sorted(took)[6] < 0.15
        assert max(took) < 0.5
