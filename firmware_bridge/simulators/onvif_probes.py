"""Answers the probes of WS-Discovery for a simulated camera: on the loopback interface, by multicast only."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import uuid
from collections.abc import Callable

from firmware_bridge.codecs import FrameError
from firmware_bridge.codecs.ws_discovery import DATAGRAM_BYTES_MAX, MULTICAST_GROUP, PORT, Match, Probe, decode
from firmware_bridge.codecs.ws_discovery import encode_matches as encode
from firmware_bridge.simulators.http_end import LOOPBACK


class ProbeAnswers:
    """Open while the camera is. Several may share the port, as cameras of one machine do."""

    def __init__(self, match: Callable[[], Match]) -> None:
        self._match = match
        self._socket: socket.socket | None = None

    def open(self) -> None:
        group = socket.inet_aton(MULTICAST_GROUP)
        end = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        end.setblocking(False)
        end.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        end.bind((MULTICAST_GROUP, PORT))  # the group's address: nothing else reaches it
        end.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, group + socket.inet_aton(LOOPBACK))
        self._socket = end
        asyncio.get_running_loop().add_reader(end, self._readable)

    def close(self) -> None:
        if self._socket is None:
            return
        asyncio.get_running_loop().remove_reader(self._socket)
        self._socket.close()
        self._socket = None

    def _readable(self) -> None:
        assert self._socket is not None
        try:
            data, sender = self._socket.recvfrom(DATAGRAM_BYTES_MAX + 1)
            probe = decode(data)
        except (OSError, FrameError):
            return
        match = self._match()
        if isinstance(probe, Probe) and (not probe.types or set(probe.types) & {*match.types, "Device"}):
            with contextlib.suppress(OSError):
                self._socket.sendto(encode(f"urn:uuid:{uuid.uuid4()}", probe.message_id, (match,)), sender)
