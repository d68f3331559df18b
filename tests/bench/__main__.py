"""Owns the command `python3 run.py bench [NAME ...] [--quick] [--json]`.

Exit status: 0 all measured; 1 a bench failed; 2 an unknown name.
"""

import argparse
import asyncio
import datetime
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from tests.bench import harness, report

DOCS = Path(__file__).resolve().parents[2] / "docs"


def main(argv: Sequence[str], *, folder: Path = harness.HERE, docs: Path = DOCS) -> int:
    parser = argparse.ArgumentParser(prog="run.py bench")
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args(argv)
    benches = harness.found(folder)
    unknown = [name for name in options.names if name not in benches]
    if unknown:
        sys.stderr.write(f"no such bench: {', '.join(unknown)}; there are: {', '.join(benches) or 'none'}\n")
        return 2
    rows: list[harness.Row] = []
    failures = 0
    for name in options.names or benches:
        try:
            run = harness.load(name, benches[name])
            measured, elapsed_s = asyncio.run(harness.measure(name, run, quick=options.quick))
        except harness.BenchFailed as failure:
            sys.stderr.write(f"{failure}\n")
            failures += 1
            continue
        sys.stderr.write(f"bench {name}: {elapsed_s:.1f} s\n")
        rows += measured
        if not options.quick:
            today = datetime.datetime.now(tz=datetime.UTC).date()
            report.write(docs, name, measured, on=today, where=report.machine())
    if options.json:
        sys.stdout.write(json.dumps([row.as_json() for row in rows], indent=1, ensure_ascii=False) + "\n")
    elif rows:
        sys.stdout.write(report.table(rows) + "\n")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
