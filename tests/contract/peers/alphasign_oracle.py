"""Packets by alphasignpy, for `tests/contract/bridge`: a JSON list of commands on stdin, hex packets on stdout.

A command `answer` holds a sign's answer: it gives back what the library reads in it.
"""

import json
import sys

from alphasign.commands.dots import ReadSmallDots, WriteSmallDots
from alphasign.commands.special import ReadSpecialFunction, WriteSpecialFunction
from alphasign.commands.text import ReadText, WriteText, parse_read_text_response
from alphasign.packet import Packet
from alphasign.protocol import (
    DELAY,
    DisplayMode,
    DisplayPosition,
    DotsColorDepth,
    FileProtection,
    FileType,
    SpecialFunction,
)


def build(spec):
    match spec:
        case {"text": body, "label": label, "mode": mode}:
            return WriteText(
                bytes.fromhex(body), label=label, position=DisplayPosition.MIDDLE_LINE, mode=DisplayMode[mode]
            )
        case {"rows": rows, "label": label, "width": width, "height": height}:
            return WriteSmallDots(rows.encode(), label=label, width=width, height=height)
        case {"files": files}:
            return WriteSpecialFunction.configure_memory([_file(*file) for file in files])
        case {"clear_memory": True}:
            return WriteSpecialFunction(SpecialFunction.MEMORY_CONFIG, b"")
        case {"clear_error": True}:
            return WriteSpecialFunction(SpecialFunction.CLEAR_ERROR, b"")
        case {"read_memory": True}:
            return ReadSpecialFunction(SpecialFunction.MEMORY_CONFIG)
        case {"read_error": True}:
            return ReadSpecialFunction(SpecialFunction.SERIAL_ERROR_STATUS)
        case {"read_dots": label}:
            return ReadSmallDots(label)
        case {"read_text": label}:
            return ReadText(label)
    raise ValueError(spec)


def _file(label, kind, size):
    entry = {"label": label, "type": FileType(kind.encode()), "protection": FileProtection.LOCKED}
    if kind == "D":
        return entry | {"size": tuple(size), "color_depth": DotsColorDepth.THREE_COLOR}
    return entry | {"size": size}


def main():
    packets = []
    for address, spec in json.load(sys.stdin):
        if "answer" in spec:
            label, _, mode, message = parse_read_text_response(bytes.fromhex(spec["answer"]))
            packets.append([label, mode.name, message.hex()])
            continue
        packet = Packet(type_code=b"Z", address=address)
        packet.add(build(spec))
        # The library marks its pauses with this byte and never sends it.
        packets.append(packet.to_bytes().replace(DELAY, b"").hex())
    json.dump(packets, sys.stdout)


main()
