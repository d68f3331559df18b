"""Owns what holds for every test: nothing is left behind, and where the big inputs are found.

After each test the process must be as it was before: no pending asyncio task, thread, child process or
file descriptor more. What a module- or session-scoped fixture holds is opened before a test's "before"
picture is taken and so does not count against the test.
"""

import asyncio
import gc
import os
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from multiprocessing import resource_tracker
from pathlib import Path

import pytest
from hypothesis import settings

# How long an example takes is the machine's business; pytest-timeout bounds it. A quarter of the usual number of
# examples: they are new ones at every run, and codecs have the fuzzer (tests/fuzz) besides. Whoever changes a codec
# or the door asks for more: `--hypothesis-profile=thorough`.
settings.register_profile("yizhan", deadline=None, max_examples=25)
settings.register_profile("thorough", deadline=None, max_examples=2000)
settings.load_profile("yizhan")

# Tests start hundreds of interpreters. Where the environment forbids to keep bytecode, as containers often do, each of
# them would compile the whole program again.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

ROOT = Path(__file__).resolve().parent.parent
SHARED = ROOT.parent / "shared"

GRACE_S = 2.0
"""How long a thread, process or descriptor that is already on its way out may take: an event loop's child
watcher and a closing socket finish a moment after the code that ended them."""

# Read lazily, once for the whole interpreter, and kept by caches that outlive any test: fonts, shared data.
KEPT_FILES = tuple({sys.prefix, sys.base_prefix, "/usr/share/fonts", "/usr/lib/locale"})


@dataclass(frozen=True)
class Belongings:
    """What the process holds at one moment."""

    threads: frozenset[threading.Thread]
    children: dict[int, str] = field(default_factory=dict)
    descriptors: dict[int, str] = field(default_factory=dict)

    def left_over_since(self, before: "Belongings") -> list[str]:
        """One line for each thing held now that was not held before."""
        threads = [f"thread {thread.name!r}" for thread in self.threads - before.threads]
        children = [
            f"child process {pid} ({name})" for pid, name in self.children.items() if before.children.get(pid) != name
        ]
        descriptors = [
            f"file descriptor {number} -> {target}"
            for number, target in self.descriptors.items()
            if before.descriptors.get(number) != target
        ]
        return sorted(threads) + children + descriptors


def belongings() -> Belongings:
    return Belongings(frozenset(threading.enumerate()), _children(), _descriptors())


def _children() -> dict[int, str]:
    tracker_pid = getattr(resource_tracker._resource_tracker, "_pid", None)
    children = {}
    for task in _listed("/proc/self/task"):
        for word in _text(f"/proc/self/task/{task}/children").split():
            if int(word) != tracker_pid:
                children[int(word)] = _text(f"/proc/{word}/comm").strip()
    return children


def _descriptors() -> dict[int, str]:
    tracker_fd = getattr(resource_tracker._resource_tracker, "_fd", None)
    descriptors = {}
    for name in _listed("/proc/self/fd"):
        try:
            target = os.readlink(f"/proc/self/fd/{name}")
        except FileNotFoundError:  # the listing's own descriptor
            continue
        if int(name) != tracker_fd and not target.startswith(KEPT_FILES):
            descriptors[int(name)] = target
    return descriptors


def _listed(folder: str) -> list[str]:
    try:
        return os.listdir(folder)
    except FileNotFoundError:  # no /proc here (not Linux): threads and tasks are still watched
        return []


def _text(path: str) -> str:
    try:
        return Path(path).read_text()
    except (FileNotFoundError, ProcessLookupError):  # it ended between the listing and the reading
        return ""


def _left_over_after_grace(before: Belongings) -> list[str]:
    left = belongings().left_over_since(before)
    if not left:
        return []
    gc.collect()  # a reference cycle may hold a socket that nobody uses any more
    deadline = time.monotonic() + GRACE_S
    while (left := belongings().left_over_since(before)) and time.monotonic() < deadline:
        for thread in belongings().threads - before.threads:
            thread.join(0.05)
        time.sleep(0.01)
    return left


@pytest.fixture(scope="session")
def tasks_left_pending() -> Iterator[list[str]]:
    """Names every task still pending when its event loop was closed; closing cancels it unseen."""
    pending: list[str] = []
    close = asyncio.Runner.close

    def close_and_tell(runner: asyncio.Runner) -> None:
        try:
            pending.extend(f"asyncio task {task!r}" for task in asyncio.all_tasks(runner.get_loop()))
        except RuntimeError:  # closed before
            return
        close(runner)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(asyncio.Runner, "close", close_and_tell)
        yield pending


@pytest.fixture(autouse=True)
def nothing_is_left_behind(tasks_left_pending: list[str]) -> Iterator[None]:
    """Fails a test that leaves a task, thread, child process or descriptor, and names what it left."""
    tasks_left_pending.clear()
    before = belongings()
    yield
    left = [*tasks_left_pending, *_left_over_after_grace(before)]
    if left:
        pytest.fail("the test left behind:\n  " + "\n  ".join(left), pytrace=False)


@pytest.fixture(scope="session")
def faces_dir() -> Path:
    """Labelled faces beside the checkout: `mated/` (several photos a person) and `strangers/`."""
    return _shared("faces", "labelled face photos")


@pytest.fixture(scope="session")
def models_dir() -> Path:
    """ONNX face models beside the checkout."""
    return _shared("models", "ONNX face models")


def _shared(name: str, what: str) -> Path:
    folder = SHARED / name
    if not folder.is_dir():
        pytest.skip(f"{what} are expected beside the checkout, in ../shared/{name}; they are not there")
    return folder
