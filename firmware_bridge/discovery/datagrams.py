"""A question to everybody by UDP, and whoever answers within a time: what the network searches share."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable

PROBES = 3  # a datagram may be lost
WAIT_S_MAX = 60.0
DATAGRAMS_MAX = 4096  # of a network that never stops talking
TTL = 1  # this network only


async def ask_everybody(
    question: Callable[[], bytes],
    to: tuple[str, int],
    heard: Callable[[bytes, tuple[str, int]], None],
    *,
    interface: str,
    wait_s: float,
    size_max: int,
) -> None:
    """Send the question PROBES times in the first half of `wait_s`, and hand on what comes until it is over.

    `interface` is the station's own IPv4 address on the network to search; the system chooses when it is empty.
    A datagram is handed on with at most `size_max` + 1 bytes. Raises OSError when there is no such network.
    """
    if not 0 < wait_s <= WAIT_S_MAX:
        raise ValueError(f"a search takes more than 0 and at most {WAIT_S_MAX:g} s")
    loop = asyncio.get_running_loop()

    async def ask() -> None:
        for _ in range(PROBES):
            await loop.sock_sendto(end, question(), to)
            await asyncio.sleep(wait_s / (2 * PROBES))

    async def hear() -> None:
        for _ in range(DATAGRAMS_MAX):
            heard(*await loop.sock_recvfrom(end, size_max + 1))

    with _open(interface) as end:
        tasks = {asyncio.create_task(ask()), asyncio.create_task(hear())}
        try:
            async with asyncio.timeout(wait_s):
                await asyncio.gather(*tasks)
        except TimeoutError:
            pass  # the search is over
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)  # before the socket is closed under them


def check_interface(interface: str) -> None:
    """Raises OSError when this machine has no such address."""
    _open(interface).close()


def _open(interface: str) -> socket.socket:
    end = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        end.setblocking(False)
        end.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        end.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, TTL)
        if interface:
            end.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton(interface))
        end.bind((interface, 0))
    except BaseException:
        end.close()
        raise
    return end
