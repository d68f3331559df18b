"""The OSDP reader's driver in virtual time: the line, what a reader tells, and readers that fail."""

import asyncio
from dataclasses import replace

import pytest

from firmware_bridge.capabilities import (
    CardRead,
    DeviceTimeout,
    HealthChanged,
    Indication,
    KeysPressed,
)
from firmware_bridge.codecs import osdp
from firmware_bridge.codecs import osdp_commands as commands
from firmware_bridge.codecs import osdp_replies as replies
from firmware_bridge.codecs.osdp_commands import CommandCode
from firmware_bridge.drivers.osdp import (
    ReaderOptions,
    check_reader,
)
from firmware_bridge.drivers.osdp_news import readable_keys, without_spare_bits
from firmware_bridge.drivers.osdp_shows import identify_commands, indication_commands
from tests.unit.bridge.osdp_driver.readers import CARD, KEY, POLL_S, TURNAROUND_S


def test_a_reader_comes_online_and_tells_its_states_once(run_virtual, readers, running):
    readers.add()

    async def scenario():
        async with running() as (_, told):
            await told.until(lambda: told.inputs("input_0"))
            await asyncio.sleep(5)
            assert told.health == ["online"]
            assert "not secured" in told.of(HealthChanged)[0].detail
            assert [told.inputs(name) for name in ("tamper", "power_fault", "input_0")] == [[False]] * 3
            assert readers.codes()[:5] == ["ID", "CAP", "LSTAT", "ISTAT", "POLL"]

    run_virtual(scenario())


@pytest.mark.parametrize("secured", [False, True])
def test_a_card_is_told_within_a_poll_and_clears_the_way_for_a_release(run_virtual, readers, running, secrets, secured):
    reader = readers.add(key=KEY if secured else None)
    secrets.write("k", KEY)

    async def scenario():
        async with running(**({"key": "k"} if secured else {})) as (_, told):
            await told.until(lambda: told.health)
            await asyncio.sleep(1.0)
            loop = asyncio.get_running_loop()
            for shown in range(1, 20):
                await asyncio.sleep(0.777)
                began = loop.time()
                reader.face.card(CARD, 26)
                await told.until(lambda shown=shown: len(told.of(CardRead)) == shown)
                # At most a period, and the exchange that brings it (here a byte takes 1 ms).
                assert loop.time() - began <= POLL_S + 0.015 + TURNAROUND_S + 0.04
                assert told.cleared == shown
            card = told.of(CardRead)[-1]
            assert (card.reader, card.bits, card.data) == (0, 26, CARD)

    run_virtual(scenario())


def test_a_reader_is_polled_once_a_period(run_virtual, readers, running):
    readers.add()

    async def scenario():
        async with running(poll_ms=100) as (_, told):
            await told.until(lambda: told.health)
            await asyncio.sleep(1.0)
            before = readers.codes().count("POLL")
            await asyncio.sleep(10.0)
            assert 98 <= readers.codes().count("POLL") - before <= 100

    run_virtual(scenario())


def test_what_a_card_has_beyond_its_bits_is_cleared_and_characters_are_bits_too(run_virtual, readers, running):
    reader = readers.add()

    async def scenario():
        async with running() as (_, told):
            reader.face.card(bytes.fromhex("ffffffff"), 26, form=0)
            reader.face.formatted_card(b"0042")
            reader.face.keys("12*#")
            await told.until(lambda: told.of(KeysPressed))
            assert [(card.bits, card.data) for card in told.of(CardRead)] == [
                (26, bytes.fromhex("ffffffc0")),
                (32, b"0042"),
            ]
            assert told.of(KeysPressed)[0].keys == "12*#"
            assert "12" not in repr(told.of(KeysPressed)[0])

    run_virtual(scenario())


def test_tamper_power_and_inputs_are_told_as_they_change(run_virtual, readers, running):
    reader = readers.add()

    async def scenario():
        async with running() as (_, told):
            await told.until(lambda: told.inputs("input_0"))
            reader.face.set_tamper(True)
            reader.face.set_power_fault(True)
            reader.face.set_input(0, True)
            await told.until(lambda: told.inputs("input_0") == [False, True])
            assert told.inputs("tamper") == told.inputs("power_fault") == [False, True]
            # A reader behind the reader was opened as well: still the one tamper.
            reader.face._events.append(replies.ReaderStatus((2,)))
            reader.face.set_tamper(False)
            reader.face._events.append(replies.ReaderStatus((0,)))
            await told.until(lambda: told.inputs("tamper") == [False, True, False])
            assert not reader.face._events

    run_virtual(scenario())


def test_a_silent_reader_is_offline_once_and_back_by_itself(run_virtual, readers, running):
    reader = readers.add()

    async def scenario():
        async with running(outputs=1) as (driver, told):
            await told.until(lambda: told.inputs("input_0"))
            readers.muted.add(1)
            await told.until(lambda: told.health == ["online", "offline"])
            assert "no answer" in told.of(HealthChanged)[1].detail
            with pytest.raises(DeviceTimeout, match="no answer"):
                await driver.indicate(Indication.READY)
            before = len(readers.heard)
            await asyncio.sleep(60)
            # Quarantine: one frame every 3 s or so.
            assert len(readers.heard) - before < 35
            assert told.health == ["online", "offline"]
            reader.face.card(CARD, 26)
            readers.muted.clear()
            await told.until(lambda: told.of(CardRead))
            assert told.health == ["online", "offline", "online"]
            assert told.inputs("tamper") == [False, False]

    run_virtual(scenario())


def test_a_mute_reader_costs_its_neighbour_one_timeout_a_quarantine(run_virtual, readers, running):
    readers.add(1)
    good = readers.add(2)

    async def scenario():
        async with running(1) as (_, bad_told), running(2, open_line=False) as (_, told):
            await told.until(lambda: told.health and bad_told.health)
            readers.muted.add(1)
            await bad_told.until(lambda: bad_told.health == ["online", "offline"])
            loop = asyncio.get_running_loop()
            waits = []
            for shown in range(1, 100):
                await asyncio.sleep(0.31)
                began = loop.time()
                good.face.card(CARD, 26)
                await told.until(lambda shown=shown: len(told.of(CardRead)) == shown)
                waits.append(loop.time() - began)
            assert max(waits) < 0.5
            assert sorted(waits)[80] < 0.15
            assert told.health == ["online"]

    run_virtual(scenario())


def test_a_lost_answer_is_asked_for_again_and_the_card_is_told_once(run_virtual, readers, running, secrets):
    reader = readers.add(key=KEY)
    secrets.write("k", KEY)
    lost = []

    def lose_the_card(frame):
        if frame.code == replies.ReplyCode.RAW and not lost:
            lost.append(frame)
            return None
        return frame

    async def scenario():
        async with running(key="k") as (_, told):
            await told.until(lambda: told.health)
            readers.spoil = lose_the_card
            reader.face.card(CARD, 26)
            await told.until(lambda: told.of(CardRead))
            await asyncio.sleep(3)
            assert len(told.of(CardRead)) == 1
            assert lost
            assert reader.counters.repeated == 1
            assert (told.health, reader.counters.channels) == (["online"], 1)

    run_virtual(scenario())


def test_a_forged_answer_costs_a_session_and_is_counted(run_virtual, readers, running, secrets, bus):
    reader = readers.add(key=KEY)
    secrets.write("k", KEY)

    async def scenario():
        async with running(key="k") as (_, told):
            await told.until(lambda: told.health)
            raw = bytes((0, 1, 26, 0)) + CARD
            forged = [
                lambda frame: replace(frame, code=0x50, data=bytes(16), security=osdp.SecurityBlock(osdp.SCS_18)),
                lambda frame: osdp.Frame(1, True, frame.sequence, 0x50, raw),
            ]
            for count, forge in enumerate(forged, 1):

                def spoil(frame, forge=forge):
                    readers.spoil = lambda frame: frame
                    return forge(frame)

                readers.spoil = spoil
                await asyncio.sleep(2)
                assert reader.counters.channels == 1 + count
            assert not told.of(CardRead)
            assert told.health == ["online"]
            assert bus.stats("reader_1").bad_frames == len(forged)

    run_virtual(scenario())


def test_sessions_that_always_end_are_told_as_offline_and_tried_ever_slower(run_virtual, readers, running, secrets):
    readers.add(key=KEY)
    secrets.write("k", KEY)
    readers.spoil = lambda frame: replace(frame, mac=bytes(4)) if frame.mac else frame

    async def scenario():
        async with running(key="k") as (_, told):
            await told.until(lambda: told.health[-1:] == ["offline"])
            assert "wrong MAC" in told.of(HealthChanged)[-1].detail
            await asyncio.sleep(60)
            assert readers.codes().count("CHLNG") < 40
            readers.spoil = lambda frame: frame
            await asyncio.sleep(10)
            assert told.health[-1] == "online"

    run_virtual(scenario())


def test_a_busy_reader_is_asked_again_and_one_that_stays_busy_is_begun_anew(run_virtual, readers, running):
    reader = readers.add()

    async def scenario():
        async with running() as (driver, told):
            await told.until(lambda: told.health)
            reader.busy = 5
            await driver.indicate(Indication.GRANTED)
            assert reader.face.beeps == 1
            reader.busy = 60
            reader.face.card(CARD, 26)
            await told.until(lambda: told.of(CardRead))
            assert told.health == ["online"]

    run_virtual(scenario())


def test_a_reader_that_lost_power_is_online_again_before_anybody_notices(run_virtual, readers, running, secrets):
    reader = readers.add(key=KEY)
    secrets.write("k", KEY)

    async def scenario():
        async with running(key="k") as (_, told):
            await told.until(lambda: told.health)
            await asyncio.sleep(1)
            reader.power_up()
            reader.face.card(CARD, 26)
            await told.until(lambda: told.of(CardRead))
            assert told.health == ["online"]

    run_virtual(scenario())


def test_what_is_not_understood_is_said_once(run_virtual, readers, running, caplog):
    reader = readers.add()

    async def scenario():
        async with running() as (_, told):
            for size in range(5):
                reader.face._events.append(replies.OtherReply(0x90, bytes(size)))
            reader.face.keys("1")
            await told.until(lambda: told.of(KeysPressed))

    run_virtual(scenario())
    said = [record for record in caplog.records if "not understood" in record.getMessage()]
    assert len(said) == 1


@pytest.mark.parametrize(
    ("chatter", "polls_max"),
    [(replies.Nak(3), 13), (replies.OtherReply(0x90, b""), 13), (replies.LocalStatus(False, False), 34)],
)
def test_a_reader_that_never_ends_takes_no_more_than_its_share(run_virtual, readers, running, chatter, polls_max):
    reader = readers.add()
    question = reader.face._question
    reader.face._question = lambda code: chatter if code == CommandCode.POLL else question(code)

    async def scenario():
        async with running() as (_, told):
            await told.until(lambda: told.health)
            await asyncio.sleep(1)
            before = readers.codes().count("POLL")
            await asyncio.sleep(1)
            # At wire speed it would be 40 or more; eight of them, and then a pause.
            assert readers.codes().count("POLL") - before <= polls_max
            assert told.health == ["online"]

    run_virtual(scenario())


@pytest.mark.parametrize(
    ("address", "options", "found"),
    [
        (0, {}, []),
        (126, {"key": "k", "install_mode": True}, []),
        (127, {}, ["address: 127"]),
        (1, {"install_mode": True}, ["options.install_mode"]),
        (1, {"key": "k" * 60}, ["options.key"]),
    ],
)
def test_options_that_do_not_fit_are_named(address, options, found):
    lines = check_reader(address, ReaderOptions(**options), None)
    assert [line[: len(start)] for line, start in zip(lines, found, strict=True)] == found


def test_pieces():
    assert without_spare_bits(b"\xff\xff", 9) == b"\xff\x80"
    assert without_spare_bits(b"\xff", 8) == b"\xff"
    assert readable_keys(b"1\x7f\rA\xff9") == "1*#9"
    for indication in Indication:
        for command in indication_commands(indication).values():
            assert commands.decode_command(*commands.encode_command(command)) == command
    for for_s in (0.0, 1.0, 1e9):
        for command in identify_commands(for_s).values():
            assert commands.decode_command(*commands.encode_command(command)) == command
