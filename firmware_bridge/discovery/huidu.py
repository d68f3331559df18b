"""Finds Huidu cards: a broadcast on port 10001, and whoever answers within `wait_s`."""

from __future__ import annotations

import logging

from firmware_bridge.codecs import FrameError, huidu
from firmware_bridge.config import LineConfig
from firmware_bridge.discovery.datagrams import ask_everybody
from firmware_bridge.discovery.finding import Finding

log = logging.getLogger(__name__)

BROADCAST = "255.255.255.255"
WAIT_S = 2.5
CARDS_MAX = 256
DATAGRAM_BYTES_MAX = 1024
# What the search does not tell; the card itself says its size when it is probed.
SIZE = {"width": 128, "height": 32}


async def search(
    *, interface: str = "", wait_s: float = WAIT_S, to: str = BROADCAST, port: int = huidu.SEARCH_PORT
) -> list[Finding]:
    """Cards of a network in the order of their ids.

    `interface` is the station's own IPv4 address on that network; `to` may be one card's address. Raises OSError
    when there is no such interface or network.
    """
    found: dict[str, str] = {}

    def heard(data: bytes, sender: tuple[str, int]) -> None:
        try:
            card = huidu.decode_search_answer(data)
        except FrameError as error:
            log.debug("an answer from %s is none: %s", sender[0], error)
            return
        if len(found) < CARDS_MAX:
            found.setdefault(card, sender[0])

    await ask_everybody(
        huidu.encode_search,
        (to, port),
        heard,
        interface=interface,
        wait_s=wait_s,
        size_max=DATAGRAM_BYTES_MAX,
    )
    remark = "set width and height to the screen's; a card that is told another size than its own says so in the log"
    return [
        Finding(
            f"Huidu card {card} at {address}",
            LineConfig(url=f"tcp://{address}:{huidu.SEARCH_PORT}"),
            "huidu_sign",
            options=SIZE,
            remarks=(remark,),
        )
        for card, address in sorted(found.items())
    ]
