"""Which Chromium the browser tests and benches use: the one that `run.py` chose, else the machine's own."""

import os
import shutil
from pathlib import Path

NAMES = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome")


def executable() -> Path | None:
    """None where there is none; `python3 run.py test` finds or installs one."""
    chosen = os.environ.get("YIZHAN_CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)
    return Path(chosen) if chosen else None
