"""Owns the rule that two runs of one checkout do not get into each other's way."""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from deploy.bootstrap.console import Console, Stop

SETUP_WAIT_S = 900.0
"""The longest a set-up may take on a slow network before whoever waits for it gives up."""


@contextmanager
def setup_lock(path: Path, console: Console) -> Iterator[None]:
    """Waits until no other run sets this checkout up; raises Stop after SETUP_WAIT_S."""
    deadline = time.monotonic() + SETUP_WAIT_S
    told = False
    while (held := _try(path)) is None:
        if not told:
            console.say(f"another run is setting this checkout up (process {_holder(path)}); waiting for it")
            told = True
        if time.monotonic() > deadline:
            raise Stop(f"another run (process {_holder(path)}) has been setting up for too long: end it first.")
        time.sleep(0.2)
    with _released(path, held):
        yield


@contextmanager
def demo_lock(path: Path) -> Iterator[None]:
    """Raises Stop at once when a demo of this checkout is running: both would write the same data."""
    held = _try(path)
    if held is None:
        raise Stop(f"a demo of this checkout is already running (process {_holder(path)}): end it first.")
    with _released(path, held):
        yield


def _try(path: Path) -> int | None:
    """The locked file's descriptor, or None when another process holds it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # The holder before us removes the file on its way out: then what we locked is no longer at `path`.
        if os.path.samestat(os.fstat(descriptor), path.stat()):
            os.truncate(descriptor, 0)
            os.write(descriptor, str(os.getpid()).encode())
            return descriptor
    except (BlockingIOError, FileNotFoundError):
        pass
    os.close(descriptor)
    return None


@contextmanager
def _released(path: Path, descriptor: int) -> Iterator[None]:
    try:
        yield
    finally:
        path.unlink(missing_ok=True)
        os.close(descriptor)


def _holder(path: Path) -> str:
    try:
        return path.read_text() or "?"
    except FileNotFoundError:
        return "?"
