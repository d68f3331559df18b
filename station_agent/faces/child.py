"""Owns the face child process: one engine, one request at a time, from its socket (descriptor 0) until that closes.

    python -m station_agent.faces.child PARENT_PID ENGINE_SOURCE [ARGUMENT_OF_THE_ENGINE ...]

It never outlives the agent (end of the socket, and Linux's parent-death signal while it computes), never writes a
core dump (it would hold a face), and is bounded in memory.
"""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import socket
import sys
import warnings

import numpy as np

from station_agent.faces import pipe
from station_agent.faces.engine import Engine, Picture, load, look

MEMORY_BYTES_MAX = 1 << 30
"""Address space. dlib with its models and a 640x480 frame takes 260 MB of it, a 4K frame some 100 MB more."""

NICENESS = 5  # the agent's loop, and with it the door, goes first
PR_SET_PDEATHSIG = 1


def main(parent: int, source: str, *arguments: str) -> None:
    _bound_itself(parent)
    with socket.socket(fileno=0) as connection:
        try:
            engine = load(source, *arguments)
            _look(engine, np.full((480, 640, 3), 128, dtype=np.uint8))  # touches every page of the detector
        except (Exception, SystemExit) as error:  # process boundary; face_recognition calls quit() without its models
            connection.sendall(pipe.failed_reply(f"the face engine {source} does not start: {_said(error)}"))
            return
        connection.sendall(pipe.reply(pipe.READY, {"name": engine.name, "dimensions": engine.dimensions}))
        while (head := _received(connection, pipe.REQUEST.size)) is not None:
            shape = pipe.frame_shape(bytes(head))
            body = _received(connection, shape[0] * shape[1] * shape[2])
            if body is None:
                return
            connection.sendall(_look(engine, np.frombuffer(body, dtype=np.uint8).reshape(shape)))


def _look(engine: Engine, rgb: Picture) -> bytes:
    try:
        return pipe.sight_reply(look(engine, rgb))
    except Exception as error:  # process boundary: whatever one picture does, the next one gets its chance
        return pipe.failed_reply(f"the face engine failed on a picture: {_said(error)}")


def _said(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"


def _received(connection: socket.socket, size: int) -> bytearray | None:
    """`size` bytes, or None when the agent is gone."""
    taken = bytearray(size)
    view = memoryview(taken)
    while view:
        count = connection.recv_into(view)
        if count == 0:
            return None
        view = view[count:]
    return taken


def _bound_itself(parent: int) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C in a terminal reaches the agent, which ends us in order
    warnings.filterwarnings("ignore", message="pkg_resources is deprecated")
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES_MAX, MEMORY_BYTES_MAX))
    os.nice(NICENESS)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it died before we could ask
        sys.exit(0)


if __name__ == "__main__":
    main(int(sys.argv[1]), *sys.argv[2:])
