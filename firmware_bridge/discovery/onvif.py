"""Finds ONVIF cameras of a network by WS-Discovery: a probe to everybody, and whoever answers within `wait_s`.

A camera that answers several probes is one finding. An answer is taken at its word for nothing but itself: what it
says goes into a proposal that a person reads.
"""

from __future__ import annotations

import logging
import uuid
from dataclasses import dataclass
from urllib.parse import urlsplit

from firmware_bridge.codecs import FrameError
from firmware_bridge.codecs.ws_discovery import DATAGRAM_BYTES_MAX, MULTICAST_GROUP, PORT, Match, decode, encode_probe
from firmware_bridge.config import LineConfig
from firmware_bridge.discovery.datagrams import ask_everybody
from firmware_bridge.discovery.finding import Finding
from firmware_bridge.drivers.onvif_http import DEFAULT_PATH, HTTP_PORT, HTTPS_PORT

log = logging.getLogger(__name__)

WAIT_S = 4.0  # cameras answer after a random part of 0.5 s, small ones take longer
ANSWERS_MAX = 256  # cameras; beyond it a network does not look like a station's


@dataclass(frozen=True, slots=True)
class Camera:
    """One camera that answered, and from where."""

    match: Match
    sender: str

    @property
    def xaddr(self) -> str:
        """Of its addresses the one at which it answered; else the first that is one of HTTP; empty without any."""
        usable = [each for each in self.match.xaddrs if _host(each)]
        return next((each for each in usable if _host(each) == self.sender), usable[0] if usable else "")

    @property
    def line(self) -> LineConfig | None:
        """How a station profile names it; None when it gave no address."""
        if not self.xaddr:
            return None
        parts = urlsplit(self.xaddr)
        usual = HTTPS_PORT if parts.scheme == "https" else HTTP_PORT
        port = f":{parts.port}" if parts.port not in (None, usual) else ""
        path = "" if parts.path in ("", DEFAULT_PATH) else parts.path
        host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
        try:
            return LineConfig(url=f"onvif://{host}{port}{path}")
        except ValueError:
            return None

    def finding(self) -> Finding | None:
        """A row for a station profile; None for a camera without an address."""
        if (line := self.line) is None:
            return None
        match = self.match
        words = [word for word in (match.name, match.hardware, match.location) if word]
        title = f"ONVIF camera {', '.join(words) or 'without a name'} at {self.sender} ({match.endpoint})"
        remarks = ["add `user` and `password`; create a user of its own in the camera for the station"]
        if _host(self.xaddr) != self.sender:
            remarks.append(f"it answered from {self.sender} and says {_host(self.xaddr)}: check its network settings")
        options: dict[str, str | int | float | bool] = {"https": True} if self.xaddr.startswith("https:") else {}
        return Finding(title, line, "onvif_camera", options=options, remarks=tuple(remarks))


async def find_cameras(
    *, interface: str = "", wait_s: float = WAIT_S, group: str = MULTICAST_GROUP, port: int = PORT
) -> list[Camera]:
    """Cameras that answered within `wait_s`, each once, in the order of their addresses.

    `interface` is the station's own IPv4 address on the network to search; the system chooses when it is empty.
    `group` may be one camera's address. Raises OSError when there is no such interface or network.
    """
    found: dict[str, Camera] = {}

    def heard(data: bytes, sender: tuple[str, int]) -> None:
        try:
            matches = decode(data)
        except FrameError as error:
            log.debug("an answer from %s is none: %s", sender[0], error)
            return
        for match in matches if isinstance(matches, tuple) else ():
            if len(found) < ANSWERS_MAX:
                found.setdefault(match.endpoint or " ".join(match.xaddrs), Camera(match, sender[0]))

    await ask_everybody(
        lambda: encode_probe(f"urn:uuid:{uuid.uuid4()}"),
        (group, port),
        heard,
        interface=interface,
        wait_s=wait_s,
        size_max=DATAGRAM_BYTES_MAX,
    )
    return sorted(found.values(), key=lambda camera: (camera.xaddr, camera.match.endpoint))


async def search(*, interface: str = "", wait_s: float = WAIT_S) -> list[Finding]:
    """Cameras of a network, as rows of a station profile. Arguments and errors as of `find_cameras`."""
    findings = [camera.finding() for camera in await find_cameras(interface=interface, wait_s=wait_s)]
    return [finding for finding in findings if finding is not None]


def _host(xaddr: str) -> str:
    """Of an address of HTTP; empty for anything else."""
    try:
        parts = urlsplit(xaddr)
        _ = parts.port
    except ValueError:
        return ""
    return parts.hostname or "" if parts.scheme in ("http", "https") else ""
