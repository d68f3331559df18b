"""Owns what the tests take from the machine's own packages, where it is a Debian and we are root.

peers     what the contract tests of the bridge hold our drivers against: libmodbus and mbpoll, an AVR compiler
          and simulator for the door board's firmware, lrzsz for its upload, NUT's server, what compiles an ESPHome node
browser   a Chromium and a Chinese font, for the browser tests
"""

import os
import shutil
import subprocess
from collections.abc import Sequence

from deploy.bootstrap import processes
from deploy.bootstrap.console import Console
from deploy.bootstrap.places import Places

PEERS = (
    *("gcc", "libc6-dev", "make", "pkg-config", "libmodbus-dev", "mbpoll"),
    *("g++", "libsodium-dev"),
    *("gcc-avr", "binutils-avr", "avr-libc", "simavr", "libsimavr-dev", "libelf-dev", "lrzsz", "socat"),
    *("nut-server", "nut-client", "comgt", "espeak-ng"),
)
FONT = "fonts-noto-cjk"
BROWSER = "chromium"


def can_install() -> bool:
    return os.geteuid() == 0 and shutil.which("apt-get") is not None


def missing(names: Sequence[str]) -> list[str]:
    """Those of `names` that dpkg does not know as installed; all of them where there is no dpkg."""
    if shutil.which("dpkg-query") is None:
        return list(names)
    asked = ["dpkg-query", "--show", "--showformat", "${Package} ${db:Status-Status}\\n", *names]
    answer = subprocess.run(asked, capture_output=True, text=True, check=False).stdout
    installed = {line.split()[0] for line in answer.splitlines() if line.endswith(" installed")}
    return [name for name in names if name not in installed]


def install(names: Sequence[str], places: Places, console: Console) -> bool:
    """Installs Debian packages; False when apt could not install all of them (its output is in the log).

    One name that a release does not have fails the whole call, so then each is tried by itself.
    """
    log = places.logs / "apt.log"
    env = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    command = ["apt-get", "install", "--yes", "--no-install-recommends"]

    def apt(*these: str) -> bool:
        return processes.run([*command, *these], cwd=places.root, env=env, console=console, log=log) == 0

    with console.step("Debian packages " + " ".join(names)):
        update = ["apt-get", "update"]
        processes.run(update, cwd=places.root, env=env, console=console, log=places.logs / "apt-update.log")
        missed = [] if apt(*names) else [name for name in names if not apt(name)]
    if missed:
        console.say(f"    apt-get could not install {' '.join(missed)} (see {log}); going on without")
    return not missed
