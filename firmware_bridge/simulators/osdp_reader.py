"""An OSDP card reader with a keypad, two lights, a buzzer, an output and a tamper switch, on a paced wire.

What it does and shows is here; how it speaks is in `osdp_peripheral`. Several of them may share a wire.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from firmware_bridge.codecs import osdp_commands as commands
from firmware_bridge.codecs import osdp_replies as replies
from firmware_bridge.codecs.osdp import ADDRESS_MAX, CommandParser, Frame
from firmware_bridge.codecs.osdp_commands import Colour, Command, CommandCode, OutputCode, Tone
from firmware_bridge.codecs.osdp_fields import KEY_BYTES
from firmware_bridge.codecs.osdp_replies import Ability, Function, Nak, NakReason, Reply
from firmware_bridge.config import DeviceConfig
from firmware_bridge.secrets import SecretError, Secrets
from firmware_bridge.simulators.base import Action, SimulatorContext, WireSimulation
from firmware_bridge.simulators.osdp_peripheral import Peripheral
from firmware_bridge.simulators.paced import PacedWire
from firmware_bridge.simulators.paced_pty import PacedPty

BITS_PER_BYTE = 10
# What a microcontroller takes to decrypt, decide and turn the line around; section 5.7 allows 200 ms.
TURNAROUND_S = 0.008
# What a reader keeps while nobody asks; the oldest goes first.
EVENTS_MAX = 16
LIGHTS = 2
TENTH_S = 0.1
UNLIT = commands.Blink(1, 0, Colour.DARK)
IDENTITY = replies.Identity(bytes.fromhex("ca fe 01"), 1, 1, 7, (1, 0, 0))


@dataclass(slots=True)
class Light:
    """One light: what it shows, and what it shows until a moment."""

    permanent: commands.Blink = UNLIT
    temporary: commands.Blink | None = None
    until_s: float = 0.0

    def shown(self, now_s: float) -> commands.Blink:
        return self.temporary if self.temporary is not None and now_s < self.until_s else self.permanent


class ReaderFace:
    """The reader itself: cards, keys, lights, buzzer, outputs, inputs, tamper."""

    def __init__(self, *, outputs: int = 1, inputs: int = 1) -> None:
        self.lights = [Light() for _ in range(LIGHTS)]
        self.beeps = 0
        self.text = b""
        self.outputs = [False] * outputs
        self.inputs = [False] * inputs
        self.tamper = False
        self.power_fault = False
        self.stuck_output = False  # takes every order for an output, and does nothing
        self.moved: commands.Comset | None = None
        self.polls = 0
        self._events: deque[Reply] = deque(maxlen=EVENTS_MAX)

    # What a person does.

    def card(self, data: bytes, bits: int, *, form: int = 1) -> None:
        self._events.append(replies.RawCard(0, form, bits, data))

    def formatted_card(self, text: bytes) -> None:
        self._events.append(replies.FormattedCard(0, 0, text))

    def keys(self, keys: str) -> None:
        """Raises ValueError for a key that no pad has."""
        if not keys or set(keys) - set("0123456789*#"):
            raise ValueError("keys are 0-9, * and #")
        self._events.append(replies.Keypad(0, keys.replace("*", "\x7f").replace("#", "\r").encode()))

    def set_tamper(self, opened: bool) -> None:
        self.tamper = opened
        self._events.append(self._local())

    def set_power_fault(self, failed: bool) -> None:
        self.power_fault = failed
        self._events.append(self._local())

    def set_input(self, index: int, active: bool) -> None:
        self.inputs[index] = active
        self._events.append(replies.InputStatus(tuple(self.inputs)))

    # What the panel asks.

    def answer(self, command: Command, now_s: float) -> Reply:
        match command:
            case commands.Question(code):
                return self._question(code)
            case commands.SetOutputs(outputs):
                return self._set_outputs(outputs)
            case commands.SetLeds(leds):
                if any(led.led >= LIGHTS or led.reader for led in leds):
                    return Nak(NakReason.RECORD)
                for led in leds:
                    self._set_light(led, now_s)
                return replies.Ack()
            case commands.Buzzer(_, tone, _, _, times):
                self.beeps += times if tone == Tone.DEFAULT else 0
                return replies.Ack()
            case commands.Text(text=text):
                self.text = text
                return replies.Ack()
            case commands.Comset(address, baud):
                if address > ADDRESS_MAX:
                    return Nak(NakReason.RECORD)
                self.moved = command
                return replies.Com(address, baud)
        return Nak(NakReason.UNKNOWN_COMMAND)

    def _question(self, code: CommandCode) -> Reply:
        match code:
            case CommandCode.POLL:
                self.polls += 1
                return self._events.popleft() if self._events else replies.Ack()
            case CommandCode.ID:
                return IDENTITY
            case CommandCode.CAP:
                return self._abilities()
            case CommandCode.LSTAT:
                return self._local()
            case CommandCode.ISTAT:
                return replies.InputStatus(tuple(self.inputs))
            case CommandCode.OSTAT:
                return replies.OutputStatus(tuple(self.outputs))
            case CommandCode.RSTAT:
                return replies.ReaderStatus((0,))
        return Nak(NakReason.UNKNOWN_COMMAND)

    def _abilities(self) -> Reply:
        return replies.Abilities(
            (
                Ability(Function.CONTACTS, 1, len(self.inputs)),
                Ability(Function.OUTPUTS, 1, len(self.outputs)),
                Ability(Function.CARD_FORMAT, 1, 0),
                Ability(Function.LED, 4, LIGHTS),
                Ability(Function.BUZZER, 2, 1),
                Ability(Function.TEXT, 1, 1),
                Ability(Function.CHECK, 1, 0),
                Ability(Function.SECURITY, 1, 1),
                Ability(Function.READERS, 0, 1),
            )
        )

    def _local(self) -> Reply:
        return replies.LocalStatus(self.tamper, self.power_fault)

    def _set_outputs(self, outputs: tuple[commands.Output, ...]) -> Reply:
        if any(one.output >= len(self.outputs) for one in outputs):
            return Nak(NakReason.RECORD)
        for one in outputs:
            if not self.stuck_output and one.code in (OutputCode.ON, OutputCode.OFF):
                self.outputs[one.output] = one.code == OutputCode.ON
        return replies.Ack()

    def _set_light(self, led: commands.Led, now_s: float) -> None:
        light = self.lights[led.led]
        if led.cancel:
            light.temporary = None
        if led.temporary is not None:
            light.temporary, light.until_s = led.temporary, now_s + led.timer * TENTH_S
        if led.permanent is not None:
            light.permanent = led.permanent


class OsdpReader:
    """One reader on a wire."""

    def __init__(
        self,
        wire: PacedWire,
        address: int,
        *,
        key: bytes | None = None,
        random_bytes: Callable[[int], bytes] | None = None,
        turnaround_s: float = TURNAROUND_S,
    ) -> None:
        self._wire = wire
        self._turnaround_s = turnaround_s
        self._parser = CommandParser(address)
        self._answers: set[asyncio.TimerHandle] = set()
        self.mute = False
        self.face = ReaderFace()
        self.protocol = Peripheral(address, self.face, random_bytes or random.SystemRandom().randbytes, key=key)
        wire.listen(self._heard)

    def stop(self) -> None:
        for timer in self._answers:
            timer.cancel()
        self._answers.clear()

    def _heard(self, data: bytes, first_byte_s: float) -> None:
        for frame in self._parser.feed(data):
            if not self.mute:
                self._serve(frame)

    def _serve(self, frame: Frame) -> None:
        answer = self.protocol.heard(frame, time.monotonic())
        timer: asyncio.TimerHandle

        def send() -> None:
            self._answers.discard(timer)
            self._wire.send(answer)

        timer = asyncio.get_running_loop().call_later(self._turnaround_s, send)
        self._answers.add(timer)
        moved, self.face.moved = self.face.moved, None
        if moved is not None:
            self.protocol.address = moved.address
            self._parser = CommandParser(moved.address)


class ReaderSimulation(WireSimulation):
    """A reader by itself, secured by a key where the bridge has a place for one, else in plain."""

    BAUD = 9600
    ADDRESS = 1
    KEY = "simulated_reader.key"

    def __init__(self, context: SimulatorContext) -> None:
        wire = PacedPty("reader", BITS_PER_BYTE / self.BAUD, rng=context.rng, link_dir=context.link_dir)
        key = _kept_key(context.secrets, self.KEY)
        options: dict[str, object] = {"outputs": 1} if key is None else {"outputs": 1, "key": self.KEY}
        device = DeviceConfig(driver="osdp_reader", line=self.LINE, address=self.ADDRESS, options=options)
        super().__init__(wire, device, {"baud": self.BAUD})
        self.reader = OsdpReader(wire, self.ADDRESS, key=key)

    def stop(self) -> None:
        self.reader.stop()

    def mute(self, muted: bool) -> None:
        self.reader.mute = muted

    def state(self) -> dict[str, object]:
        face, now_s = self.reader.face, time.monotonic()
        return {
            "secured": self.reader.protocol.secured,
            "has_key": self.reader.protocol.key is not None,
            "lights": [_seen(light.shown(now_s)) for light in face.lights],
            "beeps": face.beeps,
            "text": face.text.decode("ascii", "replace"),
            "outputs": list(face.outputs),
            "inputs": list(face.inputs),
            "tamper": face.tamper,
            "power_fault": face.power_fault,
            "polls": face.polls,
        }

    def actions(self) -> Mapping[str, Action]:
        face, protocol = self.reader.face, self.reader.protocol
        return {
            "card": self._card,
            "keys": lambda words: face.keys(words[0]),
            "tamper": lambda words: face.set_tamper(_on(words[0])),
            "power": lambda words: face.set_power_fault(not _on(words[0])),
            "input": lambda words: face.set_input(int(words[0]), _on(words[1])),
            "busy": lambda words: setattr(protocol, "busy", int(words[0])),
            "power-cycle": lambda words: protocol.power_up(),
            "forget-key": lambda words: self._forget_key(),
        }

    def _card(self, words: Sequence[str]) -> None:
        data = bytes.fromhex(words[0])
        bits = int(words[1]) if len(words) > 1 else 8 * len(data)
        if not 0 < bits <= 8 * len(data) or len(data) != (bits + 7) // 8:
            raise ValueError(f"{len(data)} bytes hold no card of {bits} bits")
        self.reader.face.card(data, bits)

    def _forget_key(self) -> None:
        self.reader.protocol.key = None
        self.reader.protocol.power_up()


def _kept_key(secrets: Secrets, name: str) -> bytes | None:
    """The key that bridge and reader share; made when there is none. None without a place for keys."""
    try:
        key = secrets.read(name)
        if key is None:
            key = random.SystemRandom().randbytes(KEY_BYTES)
            secrets.write(name, key)
    except SecretError:
        return None
    return key


def _seen(blink: commands.Blink) -> str:
    colour = Colour(blink.on_colour).name.lower() if blink.on_colour in set(Colour) else str(blink.on_colour)
    return f"{colour} blinking" if blink.off and blink.off_colour != blink.on_colour else colour


def _on(word: str) -> bool:
    if word not in ("on", "off"):
        raise ValueError("say on or off")
    return word == "on"
