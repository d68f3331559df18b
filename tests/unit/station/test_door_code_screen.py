"""The door code on its display: fresh, read from its dots, never guessed, and only where a QR has room."""

from __future__ import annotations

import asyncio
import random
import re
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

import numpy as np
import pytest
import zxingcpp

from firmware_bridge.capabilities import Bitmap, DeviceTimeout
from station_agent.access.door_codes import DoorCodes
from station_agent.signs import qr
from station_agent.signs.door_code import RETRY_S, DoorCodeScreen
from station_agent.signs.door_code_check import check_door_code
from station_agent.wire.door_code import PERIOD_S, DoorCode, parse_door_code
from station_agent.wire.profile import (
    DeviceRow,
    DoorCodeRow,
    DoorRow,
    LineRow,
    Place,
    SignRow,
    StationProfile,
    StationRow,
)
from tests.harness.fake_clock import FakeClock

HUB = "https://hub.example.org"


@dataclass
class Panel:
    """A display that remembers what it was told to show."""

    size: tuple[int, int] = (64, 64)
    name: str = "code_panel"
    pictures: list[Bitmap] = field(default_factory=list)
    silent: bool = False

    async def show_pages(self, pages: Sequence[Bitmap]) -> None:
        if self.silent:
            raise DeviceTimeout(self.name, "does not answer")
        self.pictures += pages

    async def show_text(self, text: str) -> None:
        raise AssertionError("it is drawn here")

    async def shown(self) -> None:
        return None


@dataclass
class Bench:
    screen: DoorCodeScreen
    panel: Panel
    codes: DoorCodes
    clock: FakeClock
    linked: bool = True

    async def settled(self) -> None:
        for _ in range(8):
            await asyncio.sleep(0)

    def code(self) -> DoorCode:
        return parse_door_code(read(self.panel.pictures[-1]).split("#d=")[1])


def read(picture: Bitmap, zoom: int = 4) -> str:
    """What a scanner reads of the dots, each as `zoom` pixels of a camera."""
    dots = np.frombuffer(picture.dots, np.uint8).reshape(picture.height, picture.width)
    grey = np.kron(np.where(dots > 0, 200, 12).astype(np.uint8), np.ones((zoom, zoom), np.uint8))
    found = zxingcpp.read_barcodes(grey)
    return found[0].text if found else ""


@pytest.fixture
async def bench(clock: FakeClock) -> AsyncIterator[Bench]:
    panel, codes = Panel(), DoorCodes()
    rng = random.Random(7)
    made: list[Bench] = []
    screen = DoorCodeScreen(
        panel,
        "demo-01",
        HUB,
        codes,
        pages_max=8,
        linked=lambda: made[0].linked,
        clock=clock,
        random_bytes=rng.randbytes,
    )
    made.append(Bench(screen, panel, codes, clock))
    running = asyncio.create_task(screen.run())
    yield made[0]
    running.cancel()
    with suppress(asyncio.CancelledError):
        await running


@pytest.mark.parametrize("size", [(64, 64), (128, 64), (64, 96), (480, 480)])
@pytest.mark.parametrize("station", ["a", "demo-01", "a-station-of-the-longest-name-32"])
def test_a_scanner_reads_the_link_from_the_dots(size: tuple[int, int], station: str) -> None:
    link = DoorCode(b"challenge-12", station).link(HUB)
    assert read(qr.picture(link, size)) == link


def test_a_display_without_room_is_refused() -> None:
    link = DoorCode(b"challenge-12", "demo-01").link(HUB)
    with pytest.raises(ValueError, match="the sign has 128 x 16"):
        qr.picture(link, (128, 16))
    assert qr.side_dots(link) == 41


async def test_what_stands_on_the_display_can_be_answered_and_changes_every_15_seconds(bench: Bench) -> None:
    await bench.settled()
    first = bench.code()
    assert first.station == "demo-01"
    assert bench.codes.age_s(first.challenge, bench.clock.monotonic()) == 0.0
    bench.clock.pass_by(PERIOD_S)
    await bench.settled()
    second = bench.code()
    assert second.challenge != first.challenge
    assert len(bench.panel.pictures) == bench.screen.shown == 2
    assert bench.codes.age_s(first.challenge, bench.clock.monotonic()) == PERIOD_S


async def test_one_that_was_used_is_replaced_at_once(bench: Bench) -> None:
    await bench.settled()
    first = bench.code()
    bench.screen.turn()
    await bench.settled()
    assert bench.code().challenge != first.challenge


async def test_without_a_hub_there_is_no_code_to_scan_and_with_one_there_is(bench: Bench) -> None:
    bench.linked = False
    bench.screen.turn()
    await bench.settled()
    assert read(bench.panel.pictures[-1]) == ""
    bench.linked = True
    bench.screen.turn()
    await bench.settled()
    assert bench.code().station == "demo-01"


async def test_a_display_that_comes_back_shows_a_fresh_code(bench: Bench) -> None:
    await bench.settled()
    bench.panel.silent = True
    bench.screen.turn()
    await bench.settled()
    assert len(bench.panel.pictures) == 1
    bench.panel.silent = False
    bench.clock.pass_by(RETRY_S)
    await bench.settled()
    assert bench.codes.age_s(bench.code().challenge, bench.clock.monotonic()) == 0.0


def profile(driver: str, options: dict[str, object], url: str | None = HUB, sign: str | None = None) -> StationProfile:
    return StationProfile(
        station=StationRow(id="demo-01", name="x", place=Place(latitude=0, longitude=0)),
        lines={"l": LineRow(url="/dev/null")},
        devices={"panel": DeviceRow(driver=driver, line="l", options=options)},
        door=DoorRow(lock="lock"),
        sign=SignRow(device=sign) if sign else None,
        door_code=DoorCodeRow(sign="panel", url=url),
    )


@pytest.mark.parametrize(
    ("driver", "options", "error"),
    [
        ("framebuffer_sign", {"width": 64, "height": 64}, ""),
        ("framebuffer_sign", {"width": 480, "height": 480}, ""),
        ("hub75_sign", {"rows": 64, "cols": 64}, ""),
        ("hub75_sign", {"rows": 32, "cols": 64, "parallel": 2}, ""),
        ("hub75_sign", {}, "64 x 32 dots; the QR of this station's link needs 41 x 41"),
        ("framebuffer_sign", {"width": 128, "height": 16}, "128 x 16 dots"),
        ("alpha_sign", {"width": 128, "height": 16}, "an? alpha_sign, which cannot show a QR"),
        ("huidu_sign", {"width": 128, "height": 64}, "a huidu_sign, which cannot"),
    ],
)
def test_check_says_which_display_can_show_it(driver: str, options: dict[str, object], error: str) -> None:
    errors = check_door_code(profile(driver, options))
    assert len(errors) == bool(error)
    if error:
        assert errors[0].startswith("door_code.sign: ")
        assert re.search(error, errors[0])


def test_check_wants_a_display_of_its_own_that_is_there() -> None:
    good = {"width": 64, "height": 64}
    (error,) = check_door_code(profile("framebuffer_sign", good, sign="panel"))
    assert "a display of its own" in error
    missing = profile("framebuffer_sign", good).model_copy(update={"door_code": DoorCodeRow(sign="other")})
    assert check_door_code(missing) == ["door_code.sign: there is no device 'other'"]
    assert check_door_code(missing.model_copy(update={"door_code": None})) == []
    assert check_door_code(profile("framebuffer_sign", good, url=None)) == []


@pytest.mark.parametrize(
    "url", ["http://hub.example.org", "https://hub/x", "https://a@b", "https://" + "h" * 60, "hub"]
)
def test_phones_reach_the_hub_by_https_only(url: str) -> None:
    with pytest.raises(ValueError, match="url"):
        profile("framebuffer_sign", {}, url=url)
