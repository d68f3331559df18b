"""Finds UHPPOTE door controllers: a broadcast to serial number 0 on port 60000, and whoever answers within `wait_s`."""

from __future__ import annotations

import logging

from firmware_bridge.codecs import FrameError
from firmware_bridge.codecs import uhppote as codec
from firmware_bridge.codecs.uhppote_messages import Controller, GetController
from firmware_bridge.config import LineConfig
from firmware_bridge.discovery.datagrams import ask_everybody
from firmware_bridge.discovery.finding import Finding

log = logging.getLogger(__name__)

BROADCAST = "255.255.255.255"
PORT = 60000
WAIT_S = 2.5
EVERY_CONTROLLER = 0
CONTROLLERS_MAX = 256
DOORS_OF_FIRST_DIGIT = (1, 2, 4)  # a serial number begins with how many doors the board has


async def search(
    *, interface: str = "", wait_s: float = WAIT_S, to: str = BROADCAST, port: int = PORT
) -> list[Finding]:
    """Controllers of a network, a row for each of their doors, in the order of their serial numbers.

    `interface` is the station's own IPv4 address on that network; `to` may be one controller's address. Raises OSError
    when there is no such interface or network.
    """
    found: dict[int, tuple[Controller, tuple[str, int]]] = {}

    def heard(data: bytes, sender: tuple[str, int]) -> None:
        try:
            packet = codec.decode_reply(data)
        except FrameError as error:
            log.debug("an answer from %s is none: %s", sender[0], error)
            return
        # The number 0 is a question, perhaps our own that came back.
        if isinstance(packet.reply, Controller) and packet.serial and len(found) < CONTROLLERS_MAX:
            found.setdefault(packet.serial, (packet.reply, sender))

    question = codec.encode_request(EVERY_CONTROLLER, GetController())
    await ask_everybody(
        lambda: question, (to, port), heard, interface=interface, wait_s=wait_s, size_max=codec.PACKET_BYTES
    )
    return [
        finding
        for serial, (controller, sender) in sorted(found.items())
        for finding in _doors(serial, controller, sender)
    ]


def _doors(serial: int, controller: Controller, sender: tuple[str, int]) -> list[Finding]:
    line = LineConfig(url=f"udp://{sender[0]}:{sender[1]}")
    version = f"{controller.version >> 8:x}.{controller.version & 0xFF:02x}"
    remarks = ["set `contact = false` where no door contact is wired"]
    if str(controller.address) != sender[0]:
        remarks.append(f"it answered from {sender[0]} and says {controller.address}: check its network settings")
    first_digit = int(str(serial)[0])
    doors = first_digit if first_digit in DOORS_OF_FIRST_DIGIT else 1
    return [
        Finding(
            f"door {door} of UHPPOTE controller {serial} at {sender[0]}, firmware {version}",
            line,
            "uhppote_door",
            address=door,
            options={"controller": serial},
            remarks=tuple(remarks) if door == 1 else (),
        )
        for door in range(1, doors + 1)
    ]
