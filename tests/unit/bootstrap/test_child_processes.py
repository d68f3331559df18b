"""Children are ended with all that they started, also when we are killed."""

import io
import os
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from deploy.bootstrap import processes
from deploy.bootstrap.console import Console

ROOT = Path(__file__).parents[3]

STUBBORN = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(60)"


def ends(descriptor: int) -> bool:
    """Whether every process that holds the other end of this pipe ends within 10 s."""
    while select.select([descriptor], [], [], 10)[0]:
        if not os.read(descriptor, 4096):
            return True
    return False


@pytest.fixture
def pipe() -> Iterator[tuple[io.BufferedReader, io.BufferedWriter]]:
    reading, writing = os.pipe()
    with open(reading, "rb") as r, open(writing, "wb") as w:
        yield r, w


def test_a_child_that_ignores_the_request_is_killed_with_its_own_children(
    tmp_path: Path, pipe: tuple[io.BufferedReader, io.BufferedWriter]
) -> None:
    reading, writing = pipe
    grandchild = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {STUBBORN!r}])"
    child = processes.start([sys.executable, "-c", grandchild], cwd=tmp_path, output=writing)
    writing.close()
    assert reading.readline() == b"up\n"
    processes.stop([child], patience_s=0.0)
    assert child.returncode is not None
    assert ends(reading.fileno())


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a child that its parent ended")
def test_children_end_when_we_are_killed(tmp_path: Path) -> None:
    ours = (
        f"import sys, pathlib; sys.path.insert(0, {str(ROOT)!r})\n"
        "from deploy.bootstrap import processes\n"
        "child = processes.start([sys.executable, '-c', 'import time; print(1, flush=True); time.sleep(60)'],"
        " cwd=pathlib.Path('.'))\n"
        "child.wait()"
    )
    with subprocess.Popen([sys.executable, "-c", ours], stdout=subprocess.PIPE, cwd=tmp_path) as parent:
        assert parent.stdout is not None
        assert parent.stdout.readline() == b"1\n"
        parent.send_signal(signal.SIGKILL)
        assert ends(parent.stdout.fileno())


def test_run_returns_the_status_and_keeps_the_output(tmp_path: Path) -> None:
    log = tmp_path / "logs" / "step.log"
    argv = [sys.executable, "-c", "import sys; print('out'); sys.stderr.write('err'); sys.exit(3)"]
    assert processes.run(argv, cwd=tmp_path, console=Console(io.StringIO()), log=log) == 3
    assert sorted(log.read_text().split()) == ["err", "out"]


def test_an_interruption_ends_what_was_running(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[subprocess.Popen[bytes]] = []
    start = processes.start

    def remember(*args: Any, **options: Any) -> subprocess.Popen[bytes]:
        started.append(start(*args, **options))
        return started[-1]

    class Interrupting(Console):
        def turn(self) -> None:
            raise KeyboardInterrupt

    monkeypatch.setattr(processes, "start", remember)
    with pytest.raises(KeyboardInterrupt):
        processes.run(["sleep", "60"], cwd=tmp_path, console=Interrupting(io.StringIO()), log=tmp_path / "log")
    assert [child.returncode for child in started] == [-signal.SIGTERM]


def test_the_end_of_a_log_is_shown_indented(tmp_path: Path) -> None:
    log = tmp_path / "x.log"
    log.write_text("\n".join("abcdef"))
    assert processes.last_lines(log, 2) == "    e\n    f"
    assert processes.last_lines(tmp_path / "none") == ""
