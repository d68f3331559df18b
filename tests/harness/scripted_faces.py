"""Faces without pixels and without an engine: a frame says itself what is seen on it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import numpy as np

from station_agent.faces.engine import Box, Face, Sight


@dataclass(frozen=True)
class Shown:
    """A frame whose sight is known beforehand."""

    rgb: Sight | Exception
    mono_s: float


class ScriptedWorker:
    """In the child's place: a frame's sight is what the frame says."""

    engine_name = "points"

    def __init__(self) -> None:
        self.looks = 0
        self.running = asyncio.Event()  # the service has loaded what is enrolled

    async def look(self, rgb: Sight | Exception) -> Sight:
        self.looks += 1
        await asyncio.sleep(0)
        if isinstance(rgb, Exception):
            raise rgb
        return rgb

    async def run(self) -> None:
        self.running.set()
        await asyncio.Event().wait()


def face_at(*point: float, **measures: float) -> Face:
    """A good picture of the person at `point`; `measures` and `width` make it worse."""
    good = {"width": 200, "sharpness": 30.0, "light": 120.0, "contrast": 40.0, "turned": 0.0} | measures
    width = int(good.pop("width"))
    return Face(box=Box(10, 10, width, width), embedding=np.array(point, dtype=np.float64), **good)


def sight_at(*point: float, **measures: float) -> Sight:
    return Sight(face_at(*point, **measures))
