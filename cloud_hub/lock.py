"""One hub at a time on a data directory."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cloud_hub.settings import BadSettings


@contextmanager
def only_hub(data: Path) -> Iterator[None]:
    """Raises BadSettings while another hub uses the directory. The system ends the lock with the process."""
    with (data / "lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise BadSettings(f"another hub uses {data}: end it, or give this one another --data") from None
        yield
