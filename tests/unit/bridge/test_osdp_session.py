"""A panel's session with one reader, against the simulated reader's protocol: no line, no clock."""

import contextlib
import random
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge.codecs import osdp
from firmware_bridge.codecs import osdp_commands as commands
from firmware_bridge.codecs import osdp_replies as replies
from firmware_bridge.codecs.osdp_commands import CommandCode
from firmware_bridge.codecs.osdp_secure import SCBK_D
from firmware_bridge.drivers.osdp_session import Keys, PanelSession, SendAgain, SessionLost, Step
from firmware_bridge.simulators.osdp_peripheral import Peripheral
from firmware_bridge.simulators.osdp_reader import ReaderFace

KEY = bytes(range(16))
POLL = commands.Question(CommandCode.POLL)
CARD = bytes.fromhex("a1b2c380")


class Wire:
    """A session and a reader; each frame passes `tamper` on its way back."""

    def __init__(self, keys=None, *, key=None, **options):
        self.face = ReaderFace()
        self.reader = Peripheral(3, self.face, random.Random(1).randbytes, key=key, **options)
        self.panel = PanelSession(3, keys or Keys(), random_bytes=random.Random(2).randbytes)
        self.sent = []
        self.answers = []
        self.now_s = 0.0
        self.tamper = lambda frame: frame

    def say(self, command):
        sent = self.panel.encode(command)
        self.sent.append(sent)
        return self.panel.heard(self.answer_to(sent))

    def answer_to(self, sent):
        (frame,) = osdp.CommandParser(3).feed(sent.wire)
        answer = osdp.ReplyParser(3, sent.sequence).feed(self.reader.heard(frame, self.now_s))
        assert answer is not None
        self.answers.append(answer)
        return self.tamper(answer)

    def shake_hands(self):
        for _ in range(20):
            command = self.panel.due()
            if command is None:
                return self
            self.say(command)
        raise AssertionError("no end of the handshake")

    @property
    def codes(self):
        return [CommandCode(osdp.decode_frame(sent.wire[1:]).code).name for sent in self.sent]


def test_without_a_key_the_reader_is_asked_who_it_is_and_is_online():
    wire = Wire().shake_hands()
    assert wire.codes == ["ID", "CAP"]
    assert wire.panel.online
    assert not wire.panel.secured
    assert str(wire.panel.identity) == "vendor cafe01 model 1 serial 00000007 firmware 1.0.0"
    assert wire.panel.abilities.of(replies.Function.LED) == replies.Ability(replies.Function.LED, 4, 2)
    assert wire.panel.abilities.of(replies.Function.BIOMETRICS).level == 0


def test_with_a_key_it_is_secured_and_a_card_comes_through():
    wire = Wire(Keys(KEY), key=KEY).shake_hands()
    assert wire.codes == ["ID", "CAP", "CHLNG", "SCRYPT"]
    assert wire.panel.secured
    wire.face.card(CARD, 26)
    assert wire.say(POLL) == replies.RawCard(0, 1, 26, CARD)
    assert wire.say(POLL) == replies.Ack()
    assert CARD not in b"".join(answer.data for answer in wire.answers)


def test_numbers_go_from_0_to_3_and_then_from_1():
    wire = Wire().shake_hands()
    for _ in range(5):
        wire.say(POLL)
    assert [sent.sequence for sent in wire.sent] == [0, 1, 2, 3, 1, 2, 3]


@pytest.mark.parametrize("keys", [Keys(), Keys(KEY)])
def test_a_repeated_command_is_answered_again_and_not_done_twice(keys):
    wire = Wire(keys, key=keys.own).shake_hands()
    wire.face.card(CARD, 26)
    sent = wire.panel.encode(POLL)
    lost = wire.answer_to(sent)
    again = wire.answer_to(sent)
    assert again == lost
    assert wire.panel.heard(again) == replies.RawCard(0, 1, 26, CARD)
    assert wire.reader.counters.repeated == 1
    # And the line goes on.
    assert wire.say(POLL) == replies.Ack()


def test_installing_gives_the_reader_its_key_and_then_uses_that():
    wire = Wire(Keys(KEY, install=True, fresh=True)).shake_hands()
    assert wire.codes == ["ID", "CAP", "CHLNG", "SCRYPT", "KEYSET", "ID", "CAP", "CHLNG", "SCRYPT"]
    assert wire.reader.key == KEY
    assert wire.panel.secured
    # The key itself was never on the wire in plain.
    assert all(KEY not in sent.wire for sent in wire.sent)


def test_a_card_at_a_reader_with_the_default_key_is_never_told():
    wire = Wire(Keys(KEY, install=True, fresh=True))
    wire.face.card(CARD, 26)
    said = []
    while wire.panel.due() is not None:
        said.append(wire.say(wire.panel.due()))
    assert not any(isinstance(reply, replies.RawCard) for reply in said)


@pytest.mark.parametrize("reader_has_it", [False, True])
def test_installing_goes_on_after_the_plug_was_pulled(reader_has_it):
    # The key is on the disk, and whether the reader took it is not known.
    wire = Wire(Keys(KEY, install=True), key=KEY if reader_has_it else None)
    if not reader_has_it:
        with pytest.raises(SessionLost, match="does not use the key of this station") as lost:
            wire.shake_hands()
        assert not lost.value.key
    wire.shake_hands()
    assert wire.panel.secured
    assert wire.reader.key == KEY


def test_installing_at_a_reader_of_somebody_else_is_a_matter_of_its_key():
    wire = Wire(Keys(KEY, install=True, fresh=True), key=bytes(16))
    told = []
    for _ in range(4):
        with pytest.raises(SessionLost) as lost:
            wire.shake_hands()
        told.append((str(lost.value), lost.value.key))
    assert (
        told
        == [
            ("it does not use the default key", True),
            ("it has another key than the key of this station", False),
        ]
        * 2
    )
    assert wire.reader.key == bytes(16)


@pytest.mark.parametrize(
    ("reader", "why"),
    [
        ({"key": None}, "does not use the key of this station"),
        ({"key": SCBK_D}, "another key than the key of this station"),
        ({"speaks_secure": False}, "does not know the step challenge|refuses the key"),
    ],
)
def test_a_panel_with_a_key_uses_no_other_and_never_speaks_without(reader, why):
    wire = Wire(Keys(KEY), **reader)
    wire.face.card(CARD, 26)
    for _ in range(3):
        with pytest.raises(SessionLost, match=why) as lost:
            wire.shake_hands()
        assert lost.value.key
        assert not wire.panel.online
    assert set(wire.codes) <= {"ID", "CAP", "CHLNG"}
    assert {osdp.decode_frame(sent.wire[1:]).security for sent in wire.sent} == {
        None,
        osdp.SecurityBlock(osdp.SCS_11, b"\x01"),
    }


def test_a_panel_without_a_key_is_told_that_the_reader_wants_one():
    wire = Wire(key=KEY).shake_hands()
    with pytest.raises(SessionLost, match="give it a key") as lost:
        wire.say(POLL)
    assert lost.value.key


def test_a_reader_that_says_nothing_in_plain_is_still_secured():
    wire = Wire(Keys(KEY), key=KEY)
    asked = wire.reader.heard
    refusal = replies.encode_reply(replies.Nak(replies.NakReason.SECURITY_REQUIRED))

    def silent(frame, now_s):
        answer = asked(frame, now_s)
        if frame.code == CommandCode.ID:
            return osdp.encode_frame(osdp.Frame(3, True, frame.sequence, *refusal))
        return answer

    wire.reader = type("Silent", (), {"heard": staticmethod(silent)})()
    wire.shake_hands()
    assert wire.codes == ["ID", "CHLNG", "SCRYPT"]
    assert wire.panel.secured


def secured_with_card():
    wire = Wire(Keys(KEY), key=KEY).shake_hands()
    wire.face.card(CARD, 26)
    return wire


RAW = bytes((0, 1, 26, 0)) + CARD


@pytest.mark.parametrize(
    ("tamper", "why"),
    [
        (lambda frame: replace(frame, mac=bytes(4)), "a wrong MAC"),
        (lambda frame: replace(frame, data=bytes(16)), "a wrong MAC"),
        (lambda frame: replace(frame, code=0x53), "a wrong MAC"),
        (lambda frame: replace(frame, data=RAW, security=None, mac=b""), "unsecured"),
        (lambda frame: replace(frame, code=0x40, data=b"", security=None, mac=b""), "unsecured"),
        (lambda frame: replace(frame, code=0x41, data=b"\x06", security=None, mac=b""), "ended the Secure Channel"),
        (lambda frame: replace(frame, code=0x41, data=b"\x01", security=None, mac=b""), "ended the Secure Channel"),
        (lambda frame: replace(frame, code=0x41, data=b"\x04", security=None, mac=b""), "lost count"),
    ],
)
def test_an_answer_that_does_not_fit_ends_the_session_and_yields_no_card(tamper, why):
    wire = secured_with_card()
    wire.tamper = tamper
    with pytest.raises(SessionLost, match=why) as lost:
        wire.say(POLL)
    assert not lost.value.key
    assert wire.panel.step is Step.IDENTIFY
    wire.tamper = lambda frame: frame
    assert wire.shake_hands().panel.secured


def test_a_recorded_card_opens_nothing_later():
    wire = secured_with_card()
    assert isinstance(wire.say(POLL), replies.RawCard)
    recorded = wire.answers[-1]
    wire.tamper = lambda frame: replace(recorded, sequence=frame.sequence)
    with pytest.raises(SessionLost, match="a wrong MAC"):
        wire.say(POLL)


def test_a_recorded_card_opens_nothing_in_the_next_session():
    wire = secured_with_card()
    assert isinstance(wire.say(POLL), replies.RawCard)
    recorded = wire.answers[-1]
    wire.panel.reset()
    wire.shake_hands()
    wire.tamper = lambda frame: recorded
    with pytest.raises(SessionLost, match="a wrong MAC"):
        wire.say(POLL)


@pytest.mark.parametrize(
    ("code", "tamper", "why"),
    [
        (CommandCode.CHLNG, lambda frame: replace(frame, data=frame.data[:31] + b"\0"), "another key"),
        (CommandCode.CHLNG, lambda frame: replace(frame, security=None), "does not use"),
        (CommandCode.CHLNG, lambda frame: replace(frame, data=b"short"), "challenge"),
        (CommandCode.CHLNG, lambda frame: replace(frame, code=0x40, data=b"", security=None), "challenge"),
        (CommandCode.SCRYPT, lambda frame: replace(frame, data=bytes(16)), "does not believe"),
        (
            CommandCode.SCRYPT,
            lambda frame: replace(frame, security=osdp.SecurityBlock(osdp.SCS_14, b"\xff")),
            "does not believe",
        ),
    ],
)
def test_a_handshake_that_is_not_the_readers_leads_nowhere(code, tamper, why):
    wire = Wire(Keys(KEY), key=KEY)
    while True:
        command = wire.panel.due()
        if commands.encode_command(command)[0] == code:
            break
        wire.say(command)
    wire.tamper = tamper
    with pytest.raises(SessionLost, match=why):
        wire.say(command)
    assert not wire.panel.online


def test_a_mac_without_a_channel_is_none():
    wire = Wire().shake_hands()
    wire.tamper = lambda frame: replace(frame, security=osdp.SecurityBlock(osdp.SCS_16), mac=bytes(4))
    with pytest.raises(SessionLost, match="without a Secure Channel"):
        wire.say(POLL)


@pytest.mark.parametrize("keys", [Keys(), Keys(KEY)])
def test_a_busy_reader_is_asked_the_same_again(keys):
    wire = Wire(keys, key=keys.own).shake_hands()
    wire.face.card(CARD, 26)
    wire.reader.busy = 2
    sent = wire.panel.encode(POLL)
    for _ in range(2):
        with pytest.raises(SendAgain):
            wire.panel.heard(wire.answer_to(sent))
    assert isinstance(wire.panel.heard(wire.answer_to(sent)), replies.RawCard)


def test_a_reader_that_heard_a_damaged_command_is_told_it_again():
    wire = Wire().shake_hands()
    sent = wire.panel.encode(POLL)
    with pytest.raises(SendAgain):
        wire.panel.heard(osdp.Frame(3, True, sent.sequence, 0x41, b"\x01"))
    assert wire.panel.heard(wire.answer_to(sent)) == replies.Ack()


@pytest.mark.parametrize("keys", [Keys(), Keys(KEY)])
def test_a_reader_that_lost_power_is_met_anew(keys):
    wire = Wire(keys, key=keys.own).shake_hands()
    wire.say(POLL)
    wire.reader.power_up()
    with pytest.raises(SessionLost, match="lost count"):
        wire.say(POLL)
    assert wire.shake_hands().panel.online


def test_a_reader_that_was_left_alone_for_long_is_secured_anew():
    wire = Wire(Keys(KEY), key=KEY).shake_hands()
    wire.now_s += 9.0
    with pytest.raises(SessionLost, match="ended the Secure Channel"):
        wire.say(POLL)
    assert wire.shake_hands().panel.secured


def test_a_refusal_of_one_command_leaves_the_session():
    wire = Wire(Keys(KEY), key=KEY).shake_hands()
    assert wire.say(commands.SetOutputs((commands.Output(9, 2),))) == replies.Nak(replies.NakReason.RECORD)
    assert wire.panel.secured
    assert wire.say(POLL) == replies.Ack()


def test_an_answer_that_cannot_be_read_is_told_as_such():
    wire = Wire().shake_hands()
    wire.tamper = lambda frame: replace(frame, code=0x53, data=b"\0\x09")
    assert wire.say(POLL) == replies.OtherReply(0x53, b"\0\x09")
    wire.tamper = lambda frame: frame
    assert wire.say(POLL) == replies.Ack()


def test_a_reader_refuses_what_is_out_of_turn():
    wire = Wire(Keys(KEY), key=KEY).shake_hands()
    sent = wire.panel.encode(POLL)
    (frame,) = osdp.CommandParser(3).feed(sent.wire)
    wrong = replace(frame, sequence=frame.sequence % 3 + 1)
    for odd, reason in (
        (wrong, replies.NakReason.SEQUENCE),
        (replace(frame, mac=bytes(4)), replies.NakReason.SECURITY_REQUIRED),
    ):
        answer = osdp.decode_frame(wire.reader.heard(odd, 0.0)[1:])
        assert (answer.code, answer.data, answer.security) == (replies.ReplyCode.NAK, bytes((reason,)), None)
    assert not wire.reader.secured


@pytest.mark.parametrize(
    ("command", "reason"),
    [
        (commands.Keyset(bytes(16)), replies.NakReason.SECURITY_REQUIRED),
        (POLL, replies.NakReason.SECURITY_REQUIRED),
        (commands.OtherCommand(0xA1, b""), replies.NakReason.SECURITY_REQUIRED),
    ],
)
def test_a_reader_with_a_key_does_nothing_in_plain(command, reason):
    wire = Wire(key=KEY)
    wire.say(wire.panel.due())
    code, data = commands.encode_command(command)
    answer = osdp.decode_frame(wire.reader.heard(osdp.Frame(3, False, 1, code, data), 0.0)[1:])
    assert (answer.code, answer.data) == (replies.ReplyCode.NAK, bytes((reason,)))
    assert wire.reader.key == KEY


sizes = {0x40: 0, 0x41: 1, 0x45: 12, 0x46: 9, 0x48: 2, 0x50: 8, 0x53: 4, 0x76: 32, 0x78: 16, 0x79: 0}
answers = st.sampled_from(sorted(sizes)).flatmap(
    lambda code: st.builds(
        osdp.Frame,
        st.just(3),
        st.just(True),
        st.integers(0, 3),
        st.just(code),
        st.binary(min_size=sizes[code], max_size=sizes[code]) | st.binary(max_size=40),
        st.none() | st.builds(osdp.SecurityBlock, st.integers(0x11, 0x18), st.sampled_from([b"", b"\0", b"\1"])),
        st.sampled_from([b"", bytes(4)]),
    )
)


@given(st.lists(answers, max_size=10), st.booleans())
def test_who_does_not_have_the_key_is_never_online(said, install):
    panel = PanelSession(3, Keys(KEY, install=install), random_bytes=random.Random(4).randbytes)
    for answer in said:
        panel.encode(panel.due())
        with contextlib.suppress(SendAgain, SessionLost):
            panel.heard(answer)
        assert not panel.online
        assert panel.step is not Step.INSTALL


events = st.lists(st.sampled_from(["poll", "card", "lose", "forge", "power", "busy"]), max_size=40)


@given(events, st.booleans())
def test_whatever_the_line_does_each_card_is_told_at_most_once_and_none_is_made_up(happened, secured):
    wire = Wire(Keys(KEY) if secured else Keys(), key=KEY if secured else None)
    shown, told = [], []
    for number, event in enumerate(happened):
        match event:
            case "card":
                wire.face.card(number.to_bytes(4, "big"), 32)
                shown.append(number)
            case "power":
                wire.reader.power_up()
            case "busy":
                wire.reader.busy = 1
        command = wire.panel.due() or POLL
        sent = wire.panel.encode(command)
        answer = wire.answer_to(sent)
        if event == "lose":
            answer = wire.answer_to(sent)
        if event == "forge" and secured and answer.has_mac:
            answer = replace(answer, code=0x50, data=bytes(16), mac=bytes(4))
        try:
            reply = wire.panel.heard(answer)
        except SendAgain:
            # Silence after that: the panel gives up and begins anew.
            wire.panel.reset()
        except SessionLost:
            continue
        else:
            if isinstance(reply, replies.RawCard):
                told.append(int.from_bytes(reply.data, "big"))
    assert told == sorted(set(told))
    assert set(told) <= set(shown)
