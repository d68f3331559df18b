"""A DL/T 645-2007 meter by dlt645 3.2, for `tests/contract/bridge`: run as `python dlt645_server.py PATH METER`.

The library takes an address as it stands on the wire, lowest pair first, so METER is turned around here.
Commands come on stdin, one a line, each answered by one line: `set IDENTIFIER VALUE` (hexadecimal, decimal).
"""

import sys

from dlt645.service.serversvc.server_service import MeterServerService
from loguru import logger

BAUD = 2400


def main(path, meter):
    logger.remove()
    # A pty takes no parity.
    service = MeterServerService.new_rtu_server(path, 8, 1, BAUD, "N", 1.0)
    service.set_address(bytes.fromhex(meter)[::-1])
    if not service.server.start():
        sys.exit("the server did not start")
    print("ready", flush=True)
    for line in sys.stdin:
        match line.split():
            case ["set", identifier, value]:
                write = service.set_00 if identifier.startswith("00") else service.set_02
                print("ok" if write(int(identifier, 16), float(value)) else "refused", flush=True)
            case _:
                print("unknown", flush=True)
    service.server.stop()


if __name__ == "__main__":
    main(*sys.argv[1:])
