"""Our HUB75 driver on RGBMatrixEmulator, for `tests/contract/bridge`: JSON orders on stdin, the panels on stdout.

    {"options": {...}, "steps": [{"pages": [[width, height, dots]]}, {"wait": 1}, {"identify": 0.1}, {"text": "..."}]}

Each step answers with the pixels that the emulator was given last, in rows of [red, green, blue]; `wait` waits for so
many more pictures. The emulator's packages come by the first argument, behind our own.
"""

import asyncio
import json
import random
import sys
from contextlib import asynccontextmanager

sys.path.append(sys.argv[1])

from RGBMatrixEmulator.adapters import raw_adapter
from RGBMatrixEmulator.adapters.raw_adapter import RawAdapter

from firmware_bridge.capabilities import Bitmap
from firmware_bridge.clock import SystemClock
from firmware_bridge.config import LineConfig
from firmware_bridge.drivers.base import DriverContext
from firmware_bridge.drivers.hub75_sign import Hub75Sign, Hub75SignOptions
from firmware_bridge.secrets import NoSecrets
from firmware_bridge.session import SessionContext
from firmware_bridge.sessions.surface import SurfaceSession

STEP_S_MAX = 10


@asynccontextmanager
async def open_sign(options):
    clock, rng, line = SystemClock(), random.Random(1), LineConfig(url="hub75://local")
    session = SurfaceSession(SessionContext("panels", line, clock, rng, NoSecrets()))
    told = asyncio.Event()
    sign = Hub75Sign(
        DriverContext(
            name="sign",
            address=1,
            options=Hub75SignOptions.model_validate({**options, "library": "RGBMatrixEmulator"}),
            profile=None,
            line=line,
            carrier=session,
            emit=lambda event: told.set(),
            clock=clock,
            rng=rng,
            secrets=NoSecrets(),
            expect_release=lambda: None,
        )
    )
    tasks = [asyncio.create_task(session.run()), asyncio.create_task(sign.run())]
    try:
        async with asyncio.timeout(STEP_S_MAX):
            await told.wait()
        yield sign
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


class NotedAdapter(RawAdapter):
    """The emulator's adapter that only keeps pictures, and says when there is one more."""

    drawn = asyncio.Event()

    def draw_to_screen(self, pixels):
        super().draw_to_screen(pixels)
        self.drawn.set()


def last_picture():
    return NotedAdapter.INSTANCE._last_frame().tolist()


async def more_pictures(count):
    until = NotedAdapter.INSTANCE.frame + count
    while NotedAdapter.INSTANCE.frame < until:
        NotedAdapter.drawn.clear()
        await NotedAdapter.drawn.wait()


async def step(sign, order):
    match order:
        case {"pages": pages}:
            await sign.show_pages([Bitmap(width, height, bytes(dots)) for width, height, dots in pages])
        case {"text": text}:
            await sign.show_text(text)
        case {"identify": seconds}:
            shows = asyncio.create_task(sign.identify(seconds))
            await asyncio.sleep(0)
            over = last_picture()
            await shows
            return over
        case {"wait": count}:
            await more_pictures(count)
    return last_picture()


async def main():
    orders = json.load(sys.stdin)
    raw_adapter.RawAdapter = NotedAdapter
    async with open_sign(orders["options"]) as sign:
        results = [await step(sign, order) for order in orders["steps"]]
        shown = await sign.shown()
    json.dump({"size": sign.size, "shown": shown, "frames": results}, sys.stdout)


asyncio.run(main())
