"""What stands at which address of a door board: `firmware/protocol.h` and `firmware/dictionary.c` in Python."""

from __future__ import annotations

from firmware_bridge.codecs.board_dictionary import READ, WRITE, Entry
from firmware_bridge.points import Space

FLASH_ON = 0x0200
UPDATE_COMMAND = 0x0100

BITS = ("contact", "egress", "fire", "tamper", "released", "host_lost", "in_use", "on_trial")
SETTINGS = {  # in the order of their registers, from 1: what they are at first, and their range
    "heartbeat_max": (150, 10, 6000),
    "safe_state": (0, 0, 1),
    "egress_hold": (50, 10, 600),
    "unit": (1, 1, 247),
    "trial": (60, 5, 600),
}
_TENTHS = ("heartbeat_max", "egress_hold")


def _entries() -> tuple[Entry, ...]:
    def word(name: str, address: int, unit: str = "", power: int = 0) -> Entry:
        return Entry(name, unit, Space.INPUT, "uint16", address, power, READ, 0, 0)

    names = ("map_version", "hardware", "version_major", "version_minor", "version_patch", "reset_cause", "resets")
    settings = (
        Entry(
            name,
            "s" if name in (*_TENTHS, "trial") else "",
            Space.HOLDING,
            "uint16",
            address,
            -1 if name in _TENTHS else 0,
            READ | WRITE,
            least,
            most,
        )
        for address, (name, (_, least, most)) in enumerate(SETTINGS.items(), 1)
    )
    return (
        Entry("lock", "", Space.COIL, "bit", 0, 0, READ | WRITE, 0, 0),
        Entry("beacon", "", Space.COIL, "bit", 1, 0, READ | WRITE, 0, 0),
        Entry("lock_for", "s", Space.COIL, "uint16", FLASH_ON, -1, WRITE, 0, 0xFFFF),
        Entry("beacon_for", "s", Space.COIL, "uint16", FLASH_ON + 1, -1, WRITE, 0, 0xFFFF),
        *(Entry(name, "", Space.DISCRETE, "bit", address, 0, READ, 0, 0) for address, name in enumerate(BITS)),
        *(word(name, address) for address, name in enumerate(names)),
        Entry("uptime", "s", Space.INPUT, "uint32", 7, 0, READ, 0, 0),
        word("supply", 9, "V", -3),
        word("update_state", 10),
        word("trial_left", 11, "s"),
        word("host_losses", 12),
        word("bad_frames", 13),
        Entry("heartbeat", "", Space.HOLDING, "uint16", 0, 0, READ | WRITE, 0, 0xFFFF),
        *settings,
        Entry("update_command", "", Space.HOLDING, "uint16", UPDATE_COMMAND, 0, WRITE, 0, 0xFFFF),
    )


ENTRIES = _entries()
