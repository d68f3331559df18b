"""Owns what a bench is, and how benches are found, run and bounded.

A bench is a module `tests/bench/bench_<name>.py` with

    async def run(quick: bool) -> list[Row]

It measures the real thing (real processes, real lines) and returns rows; `quick` asks for a smaller run
that ends within QUICK_LIMIT_S.
"""

import asyncio
import importlib.util
import math
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

QUICK_LIMIT_S = 40.0
FULL_LIMIT_S = 900.0
"""A bench that runs longer is stuck: nothing measured here takes more than a few minutes."""

HERE = Path(__file__).parent

Run = Callable[[bool], Awaitable[list["Row"]]]


class BenchFailed(Exception):
    """A bench gave no rows; the message names it and says why."""


@dataclass(frozen=True)
class Row:
    """One figure. `baseline` is what it is held against (a goal, or another's figure) in the same unit.

    `samples` are the single measurements behind it, for the plot; they are not part of the row's JSON.
    """

    bench: str
    metric: str
    value: float
    unit: str
    baseline: float | None = None
    samples: tuple[float, ...] = ()

    @property
    def ratio(self) -> float | None:
        """Value over baseline; None without one."""
        return self.value / self.baseline if self.baseline else None

    def as_json(self) -> dict[str, str | float | None]:
        return {
            "bench": self.bench,
            "metric": self.metric,
            "value": self.value,
            "unit": self.unit,
            "baseline": self.baseline,
            "ratio": self.ratio,
        }


def quantile(samples: Sequence[float], share: float) -> float:
    """The smallest sample that at least `share` (0..1) of all samples do not exceed (nearest rank)."""
    if not samples:
        raise ValueError("no samples to take a quantile of")
    return sorted(samples)[max(0, math.ceil(share * len(samples)) - 1)]


def spread(
    bench: str, metric: str, samples: Sequence[float], unit: str, *, p99_baseline: float | None = None
) -> list[Row]:
    """Rows for the median, p95 and p99 of `samples`; the goal, if any, is one for the p99."""
    rows = [Row(bench, f"{metric} median", quantile(samples, 0.5), unit, samples=tuple(samples))]
    rows.append(Row(bench, f"{metric} p95", quantile(samples, 0.95), unit))
    rows.append(Row(bench, f"{metric} p99", quantile(samples, 0.99), unit, p99_baseline))
    return rows


def found(folder: Path = HERE) -> dict[str, Path]:
    """Every bench by its name, in order of names."""
    return {path.stem.removeprefix("bench_"): path for path in sorted(folder.glob("bench_*.py"))}


def load(name: str, path: Path) -> Run:
    """The bench's `run`; raises BenchFailed where the module has none."""
    spec = importlib.util.spec_from_file_location(f"tests.bench.{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    run = getattr(module, "run", None)
    if not asyncio.iscoroutinefunction(run):
        raise BenchFailed(f"bench {name}: {path} has no `async def run(quick)`")
    return run


async def measure(name: str, run: Run, *, quick: bool, limit_s: float | None = None) -> tuple[list[Row], float]:
    """The bench's rows and the seconds it took; raises BenchFailed when it hangs or gives none of its own."""
    limit_s = limit_s or (QUICK_LIMIT_S if quick else FULL_LIMIT_S)
    began = time.monotonic()
    try:
        rows = await asyncio.wait_for(run(quick), limit_s)
    except TimeoutError:
        raise BenchFailed(f"bench {name} did not end within {limit_s:g} s") from None
    elapsed_s = time.monotonic() - began
    if elapsed_s > limit_s:  # it blocked the loop, so the timeout could not reach it
        raise BenchFailed(f"bench {name} took {elapsed_s:.1f} s; at most {limit_s:g} s are allowed")
    if not rows:
        raise BenchFailed(f"bench {name} measured nothing")
    for row in rows:
        if row.bench != name:
            raise BenchFailed(f"bench {name} gave a row of {row.bench!r}")
        if not math.isfinite(row.value):
            raise BenchFailed(f"bench {name}: {row.metric} is {row.value}, which is no figure")
    return rows, elapsed_s
