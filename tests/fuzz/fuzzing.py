"""Runs fuzz targets in the atheris environment, and reads what came of it."""

import os
import re
import site
import subprocess
import sys
import sysconfig
from dataclasses import dataclass

from tests.harness.peers import ROOT, peer_python

TARGETS = sorted(path.stem for path in (ROOT / "tests" / "fuzz" / "targets").glob("*.py"))
# What a child may take beyond its own bound: imports, instrumentation, its last input.
GRACE_S = 60


@dataclass(frozen=True)
class Outcome:
    """One run: how many inputs, how many a second, edges of the code seen, and the report of a crash."""

    target: str
    inputs: int
    per_s: int
    edges: int
    crash: str


def fuzz(target: str, *, seconds: float, inputs: int = -1) -> Outcome:
    """Until one of the bounds. Raises CalledProcessError where atheris cannot be installed."""
    python = peer_python("atheris")
    packages = sysconfig.get_paths()["purelib"]
    env = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), packages, *site.getsitepackages()])}
    command = [str(python), "-m", "tests.fuzz", target, f"-max_total_time={int(seconds)}", f"-runs={inputs}"]
    ended = subprocess.run(
        [*command, "-print_final_stats=1"],
        cwd=ROOT,
        env=env,
        capture_output=True,
        text=True,
        errors="replace",
        timeout=seconds + GRACE_S,
        check=False,
    )
    told = ended.stdout + ended.stderr
    number = {name: int(value) for name, value in re.findall(r"stat::(\w+):\s+(\d+)", told)}
    edges = [int(value) for value in re.findall(r"cov: (\d+)", told)]
    return Outcome(
        target,
        number.get("number_of_executed_units", 0),
        number.get("average_exec_per_sec", 0),
        max(edges, default=0),
        told[-3000:] if ended.returncode else "",
    )


def table(outcomes: list[Outcome]) -> str:
    """The rows of docs/fuzzing.md."""
    lines = ["| codec | inputs | a second | edges covered | found |", "|---|---|---|---|---|"]
    for one in sorted(outcomes, key=lambda one: one.target):
        found = "a crash" if one.crash else "nothing"
        lines.append(f"| `{one.target}` | {one.inputs:,} | {one.per_s:,} | {one.edges} | {found} |")
    return "\n".join(lines)


def main() -> None:
    """`python -m tests.fuzz.fuzzing INPUTS SECONDS [TARGET ...]`: the long run, a line a target as it ends."""
    inputs, seconds, *names = sys.argv[1:]
    outcomes: list[Outcome] = []
    for name in names or TARGETS:
        outcome = fuzz(name, seconds=float(seconds), inputs=int(inputs))
        outcomes.append(outcome)
        sys.stderr.write(f"{name}: {outcome.inputs:,} inputs{outcome.crash and ', CRASHED'}\n{outcome.crash}")
    sys.stdout.write(table(outcomes) + "\n")


if __name__ == "__main__":
    main()
