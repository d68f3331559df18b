"""Owns `make fresh`: proves that both commands work on a bare Debian, with nothing but Python and git.

    debootstrap (python3-venv, git, ca-certificates) -> copy -> clone of this checkout's last commit
        -> run.py demo --seconds 20 -> run.py test --quick

It all runs in mount and process namespaces of its own: when it ends nothing is left running or mounted.
The user's mirrors are passed in: apt's from this machine's sources, pip's and npm's from their settings.
"""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from deploy.bootstrap import demo, processes, registries
from deploy.bootstrap.console import Console, Stop, standard_console
from deploy.bootstrap.failures import explain
from deploy.bootstrap.places import HERE, Places

SUITE = "bookworm"
BARE = "python3-venv,git,ca-certificates"
APT_SOURCES = ("/etc/apt/sources.list", "/etc/apt/sources.list.d/*.list", "/etc/apt/sources.list.d/*.sources")
PASSED_ON = re.compile(
    r"(?i)(http|https|all|no)_proxy|SSL_CERT_FILE|NODE_EXTRA_CA_CERTS|UV_\w+|npm_config_(registry|cafile)"
)
PIP_NAMES = ("index-url", "extra-index-url", "find-links", "trusted-host", "cert", "timeout", "proxy")
NPM_NAMES = re.compile(r"^((@[\w.-]+:)?registry|cafile|(https-|no)?proxy)\s*=")

# In the namespaces' first process: `root` is $0, the command comes after it.
ENTER = """
mount -t proc proc "$0/proc"
mount --rbind /dev "$0/dev"
mount --rbind /sys "$0/sys"
exec chroot "$0" /usr/bin/env --chdir=/srv/yizhan "$@"
"""


def apt_archive(sources: str) -> list[str]:
    """The mirror that this machine takes Debian's own packages from; none where it names none (debootstrap
    then takes its own default)."""
    one_line = re.findall(r"^deb\s+(?:\[[^\]]*\]\s+)?(\S+/debian/?)\s+\w+\s.*\bmain\b", sources, re.MULTILINE)
    paragraphs = re.findall(r"^URIs:\s*(\S+/debian/?)\s*$", sources, re.MULTILINE)
    return [str(address).rstrip("/") for address in (one_line + paragraphs)[:1]]


def inner_environment(env: Mapping[str, str], pip: Mapping[str, str]) -> dict[str, str]:
    """What the commands see inside: a plain environment, and the user's mirrors except folders of this machine."""
    inner = {name: value for name, value in env.items() if PASSED_ON.fullmatch(name)}
    for name in PIP_NAMES:
        values = [value for value in pip.get(name, "").split() if not _is_local_folder(value)]
        if values:
            inner["PIP_" + name.replace("-", "_").upper()] = " ".join(values)
    plain = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root", "LANG": "C.UTF-8"}
    return {**inner, **plain}


def _is_local_folder(value: str) -> bool:
    return value.startswith("file:") or (value.startswith("/") and not Path(value).is_file())


def npm_settings(text: str) -> str:
    """Of an .npmrc only what chooses the registry and how it is reached; no log-in."""
    return "".join(line + "\n" for line in text.splitlines() if NPM_NAMES.match(line))


def run(places: Places, console: Console) -> int:
    """The exit status of the first command that fails, else 0. Raises Stop where it cannot begin."""
    if os.geteuid() != 0:
        raise Stop("`make fresh` needs root, for debootstrap and chroot.")
    for tool in ("debootstrap", "unshare", "git"):
        if shutil.which(tool) is None:
            raise Stop(f"`make fresh` needs {tool}: `apt install debootstrap util-linux git`.")
    home = places.state / "fresh"
    root = home / "root"
    _make_base(places, home / "base", console)
    shutil.rmtree(root, ignore_errors=True)
    with console.step("a copy of it, with a clone of this checkout"):
        _checked(["cp", "-a", "--reflink=auto", home / "base", root], places, console)
        clone = ["git", "clone", "--depth=1", places.root.as_uri(), str(root / "srv/yizhan")]
        _checked(clone, places, console)
        env = _settle_in(root)
    port = str(_free_port())
    try:
        for words in (["demo", "--seconds", "20", "--port", port], ["test", "--quick"]):
            console.say(f"\n$ python3 run.py {' '.join(words)}")
            status = _inside(root, env, ["python3", "run.py", *words], places, console)
            if status:
                return status
    finally:
        shutil.rmtree(root, ignore_errors=True)
    return 0


def _make_base(places: Places, base: Path, console: Console) -> None:
    if base.exists():
        return
    unfinished = base.with_name("base.new")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.parent.mkdir(parents=True, exist_ok=True)
    files = [path for pattern in APT_SOURCES for path in sorted(Path("/").glob(pattern.lstrip("/")))]
    archive = apt_archive("\n".join(path.read_text() for path in files))
    with console.step(f"a bare Debian {SUITE}"):
        words = ["debootstrap", "--variant=minbase", f"--include={BARE}", SUITE, str(unfinished), *archive]
        _checked(words, places, console)
        unfinished.rename(base)


def _settle_in(root: Path) -> dict[str, str]:
    """Name resolution, certificates and mirrors of this machine, for the chroot; returns its environment."""
    asked = [sys.executable, "-m", "pip", "config", "list"]
    listing = subprocess.run(asked, capture_output=True, text=True, check=False)
    env = inner_environment(os.environ, registries.pip_settings(listing.stdout))
    files = [Path(value) for value in env.values() if value.startswith("/") and Path(value).is_file()]
    for path in (Path("/etc/resolv.conf"), Path("/etc/hosts"), *files):
        inside = root / path.relative_to("/")
        inside.parent.mkdir(parents=True, exist_ok=True)
        inside.unlink(missing_ok=True)
        shutil.copyfile(path, inside)
    npmrc = Path.home() / ".npmrc"
    if npmrc.exists():
        (root / "root/.npmrc").write_text(npm_settings(npmrc.read_text()))
    return env


def _inside(root: Path, env: dict[str, str], command: list[str], places: Places, console: Console) -> int:
    unshare: processes.Argv = ["unshare", "--mount", "--pid", "--fork", "--kill-child=SIGKILL"]
    variables = [f"{name}={value}" for name, value in env.items()]
    argv = [*unshare, "sh", "-ec", ENTER, root, "-i", *variables, *command]
    return processes.run(argv, cwd=places.root, console=console)


def _checked(argv: processes.Argv, places: Places, console: Console) -> None:
    log = places.logs / "fresh.log"
    if processes.run(argv, cwd=places.root, console=console, log=log):
        raise Stop(explain(f"running {argv[0]}", log))


def _free_port() -> int:
    """Any port that the demo can use: a demo of this machine may have the usual one."""
    for port in range(8000, 9000, 10):
        try:
            demo.check_ports(port, [port, *(port + demo.DOOR_PORT_OFFSET + n for n in range(len(demo.STATIONS)))])
        except Stop:
            continue
        return port
    raise Stop("no free port from 8000 to 9000.")


def main() -> int:
    console = standard_console()
    processes.interrupt_on_termination()
    try:
        return run(HERE, console)
    except Stop as reason:
        sys.stderr.write(f"{reason}\n")
        return 2
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
