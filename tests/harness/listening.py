"""Which addresses a process and its children are heard at."""

import os
import socket
from pathlib import Path

_LISTEN = "0A"


def family(pid: int) -> list[int]:
    """The process and all that it started."""
    found, waiting = [], [pid]
    while waiting:
        one = waiting.pop()
        found.append(one)
        for task in Path(f"/proc/{one}/task").iterdir():
            waiting += map(int, (task / "children").read_text().split())
    return found


def listening(pid: int) -> dict[int, str]:
    """Port -> address, of TCP in both versions."""
    inodes = {
        os.readlink(link).removeprefix("socket:[").removesuffix("]")
        for one in family(pid)
        for link in Path(f"/proc/{one}/fd").iterdir()
        if os.path.lexists(link) and os.readlink(link).startswith("socket:")
    }
    found = {}
    for table, version in (("tcp", socket.AF_INET), ("tcp6", socket.AF_INET6)):
        path = Path(f"/proc/{pid}/net/{table}")
        for line in path.read_text().splitlines()[1:] if path.exists() else ():
            fields = line.split()
            if fields[3] == _LISTEN and fields[9] in inodes:
                address, port = fields[1].split(":")
                words = bytes.fromhex(address)
                packed = b"".join(words[start : start + 4][::-1] for start in range(0, len(words), 4))
                found[int(port, 16)] = socket.inet_ntop(version, packed)
    return found
