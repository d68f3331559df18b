"""The bench of live_bench.py as a fixture; loaded by path, since tests are no package."""

import importlib.util
import sys
from collections.abc import AsyncIterator, Callable
from fractions import Fraction
from pathlib import Path
from types import ModuleType
from typing import Any

import av
import numpy as np
import pytest

from firmware_bridge.simulators import barcode

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


def _film(path: Path, codec: str, frames: int = 20, **options: str) -> str:
    """A film at 30 fps, 160x96, whose frame `n` carries the barcode `n`."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=30, options=options)
        stream.width, stream.height, stream.pix_fmt = 160, 96, "yuv420p"
        for number in range(frames):
            rgb = np.full((96, 160, 3), 90, np.uint8)
            barcode.paint(rgb, number)
            frame = av.VideoFrame.from_ndarray(rgb, "rgb24")
            frame.pts, frame.time_base = number, Fraction(1, 30)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return str(path)


@pytest.fixture
def film() -> Callable[..., str]:
    """Makes a film; see _film."""
    return _film
