"""Owns `run.py test`: sets everything up, runs every check, and sums up.

The last two lines are for whoever reads the end only: a closing line as pytest draws it, and the totals.
"""

import os
import time
from collections.abc import Sequence

from deploy.bootstrap import browser, debian, environment, pages, processes
from deploy.bootstrap.checks import CHECKS, NO_TESTS_COLLECTED, Check, Counts, counts_of, report_of
from deploy.bootstrap.console import Console
from deploy.bootstrap.places import Places

WIDTH = 100


def run(places: Places, console: Console, *, quick: bool, pytest_args: Sequence[str]) -> int:
    """Runs the tests and returns the exit status: 0 when nothing failed. Raises Stop where it cannot begin."""
    began = time.monotonic()
    env = _prepare(places, console)
    if pytest_args:
        chosen = [Check("pytest", "pytest", _paths_first(places, pytest_args))]
    else:
        chosen = [check for check in CHECKS if check.quick or not quick]
    outcomes: list[tuple[Check, Counts, float]] = []
    for check in chosen:
        console.say(f"\n── {check.name} " + "─" * (WIDTH - 4 - len(check.name)))
        check_began = time.monotonic()
        status = _run(check, places, env, console)
        counts = counts_of(check, status, report_of(check, places))
        outcomes.append((check, counts, time.monotonic() - check_began))
    total = sum((counts for _, counts, _ in outcomes), Counts())
    console.say(summary(outcomes, total, time.monotonic() - began))
    return 1 if total.failed else 0


def _prepare(places: Places, console: Console) -> dict[str, str]:
    """Everything that the checks need; returns the environment that they run in."""
    environment.ensure(places, "dev", console)
    pages.ensure(places, console)
    pages.install(places, console)  # the pages may be current while node_modules was cleared away
    _prepare_peers(places, console)
    chromium = browser.ensure(places, console)
    return {**pages.environment(places), browser.VARIABLE: str(chromium)}


def _prepare_peers(places: Places, console: Console) -> None:
    absent = debian.missing(debian.PEERS)
    if absent and debian.can_install():
        debian.install(absent, places, console)
    elif absent:
        console.say(f"    not here, and we are not root: {' '.join(absent)}; tests that need them are skipped")


def _paths_first(places: Places, args: Sequence[str]) -> tuple[str, ...]:
    """The given arguments; all tests where they name none."""
    named = any((places.root / word.partition("::")[0]).exists() for word in args if not word.startswith("-"))
    return tuple(args) if named else ("tests", *args)


def _run(check: Check, places: Places, env: dict[str, str], console: Console) -> int:
    report = report_of(check, places)
    report.parent.mkdir(parents=True, exist_ok=True)
    report.unlink(missing_ok=True)
    match check.kind:
        case "tool":
            argv: processes.Argv = [places.tool(check.argv[0]), *check.argv[1:]]
            return processes.run(argv, cwd=places.root, env=env, console=console)
        case "pytest":
            argv = [places.tool("python"), "-m", "pytest", *check.argv, f"--junitxml={report}"]
            status = processes.run(argv, cwd=places.root, env=env, console=console)
            if status == NO_TESTS_COLLECTED:
                console.say(f"{check.name}: no test was found in {' '.join(check.argv)}")
            return status
        case "vitest":
            words = [*check.argv, "--", "--reporter=default", "--reporter=json", f"--outputFile.json={report}"]
            return pages.npm(places, words, places.web, console)
        case _:
            return pages.npm(places, list(check.argv), places.web, console)


def summary(outcomes: Sequence[tuple[Check, Counts, float]], total: Counts, elapsed_s: float) -> str:
    """A line a check, the failed ones named; then pytest's kind of closing line and the totals."""
    lines = ["\n── summary " + "─" * (WIDTH - 11)]
    for check, counts, seconds in outcomes:
        sign = "✗" if counts.failed else "✓"
        what = str(counts) if check.kind in ("pytest", "vitest") else ("failed" if counts.failed else "")
        lines.append(f"  {sign} {check.name:<14} {seconds:7.1f} s   {what}".rstrip())
    closing = f" {total} in {elapsed_s:.2f}s "
    lines += ["", closing.center(WIDTH, "="), f"{total.passed} passed, {total.failed} failed"]
    return "\n".join(lines)


def bench(places: Places, console: Console, args: Sequence[str]) -> int:
    """`run.py bench`: the same set-up, then the harness in tests/bench with `args`."""
    environment.ensure(places, "dev", console)
    pages.ensure(places, console)
    argv: processes.Argv = [places.tool("python"), "-m", "tests.bench", *args]
    return processes.run(argv, cwd=places.root, env={**os.environ}, console=console)
