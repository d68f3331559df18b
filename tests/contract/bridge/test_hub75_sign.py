"""HUB75 panels: what our driver draws is what RGBMatrixEmulator shows, and what the simulated panels show."""

import json
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from firmware_bridge.capabilities import Bitmap
from firmware_bridge.simulators.hub75_panel import Hub75Simulation

pytestmark = pytest.mark.contract

ROOT = Path(__file__).parents[3]
PEER = ROOT / "tests" / "contract" / "peers" / "rgbmatrix_sign.py"
RED, DARK = [255, 48, 0], [0, 0, 0]
NAME = "the_sign"


def picture(width, height, seed):
    return Bitmap(width, height, bytes((x * y + seed) % 3 == 0 for y in range(height) for x in range(width)))


def pixels(bitmap):
    rows = [bitmap.dots[at : at + bitmap.width] for at in range(0, len(bitmap.dots), bitmap.width)]
    return [[RED if dot else DARK for dot in row] for row in rows]


@pytest.fixture(scope="module")
def on_emulator(peer_python, tmp_path_factory):
    """Runs orders on the emulator: what is on the panels after each."""
    python = peer_python("rgbmatrix")
    packages = subprocess.run(
        [python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()
    home = tmp_path_factory.mktemp("emulator")
    (home / "emulator_config.json").write_text(
        json.dumps({"display_adapter": "raw", "allow_adapter_fallback": False, "pixel_size": 1, "log_level": "error"})
    )

    def run(options, steps):
        done = subprocess.run(
            [sys.executable, PEER, packages],
            input=json.dumps({"options": options, "steps": steps}),
            cwd=home,
            env={"PYTHONPATH": f"{ROOT}:{sysconfig.get_path('purelib')}", "PYTHONWARNINGS": "ignore"},
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert done.returncode == 0, done.stderr[-2000:]
        return json.loads(done.stdout.splitlines()[-1])

    return run


def order(*bitmaps):
    return {"pages": [[page.width, page.height, list(page.dots)] for page in bitmaps]}


def test_what_is_drawn_is_what_the_emulator_shows(on_emulator):
    one, two = picture(128, 32, 1), picture(128, 32, 2)
    options = {"chain": 2, "brightness": 100, "colour": "#ff3000", "page_s": 0.1}
    told = on_emulator(options, [order(two), order(one, two), {"wait": 1}, {"identify": 0.05}, {"text": "OPEN"}])
    assert told["size"] == [128, 32]
    assert told["shown"] is None, "panels tell nothing back"
    alone, first, second, name, text = told["frames"]
    assert alone == pixels(two)
    assert first == pixels(one)
    assert second == pixels(two)
    assert name not in (pixels(one), pixels(two))
    assert text not in (pixels(one), pixels(two), name)
    assert {tuple(pixel) for row in text for pixel in row} == {tuple(RED), tuple(DARK)}


def test_panels_at_two_connectors_make_a_higher_sign(on_emulator):
    page = picture(64, 64, 5)
    told = on_emulator({"parallel": 2, "brightness": 100, "colour": "#ff3000"}, [order(page)])
    assert told["size"] == [64, 64]
    assert told["frames"] == [pixels(page)]


async def test_the_simulated_panels_show_it_as_well(bridge_on, simulator_context):
    async with Hub75Simulation(simulator_context) as panels:
        device = panels.device.model_copy(update={"options": panels.device.options | {"colour": "#ff3000"}})
        async with bridge_on({device.line: panels.line}, {NAME: device}) as told:
            await told.until(lambda: told.health(NAME) == ["online"])
            page = picture(128, 32, 1)
            await told.bridge.sign(NAME).show_pages([page])
            lit = {(at % 128, at // 128) for at, dot in enumerate(page.dots) if dot}
            assert panels.front.dots == dict.fromkeys(lit, tuple(RED))


async def test_a_library_that_is_not_there_is_named(bridge_on, simulator_context):
    panels = Hub75Simulation(simulator_context)
    async with bridge_on({panels.device.line: panels.line}, {NAME: panels.device}) as told:
        await told.until(lambda: told.health(NAME) == ["offline"])
        detail = told.events[-1].detail
    assert "the library rgbmatrix is not installed here" in detail


async def test_panels_that_go_while_they_are_drawn_on_are_told(bridge_on, simulator_context):
    panels = Hub75Simulation(simulator_context)
    async with panels, bridge_on({panels.device.line: panels.line}, {NAME: panels.device}) as told:
        await told.until(lambda: told.health(NAME) == ["online"])
        await told.bridge.sign(NAME).show_pages([picture(128, 32, 1), picture(128, 32, 2)])
        panels.unplug()
        await told.until(lambda: told.health(NAME) == ["online", "offline"])
        panels.front.Clear()
        panels.plug_in()
        await told.until(lambda: told.health(NAME) == ["online", "offline", "online"])
        assert panels.state()["lit_dots"] > 0, "it shows its pages again"
