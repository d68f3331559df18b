"""PURE: 50,000 members in some 20 MB. Each is kept as its JSON, and is a model only while somebody asks about it.

A roster of that size is 13 MB of text. Read in one call it would hold the interpreter, and with it the door, for a
second or more; so its members are read one by one, and another thread has its turn in between.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from station_agent.wire.documents import RosterMember

_SPACE = re.compile(r"[ \t\n\r]*")
_DECODER = json.JSONDecoder()


class Members(Mapping[str, RosterMember]):
    """By id. A lookup takes some 10 us."""

    __slots__ = ("_rows",)

    def __init__(self, rows: dict[str, bytes]) -> None:
        """`rows`: the JSON of a RosterMember by its id, known to be valid."""
        self._rows = rows

    @classmethod
    def of(cls, members: Iterable[RosterMember]) -> Members:
        return cls({member.id: member.model_dump_json().encode() for member in members})

    def __getitem__(self, id: str) -> RosterMember:
        return RosterMember.model_validate_json(self._rows[id])

    def __iter__(self) -> Iterator[str]:
        return iter(self._rows)

    def __len__(self) -> int:
        return len(self._rows)

    def __contains__(self, id: object) -> bool:
        return id in self._rows


class _NoRoster(ValueError):
    pass


def split(body: str, members_max: int) -> tuple[dict[str, Any], Members]:
    """A roster's text: everything but its members, and these, each checked.

    Raises ValueError (pydantic's and json's errors are) for what is no such object.
    """
    rest: dict[str, Any] = {}
    members: dict[str, bytes] | None = None
    at = _expect(body, 0, "{")
    while True:
        key, at = _DECODER.raw_decode(body, _skip(body, at))
        at = _expect(body, at, ":")
        if not isinstance(key, str) or key in rest or (key == "members" and members is not None):
            raise _NoRoster(f"{key!r} is no key, or is there twice")
        if key == "members":
            members, at = _members(body, at, members_max)
        else:
            rest[key], at = _DECODER.raw_decode(body, _skip(body, at))
        at = _skip(body, at)
        if body[at : at + 1] == "}":
            break
        at = _expect(body, at, ",")
    if _skip(body, at + 1) != len(body):
        raise _NoRoster("something follows the document")
    if members is None:
        raise _NoRoster("members: missing")
    return rest, Members(members)


def _members(body: str, at: int, members_max: int) -> tuple[dict[str, bytes], int]:
    rows: dict[str, bytes] = {}
    if body[(at := _skip(body, at)) : at + 1] != "[":
        raise _NoRoster("members: no list")
    at = _skip(body, at + 1)
    if body[at : at + 1] == "]":
        return rows, at + 1
    while True:
        _, end = _DECODER.raw_decode(body, at)
        row = body[at:end]
        member = RosterMember.model_validate_json(row)
        if member.id in rows:
            raise _NoRoster(f"members: {member.id} is there twice")
        if len(rows) >= members_max:
            raise _NoRoster(f"members: more than {members_max}")
        rows[member.id] = row.encode()
        at = _skip(body, end)
        if body[at : at + 1] == "]":
            return rows, at + 1
        at = _skip(body, _expect(body, at, ","))


def _skip(body: str, at: int) -> int:
    found = _SPACE.match(body, at)
    assert found is not None
    return found.end()


def _expect(body: str, at: int, char: str) -> int:
    at = _skip(body, at)
    if body[at : at + 1] != char:
        raise _NoRoster(f"expected {char!r} at {at}")
    return at + 1
