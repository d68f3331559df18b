"""What the start of an agent does not pay for: libraries of cameras, faces and the web come when they are used."""

from __future__ import annotations

import subprocess
import sys

import pytest

pytestmark = pytest.mark.integration

LATER = {"av", "httpx", "dlib", "onnxruntime", "zxingcpp", "aioesphomeapi", "uhppoted"}


def test_the_agent_starts_without_what_it_may_never_use() -> None:
    code = f"import station_agent.cli, station_agent.station, sys; print(*({LATER!r} & set(sys.modules)))"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert ended.stdout.split() == []


def test_a_profile_without_faces_is_checked_without_the_numbers_of_faces() -> None:
    code = "import station_agent.cli, sys; print(*({'numpy', 'sqlite_utils', 'paho', 'segno'} & set(sys.modules)))"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert ended.stdout.split() == []
