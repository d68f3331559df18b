"""Readers by libosdp on one serial line, driven from stdin. Runs in the environment of libosdp.txt.

    libosdp_readers.py PATH '[{"address": 1, "key": "00..0f" or null}, ...]'

A reader without a key is in install mode. It prints "ready"; then each command is answered by one line:
    card ADDRESS BITS HEX | keys ADDRESS TEXT | tamper ADDRESS 0|1 | input ADDRESS 0|1   -> ok or full
    seen ADDRESS      -> what the panel told this reader since the last time, as JSON
    state ADDRESS     -> {"secured": ..., "key": ...}

The C library is called directly: libosdp 3.1.2's own Python class for a reader crashes as soon as a panel asks for
a status (it reads a length that nobody has set).
"""

import ctypes
import json
import os
import selectors
import sys
import termios
import tty
from ctypes import CFUNCTYPE, POINTER, Structure, Union, byref, c_char_p, c_int, c_uint8, c_uint16, c_uint32, c_void_p

import osdp_sys

LIBRARY = ctypes.CDLL(osdp_sys.__file__)
# It says what it does on stdout; what this program says goes to the real one.
OUT = os.fdopen(os.dup(1), "w", buffering=1)
os.dup2(2, 1)

EMERGENCY = 0
# A reader looks at its line this often when nothing comes: libosdp wants it at least every 50 ms.
REFRESH_S = 0.005
OUTPUTS = 1
ON = 2
CARD, KEYS, STATUS_EVENT = 1, 2, 4
COMMANDS = {1: "output", 2: "led", 3: "buzzer", 4: "text", 5: "keyset", 6: "comset", 9: "status"}
STATUS_INPUT, STATUS_OUTPUT, STATUS_LOCAL, STATUS_REMOTE = range(4)
ABILITIES = [(1, 1, 1), (2, 1, OUTPUTS), (4, 1, 2), (5, 1, 1), (6, 1, 1)]


class Ability(Structure):
    _fields_ = [("function", c_uint8), ("level", c_uint8), ("items", c_uint8)]


class Identity(Structure):
    _fields_ = [
        ("version", c_int),
        ("model", c_int),
        ("vendor", c_uint32),
        ("serial", c_uint32),
        ("firmware", c_uint32),
    ]


TRANSFER = CFUNCTYPE(c_int, c_void_p, POINTER(c_uint8), c_int)


class LineEnd(Structure):
    _fields_ = [
        ("data", c_void_p),
        ("id", c_int),
        ("receive", TRANSFER),
        ("send", TRANSFER),
        ("flush", c_void_p),
        ("close", c_void_p),
    ]


class Info(Structure):
    _fields_ = [
        ("name", c_char_p),
        ("baud", c_int),
        ("address", c_int),
        ("flags", c_int),
        ("identity", Identity),
        ("abilities", POINTER(Ability)),
        ("line", LineEnd),
        ("key", c_char_p),
    ]


class Output(Structure):
    _fields_ = [("output", c_uint8), ("code", c_uint8), ("timer", c_uint16)]


class LightState(Structure):
    _fields_ = [
        ("code", c_uint8),
        ("on", c_uint8),
        ("off", c_uint8),
        ("on_colour", c_uint8),
        ("off_colour", c_uint8),
        ("timer", c_uint16),
    ]


class Led(Structure):
    _fields_ = [("reader", c_uint8), ("led", c_uint8), ("temporary", LightState), ("permanent", LightState)]


class Buzzer(Structure):
    _fields_ = [
        ("reader", c_uint8),
        ("tone", c_uint8),
        ("on", c_uint8),
        ("off", c_uint8),
        ("times", c_uint8),
    ]


class Keyset(Structure):
    _fields_ = [("kind", c_uint8), ("length", c_uint8), ("data", c_uint8 * 32)]


class Status(Structure):
    _fields_ = [("kind", c_int), ("count", c_int), ("report", c_uint8 * 64)]


class CardRead(Structure):
    _fields_ = [
        ("reader", c_int),
        ("format", c_int),
        ("direction", c_int),
        ("length", c_int),
        ("data", c_uint8 * 64),
    ]


class KeysPressed(Structure):
    _fields_ = [("reader", c_int), ("length", c_int), ("data", c_uint8 * 64)]


class CommandKinds(Union):
    _fields_ = [
        ("output", Output),
        ("led", Led),
        ("buzzer", Buzzer),
        ("keyset", Keyset),
        ("status", Status),
        ("room", c_uint8 * 128),
    ]


class Command(Structure):
    _fields_ = [("id", c_int), ("flags", c_uint32), ("of", CommandKinds)]


class EventKinds(Union):
    _fields_ = [("card", CardRead), ("keys", KeysPressed), ("status", Status), ("room", c_uint8 * 192)]


class Event(Structure):
    _fields_ = [("id", c_int), ("flags", c_uint32), ("of", EventKinds)]


TOLD = CFUNCTYPE(c_int, c_void_p, POINTER(Command))
LIBRARY.osdp_pd_setup.restype = c_void_p
LIBRARY.osdp_pd_refresh.argtypes = [c_void_p]
LIBRARY.osdp_pd_set_command_callback.argtypes = [c_void_p, TOLD, c_void_p]
LIBRARY.osdp_pd_submit_event.argtypes = [c_void_p, POINTER(Event)]
LIBRARY.osdp_get_sc_status_mask.argtypes = [c_void_p, POINTER(c_uint8)]


def plain(structure):
    """A C structure as JSON can hold it."""
    return {
        name: plain(value) if isinstance(value, Structure) else value
        for name, value in ((field[0], getattr(structure, field[0])) for field in structure._fields_)
    }


class Reader:
    """One reader; the line is shared, so each of them hears all of it."""

    def __init__(self, line, number, address, key):
        self._line = line
        self.heard = bytearray()
        self.seen = []
        self.key = key
        self.tamper = self.power = 0
        self.inputs = [0]
        self.outputs = [0] * OUTPUTS
        # Kept here: the library holds on to them.
        self._calls = TRANSFER(self._receive), TRANSFER(self._send), TOLD(self._told)
        abilities = (Ability * (len(ABILITIES) + 1))(*[Ability(*one) for one in ABILITIES])
        self._info = Info(
            name=b"reader %d" % address,
            baud=9600,
            address=address,
            identity=Identity(1, 1, 0xCAFEBE, address, 0x010203),
            abilities=abilities,
            line=LineEnd(None, number, *self._calls[:2]),
            key=bytes.fromhex(key) if key else None,
        )
        self._device = LIBRARY.osdp_pd_setup(byref(self._info))
        LIBRARY.osdp_pd_set_command_callback(self._device, self._calls[2], None)

    def refresh(self):
        LIBRARY.osdp_pd_refresh(self._device)

    @property
    def secured(self):
        mask = (c_uint8 * 8)()
        LIBRARY.osdp_get_sc_status_mask(self._device, mask)
        return bool(mask[0] & 1)

    def tell(self, event):
        """It keeps four events while nobody asks."""
        return "ok" if LIBRARY.osdp_pd_submit_event(self._device, byref(event)) == 0 else "full"

    def tell_status(self, kind, report):
        event = Event(id=STATUS_EVENT)
        event.of.status.kind = kind
        event.of.status.count = len(report)
        event.of.status.report[: len(report)] = report
        return self.tell(event)

    def card(self, bits, data):
        event = Event(id=CARD)
        event.of.card.format = 1
        event.of.card.length = bits
        event.of.card.data[: len(data)] = list(data)
        return self.tell(event)

    def keys(self, keys):
        event = Event(id=KEYS)
        event.of.keys.length = len(keys)
        event.of.keys.data[: len(keys)] = list(keys)
        return self.tell(event)

    def _receive(self, _, buffer, room):
        data = bytes(self.heard[:room])
        del self.heard[:room]
        ctypes.memmove(buffer, data, len(data))
        return len(data)

    def _send(self, _, buffer, count):
        return os.write(self._line, ctypes.string_at(buffer, count))

    def _told(self, _, command):
        kind = COMMANDS.get(command[0].id, str(command[0].id))
        if kind == "status":
            status = command[0].of.status
            report = {
                STATUS_INPUT: self.inputs,
                STATUS_OUTPUT: self.outputs,
                STATUS_LOCAL: [self.tamper, self.power],
                STATUS_REMOTE: [0],
            }[status.kind]
            status.count = len(report)
            status.report[: len(report)] = report
        elif kind == "keyset":
            self.key = bytes(command[0].of.keyset.data[:16]).hex()
        elif kind in ("output", "led", "buzzer"):
            what = plain(getattr(command[0].of, kind))
            if kind == "output":
                self.outputs[what["output"]] = int(what["code"] == ON)
            self.seen.append({"told": kind, **what})
        return 0


def obey(readers, words):
    reader = readers[int(words[1])]
    match words:
        case ["card", _, bits, data]:
            return reader.card(int(bits), bytes.fromhex(data))
        case ["keys", _, keys]:
            return reader.keys(keys.encode())
        case ["tamper", _, on]:
            reader.tamper = int(on)
            return reader.tell_status(STATUS_LOCAL, [reader.tamper, reader.power])
        case ["input", _, on]:
            reader.inputs[0] = int(on)
            return reader.tell_status(STATUS_INPUT, reader.inputs)
        case ["seen", _]:
            seen, reader.seen = reader.seen, []
            return json.dumps(seen)
        case ["state", _]:
            return json.dumps({"secured": reader.secured, "key": reader.key})
    return "what?"


def main():
    path, wanted = sys.argv[1], json.loads(sys.argv[2])
    LIBRARY.osdp_logger_init(b"readers", EMERGENCY, None)
    line = os.open(path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
    tty.setraw(line, termios.TCSANOW)
    readers = {one["address"]: Reader(line, n, one["address"], one["key"]) for n, one in enumerate(wanted)}
    events = selectors.DefaultSelector()
    events.register(line, selectors.EVENT_READ)
    events.register(sys.stdin, selectors.EVENT_READ)
    print("ready", file=OUT)
    while True:
        for key, _ in events.select(REFRESH_S):
            if key.fileobj is sys.stdin:
                words = sys.stdin.readline().split()
                if not words:
                    return
                print(obey(readers, words), file=OUT)
            else:
                data = os.read(line, 4096)
                for reader in readers.values():
                    reader.heard += data
        for reader in readers.values():
            reader.refresh()


main()
