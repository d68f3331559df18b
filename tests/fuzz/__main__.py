"""Coverage-guided fuzzing of one codec, in the atheris environment: `python -m tests.fuzz TARGET [libFuzzer options]`.

A target is a module of `tests/fuzz/targets/`: SEEDS, and `target(data)`, which raises when the codec is wrong. The
seeds are the corpus that a run begins with; `-runs=` and `-max_total_time=` bound it.
"""

import importlib
import sys
import tempfile
from pathlib import Path

import atheris

WATCHED = ["firmware_bridge", "station_agent.wire"]
BYTES_MAX = 1024


def main() -> None:
    name, *options = sys.argv[1:]
    with atheris.instrument_imports(include=WATCHED):
        module = importlib.import_module(f"tests.fuzz.targets.{name}")
    with tempfile.TemporaryDirectory(prefix="fuzz-") as folder:
        for number, seed in enumerate(module.SEEDS):
            (Path(folder) / f"seed-{number}").write_bytes(seed)
        module_options = [f"-max_len={BYTES_MAX}", "-timeout=10", f"-artifact_prefix={folder}/"]
        atheris.Setup([sys.argv[0], *module_options, *options, folder], module.target)
        atheris.Fuzz()


if __name__ == "__main__":
    main()
