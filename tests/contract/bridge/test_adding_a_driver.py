"""docs/adding-a-driver.md, done word for word by an outsider in a copy of the project."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from firmware_bridge.bridge import check
from firmware_bridge.config import DeviceConfig, LineConfig

pytestmark = [pytest.mark.contract, pytest.mark.timeout(240)]

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "adding-a-driver.md").read_text(encoding="utf-8")
SENSOR, PROTOCOL = PAGE.split("\n## A new protocol", 1)
COPIED = ("firmware_bridge", "station_agent", "cloud_hub", "deploy", "config", "docs", "tests")
LEFT_OUT = shutil.ignore_patterns("__pycache__", "node_modules", "web", ".mypy_cache", "*.png", "*.svg")
# **`path`**[, where]  and the block below it
STEP = re.compile(r"\*\*`(?P<path>[^`]+)`\*\*(?P<where>[^\n]*)\n\n```\w+\n(?P<text>.*?)\n```", re.DOTALL)
COMMANDS = re.compile(r"```sh\n(.*?)```", re.DOTALL)


@pytest.fixture(scope="module")
def copy(tmp_path_factory):
    """The project without what it was built into, with both chapters of the page carried out."""
    folder = tmp_path_factory.mktemp("outsider") / "yizhan"
    folder.mkdir()
    for name in COPIED:
        shutil.copytree(ROOT / name, folder / name, ignore=LEFT_OUT)
    shutil.copy(ROOT / "pyproject.toml", folder)
    for step in STEP.finditer(PROTOCOL):
        carry_out(folder / step["path"], step["where"].strip(", "), step["text"])
    return folder


def carry_out(path, where, text):
    if not where:
        assert not path.exists(), f"{path.name} is there already"
        path.write_text(text + "\n", encoding="utf-8")
        return
    before = path.read_text(encoding="utf-8")
    if where == "among the imports":
        after = before.replace("\nfrom firmware_bridge", f"\n{text}\nfrom firmware_bridge", 1)
    elif table := re.fullmatch(r"in `(\w+)`", where):
        rows = re.compile(rf"(\n{table[1]}: [^\n]*= \{{.*?\n?)\}}\n", re.DOTALL)
        after = rows.sub(lambda found: f"{found[1]}{text}\n}}\n", before, count=1)
    else:
        assert where == "under its table of drivers"
        rows = [line for line in before.splitlines() if line.startswith("| `")]
        last = [row for row in rows if re.search(r"bronze|silver|gold", row)][-1]
        after = before.replace(last, f"{last}\n{text}", 1)
    assert after != before, f"{path.name}: nothing was added {where}"
    path.write_text(after, encoding="utf-8")


def run(command, folder, **more):
    env = {**os.environ, "PYTHONPATH": str(folder), "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    return subprocess.run(
        shlex.split(command), cwd=folder, env=env, capture_output=True, text=True, timeout=120, check=False, **more
    )


@pytest.mark.parametrize("command", [line for block in COMMANDS.findall(PROTOCOL) for line in block.splitlines()])
def test_the_commands_of_the_page_do_what_they_say(copy, command):
    ended = run(command, copy)
    assert ended.returncode == 0, ended.stdout[-3000:] + ended.stderr[-3000:]
    if "pytest" in command:
        assert re.search(r"\d+ passed", ended.stdout)
        assert "failed" not in ended.stdout
    if "simulate" in command:
        assert 'driver = "acme_t1"' in ended.stdout
        assert "celsius 21.5" in ended.stdout


def test_a_sensor_is_one_file_and_no_code(tmp_path):
    block = re.search(r"```toml\n(.*?)```", SENSOR, re.DOTALL)[1]
    (tmp_path / "acme_co2.toml").write_text(block, encoding="utf-8")
    device = DeviceConfig(driver="modbus_sensor", line="air", profile="acme_co2", address=1)
    assert check({"air": LineConfig(url="/dev/ttyS0")}, {"co2": device}, tmp_path) == []
