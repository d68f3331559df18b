"""The door code on its display and the knocks that answer it, where the profile names a display."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable, Mapping

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from firmware_bridge.bridge import Bridge
from station_agent.access.desk import Desk
from station_agent.assembly.ground import Ground
from station_agent.link.knocks import Knocks
from station_agent.link.mqtt import MqttLink
from station_agent.signs.door_code import DoorCodeScreen
from station_agent.wire.topics import Down, Up

log = logging.getLogger(__name__)

PAGES_MAX = 8
"""Of QUICK_SIGNS' own default; without a hub the display shows a sentence."""

EVERY_STATION_HEARS = (Down.ACK, Down.COMMAND, Down.DOCUMENT)


def hears(ground: Ground) -> tuple[Down, ...]:
    """A broker of before knows no knocks, and lets nobody listen to them: only who needs it asks."""
    return EVERY_STATION_HEARS if ground.profile.door_code is None else (*EVERY_STATION_HEARS, Down.KNOCK)


class DoorCode:
    """Made by `open_door_code`."""

    def __init__(self, knocks: Knocks, screen: DoorCodeScreen) -> None:
        self._knocks = knocks
        self._screen = screen

    @property
    def shown(self) -> int:
        """How many have stood on the display."""
        return self._screen.shown

    @property
    def received(self) -> Callable[[bytes], None]:
        """Takes what comes on the knock topic."""
        return self._knocks.received

    def link_changed(self) -> None:
        self._screen.turn()

    async def close(self) -> None:
        await self._knocks.close()


def open_door_code(
    ground: Ground, bridge: Bridge, desk: Desk, hub_url: str, keys: Mapping[str, Ed25519PublicKey], link: MqttLink
) -> DoorCode | None:
    """None where there is none, or where the link's QR has no room on the display."""
    row = ground.profile.door_code
    if row is None:
        return None
    try:
        screen = DoorCodeScreen(
            bridge.sign(row.sign),
            ground.station,
            row.url or hub_url,
            desk.door_codes,
            pages_max=ground.profile.devices[row.sign].options.get("pages_max", PAGES_MAX),
            linked=lambda: link.up,
            clock=ground.clock,
            random_bytes=secrets.token_bytes,
        )
    except ValueError as error:
        log.error("there is no door code: %s; give the hub a shorter name in door_code.url, or a larger display", error)
        return None
    screen.on_shown = ground.changes.note
    ground.supervisor.keep("door code", screen.run)
    knocks = Knocks(
        ground.station,
        keys,
        desk,
        screen,
        clock=ground.clock,
        reply=lambda payload: link.publish(Up.ANSWER, payload),
        reject=ground.reject,
    )
    return DoorCode(knocks, screen)
