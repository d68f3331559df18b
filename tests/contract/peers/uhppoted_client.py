"""uhppoted as the peer of a UHPPOTE driver and of a simulated controller: commands on stdin, a JSON line for each.

`encode NAME ARGS..` and `decode NAME HEX` are its codec; `ask PORT NAME SERIAL ARGS..` speaks to a controller on
127.0.0.1:PORT; `discover PORT` asks for every controller there; `bind` makes a port for events, `event` waits for one.
"""

import dataclasses
import datetime
import ipaddress
import json
import socket
import sys

from uhppoted import decode, encode, uhppote

TIMEOUT_S = 2.0


def plain(value):
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, datetime.datetime):
        return f"{value:%Y%m%d%H%M%S}"
    if isinstance(value, datetime.date):
        return f"{value:%Y%m%d}"
    if isinstance(value, datetime.time):
        return f"{value:%H%M%S}"
    if isinstance(value, ipaddress.IPv4Address):
        return str(value)
    if isinstance(value, list):
        return [plain(item) for item in value]
    if dataclasses.is_dataclass(value):
        return {name.name: plain(getattr(value, name.name)) for name in dataclasses.fields(value)}
    return {name: plain(item) for name, item in vars(value).items()}


def argument(word):
    if word in ("true", "false"):
        return word == "true"
    return ipaddress.IPv4Address(word) if "." in word else int(word)


def answer(words, events):
    match words:
        case ["encode", name, *rest]:
            return bytes(getattr(encode, f"{name}_request")(*map(argument, rest))).hex()
        case ["decode", name, packet]:
            return plain(getattr(decode, name)(bytes.fromhex(packet)))
        case ["discover", port]:
            return plain(client(port).get_all_controllers(timeout=0.3))
        case ["ask", port, name, serial, *rest]:
            target = (int(serial), f"127.0.0.1:{port}", "udp")
            return plain(getattr(client(port), name)(target, *map(argument, rest), timeout=TIMEOUT_S))
        case ["bind"]:
            events.bind(("127.0.0.1", 0))
            return events.getsockname()[1]
        case ["event"]:
            return plain(decode.event(events.recv(1024)))
    raise ValueError(words)


def client(port):
    return uhppote.Uhppote(bind="127.0.0.1", broadcast=f"127.0.0.1:{port}", listen="127.0.0.1:60001")


with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listener:
    listener.settimeout(TIMEOUT_S)
    print("ready", flush=True)
    for line in sys.stdin:
        print(json.dumps(answer(line.split(), listener)), flush=True)
