"""Owns `.venv`: made by this Python, filled with exactly what a lock file names, redone only on change.

    venv  ->  uv (by pip, hashes in uv.txt)  ->  the lock (by uv, hashes)  ->  this project, editable

What is in there is written down in `.venv/yizhan.json`; it lies inside so that it goes when `.venv` goes.
A development environment holds all that the demo needs, so the demo never shrinks one.
"""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

from deploy.bootstrap import processes, registries, stamps
from deploy.bootstrap.console import Console, Stop
from deploy.bootstrap.failures import explain
from deploy.bootstrap.locks import setup_lock
from deploy.bootstrap.places import Places

LOCKS = {"demo": "requirements.lock", "dev": "requirements-dev.lock"}
UV_LIST = "deploy/bootstrap/uv.txt"


def ensure(places: Places, level: str, console: Console) -> None:
    """Makes the environment hold at least `level` ("demo" or "dev"); raises Stop with the reason if it cannot."""
    if is_current(places, level):
        return
    with setup_lock(places.state / "setup.lock", console):
        if not is_current(places, level):  # whoever we waited for may have done it
            _make(places, "dev" if _holds(places) == "dev" else level, console)


def is_current(places: Places, level: str) -> bool:
    held = _holds(places)
    return (
        places.tool("python").exists()
        and held in ("dev", level)
        and stamps.read_stamp(_stamp(places)) == _wanted(places, held)
    )


def _stamp(places: Places) -> Path:
    return places.venv / "yizhan.json"


def _holds(places: Places) -> str:
    return stamps.read_stamp(_stamp(places)).get("level", "")


def _wanted(places: Places, level: str) -> dict[str, str]:
    root = places.root
    return {
        "level": level,
        "uv": stamps.content_hash([root / UV_LIST], root),
        "packages": stamps.content_hash([root / LOCKS[level]], root),
        "project": stamps.content_hash([root / "pyproject.toml"], root),
        "root": str(root),  # an editable install points here, and scripts name their Python by its path
    }


def _make(places: Places, level: str, console: Console) -> None:
    wanted, have = _wanted(places, level), stamps.read_stamp(_stamp(places))
    moved = have.get("root", wanted["root"]) != wanted["root"]
    if moved or not _python_works(places):
        have = {}
        with console.step("virtual environment .venv"):
            _make_venv(places, console)
    if have.get("uv") != wanted["uv"] or not places.tool("uv").exists():
        with console.step("uv, the installer"):
            _install_uv(places, console)
    if have.get("packages") != wanted["packages"]:
        _stamp(places).unlink(missing_ok=True)  # from here on it is neither the old nor the new
        with console.step(f"packages of {LOCKS[level]}"):
            _sync(places, level, console)
        have = {}  # syncing removes the project, which no lock names
    if have.get("project") != wanted["project"]:
        with console.step("this project, editable"):
            _install_project(places, console)
    stamps.write_stamp(_stamp(places), wanted)


def _python_works(places: Places) -> bool:
    """False where there is none, where the Python that it was made from is gone, or where it has no pip."""
    python = places.tool("python")
    try:
        return subprocess.run([python, "-c", "import pip"], capture_output=True, check=False).returncode == 0
    except OSError:
        return False


def venv_missing_sentence() -> str | None:
    """What to install when this Python cannot make a virtual environment; None when it can."""
    missing = [name for name in ("venv", "ensurepip") if importlib.util.find_spec(name) is None]
    if not missing:
        return None
    version = f"{sys.version_info[0]}.{sys.version_info[1]}"
    return (
        f"This Python {version} comes without its {' and '.join(missing)} module: install it first "
        f"(on Debian and Ubuntu: `apt install python3-venv`, or `python{version}-venv`)."
    )


def _make_venv(places: Places, console: Console) -> None:
    if sentence := venv_missing_sentence():
        raise Stop(sentence)
    log = places.logs / "venv.log"
    argv: processes.Argv = [sys.executable, "-m", "venv", "--clear", places.venv]
    if processes.run(argv, cwd=places.root, console=console, log=log):
        raise Stop(explain("making .venv", log))


def _install_uv(places: Places, console: Console) -> None:
    log = places.logs / "uv.log"
    pip = "install --disable-pip-version-check --no-input --retries 2 --require-hashes --no-deps --only-binary :all:"
    argv: processes.Argv = [places.tool("python"), "-m", "pip", *pip.split(), "-r", UV_LIST]
    if processes.run(argv, cwd=places.root, console=console, log=log):
        raise Stop(explain("installing uv", log))


def _sync(places: Places, level: str, console: Console) -> None:
    """Installs exactly the lock. Its setuptools comes first, and builds what has no wheel: so nothing is
    run that no hash vouches for."""
    env = _uv_environment(places)
    lock = places.root / LOCKS[level]
    builder = places.state / "build-tools.txt"
    builder.parent.mkdir(parents=True, exist_ok=True)
    builder.write_text(locked_block(lock.read_text(), "setuptools"))
    # Tests start hundreds of interpreters, some of them side by side: none of them should compile all this first.
    compiled = ["--compile-bytecode"] if level == "dev" else []
    steps: tuple[processes.Argv, ...] = (
        ["install", "--no-deps", "--require-hashes", "-r", builder],
        ["sync", "--require-hashes", "--no-build-isolation", *compiled, lock],
    )
    for argv in steps:
        _uv(places, argv, env, "installing packages", console)
    builder.unlink()


def _install_project(places: Places, console: Console) -> None:
    argv: processes.Argv = ["install", "--no-deps", "--no-build-isolation", "--offline", "--editable", "."]
    _uv(places, argv, dict(os.environ), "installing this project", console)


def _uv(places: Places, argv: processes.Argv, env: dict[str, str], what: str, console: Console) -> None:
    log = places.logs / "packages.log"
    uv, python = places.tool("uv"), places.tool("python")
    command = [uv, "pip", argv[0], "--no-progress", "--python", python, *argv[1:]]
    if processes.run(command, cwd=places.root, env=env, console=console, log=log):
        raise Stop(explain(what, log))


def _uv_environment(places: Places) -> dict[str, str]:
    listing = subprocess.run(
        [places.tool("python"), "-m", "pip", "config", "list"], capture_output=True, text=True, check=False
    ).stdout
    settings = registries.pip_settings(listing)
    passed = registries.uv_environment(settings, os.environ, uv_is_configured=registries.uv_has_own_file())
    return {**os.environ, **passed}


def locked_block(lock: str, name: str) -> str:
    """The lines of one package in a lock file: `name==version \\` and its hashes."""
    block: list[str] = []
    for line in lock.splitlines():
        if line.startswith(f"{name}=="):
            block = [line]
        elif block and line.startswith(" "):
            block.append(line)
        elif block:
            break
    if not block:
        raise Stop(f"the lock file does not name {name}: run `make lock`.")
    return "\n".join(block) + "\n"
