"""A client of modems by pyatcommand 0.5.3, for `tests/contract/bridge`: run as `python pyatcommand_client.py PATH`.

AT commands come on stdin, one a line, each answered by one line: "ok" or the error's name, then what the modem
said. `urc` waits for an unsolicited line.
"""

import sys

from pyatcommand import AtClient

BAUD = 115200
TIMEOUT_S = 5.0


def main(path):
    client = AtClient(port=path, baudrate=BAUD, command_timeout=TIMEOUT_S)
    client.connect(retry_timeout=TIMEOUT_S)
    print("ready", flush=True)
    for line in sys.stdin:
        command = line.strip()
        if command == "urc":
            print(client.get_urc(TIMEOUT_S), flush=True)
            continue
        reply = client.send_command(command, timeout=TIMEOUT_S)
        print("ok" if reply.ok else reply.result.name, reply.info, flush=True)
    client.disconnect()


if __name__ == "__main__":
    main(*sys.argv[1:])
