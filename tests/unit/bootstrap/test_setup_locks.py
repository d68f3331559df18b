"""Two runs of one checkout: set-ups wait for each other, a second demo is told why it cannot start."""

import fcntl
import io
import os
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from deploy.bootstrap import locks
from deploy.bootstrap.console import Console, Stop


@contextmanager
def held_by_another(path: Path) -> Iterator[int]:
    """What another process's lock looks like: an flock on a descriptor of its own."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    os.write(descriptor, b"4711")
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def test_nothing_is_left_of_a_lock_after_use_or_interruption(tmp_path: Path) -> None:
    path = tmp_path / "state" / "setup.lock"
    with locks.setup_lock(path, Console(io.StringIO())):
        assert path.read_text() == str(os.getpid())
    assert not path.exists()
    with pytest.raises(KeyboardInterrupt), locks.demo_lock(path):
        raise KeyboardInterrupt
    assert not path.exists()


def test_a_lock_left_by_a_killed_run_holds_nobody_up(tmp_path: Path) -> None:
    path = tmp_path / "setup.lock"
    path.write_text("99999")
    with locks.setup_lock(path, Console(io.StringIO())):
        assert path.read_text() == str(os.getpid())


def test_a_second_demo_is_told_which_process_runs_the_first(tmp_path: Path) -> None:
    path = tmp_path / "demo.lock"
    with (
        held_by_another(path),
        pytest.raises(Stop, match=re.escape("already running (process 4711)")),
        locks.demo_lock(path),
    ):
        pytest.fail("entered a lock that another holds")


def test_a_second_set_up_says_for_whom_it_waits_then_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "setup.lock"
    told = threading.Event()

    class Telling(io.StringIO):
        def write(self, text: str) -> int:
            if "process 4711" in text:
                told.set()
            return super().write(text)

    console = Console(Telling())
    entered = threading.Event()

    def second() -> None:
        with locks.setup_lock(path, console):
            entered.set()

    with held_by_another(path):
        thread = threading.Thread(target=second)
        thread.start()
        assert told.wait(5)
        assert not entered.is_set()
    thread.join(5)
    assert entered.is_set()


def test_waiting_for_a_set_up_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(locks, "SETUP_WAIT_S", 0.0)
    path = tmp_path / "setup.lock"
    with (
        held_by_another(path),
        pytest.raises(Stop, match="too long"),
        locks.setup_lock(path, Console(io.StringIO())),
    ):
        pytest.fail("entered a lock that another holds")
