"""A modem by pyatcommand 0.5.3, for `tests/contract/bridge`: run as `python pyatcommand_modem.py PATH`.

Echo, line framing, commands and final results are the library's; what each command says is set from here. Commands
come on stdin, one a line, each answered by "ok": `say +CSQ +CSQ: 18,99` (the lines of an answer), `refuse +CPIN?
10` (+CME ERROR), `urc RING` (an unsolicited line), `forget +CESQ` (a plain ERROR).
"""

import sys

import serial
from pyatcommand.common import AtErrorCode
from pyatcommand.server import AtCmeError, AtCommand, AtServer

BAUD = 115200
READS = {"+CREG?": "+CREG: 0,1", "+CEREG?": "+CEREG: 0,1", "+CPIN?": "+CPIN: READY", "+COPS?": '+COPS: 0,0,"PEER",7'}
RUNS = {"+CSQ": "+CSQ: 18,99", "+CESQ": "+CESQ: 99,99,255,255,20,43"}


class Subscriptable(AtCommand):
    """0.5.3 takes a command's handlers by subscript, which its own dataclass does not offer."""

    def __getitem__(self, operation):
        return getattr(self, operation)


class Done(int):
    """0.5.3 takes its own OK, which is 0, for no result at all."""

    def __bool__(self):
        return True


OK = Done(AtErrorCode.OK)


class Modem:
    def __init__(self):
        self.answers = {**READS, **RUNS}
        self.server = AtServer()
        for text in self.answers:
            operation = "read" if text.endswith("?") else "run"
            self._add("AT" + text.removesuffix("?"), operation, lambda _, text=text: self.answer(text))
        self._add("AT", "run", lambda _: (OK, None))
        self._add("AT+CMEE", "write", self.errors)

    def _add(self, name, operation, handler):
        self.server.add_command(Subscriptable(name, **{operation: handler}), replace=True)

    def errors(self, level):
        self.server.cme_error = int(level)
        return OK, None

    def answer(self, text):
        said = self.answers.get(text)
        if said is None:
            return AtErrorCode.ERROR, None
        if said.isdecimal():
            return AtCmeError(int(said)), said
        return OK, said


def main(path):
    modem = Modem()
    with serial.Serial(path, BAUD) as port:
        # 0.5.3 offers no way to give it a port, and starts only what was stopped.
        modem.server._serial = port
        modem.server._stop.set()
        modem.server.start()
        print("ready", flush=True)
        for line in sys.stdin:
            match line.rstrip("\n").split(" ", 2):
                case ["say", command, text]:
                    modem.answers[command] = text
                case ["refuse", command, code]:
                    modem.answers[command] = code
                case ["forget", command]:
                    modem.answers[command] = None
                case ["urc", text]:
                    modem.server.send_info(text)
            print("ok", flush=True)
        modem.server.stop()


if __name__ == "__main__":
    main(*sys.argv[1:])
