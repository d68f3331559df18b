"""Owns the answer to "has anything changed since we did this?": content hashes, and stamps that keep them."""

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path


def content_hash(files: Iterable[Path], root: Path) -> str:
    """SHA-256 over names (relative to `root`) and contents; the order of `files` does not matter."""
    digest = hashlib.sha256()
    for path in sorted(files):
        data = path.read_bytes()
        digest.update(f"{path.relative_to(root)}\0{len(data)}\0".encode())
        digest.update(data)
    return digest.hexdigest()


def files_below(folder: Path, *, skip: frozenset[str]) -> list[Path]:
    """Every file below `folder`, except in directories (or files) named in `skip`."""
    found: list[Path] = []
    for entry in folder.iterdir():
        if entry.name in skip:
            continue
        if entry.is_dir():
            found += files_below(entry, skip=skip)
        else:
            found.append(entry)
    return found


def read_stamp(path: Path) -> dict[str, str]:
    """What was stamped, or nothing when the stamp is missing or torn (then the work is done again)."""
    try:
        stamp = json.loads(path.read_text())
    except (FileNotFoundError, json.JSONDecodeError):
        return {}
    return stamp if isinstance(stamp, dict) else {}


def write_stamp(path: Path, stamp: dict[str, str]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(path.name + ".new")
    unfinished.write_text(json.dumps(stamp, indent=1) + "\n")
    unfinished.replace(path)
