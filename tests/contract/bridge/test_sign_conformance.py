"""What every sign must do: show texts and pictures as given, tell what it shows, refuse what it cannot, say when it
failed, and show again what a lost line made it forget."""

import asyncio
from collections.abc import Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest

from firmware_bridge.capabilities import Bitmap, DeviceTimeout
from firmware_bridge.drivers import DRIVERS, Capability
from firmware_bridge.simulators.framebuffer_screen import FramebufferSimulation
from firmware_bridge.simulators.hub75_panel import Hub75Simulation
from firmware_bridge.simulators.huidu_card import HuiduSimulation
from firmware_bridge.simulators.station_devices import AlphaSimulation
from station_agent.assembly.announcer import SIGN_PAGES_DEFAULT
from station_agent.signs.render import pages

NAME = "the_sign"
LOOK_S, LOOKS_MAX = 0.02, 750


class QuickAlpha(AlphaSimulation):
    """A line on which a picture takes a fifth of a second."""

    BAUD = 115200


def pages_of(pages):
    """Pages of a simulated sign, each a text or a picture in whatever colours."""
    return [
        page.text if page.text is not None else Bitmap(page.width, page.height, bytes(map(bool, page.dots)))
        for page in pages
    ]


def on_screen(simulation):
    rows = [row[simulation.X : simulation.X + simulation.WIDTH] for row in simulation.lit()]
    rows = rows[simulation.Y : simulation.Y + simulation.HEIGHT]
    return [Bitmap(simulation.WIDTH, simulation.HEIGHT, bytes(dot == "#" for row in rows for dot in row))]


def on_panels(simulation):
    width, height = simulation.WIDTH, simulation.HEIGHT
    dots = bytes((x, y) in simulation.front.dots for y in range(height) for x in range(width))
    return [Bitmap(width, height, dots)]


@dataclass(frozen=True)
class Kind:
    """How one kind of sign is made here, looked at, and made to forget."""

    make: Callable
    seen: Callable  # what an onlooker sees now, page after page
    forget: Callable
    options: dict = field(default_factory=dict)
    holds_pages: bool = True  # the sign turns pages by itself; otherwise one is seen at a time
    tells: bool = True


KINDS = {
    "alpha_sign": Kind(
        QuickAlpha,
        lambda simulation: pages_of(simulation.sign.pages),
        lambda simulation: simulation.sign.power_cycle(),
        {"settle_s": 0.0, "gap_ms": 0, "check_s": 0.5},
    ),
    "huidu_sign": Kind(
        HuiduSimulation,
        lambda simulation: pages_of(simulation.card.pages),
        lambda simulation: simulation.card.power_cycle(),
        {"check_s": 0.5, "timeout_s": 1.0},
    ),
    "framebuffer_sign": Kind(
        FramebufferSimulation, on_screen, lambda simulation: None, {"page_s": 0.1}, holds_pages=False
    ),
    "hub75_sign": Kind(
        Hub75Simulation,
        on_panels,
        lambda simulation: simulation.front.Clear(),
        {"page_s": 0.1},
        holds_pages=False,
        tells=False,
    ),
}
pytestmark = [pytest.mark.contract, pytest.mark.parametrize("driver", sorted(KINDS))]


def test_no_sign_is_left_out(driver):
    signs = {name for name, row in DRIVERS.items() if Capability.SIGN in row.capabilities}
    assert signs == set(KINDS)
    assert Capability.IDENTIFY in DRIVERS[driver].capabilities


@pytest.fixture
def sign(bridge_on, simulator_context, driver):
    """`async with sign() as (kind, simulation, sign, told)`."""

    @asynccontextmanager
    async def make():
        kind = KINDS[driver]
        async with kind.make(simulator_context) as simulation:
            device = simulation.device
            device = device.model_copy(update={"options": device.options | kind.options})
            async with bridge_on({device.line: simulation.line}, {NAME: device}) as told:
                await told.until(lambda: told.health(NAME) == ["online"])
                yield kind, simulation, told.bridge.sign(NAME), told

    return make


def picture(size, seed):
    width, height = size
    return Bitmap(width, height, bytes((x * y + seed) % 3 == 0 for y in range(height) for x in range(width)))


async def look(condition):
    """Somebody before the sign looks now and then, since signs turn pages by the clock: what the condition gave."""
    for _ in range(LOOKS_MAX):
        if seen := condition():
            return seen
        await asyncio.sleep(LOOK_S)
    raise TimeoutError(f"not seen in {LOOKS_MAX * LOOK_S} s")


async def test_pictures_are_shown_one_after_another(sign):
    async with sign() as (kind, simulation, shown, _):
        given = [picture(shown.size, seed) for seed in range(3)]
        await shown.show_pages(given)
        if kind.holds_pages:
            assert kind.seen(simulation) == given
        else:
            for page in [*given, given[0]]:
                await look(lambda page=page: kind.seen(simulation) == [page])


async def test_what_the_station_draws_fits_every_sign(sign):
    """As the station's sign service does it, with the sign's own bound of pages."""
    async with sign() as (kind, simulation, shown, told):
        pages_max = told.bridge.devices[NAME].config.options.get("pages_max", SIGN_PAGES_DEFAULT)
        drawn = pages("会员码已过期，请刷新后再试一次", shown.size, pages_max)
        await shown.show_pages(drawn)
        if kind.holds_pages:
            assert kind.seen(simulation) == drawn
        else:
            for page in drawn:
                await look(lambda page=page: kind.seen(simulation) == [page])


async def test_the_last_order_is_what_is_shown(sign):
    async with sign() as (kind, simulation, shown, _):
        await shown.show_pages([picture(shown.size, 1), picture(shown.size, 2)])
        await shown.show_text("NOW")
        text = kind.seen(simulation)
        assert len(text) == 1
        await shown.show_pages([picture(shown.size, 2)])
        assert kind.seen(simulation) == [picture(shown.size, 2)] != text


async def test_a_text_is_shown(sign):
    async with sign() as (kind, simulation, shown, _):
        await shown.show_text("OPEN 24 h")
        (seen,) = kind.seen(simulation)
        assert seen == "OPEN 24 h" or 20 < sum(seen.dots) < len(seen.dots) / 2, "in its font, or drawn"


async def test_a_sign_tells_what_is_seen_or_that_it_cannot(sign):
    async with sign() as (kind, simulation, shown, _):
        for order in (
            shown.show_text("OPEN"),
            shown.show_pages([picture(shown.size, 1)]),
        ):
            await order
            assert await shown.shown() == (kind.seen(simulation) if kind.tells else None)


async def test_what_a_sign_cannot_show_is_refused_and_changes_nothing(sign):
    async with sign() as (kind, simulation, shown, told):
        await shown.show_pages([picture(shown.size, 1)])
        before = kind.seen(simulation)
        options = DRIVERS[told.bridge.devices[NAME].config.driver].options
        pages_max = options.model_validate(told.bridge.devices[NAME].config.options).pages_max
        with pytest.raises(ValueError, match=rf"{NAME}: page of 8x8, the sign is \({shown.size[0]}, {shown.size[1]}\)"):
            await shown.show_pages([Bitmap(8, 8, bytes(64))])
        with pytest.raises(ValueError, match=rf"{NAME}: 0 pages, it shows 1\.\.{pages_max}"):
            await shown.show_pages([])
        with pytest.raises(ValueError, match=rf"{NAME}: {pages_max + 1} pages"):
            await shown.show_pages([picture(shown.size, 0)] * (pages_max + 1))
        for text in ("x" * 5000, "a\nb"):
            with pytest.raises(ValueError, match=NAME):
                await shown.show_text(text)
        assert kind.seen(simulation) == before


async def test_it_shows_its_name_and_then_what_it_showed_before(sign):
    async with sign() as (kind, simulation, shown, told):
        page = picture(shown.size, 1)
        await shown.show_pages([page])
        identify = asyncio.create_task(told.bridge.identifiable(NAME).identify(0.8))
        name = await look(lambda: kind.seen(simulation) not in ([page], []) and kind.seen(simulation))
        assert name == [NAME] or sum(name[0].dots) > 20
        assert NAME in await identify
        await look(lambda: kind.seen(simulation) == [page])


async def test_a_sign_that_is_away_says_so_and_shows_again_what_it_forgot(sign):
    async with sign() as (kind, simulation, shown, told):
        page = picture(shown.size, 1)
        await shown.show_pages([page])
        simulation.unplug()
        await told.until(lambda: told.health(NAME) == ["online", "offline"])
        kind.forget(simulation)
        with pytest.raises(DeviceTimeout, match=f"{NAME}: "):
            await shown.show_pages([picture(shown.size, 2)])
        with pytest.raises(DeviceTimeout, match=f"{NAME}: "):
            await told.bridge.identifiable(NAME).identify(0.1)
        simulation.plug_in()
        await told.until(lambda: told.health(NAME) == ["online", "offline", "online"])
        # The newest wish counts, though it was made in vain.
        await look(lambda: kind.seen(simulation) == [picture(shown.size, 2)])
