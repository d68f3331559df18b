"""A control panel by the Python package osdp for one reader, driven from stdin. Runs in the environment of osdp.txt.

    osdp_panel.py PATH BAUD ADDRESS crc|sum plain|MASTERKEY

With a master key it derives the reader's key from it, and installs that into a reader with the default key. It
prints "ready"; then each command is answered by one line:
    event             -> the next card, keys or status that the reader told, as JSON (waits for it)
    secured           -> ok, once it is so
    id | capabilities | local | inputs | outputs | readers    -> what the reader answered, as JSON
    output NUMBER | led COLOUR TENTHS | buzzer TIMES          -> ok or no
"""

import json
import logging
import os
import queue
import sys
import time

from osdp import ControlPanel, SerialPortOsdpConnection
from osdp._command import ReaderBuzzerControlCommand
from osdp._types import (
    LedColor,
    OutputControl,
    OutputControlCode,
    OutputControls,
    PermanentReaderControlCode,
    ReaderBuzzerControl,
    ReaderLedControl,
    ReaderLedControls,
    TemporaryReaderControlCode,
    ToneCode,
)

OUT = os.fdopen(os.dup(1), "w", buffering=1)
os.dup2(2, 1)
EVENT_S_MAX = 20
TURN_S = 0.02


class Panel(ControlPanel):
    def __init__(self, path, baud, address, crc, master):
        super().__init__(master)
        self.address = address
        self.events = queue.Queue()
        self.connection = self.start_connection(SerialPortOsdpConnection(path, baud))
        self.add_device(self.connection, address, crc, master is not None)

    def on_raw_card_data_reply_received(self, address, raw_card_data):
        self.events.put({"told": "card", "bits": raw_card_data.bit_count, "data": raw_card_data.data.hex()})

    def on_keypad_data_reply_received(self, address, keypad_data):
        self.events.put({"told": "keys", "keys": bytes(keypad_data.data).hex()})

    def on_local_status_report_reply_received(self, address, local_status):
        self.events.put({"told": "local", "tamper": local_status.tamper, "power": local_status.power_failure})

    @property
    def device(self):
        return self._buses[self.connection]._configured_devices[self.address]

    def once(self, condition):
        until = time.monotonic() + EVENT_S_MAX
        while not condition():
            if time.monotonic() > until:
                return "never"
            time.sleep(TURN_S)
        return "ok"

    def obey(self, words):
        connection, address = self.connection, self.address
        match words:
            case ["event"]:
                try:
                    return json.dumps(self.events.get(timeout=EVENT_S_MAX))
                except queue.Empty:
                    return "never"
            case ["secured"]:
                return self.once(lambda: self.device.is_security_established and not self.device.is_scbkd)
            case ["id"]:
                found = self.id_report(connection, address)
                return json.dumps({"vendor": found.vendor_code.hex(), "serial": found.serial_number})
            case ["capabilities"]:
                return json.dumps(len(self.device_capabilities(connection, address).capabilities))
            case ["local"]:
                found = self.local_status(connection, address)
                return json.dumps([found.tamper, found.power_failure])
            case ["inputs"]:
                return json.dumps(list(self.input_status(connection, address).statuses))
            case ["outputs"]:
                return json.dumps(list(self.output_status(connection, address).statuses))
            case ["readers"]:
                return json.dumps([str(one) for one in self.reader_status(connection, address).statuses])
            case ["output", number]:
                code = OutputControlCode.PermanentStateOnAbortTimedOperation
                one = OutputControl(int(number), code, 0)
                return "ok" if self.output_control(connection, address, OutputControls([one])) else "no"
            case ["led", colour, tenths]:
                light = ReaderLedControl(
                    0,
                    0,
                    TemporaryReaderControlCode.SetTemporaryAndStartTimer,
                    2,
                    2,
                    LedColor(int(colour)),
                    LedColor.Black,
                    int(tenths),
                    PermanentReaderControlCode.Nop,
                    0,
                    0,
                    LedColor.Black,
                    LedColor.Black,
                )
                return "ok" if self.reader_led_control(connection, address, ReaderLedControls([light])) else "no"
            case ["buzzer", times]:
                tone = ReaderBuzzerControl(0, ToneCode.DefaultTone, 1, 1, int(times))
                reply = self.send_command(connection, ReaderBuzzerControlCommand(address, tone))
                return "ok" if reply.type.name == "Ack" else "no"
        return "what?"


def main():
    path, baud, address, check, key = sys.argv[1:]
    logging.getLogger("osdp").setLevel(logging.CRITICAL)
    panel = Panel(path, int(baud), int(address), check == "crc", None if key == "plain" else bytes.fromhex(key))
    print("ready", file=OUT)
    for line in sys.stdin:
        try:
            said = panel.obey(line.split())
        except TimeoutError:
            said = "no answer"
        print(said, file=OUT)
    panel.shutdown()
    os._exit(0)


main()
