"""When `.venv` is current, and what is said when it cannot be made."""

import importlib.util
from pathlib import Path

import pytest

from deploy.bootstrap import environment, stamps
from deploy.bootstrap.console import Stop
from deploy.bootstrap.places import Places


@pytest.fixture
def places(tmp_path: Path) -> Places:
    for name in (
        "requirements.lock",
        "requirements-dev.lock",
        "pyproject.toml",
        environment.UV_LIST,
        ".venv/bin/python",
    ):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    return Places(tmp_path)


def stamp(places: Places, level: str) -> None:
    stamps.write_stamp(places.venv / "yizhan.json", environment._wanted(places, level))


def test_an_environment_without_a_stamp_is_not_current(places: Places) -> None:
    assert not environment.is_current(places, "demo")


@pytest.mark.parametrize(
    ("held", "asked", "current"), [("demo", "demo", True), ("dev", "demo", True), ("demo", "dev", False)]
)
def test_a_development_environment_serves_the_demo_but_not_the_reverse(
    places: Places, held: str, asked: str, current: bool
) -> None:
    stamp(places, held)
    assert environment.is_current(places, asked) is current


@pytest.mark.parametrize("name", ["requirements.lock", "pyproject.toml", environment.UV_LIST])
def test_a_changed_input_makes_it_stale(places: Places, name: str) -> None:
    stamp(places, "demo")
    (places.root / name).write_text("changed")
    assert not environment.is_current(places, "demo")


def test_a_moved_checkout_makes_it_stale(places: Places, tmp_path: Path) -> None:
    stamp(places, "demo")
    moved = tmp_path.with_name(tmp_path.name + "-moved")
    tmp_path.rename(moved)
    assert not environment.is_current(Places(moved), "demo")
    moved.rename(tmp_path)
    assert environment.is_current(places, "demo")


def test_a_python_that_is_gone_makes_it_stale(places: Places) -> None:
    stamp(places, "demo")
    places.tool("python").unlink()
    assert not environment.is_current(places, "demo")


def test_a_python_without_venv_is_told_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    assert environment.venv_missing_sentence() is None
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "ensurepip" else find(name))
    sentence = environment.venv_missing_sentence()
    assert sentence is not None
    assert "without its ensurepip module" in sentence
    assert "`apt install python3-venv`" in sentence


def test_the_block_of_one_package_is_cut_out_of_a_lock() -> None:
    lock = "a==1 \\\n    --hash=sha256:1\nsetuptools==80 \\\n    --hash=sha256:2 \\\n    --hash=sha256:3\nz==1 \\\n"
    wanted = "setuptools==80 \\\n    --hash=sha256:2 \\\n    --hash=sha256:3\n"
    assert environment.locked_block(lock, "setuptools") == wanted
    with pytest.raises(Stop, match="make lock"):
        environment.locked_block(lock, "wheel")


def test_the_locks_name_no_registry_and_hash_everything() -> None:
    root = Path(__file__).parents[3]
    for name in (*environment.LOCKS.values(), environment.UV_LIST):
        text = (root / name).read_text()
        assert "://" not in text
        assert "--index" not in text
        packages = [line for line in text.splitlines() if line and not line.startswith((" ", "#"))]
        assert packages
        assert all(line.endswith("\\") and "==" in line for line in packages)
