"""The bench of live_bench.py as a fixture; loaded by path, since tests are no package."""

import importlib.util
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

NAME = "live_bench"


def _live_bench() -> ModuleType:
    if NAME not in sys.modules:
        spec = importlib.util.spec_from_file_location(NAME, Path(__file__).with_name(f"{NAME}.py"))
        assert spec is not None
        assert spec.loader is not None
        module = sys.modules[NAME] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    return sys.modules[NAME]


live_bench = _live_bench()


@pytest.fixture
async def bench() -> AsyncIterator[Any]:
    """Camera, station and hub at work; nobody watches yet."""
    async with live_bench.a_bench() as made:
        yield made
