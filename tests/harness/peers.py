"""Environments of PyPI peers: each its own below `.venvs/`, since several collide on import.

Made once from the hashed locks in `tests/contract/peers/`, and kept until a lock or the Python changes. Test processes
run side by side: who is first makes what is missing, the others wait for it (`one_at_a_time`).
"""

import fcntl
import hashlib
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LOCKS = ROOT / "tests" / "contract" / "peers"
ENVIRONMENTS = ROOT / ".venvs"
INSTALL_S_MAX = 300
BEHIND = ("nice", "-n", "15")
"""Before a command that makes a peer: tests that run meanwhile keep their time."""


@contextmanager
def one_at_a_time(what: str) -> Iterator[None]:
    """The block is run by one process of this checkout at a time; one that ends, however it ends, lets the next in."""
    ENVIRONMENTS.mkdir(exist_ok=True)
    with (ENVIRONMENTS / f"{what}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def peer_python(name: str) -> Path:
    """The Python of a peer's environment. Raises CalledProcessError where its packages cannot be installed."""
    home = ENVIRONMENTS / name
    python = home / "bin" / "python"
    with one_at_a_time(name):
        _make(name, home, python)
    return python


def _make(name: str, home: Path, python: Path) -> None:
    lock = LOCKS / f"{name}.txt"
    stamp = home / "made-from"
    digest = hashlib.sha256(lock.read_bytes() + sys.version.encode()).hexdigest()
    if python.exists() and stamp.exists() and stamp.read_text() == digest:
        return
    uv = Path(sys.executable).parent / "uv"
    command = str(uv) if uv.exists() else "uv"
    for step in (
        ["venv", "--quiet", "--clear", "--python", sys.executable, str(home)],
        ["pip", "install", "--quiet", "--require-hashes", "--python", str(python), "-r", str(lock)],
    ):
        subprocess.run([*BEHIND, command, *step], check=True, timeout=INSTALL_S_MAX)
    stamp.write_text(digest)
