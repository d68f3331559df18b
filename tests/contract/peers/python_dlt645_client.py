"""A DL/T 645 client by python-dlt645 0.1.4, for `tests/contract/bridge`: `python python_dlt645_client.py PATH`.

Commands come on stdin, one a line, each answered by one line: `address`, `energy METER` (kWh), `read METER
IDENTIFIER` (the value's digits).
"""

import sys

import dlt645
import serial

BAUD = 2400
CONTROL_AT, REFUSED = 8, 0x40
TIMEOUT_S = 0.7


def answer(port, words):
    match words:
        case ["address"]:
            return dlt645.get_addr(port)
        case ["energy", meter]:
            return str(dlt645.get_active_energy(meter, port))
        case ["read", meter, identifier]:
            frame = dlt645.Frame(meter)
            frame.data = identifier
            dlt645.write_frame(port, frame)
            reply = dlt645.read_frame(dlt645.iogen(port))
            if reply is None:
                return "silent"
            if reply.frame[CONTROL_AT] & REFUSED:  # `reply.control` is always all zero in 0.1.4
                return f"refused {reply.data}"
            assert reply.data.endswith(identifier)
            return reply.data[: -len(identifier)]
    return "unknown"


def main(path):
    with serial.Serial(path, BAUD, timeout=TIMEOUT_S) as port:
        print("ready", flush=True)
        for line in sys.stdin:
            print(answer(port, line.split()), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
