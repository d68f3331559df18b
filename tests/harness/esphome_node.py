"""A real ESPHome node as a program of this machine: ESPHome's own C++ for its `host` platform, and its native API.

ESPHome makes the sources; PlatformIO, which would compile them, downloads a toolchain and noise-c from a registry
of its own, so g++ compiles them here, with our part of noise-c's interface on libsodium
(`tests/contract/peers/esphome_noise/`). Made once, and kept until a source or the Python changes.
"""

import concurrent.futures
import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

from tests.harness.peers import BEHIND, ENVIRONMENTS, LOCKS, one_at_a_time, peer_python

NODE = "yizhan-door"
KEY = "eWl6aGFuIGRvb3Igbm9kZSBvZiB0aGUgdGVzdHMhIS4="
NOISE = LOCKS / "esphome_noise"
YAML = LOCKS / "esphome_node.yaml"
SOURCES = (YAML, LOCKS / "esphome.txt", *sorted(NOISE.rglob("*.[ch]")))
PACKAGES = "g++ libsodium-dev"
GENERATE_S_MAX = 120
COMPILE_S_MAX = 300
KEPT_MAX = 2  # builds, the newest


def missing() -> str | None:
    """What is not installed here, and how to install it."""
    if shutil.which("g++") is None or not Path("/usr/include/sodium.h").exists():
        return f"no ESPHome node here: apt install {PACKAGES}"
    return None


def build() -> Path:
    """The node's program. Raises CalledProcessError where it cannot be built."""
    digest = hashlib.sha256(b"".join(path.read_bytes() for path in SOURCES) + sys.version.encode()).hexdigest()[:16]
    builds = ENVIRONMENTS / "esphome-node"
    program = builds / digest / "node"
    with one_at_a_time("esphome-node"):
        if not program.exists():
            _make(builds, program)
    return program


def _make(builds: Path, program: Path) -> None:
    digest = program.parent.name
    work = builds / f"{digest}.new"
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    shutil.copy(YAML, work / "node.yaml")
    esphome = [str(peer_python("esphome")), "-m", "esphome"]
    env = {**os.environ, "HOME": str(work)}
    generate = [*esphome, "compile", "--only-generate", str(work / "node.yaml")]
    subprocess.run([*BEHIND, *generate], check=True, timeout=GENERATE_S_MAX, env=env, capture_output=True)
    sources = work / ".esphome" / "build" / NODE
    flags = ["-w", "-O0", f"-I{NOISE}", "-DUSE_HOST", "-DESPHOME_LOG_LEVEL=ESPHOME_LOG_LEVEL_WARN"]
    cxx = ["g++", "-std=gnu++20", "-fno-exceptions", "-DHAVE_INLINE_ASM=1", "-DHAVE_WEAK_SYMBOLS=1", "-Isrc", *flags]
    jobs = [[*cxx, "-c", str(path)] for path in sorted((sources / "src").rglob("*.cpp"))]
    jobs += [["gcc", "-O1", "-Wall", "-Wextra", "-Werror", f"-I{NOISE}", "-c", str(path)] for path in NOISE.glob("*.c")]
    objects = [work / f"{number}.o" for number in range(len(jobs))]
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for done in [
            pool.submit(
                subprocess.run,
                [*BEHIND, *job, "-o", str(out)],
                check=True,
                timeout=COMPILE_S_MAX,
                cwd=sources,
                capture_output=True,
            )
            for job, out in zip(jobs, objects, strict=True)
        ]:
            done.result()
    link = ["g++", *map(str, objects), "-Wl,--wrap=bind", "-lsodium", "-lpthread", "-o", str(work / "node")]
    subprocess.run(link, check=True, timeout=COMPILE_S_MAX, capture_output=True)
    program.parent.mkdir(exist_ok=True)
    (work / "node").replace(program)
    shutil.rmtree(work)
    for old in sorted(builds.iterdir(), key=lambda path: path.stat().st_mtime)[:-KEPT_MAX]:
        shutil.rmtree(old)
