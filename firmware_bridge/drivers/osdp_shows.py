"""What an OSDP reader's light and buzzer do for each indication: a table of commands. PURE.

READY is shown until something else is; the others are shown for a time and go back to it by themselves, so that a
panel that dies leaves no reader that says "granted" for ever. Only light 0 is used: every reader has that one.
"""

from __future__ import annotations

from collections.abc import Mapping

from firmware_bridge.capabilities import Indication
from firmware_bridge.codecs.osdp_commands import Blink, Buzzer, Colour, Command, Led, SetLeds, Tone
from firmware_bridge.codecs.osdp_replies import Function

# Tenths of a second.
GRANTED_FOR = 30
DENIED_FOR = 20
ATTENTION_FOR = 100
TIMER_MAX = 0xFFFF
BEEPS_MAX = 255
READER, LIGHT = 0, 0


def indication_commands(indication: Indication) -> Mapping[Function, Command]:
    """The part of the reader that shows it -> what it is told."""
    match indication:
        case Indication.READY:
            return {Function.LED: SetLeds((Led(READER, LIGHT, permanent=Blink(1, 0, Colour.RED), cancel=True),))}
        case Indication.GRANTED:
            return {
                Function.LED: _for_a_time(Blink(1, 0, Colour.GREEN), GRANTED_FOR),
                Function.BUZZER: _beeps(on=2, off=1, times=1),
            }
        case Indication.DENIED:
            return {
                Function.LED: _for_a_time(Blink(2, 2, Colour.RED), DENIED_FOR),
                Function.BUZZER: _beeps(on=1, off=1, times=3),
            }
        case Indication.ATTENTION:
            return {
                Function.LED: _for_a_time(Blink(3, 3, Colour.AMBER), ATTENTION_FOR),
                Function.BUZZER: _beeps(on=1, off=2, times=2),
            }


def identify_commands(for_s: float) -> Mapping[Function, Command]:
    """Blink amber and beep once a second for about so long."""
    tenths = max(1, min(TIMER_MAX, round(for_s * 10)))
    return {
        Function.LED: _for_a_time(Blink(2, 2, Colour.AMBER), tenths),
        Function.BUZZER: _beeps(on=2, off=8, times=max(1, min(BEEPS_MAX, round(for_s)))),
    }


def _for_a_time(blink: Blink, tenths: int) -> Command:
    return SetLeds((Led(READER, LIGHT, temporary=blink, timer=tenths),))


def _beeps(*, on: int, off: int, times: int) -> Command:
    return Buzzer(READER, Tone.DEFAULT, on, off, times)
