"""What the repository promises about itself: who is PURE, what the bootstrap imports, that the units are sound."""

import ast
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
ROOMS = ("firmware_bridge", "station_agent", "cloud_hub")
UNITS = sorted((ROOT / "deploy" / "systemd").glob("*.service"))


def pure_contract() -> set[str]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    contracts = project["tool"]["importlinter"]["contracts"]
    [pure] = [contract for contract in contracts if contract["name"].startswith("PURE")]
    return set(pure["source_modules"])


def test_every_module_that_calls_itself_pure_is_held_to_it() -> None:
    held = pure_contract()
    missing = []
    for room in ROOMS:
        for path in (ROOT / room).rglob("*.py"):
            if "node_modules" in path.parts:
                continue
            first = (ast.get_docstring(ast.parse(path.read_text())) or "").partition("\n")[0]
            if not first.startswith("PURE") and not first.endswith("PURE."):
                continue
            name = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
            if not any(name == module or name.startswith(module + ".") for module in held):
                missing.append(name)
    assert not missing, f"add to the PURE contract in pyproject.toml: {', '.join(sorted(missing))}"


def test_the_bootstrap_needs_the_standard_library_only() -> None:
    allowed = sys.stdlib_module_names | {"deploy"}
    foreign = {}
    for path in [ROOT / "run.py", *(ROOT / "deploy" / "bootstrap").glob("*.py")]:
        for node in ast.walk(ast.parse(path.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            for name in names:
                if name.partition(".")[0] not in allowed:
                    foreign[path.name] = name
    assert not foreign


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="no systemd-analyze on this machine")
@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_systemd_finds_nothing_wrong_with_the_units(unit: Path, tmp_path: Path) -> None:
    installed = tmp_path / unit.name.replace("@.", "@demo.")
    text = unit.read_text()
    assert "/opt/yizhan/.venv/bin/yizhan-" in text
    installed.write_text(text.replace("/opt/yizhan/.venv/bin/", f"{Path(sys.executable).parent}/"))
    done = subprocess.run(["systemd-analyze", "verify", installed], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
