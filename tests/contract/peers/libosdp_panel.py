"""A control panel by libosdp for one reader, driven from stdin. Runs in the environment of libosdp.txt.

    libosdp_panel.py PATH ADDRESS plain|secure|install [KEY]

secure: nothing without that key; install: that key is given to a reader that has the default one.
It prints "ready"; then each command is answered by one line:
    event             -> the next card, keys or status that the reader told, as JSON (waits for it)
    online | secured  -> ok, once it is so
    led COLOUR TENTHS | buzzer TIMES | output NUMBER CODE | text WORDS | status KIND | keyset HEX   -> ok
"""

import json
import os
import queue
import sys
import termios
import threading
import time
import tty

from osdp import Channel, Command, ControlPanel, Event, LibFlag, LogLevel, PDInfo

OUT = os.fdopen(os.dup(1), "w", buffering=1)
os.dup2(2, 1)
EVENT_S_MAX = 20
TURN_S = 0.005
KINDS = {Event.CardRead: "card", Event.KeyPress: "keys", Event.Status: "status"}


class Line(Channel):
    def __init__(self, path):
        self.id = 0
        self._line = os.open(path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
        tty.setraw(self._line, termios.TCSANOW)

    def read(self, max_bytes):
        try:
            return os.read(self._line, max_bytes)
        except BlockingIOError:
            return b""

    def write(self, buf):
        return os.write(self._line, buf)

    def flush(self):
        pass


class Panel:
    def __init__(self, path, address, mode, key):
        self.address = address
        self.events = queue.Queue()
        flags = [LibFlag.EnforceSecure] if mode == "secure" else []
        info = PDInfo(address, Line(path), scbk=key, flags=flags)
        self.panel = ControlPanel([info], log_level=LogLevel.Emergency, event_handler=self._told)
        self.panel.lock = threading.Lock()

    def _told(self, _, event):
        if event["event"] in KINDS:
            plain = {k: v.hex() if isinstance(v, bytes) else v for k, v in event.items() if k != "event"}
            self.events.put({"told": KINDS[event["event"]], **plain})
        return 0

    def run(self):
        while True:
            with self.panel.lock:
                self.panel.ctx.refresh()
            time.sleep(TURN_S)

    def once(self, condition):
        until = time.monotonic() + EVENT_S_MAX
        while not condition():
            if time.monotonic() > until:
                return "never"
            time.sleep(TURN_S)
        return "ok"

    def submit(self, command):
        return "ok" if self.panel.submit_command(self.address, command) else "refused"

    def obey(self, words):
        match words:
            case ["event"]:
                try:
                    return json.dumps(self.events.get(timeout=EVENT_S_MAX))
                except queue.Empty:
                    return "never"
            case ["online"]:
                return self.once(lambda: self.panel.is_online(self.address))
            case ["secured"]:
                return self.once(lambda: self.panel.is_sc_active(self.address))
            case ["led", colour, tenths]:
                led = {"command": Command.LED, "reader": 0, "led_number": 0, "temporary": True, "control_code": 2}
                blink = {"on_count": 2, "off_count": 2, "on_color": int(colour), "off_color": 0}
                return self.submit({**led, **blink, "timer_count": int(tenths)})
            case ["buzzer", times]:
                tone = {"command": Command.Buzzer, "reader": 0, "control_code": 2, "on_count": 1, "off_count": 1}
                return self.submit({**tone, "rep_count": int(times)})
            case ["output", number, code]:
                out = {"command": Command.Output, "output_no": int(number), "control_code": int(code)}
                return self.submit({**out, "timer_count": 0})
            case ["text", *rest]:
                text = {"command": Command.Text, "reader": 0, "control_code": 1, "temp_time": 0}
                return self.submit({**text, "offset_col": 1, "offset_row": 1, "data": " ".join(rest)})
            case ["status", kind]:
                return self.submit({"command": Command.Status, "type": int(kind), "report": b""})
            case ["keyset", key]:
                return self.submit({"command": Command.Keyset, "type": 1, "data": bytes.fromhex(key)})
        return "what?"


def main():
    path, address, mode, *key = sys.argv[1:]
    panel = Panel(path, int(address), mode, bytes.fromhex(key[0]) if key else None)
    threading.Thread(target=panel.run, daemon=True).start()
    print("ready", file=OUT)
    for words in sys.stdin:
        print(panel.obey(words.split()), file=OUT)
    os._exit(0)


main()
