"""What an OSDP reader tells by itself, as events: cards, keys, tamper, power faults, inputs."""

from __future__ import annotations

from collections.abc import Callable

from firmware_bridge.capabilities import CardRead, Emit, InputChanged, KeysPressed
from firmware_bridge.clock import Clock
from firmware_bridge.codecs import osdp_replies as replies
from firmware_bridge.codecs.osdp_replies import Reply

TAMPER, POWER_FAULT = "tamper", "power_fault"
KEYS = "0123456789*#"
STAR, HASH = b"\x7f", b"\r"


class ReaderNews:
    """Turns replies into events; states are told as they change."""

    def __init__(self, name: str, emit: Emit, clock: Clock, expect_release: Callable[[], None]) -> None:
        self._name = name
        self._emit = emit
        self._clock = clock
        self._expect_release = expect_release
        self._levels: dict[str, bool] = {}
        self._opened: dict[str, bool] = {}

    def forget(self) -> None:
        """What happened meanwhile is not known: the states that come next are told anew."""
        self._levels.clear()
        self._opened.clear()

    def hear(self, reply: Reply) -> bool:
        """Emit what a reply tells: whether it was of that kind."""
        at, mono_s = self._clock.now(), self._clock.monotonic()
        match reply:
            case replies.RawCard(reader, _, bits, data):
                if bits:
                    self._expect_release()
                    self._emit(CardRead(self._name, reader, bits, without_spare_bits(data, bits), at, mono_s))
            case replies.FormattedCard(reader, _, text):
                if text:
                    self._expect_release()
                    self._emit(CardRead(self._name, reader, 8 * len(text), text, at, mono_s))
            case replies.Keypad(reader, pressed):
                if keys := readable_keys(pressed):
                    self._emit(KeysPressed(self._name, reader, keys, at, mono_s))
            case replies.LocalStatus(tamper, power_fault):
                self._tamper("housing", tamper)
                self._level(POWER_FAULT, power_fault)
            case replies.ReaderStatus():
                self._tamper("reader", reply.tamper)
            case replies.InputStatus(states):
                for index, active in enumerate(states):
                    self._level(f"input_{index}", active)
            case replies.OutputStatus():
                pass
            case _:
                return False
        return True

    def _tamper(self, part: str, opened: bool) -> None:
        """The device is tampered with while any part of it is open."""
        self._opened[part] = opened
        self._level(TAMPER, any(self._opened.values()))

    def _level(self, point: str, active: bool) -> None:
        if self._levels.get(point) is not active:
            self._levels[point] = active
            self._emit(InputChanged(self._name, point, active, self._clock.now(), self._clock.monotonic()))


def without_spare_bits(data: bytes, bits: int) -> bytes:
    """The bytes of a card, with what is beyond its last bit cleared."""
    spare = 8 * len(data) - bits
    return (int.from_bytes(data, "big") >> spare << spare).to_bytes(len(data), "big")


def readable_keys(pressed: bytes) -> str:
    """Digits, star and hash; a function key that some pads have is none of them and is left out."""
    text = pressed.replace(STAR, b"*").replace(HASH, b"#").decode("latin-1")
    return "".join(key for key in text if key in KEYS)
