"""A screen as the driver meets it: places on it, several signs, a screen that is too small or no screen."""

import asyncio

import pytest

from firmware_bridge.capabilities import Bitmap
from firmware_bridge.simulators.framebuffer_screen import FramebufferSimulation

pytestmark = pytest.mark.contract

SMALL = (32, 16)
BASE = {"bits": 32, "stride": FramebufferSimulation.STRIDE, "width": SMALL[0], "height": SMALL[1]}


def full(size):
    return Bitmap(*size, bytes([1]) * (size[0] * size[1]))


@pytest.fixture
def screen(simulator_context):
    return FramebufferSimulation(simulator_context)


def sign_at(screen, **options):
    return screen.device.model_copy(update={"options": BASE | options})


async def test_a_sign_keeps_to_its_place_and_colour(bridge_on, screen):
    async with screen, bridge_on({"it": screen.line}, {"sign": sign_at(screen, x=100, y=30, colour="#102030")}) as told:
        await told.until(lambda: told.health("sign") == ["online"])
        await told.bridge.sign("sign").show_pages([full(SMALL)])
        lit = {(x, y) for y, row in enumerate(screen.lit()) for x, dot in enumerate(row) if dot == "#"}
        assert lit == {(x, y) for x in range(100, 132) for y in range(30, 46)}
        assert screen.pixel(100, 30) == (0x10, 0x20, 0x30)


async def test_two_signs_share_a_screen(bridge_on, screen):
    devices = {"left": sign_at(screen), "right": sign_at(screen, x=64)}
    async with screen, bridge_on({"it": screen.line}, devices) as told:
        await told.until(lambda: told.health("left") == told.health("right") == ["online"])
        await told.bridge.sign("right").show_pages([full(SMALL)])
        assert await told.bridge.sign("right").shown() == [full(SMALL)]
        assert await told.bridge.sign("left").shown() == [Bitmap(*SMALL, bytes(32 * 16))]


async def test_what_somebody_else_draws_over_it_is_told_and_does_not_stay(bridge_on, screen):
    async with screen, bridge_on({"it": screen.line}, {"sign": sign_at(screen)}) as told:
        await told.until(lambda: told.health("sign") == ["online"])
        sign = told.bridge.sign("sign")
        await sign.show_pages([full(SMALL)])
        screen.paint_over()
        assert await sign.shown() == [Bitmap(*SMALL, bytes(32 * 16))]
        for _ in range(200):
            if await sign.shown() == [full(SMALL)]:
                break
            await asyncio.sleep(0.02)
        assert await sign.shown() == [full(SMALL)]


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"x": 150}, "32x16 at 150,0 is not inside 176x48"),
        ({"y": 40}, "32x16 at 0,40 is not inside 176x48"),
        ({"bits": None, "stride": None}, "it is no framebuffer; for a plain file give the options bits and stride"),
    ],
)
async def test_a_screen_that_does_not_fit_is_told_with_the_reason(bridge_on, screen, options, why):
    async with screen, bridge_on({"it": screen.line}, {"sign": sign_at(screen, **options)}) as told:
        await told.until(lambda: told.health("sign") == ["offline"])
        assert why in told.events[-1].detail


async def test_a_sign_is_counted(bridge_on, screen):
    async with screen, bridge_on({"it": screen.line}, {"sign": sign_at(screen)}) as told:
        await told.until(lambda: told.health("sign") == ["online"])
        await told.bridge.sign("sign").show_pages([full(SMALL)])
        stats = told.bridge.stats("sign")
        assert (stats.requests, stats.answered, stats.failed) == (1, 1, 0)
        assert len(stats.latencies_ms) == 1
