"""PURE: from the binary inputs of devices to what the door machine is told.

    "door_lock.fire" active   --> FireSeen(True)
    "!panel.fire"             the same for a loop that is closed at rest: a cut wire is a fire
    a device falls silent     --> its contact, its exit button and where its bolt is are not known any more

All others keep their last word while their device is silent: a burnt cable ends no emergency.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from station_agent.access.door_model import (
    BatterySeen,
    ContactSeen,
    EgressSeen,
    FireSeen,
    Input,
    PowerSeen,
    Resistance,
    ResistanceSeen,
    TamperSeen,
)
from station_agent.wire.profile import DoorRow

MECHANICAL = "mechanical"


@dataclass(frozen=True, slots=True)
class InputName:
    """An input of a device; `inverted`: active means that the device reads it as inactive."""

    device: str
    input: str
    inverted: bool = False


def input_name(text: str, lock: str) -> InputName:
    """Of "input", "device.input", each perhaps with "!" before it."""
    name = text.removeprefix("!")
    device, dot, input = name.rpartition(".")
    return InputName(device if dot else lock, input, text.startswith("!"))


ROLES: dict[str, Callable[[bool], Input]] = {
    "contact": ContactSeen,
    "egress": EgressSeen,
    "egress_signal": EgressSeen,
    "fire": FireSeen,
    "tamper": TamperSeen,
    "on_battery": PowerSeen,
    "battery_low": BatterySeen,
    "bolt_contact": lambda active: ResistanceSeen(Resistance.BOLT, active),
    "jammed": lambda active: ResistanceSeen(Resistance.LOCK, active),
    "pushed": lambda active: ResistanceSeen(Resistance.PUSHED, active),
}
"""Field of the profile's [door] -> what its input tells the machine."""


def named_inputs(row: DoorRow) -> dict[str, InputName]:
    """The inputs that the profile names, by field."""
    found = {field: getattr(row, field) for field in ROLES}
    return {
        field: input_name(text, row.lock) for field, text in found.items() if text is not None and text != MECHANICAL
    }


class DoorInputs:
    """Which inputs are the door's."""

    def __init__(self, row: DoorRow) -> None:
        self._fields = named_inputs(row)

    def changed(self, device: str, input: str, active: bool) -> list[Input]:
        """What an input says; a device may serve several of the door's fields with one."""
        return [
            ROLES[field](active is not name.inverted)
            for field, name in self._fields.items()
            if (name.device, name.input) == (device, input)
        ]

    def lost(self, device: str) -> list[Input]:
        """What is no longer known, now that this device is silent."""
        lost: list[Input] = []
        for field, name in self._fields.items():
            if name.device != device:
                continue
            if field == "contact":
                lost.append(ContactSeen(None))
            elif field in ("egress", "egress_signal"):
                lost.append(EgressSeen(None))
            elif field == "bolt_contact":
                lost.append(ResistanceSeen(Resistance.BOLT, None))
        return lost


class Presses:
    """A press is an input that becomes active while it is watched: a button held over a restart is none."""

    def __init__(self) -> None:
        self._levels: dict[tuple[str, str], bool] = {}

    def pressed(self, device: str, input: str, active: bool) -> bool:
        before = self._levels.get((device, input))
        self._levels[(device, input)] = active
        return active and before is False

    def lost(self, device: str) -> None:
        self._levels = {key: level for key, level in self._levels.items() if key[0] != device}
