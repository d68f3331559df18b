"""The OSDP reader's driver in virtual time: the line, the key, what is asked of it, and readers that fail."""

import asyncio
import contextlib
import random
from dataclasses import replace

import pytest

from firmware_bridge.bus import Bus
from firmware_bridge.capabilities import (
    CardRead,
    DeviceRefused,
    DeviceTimeout,
    HealthChanged,
    Indication,
    InputChanged,
    KeysPressed,
)
from firmware_bridge.codecs import osdp
from firmware_bridge.codecs import osdp_commands as commands
from firmware_bridge.codecs import osdp_replies as replies
from firmware_bridge.codecs.osdp_commands import CommandCode
from firmware_bridge.codecs.osdp_secure import SCBK_D
from firmware_bridge.drivers.osdp import (
    ORDERS_MAX,
    OsdpReader,
    ReaderOptions,
    check_reader,
)
from firmware_bridge.drivers.osdp_news import readable_keys, without_spare_bits
from firmware_bridge.drivers.osdp_shows import identify_commands, indication_commands
from firmware_bridge.exchange import BusOverloaded
from firmware_bridge.secrets import SecretDirectory, SecretError
from firmware_bridge.simulators.osdp_peripheral import Peripheral
from firmware_bridge.simulators.osdp_reader import ReaderFace

KEY = bytes(range(16))
CARD = bytes.fromhex("a1b2c3c0")
TURNAROUND_S = 0.01
POLL_S = 0.08


class Readers:
    """Simulated readers on the memory port. `spoil` changes a frame that goes back; None is silence."""

    def __init__(self, port):
        self._port = port
        self.readers = {}
        self.heard = []
        self.spoil = lambda frame: frame
        self.muted = set()
        port.on_write = self._hear

    def move_to(self, port):
        """They hang on another line now."""
        self._port = port
        port.on_write = self._hear

    def add(self, address=1, *, key=None, **options):
        face = ReaderFace()
        reader = Peripheral(address, face, random.Random(address).randbytes, key=key, **options)
        self.readers[address] = reader
        return reader

    def _hear(self, wire):
        (frame,) = osdp.FrameParser().feed(wire)
        loop = asyncio.get_running_loop()
        self.heard.append((loop.time(), frame))
        reader = self.readers.get(frame.address)
        if reader is None or frame.address in self.muted:
            return
        wire_s = len(wire) * self._port.BYTE_S
        answer = self.spoil(osdp.decode_frame(reader.heard(frame, loop.time())[1:]))
        if answer is not None:
            self._port.answer(osdp.on_wire(osdp.encode_frame(answer)), wire_s + TURNAROUND_S)

    def codes(self):
        return [CommandCode(frame.code).name for _, frame in self.heard]


class Told:
    """What a driver told, and a place to wait for it."""

    def __init__(self):
        self.events = []
        self.cleared = 0
        self._changed = asyncio.Event()

    def emit(self, event):
        self.events.append(event)
        self._changed.set()

    def of(self, kind):
        return [event for event in self.events if isinstance(event, kind)]

    @property
    def health(self):
        return [event.health.value for event in self.of(HealthChanged)]

    def inputs(self, name):
        return [event.active for event in self.of(InputChanged) if event.input == name]

    async def until(self, condition):
        while not condition():
            self._changed.clear()
            await self._changed.wait()


@pytest.fixture
def readers(port):
    return Readers(port)


@pytest.fixture
def secrets(tmp_path, monkeypatch):
    async def at_once(work, *arguments):
        return work(*arguments)

    # Virtual time cannot wait for a thread.
    monkeypatch.setattr(asyncio, "to_thread", at_once)
    return SecretDirectory(tmp_path)


@pytest.fixture
def running(make_context, port, clock, secrets):
    """`async with running(address=1, key="k") as (driver, told):` a driver at work, with the line open."""

    @contextlib.asynccontextmanager
    async def make(address=1, *, open_line=True, line=port, **options):
        told = Told()

        def expect_release():
            told.cleared += 1

        context = make_context(
            ReaderOptions(**options),
            name=f"reader_{address}",
            address=address,
            emit=told.emit,
            secrets=secrets,
            expect_release=expect_release,
            **({} if line is port else {"carrier": Bus(line, gap_s=0.004, clock=clock, rng=random.Random(8))}),
        )
        driver = OsdpReader(context)
        if open_line:
            line.open()
        work = asyncio.create_task(driver.run())
        try:
            yield driver, told
        finally:
            work.cancel()
            await asyncio.wait([work])
            assert work.cancelled()

    return make


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


@pytest.mark.parametrize(
    ("kept", "why"),
    [
        (None, "it has no key: put its 16 bytes into"),
        (b"too short", "is no key"),
        (SCBK_D, "the default key, which everybody knows"),
        (bytes(16), "another key than the key of this station"),
    ],
)
def test_a_reader_without_the_right_key_is_offline_with_the_reason_until_it_is_mended(
    run_virtual, readers, running, secrets, caplog, kept, why
):
    reader = readers.add(key=KEY)
    if kept is not None:
        secrets.write("k", kept)

    async def scenario():
        async with running(key="k") as (driver, told):
            await told.until(lambda: told.health)
            assert told.health == ["offline"]
            assert why in told.of(HealthChanged)[0].detail
            with pytest.raises(DeviceTimeout, match="key"):
                await driver.indicate(Indication.READY)
            await asyncio.sleep(20)
            assert told.health == ["offline"]
            assert reader.face.polls == 0
            secrets.write("k", KEY.hex().encode() + b"\n")
            await told.until(lambda: told.health == ["offline", "online"])
            assert "Secure Channel" in told.of(HealthChanged)[-1].detail

    run_virtual(scenario())
    said = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert len(said) == 1
    assert why in said[0]


def test_a_key_is_kept_before_it_is_sent_and_settled_when_it_is_used(run_virtual, readers, running, secrets, tmp_path):
    reader = readers.add()
    kept_when_sent = []

    def watch(frame):
        if readers.heard[-1][1].code == CommandCode.KEYSET:
            kept_when_sent.append((secrets.read("k.pending"), secrets.read("k")))
        return frame

    async def scenario():
        readers.spoil = watch
        async with running(key="k", install_mode=True) as (_, told):
            await told.until(lambda: told.health)
            assert told.health == ["online"]

    run_virtual(scenario())
    key = secrets.read("k")
    assert kept_when_sent == [(key, None)]
    assert reader.key == key
    assert key not in (None, SCBK_D)


@pytest.mark.parametrize("lost", ["the command", "the answer"])
def test_a_plug_that_is_pulled_at_the_key_leaves_a_reader_that_can_be_had_again(
    run_virtual, readers, running, secrets, port, lost
):
    reader = readers.add()

    def pull(frame):
        if readers.heard[-1][1].code == CommandCode.KEYSET:
            readers.muted.add(1)
            if lost == "the command":
                reader.key = None
            return None
        return frame

    async def scenario():
        readers.spoil = pull
        async with running(key="k", install_mode=True) as (_, told):
            await told.until(lambda: told.health == ["offline"])
        assert secrets.read("k") is None

    async def the_next_life():
        readers.spoil = lambda frame: frame
        readers.muted.clear()
        reader.power_up()
        line = type(port)()
        readers.move_to(line)
        async with running(key="k", install_mode=True, line=line) as (_, told):
            await told.until(lambda: told.health)
            assert told.health == ["online"]

    run_virtual(scenario())
    pending = secrets.read("k.pending")
    assert (reader.key == pending) == (lost == "the answer")
    run_virtual(the_next_life())
    assert reader.key == pending == secrets.read("k")


def test_install_mode_gives_no_key_away_once_there_is_one(run_virtual, readers, running, secrets):
    secrets.write("k", KEY)
    stranger = readers.add()

    async def scenario():
        async with running(key="k", install_mode=True) as (_, told):
            await told.until(lambda: told.health)
            await asyncio.sleep(30)
            assert told.health == ["offline"]
            assert "KEYSET" not in readers.codes()
            assert stranger.key is None

    run_virtual(scenario())


def test_a_key_that_cannot_be_kept_is_never_sent(run_virtual, readers, running, secrets, monkeypatch):
    readers.add()

    def full(name, data):
        raise SecretError(f"secret {name!r} cannot be kept: No space left on device; check the disk")

    monkeypatch.setattr(secrets, "write", full)

    async def scenario():
        async with running(key="k", install_mode=True) as (_, told):
            await told.until(lambda: told.health)
            assert "No space left" in told.of(HealthChanged)[0].detail
            assert readers.codes() == []

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


def test_an_output_is_read_back(run_virtual, readers, running):
    reader = readers.add()

    async def scenario():
        async with running(outputs=2) as (driver, told):
            await told.until(lambda: told.health)
            assert list(driver.controls) == ["output_0", "output_1"]
            reading = await driver.set("output_0", True)
            assert (reading.device, reading.value, reader.face.outputs) == ("reader_1", True, [True])
            with pytest.raises(DeviceRefused, match="refuses SetOutputs: record"):
                await driver.set("output_1", True)
            reader.face.stuck_output = True
            with pytest.raises(DeviceRefused, match="did not switch"):
                await driver.set("output_0", False)
            for point, value in (("output_2", True), ("output_0", 1.0), ("output_0", "on")):
                with pytest.raises(ValueError, match="output_0"):
                    await driver.set(point, value)

    run_virtual(scenario())


def test_light_and_buzzer_go_together_between_polls(run_virtual, readers, running):
    reader = readers.add()

    async def scenario():
        async with running() as (driver, told):
            await told.until(lambda: told.health)
            await asyncio.sleep(1)
            await driver.indicate(Indication.DENIED)
            now = asyncio.get_running_loop().time()
            light = reader.face.lights[0]
            assert (light.shown(now).on_colour, light.shown(now + 3).on_colour) == (
                commands.Colour.RED,
                commands.Colour.DARK,
            )
            assert reader.face.beeps == 3
            codes = readers.codes()
            assert codes[codes.index("LED") + 1] == "BUZ"
            assert "reader_1 blinks amber" in await driver.identify(5.0)
            assert light.shown(now + 4).on_colour == commands.Colour.AMBER

    run_virtual(scenario())


def test_what_a_reader_lacks_is_left_out(run_virtual, readers, running):
    reader = readers.add()
    abilities = []
    reader.face._abilities = lambda: replies.Abilities(tuple(abilities))

    async def scenario():
        abilities[:] = [replies.Ability(replies.Function.BUZZER, 1, 1)]
        async with running() as (driver, told):
            await told.until(lambda: told.health)
            await driver.indicate(Indication.GRANTED)
            assert reader.face.beeps == 1
            assert "LED" not in readers.codes()
            # READY is shown by the light alone.
            with pytest.raises(DeviceRefused, match="neither a light nor a buzzer"):
                await driver.indicate(Indication.READY)

    run_virtual(scenario())


def test_orders_are_bounded_and_fail_with_the_line(run_virtual, readers, running, port):
    readers.add()

    async def scenario():
        async with running() as (driver, told):
            await told.until(lambda: told.health)
            waiting = [asyncio.create_task(driver.indicate(Indication.READY)) for _ in range(ORDERS_MAX)]
            await asyncio.sleep(0)
            with pytest.raises(BusOverloaded, match="already wait"):
                await driver.indicate(Indication.READY)
            port.lose("pulled out")
            results = await asyncio.gather(*waiting, return_exceptions=True)
            assert all(isinstance(result, DeviceTimeout) for result in results)
            await told.until(lambda: told.health == ["online", "offline"])
            port.open()
            await told.until(lambda: told.health == ["online", "offline", "online"])
            await driver.indicate(Indication.READY)

    run_virtual(scenario())


def test_an_order_that_is_never_served_ends_by_itself(run_virtual, readers, running):
    readers.add()

    async def scenario():
        async with running(open_line=False) as (driver, _):
            with pytest.raises(DeviceTimeout, match="did not take a command"):
                await driver.indicate(Indication.READY)

    run_virtual(scenario())


def test_polls_go_on_while_orders_never_end(run_virtual, readers, running):
    reader = readers.add()

    async def scenario():
        async with running() as (driver, told):
            await told.until(lambda: told.health)

            async def order_for_ever():
                while True:
                    await driver.indicate(Indication.READY)

            flood = [asyncio.create_task(order_for_ever()) for _ in range(4)]
            reader.face.card(CARD, 26)
            loop = asyncio.get_running_loop()
            began = loop.time()
            await told.until(lambda: told.of(CardRead))
            assert loop.time() - began < 0.4
            for task in flood:
                task.cancel()
            await asyncio.gather(*flood, return_exceptions=True)

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
