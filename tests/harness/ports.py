"""A port that nobody uses right now."""

import os
import random
import socket

LOWEST, HIGHEST = 20_000, 32_000
"""Below those that the system gives to outgoing connections, so that a port is still free after a kill."""

SHARES = 8
WORKER = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % SHARES
"""Of test processes side by side each has ports of its own: a server that is being restarted keeps its port."""


def free_port() -> int:
    """On loopback; a server that starts a moment later can have it."""
    while True:
        port = random.randrange(LOWEST + WORKER, HIGHEST, SHARES)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
