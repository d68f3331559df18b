"""A port that nobody uses right now."""

import random
import socket

LOWEST, HIGHEST = 20_000, 32_000
"""Below those that the system gives to outgoing connections, so that a port is still free after a kill."""


def free_port() -> int:
    """On loopback; a server that starts a moment later can have it."""
    while True:
        port = random.randrange(LOWEST, HIGHEST)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
