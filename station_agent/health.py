"""How others see that the agent lives: systemd's watchdog, and one line of JSON for whoever started it.

Both are fed from the event loop, so a loop that hangs is noticed. Neither may ever block it.
"""

from __future__ import annotations

import json
import os
import socket
from contextlib import suppress
from dataclasses import asdict, dataclass

from station_agent.clock import Clock

DEFAULT_BEAT_S = 5.0


@dataclass(frozen=True, slots=True)
class Status:
    """What the starter of the agent is told whenever it changes."""

    door: str
    contact_open: bool | None
    linked: bool  # the hub has acknowledged something since the start
    roster_version: int
    spooled: int
    sign_text: str
    door_codes_shown: int


class SystemdNotifier:
    """sd_notify(3): one datagram a message, to the socket that systemd names. Silent where there is none."""

    def __init__(self, address: str | None, watchdog_us: str | None) -> None:
        self._address = "\0" + address[1:] if address and address.startswith("@") else address
        self.beat_s = int(watchdog_us) / 2_000_000 if watchdog_us else DEFAULT_BEAT_S

    @classmethod
    def of_environment(cls) -> SystemdNotifier:
        return cls(os.environ.get("NOTIFY_SOCKET"), os.environ.get("WATCHDOG_USEC"))

    def tell(self, message: str) -> None:
        """READY=1, WATCHDOG=1, STOPPING=1, STATUS=..."""
        if self._address is None:
            return
        with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as notify:
            notify.sendto(message.encode(), self._address)

    async def run(self, clock: Clock) -> None:
        self.tell("READY=1")
        while True:
            self.tell("WATCHDOG=1")
            await clock.sleep(self.beat_s)


class StatusPipe:
    """JSON lines to a file descriptor that the starter gave. What it does not read in time is dropped."""

    def __init__(self, fd: int | None) -> None:
        self._fd = fd
        self._last: Status | None = None
        if fd is not None:
            os.set_blocking(fd, False)

    def tell(self, status: Status) -> None:
        if self._fd is None or status == self._last:
            return
        with suppress(OSError):
            os.write(self._fd, json.dumps(asdict(status)).encode() + b"\n")
            self._last = status
