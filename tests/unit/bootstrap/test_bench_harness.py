"""The bench harness, tried with tiny benches of its own."""

import asyncio
import datetime
import json
from pathlib import Path

import pytest

from tests.bench import report
from tests.bench.__main__ import main
from tests.bench.harness import BenchFailed, Row, found, measure, quantile, spread

SORTING = """
import time
from tests.bench.harness import spread

async def run(quick):
    samples = []
    for _ in range(20 if quick else 50):
        began = time.perf_counter()
        sorted(range(2000), key=lambda n: -n)
        samples.append((time.perf_counter() - began) * 1e3)
    return spread("sorting", "sort 2000", samples, "ms", p99_baseline=50.0)
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "bench_sorting.py").write_text(SORTING)
    return tmp_path


def test_a_quick_bench_prints_rows_as_json_and_writes_nothing(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    docs = folder / "docs"
    assert main(["sorting", "--quick", "--json"], folder=folder, docs=docs) == 0
    rows = json.loads(capsys.readouterr().out)
    assert [row["metric"] for row in rows] == ["sort 2000 median", "sort 2000 p95", "sort 2000 p99"]
    assert all(set(row) == {"bench", "metric", "value", "unit", "baseline", "ratio"} for row in rows)
    assert rows[2]["ratio"] == pytest.approx(rows[2]["value"] / 50.0)
    assert rows[0]["ratio"] is None
    assert not docs.exists()


def test_a_full_bench_rewrites_the_page_with_machine_date_and_plot(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    docs = folder / "docs"
    assert main([], folder=folder, docs=docs) == 0
    assert "sort 2000 p99" in capsys.readouterr().out
    page = (docs / "benchmarks.md").read_text()
    today = datetime.datetime.now(tz=datetime.UTC).date().isoformat()
    assert f"## sorting\n\n{today}, {report.machine()}" in page
    assert "![sorting--sort-2000-median.svg](benchmarks/sorting--sort-2000-median.svg)" in page
    assert (docs / "benchmarks" / "sorting--sort-2000-median.svg").read_text().startswith("<?xml")


def test_one_bench_run_again_keeps_the_others_and_drops_its_own_old_plots(tmp_path: Path) -> None:
    day = datetime.date(2026, 1, 2)
    report.write(tmp_path, "door", [Row("door", "open", 9.5, "ms", 20.0, (9.0, 10.0))], on=day, where="here")
    report.write(tmp_path, "spool", [Row("spool", "rate", 123456.0, "rows/s")], on=day, where="here")
    report.write(tmp_path, "door", [Row("door", "grant", 8.0, "ms")], on=day, where="there")
    page = (tmp_path / "benchmarks.md").read_text()
    assert "| grant | 8 | ms |  |  |" in page
    assert "| rate | 123,456 | rows/s |  |  |" in page
    assert "open" not in page
    assert not list((tmp_path / "benchmarks").glob("door--*.svg"))


def test_an_unknown_bench_is_named_with_those_that_there_are(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["flying"], folder=folder, docs=folder) == 2
    assert capsys.readouterr().err == "no such bench: flying; there are: sorting\n"


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("async def run(quick): return []", "measured nothing"),
        ("def run(quick): return []", "has no `async def run(quick)`"),
        ("", "has no `async def run(quick)`"),
        (
            "from tests.bench.harness import Row\nasync def run(quick): return [Row('x', 'm', 1.0, 'ms')]",
            "gave a row of 'x'",
        ),
        (
            "from tests.bench.harness import Row\nasync def run(quick): return [Row('bad', 'm', float('nan'), 'ms')]",
            "m is nan",
        ),
    ],
)
def test_a_bench_that_is_none_fails_and_the_others_still_run(
    folder: Path, capsys: pytest.CaptureFixture[str], source: str, said: str
) -> None:
    (folder / "bench_bad.py").write_text(source)
    assert main(["--quick"], folder=folder, docs=folder) == 1
    seen = capsys.readouterr()
    assert said in seen.err
    assert "sorting" in seen.out


async def test_a_bench_that_hangs_is_ended() -> None:
    async def hang(_quick: bool) -> list[Row]:
        await asyncio.Event().wait()
        return []

    with pytest.raises(BenchFailed, match=r"bench stuck did not end within 0\.01 s"):
        await measure("stuck", hang, quick=True, limit_s=0.01)


def test_quantiles_are_samples_by_nearest_rank() -> None:
    samples = [5.0, 1.0, 4.0, 2.0, 3.0]
    assert [quantile(samples, share) for share in (0.0, 0.5, 0.8, 0.81, 1.0)] == [1.0, 3.0, 4.0, 5.0, 5.0]
    with pytest.raises(ValueError, match="no samples"):
        quantile([], 0.5)


def test_a_spread_keeps_its_samples_once() -> None:
    rows = spread("door", "open", [1.0, 2.0], "ms", p99_baseline=4.0)
    assert [row.samples for row in rows] == [(1.0, 2.0), (), ()]
    assert rows[-1].ratio == 0.5


def test_every_bench_of_the_tree_has_a_name() -> None:
    assert all(name.isidentifier() for name in found())
