"""What the start of an agent does not pay for: libraries of cameras, faces and the web come when they are used."""

from __future__ import annotations

import subprocess
import sys

import pytest

pytestmark = pytest.mark.integration

LATER = {"av", "httpx", "dlib", "onnxruntime", "zxingcpp", "aioesphomeapi", "uhppoted"}


def imported(module: str, among: set[str]) -> set[str]:
    """Those of `among` that a fresh interpreter has after it imported `module`."""
    code = f"import station_agent.cli, {module}, sys; print(*({among!r} & set(sys.modules)))"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    return set(ended.stdout.split())


def test_the_agent_starts_without_what_it_may_never_use() -> None:
    assert imported("station_agent.station", LATER) == set()


def test_a_profile_without_faces_is_checked_without_the_numbers_of_faces() -> None:
    assert imported("station_agent.settings", {"numpy", "sqlite_utils", "paho", "segno"}) == set()


def test_a_virtual_station_starts_without_what_reads_pictures() -> None:
    assert imported("station_agent.virtual.process", {"numpy", "PIL", "av", "zxingcpp"}) == set()
