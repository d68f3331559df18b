"""Environments of PyPI peers: each its own below `.venvs/`, since several collide on import.

Made once from the hashed locks in `tests/contract/peers/`, and kept until a lock or the Python changes.
"""

import hashlib
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LOCKS = ROOT / "tests" / "contract" / "peers"
ENVIRONMENTS = ROOT / ".venvs"
INSTALL_S_MAX = 300


def peer_python(name: str) -> Path:
    """The Python of a peer's environment. Raises CalledProcessError where its packages cannot be installed."""
    lock = LOCKS / f"{name}.txt"
    home = ENVIRONMENTS / name
    stamp = home / "made-from"
    digest = hashlib.sha256(lock.read_bytes() + sys.version.encode()).hexdigest()
    python = home / "bin" / "python"
    if python.exists() and stamp.exists() and stamp.read_text() == digest:
        return python
    uv = Path(sys.executable).parent / "uv"
    command = str(uv) if uv.exists() else "uv"
    for step in (
        ["venv", "--quiet", "--clear", "--python", sys.executable, str(home)],
        ["pip", "install", "--quiet", "--require-hashes", "--python", str(python), "-r", str(lock)],
    ):
        subprocess.run([command, *step], check=True, timeout=INSTALL_S_MAX)
    stamp.write_text(digest)
    return python
