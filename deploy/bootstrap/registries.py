"""Owns how the user's own pip settings reach uv, which does not read them; names no registry itself."""

import ast
import os
from collections.abc import Mapping
from pathlib import Path

# pip's setting -> uv's environment variable, and what joins several values there.
PASSED_ON = {
    "index-url": ("UV_DEFAULT_INDEX", " "),
    "extra-index-url": ("UV_INDEX", " "),
    "find-links": ("UV_FIND_LINKS", ","),
    "trusted-host": ("UV_INSECURE_HOST", " "),
    "no-index": ("UV_NO_INDEX", " "),
    "cert": ("SSL_CERT_FILE", " "),
    "timeout": ("UV_HTTP_TIMEOUT", " "),
    "proxy": ("ALL_PROXY", " "),
}
WEAKEST_FIRST = ("global", "user", "site", "install", ":env:")
CHOOSES_INDEX = ("UV_DEFAULT_INDEX", "UV_INDEX", "UV_INDEX_URL", "UV_EXTRA_INDEX_URL", "UV_FIND_LINKS", "UV_NO_INDEX")
UV_FILES = ("~/.config/uv/uv.toml", "/etc/uv/uv.toml")


def pip_settings(listing: str) -> dict[str, str]:
    """Reads what `pip config list` prints, one `level.name='value'` a line; a stronger level wins."""
    found: dict[str, tuple[int, str]] = {}
    for line in listing.splitlines():
        key, equals, value = line.partition("=")
        level, _, name = key.rpartition(".")
        if not equals or level not in WEAKEST_FIRST:
            continue
        strength = WEAKEST_FIRST.index(level)
        name = "timeout" if name == "default-timeout" else name
        if strength >= found.get(name, (-1, ""))[0]:
            found[name] = (strength, str(ast.literal_eval(value)))
    return {name: value for name, (_, value) in found.items()}


def uv_environment(settings: Mapping[str, str], env: Mapping[str, str], *, uv_is_configured: bool) -> dict[str, str]:
    """The variables that make uv use what pip uses.

    A variable that the user set stays. When the user chose indexes for uv itself (in the environment or
    in uv's own file), pip's indexes are not passed on at all. Folders that do not exist are left out,
    since uv, unlike pip, stops at them.
    """
    own_choice = uv_is_configured or any(name in env for name in CHOOSES_INDEX)
    passed: dict[str, str] = {}
    for name, (variable, separator) in PASSED_ON.items():
        if variable in env or (own_choice and variable in CHOOSES_INDEX):
            continue
        values = [value for value in settings.get(name, "").split() if _is_there(value)]
        if values:
            passed[variable] = separator.join(values)
    if "UV_INDEX" in passed:
        # pip takes the best match of all indexes; uv would stop at the first that knows the name. Every
        # file is checked against the lock's hashes, so where it comes from does not matter.
        passed["UV_INDEX_STRATEGY"] = "unsafe-best-match"
    return passed


def _is_there(value: str) -> bool:
    local = value.removeprefix("file://") if value.startswith("file://") else value
    return not local.startswith("/") or Path(local).exists()


def uv_has_own_file() -> bool:
    return "UV_CONFIG_FILE" in os.environ or any(Path(name).expanduser().exists() for name in UV_FILES)
