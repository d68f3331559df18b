"""Owns child processes: each in its own group, ended with all that it started, gone when we are gone."""

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO

from deploy.bootstrap.console import Console

PR_SET_PDEATHSIG = 1
POLL_S = 0.05

Argv = Sequence[str | Path]

_LIBC = ctypes.CDLL(None) if sys.platform == "linux" else None


def start(
    argv: Argv,
    *,
    cwd: Path,
    env: Mapping[str, str] | None = None,
    output: IO[bytes] | None = None,
) -> subprocess.Popen[bytes]:
    """Starts `argv` in its own process group, so that our Ctrl-C reaches it only through us.

    On Linux the kernel sends it SIGTERM when we end, however we end (also by kill -9). `output` takes
    its standard output and error; None leaves them where ours go.
    """
    our_pid = os.getpid()

    def end_with_us() -> None:
        if _LIBC is not None:
            _LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
            if os.getppid() != our_pid:  # we ended before the line above
                os._exit(1)

    return subprocess.Popen(
        [str(word) for word in argv],
        cwd=cwd,
        env=None if env is None else dict(env),
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=None if output is None else subprocess.STDOUT,
        process_group=0,
        preexec_fn=end_with_us,  # safe: this process has one thread
    )


def stop(children: Sequence[subprocess.Popen[bytes]], *, patience_s: float) -> None:
    """SIGTERM to the children, `patience_s` to end in, then SIGKILL to whatever is left of their groups."""
    for child in children:
        if child.poll() is None:
            child.terminate()
    deadline = time.monotonic() + patience_s
    while any(child.poll() is None for child in children) and time.monotonic() < deadline:
        time.sleep(POLL_S)
    for child in children:
        kill_group(child)


def kill_group(child: subprocess.Popen[bytes]) -> None:
    """Ends the child and every process that it left in its group."""
    try:
        os.killpg(child.pid, signal.SIGKILL)
    except ProcessLookupError:  # the group is empty already
        pass
    except PermissionError:  # macOS says so for a group of zombies
        pass
    child.wait()


def run(
    argv: Argv,
    *,
    cwd: Path,
    console: Console,
    env: Mapping[str, str] | None = None,
    log: Path | None = None,
) -> int:
    """Runs `argv` to its end and returns its exit status; its output goes to `log`, or to our own.

    When we are interrupted its whole group ends first.
    """
    if log is None:
        return _wait(start(argv, cwd=cwd, env=env), console)
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as output:
        return _wait(start(argv, cwd=cwd, env=env, output=output), console)


def _wait(child: subprocess.Popen[bytes], console: Console) -> int:
    try:
        while True:
            try:
                return child.wait(timeout=0.1)
            except subprocess.TimeoutExpired:
                console.turn()
    finally:
        if child.returncode is None:
            stop([child], patience_s=5.0)
        else:
            kill_group(child)


def last_lines(path: Path, count: int = 15) -> str:
    """The end of a log, indented, for showing why something failed."""
    try:
        lines = path.read_text(errors="replace").splitlines()
    except FileNotFoundError:
        return ""
    return "\n".join("    " + line for line in lines[-count:])


def interrupt_on_termination() -> None:
    """Makes SIGTERM and SIGHUP behave as Ctrl-C does: unwind, clean up, end. Ctrl-C itself too, which a shell
    that starts us in the background has us ignore."""

    def raise_interrupt(_number: int, _frame: object) -> None:
        raise KeyboardInterrupt

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, raise_interrupt)
