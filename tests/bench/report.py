"""Owns docs/benchmarks.md: what was measured, on which machine, when; with a plot for every set of samples.

Each bench's last full run is kept as docs/benchmarks/<bench>.json, so that one bench can be run again
without losing the others.
"""

import datetime
import json
import os
import platform
import re
from collections.abc import Sequence
from pathlib import Path

from tests.bench.harness import Row, quantile

HEAD = """# Benchmarks

Written by `python3 run.py bench`; do not edit. A ratio is value over baseline, where the baseline is the
goal, or the figure of what we compare with. Figures of different machines do not compare.
"""


def machine() -> str:
    """Processor, cores, memory, system, Python: what a figure depends on; no name of the machine."""
    memory_gib = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return (
        f"{_processor()}, {os.cpu_count()} cores, {memory_gib:.0f} GiB; {platform.system()} {platform.release()}, "
        f"Python {platform.python_version()}"
    )


def _processor() -> str:
    try:
        text = Path("/proc/cpuinfo").read_text()
    except FileNotFoundError:
        return platform.machine()
    named = re.search(r"^model name\s*:\s*(.+)$", text, re.MULTILINE)
    return named[1] if named else platform.machine()


def write(docs: Path, bench: str, rows: Sequence[Row], *, on: datetime.date, where: str) -> None:
    """Keeps one bench's run and its plots below `docs`, and writes `docs`/benchmarks.md anew from all runs kept."""
    folder = docs / "benchmarks"
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob(f"{bench}--*.svg"):
        old.unlink()
    plots = [_plot(folder, row) for row in rows if row.samples]
    run = {"date": on.isoformat(), "machine": where, "plots": plots, "rows": [row.as_json() for row in rows]}
    (folder / f"{bench}.json").write_text(json.dumps(run, indent=1, ensure_ascii=False) + "\n")
    (docs / "benchmarks.md").write_text(page(folder))


def page(folder: Path) -> str:
    """The whole page from the runs kept in `folder`."""
    parts = [HEAD]
    for path in sorted(folder.glob("*.json")):
        run = json.loads(path.read_text())
        parts.append(f"## {path.stem}\n\n{run['date']}, {run['machine']}\n")
        parts.append("| metric | value | unit | baseline | ratio |\n|---|---:|---|---:|---:|")
        for row in run["rows"]:
            figures = [figure(row["value"]), row["unit"], figure(row["baseline"]), figure(row["ratio"])]
            parts.append(f"| {row['metric']} | " + " | ".join(figures) + " |")
        parts.append("")
        parts += [f"![{plot}](benchmarks/{plot})\n" for plot in run["plots"]]
    return "\n".join(parts)


def table(rows: Sequence[Row]) -> str:
    """The same figures for a terminal."""
    lines = [("bench", "metric", "value", "unit", "baseline", "ratio")]
    for row in rows:
        values = [figure(value) for value in (row.value, row.baseline, row.ratio)]
        lines.append((row.bench, row.metric, values[0], row.unit, values[1], values[2]))
    widths = [max(len(line[column]) for line in lines) for column in range(6)]
    return "\n".join("  ".join(word.ljust(width) for word, width in zip(line, widths, strict=True)) for line in lines)


def figure(value: float | None) -> str:
    """Four significant digits; nothing where there is no value."""
    if value is None:
        return ""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"


def _plot(folder: Path, row: Row) -> str:
    """Draws which share of the samples lies below each value; returns the file's name."""
    import matplotlib

    matplotlib.use("svg")
    matplotlib.rcParams["svg.hashsalt"] = "yizhan"  # the same samples give the same file
    from matplotlib.figure import Figure

    ordered = sorted(row.samples)
    shares = [(index + 1) / len(ordered) for index in range(len(ordered))]
    drawing = Figure(figsize=(7.0, 3.0), layout="constrained")
    axes = drawing.add_subplot()
    axes.step(ordered, shares, where="post", color="#c4520b")
    for share, name in ((0.5, "median"), (0.99, "p99")):
        value = quantile(ordered, share)
        axes.axvline(value, color="#666666", linewidth=0.8, linestyle=":")
        axes.annotate(f"{name} {figure(value)}", (value, share), textcoords="offset points", xytext=(4, -10))
    axes.set_xlabel(f"{row.metric.removesuffix(' median')} ({row.unit})")
    axes.set_ylabel("share of samples")
    axes.set_ylim(0.0, 1.02)
    axes.set_title(f"{row.bench}: {len(ordered)} samples")
    name = f"{row.bench}--{re.sub(r'[^a-z0-9]+', '-', row.metric.lower()).strip('-')}.svg"
    drawing.savefig(folder / name, metadata={"Date": None})
    return name
