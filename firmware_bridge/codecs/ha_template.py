"""The part of Home Assistant's value templates that devices use, and no more: one path, or one choice. PURE.

```
 {{ value }}                                   the payload itself
 {{ value_json.a["b"][0] | int }}              what lies on a path of the payload's JSON
 {% if value_json.on == true %}ON{% else %}OFF{% endif %}       one of two words
 {"state": "{{ value }}"}                      commands only: the value inside a text
```
Steps of a path: `.name`, `["name"]`, `['name']`, `[0]`. Filters: `int`, `float`, `round(n)`, `is_defined`.
Anything else is refused when the template is read: what is half understood could open a door.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from firmware_bridge.codecs import FrameError

TEMPLATE_CHARS_MAX = 512
STEPS_MAX = 16

_NAME = r"[A-Za-z_][A-Za-z0-9_]*"
_QUOTED = r"'[^'\\]*'|\"[^\"\\]*\""
_PATH = rf"value(?:_json(?:\s*(?:\.\s*{_NAME}|\[\s*(?:\d{{1,4}}|{_QUOTED})\s*\]))*)?"
_FILTERS = r"(?:\s*\|\s*(?:int|float|is_defined|round\s*\(\s*\d\s*\)))*"
_VALUE = re.compile(rf"\s*\{{\{{-?\s*({_PATH})({_FILTERS})\s*-?\}}\}}\s*")
_LITERAL = rf"{_QUOTED}|-?\d{{1,12}}(?:\.\d{{1,12}})?|[Tt]rue|[Ff]alse|[Nn]one"
_CHOICE = re.compile(
    rf"\s*\{{%-?\s*if\s+({_PATH})\s*(?:(==|!=)\s*({_LITERAL})\s*)?-?%\}}([^{{}}]*)"
    r"\{%-?\s*else\s*-?%\}([^{}]*)\{%-?\s*endif\s*-?%\}\s*"
)
_STEP = re.compile(rf"\.\s*({_NAME})|\[\s*(\d+)\s*\]|\[\s*({_QUOTED})\s*\]")
_FILTER = re.compile(r"\|\s*(int|float|is_defined|round)\s*(?:\(\s*(\d)\s*\))?")
_COMMAND_VALUE = re.compile(r"\{\{-?\s*value\s*-?\}\}")


class Nothing:
    """A message that says nothing about what was asked: another part of a shared topic."""


NOTHING = Nothing()


@dataclass(frozen=True, slots=True)
class Template:
    """How a payload becomes the text that is looked at. `source` is empty for the payload itself."""

    source: str
    path: tuple[str | int, ...] | None = None  # None: the payload itself; (): the whole JSON
    filters: tuple[tuple[str, int], ...] = ()
    choice: tuple[str, str] | None = None  # when true, when not
    operator: str = ""
    literal: str | float | bool | None = None

    def render(self, payload: str) -> str | Nothing:
        """The text; NOTHING where the path leads nowhere. Raises FrameError for a payload that is no JSON."""
        found = self._find(payload)
        if self.choice is not None:
            return self.choice[0] if self._holds(found) else self.choice[1]
        if isinstance(found, Nothing | dict | list):
            return NOTHING
        for name, digits in self.filters:
            found = _filtered(found, name, digits)
        return text_of(found)

    def _find(self, payload: str) -> Any:
        if self.path is None:
            return payload
        found: Any = read_json(payload)
        for step in self.path:
            try:
                found = found[step]
            except (KeyError, IndexError, TypeError):
                return NOTHING
        return found

    def _holds(self, found: Any) -> bool:
        if isinstance(found, Nothing):
            return False if not self.operator else self.operator == "!="
        if not self.operator:
            return bool(found)
        # In Python, and so in a template, True == 1; a device that says 1 and asks for true means it.
        return bool(found == self.literal) is (self.operator == "==")


PAYLOAD = Template("")


def parse(source: str) -> Template:
    """A template of a state. Raises FrameError for what lies beyond the subset."""
    _check(source)
    if (match := _VALUE.fullmatch(source)) is not None:
        return Template(source, _path(match[1]), _filters(match[2]))
    if (match := _CHOICE.fullmatch(source)) is not None:
        path, operator, literal, yes, no = match.groups()
        return Template(source, _path(path), (), (yes.strip(), no.strip()), operator or "", _literal(literal))
    raise FrameError(f"template {source[:80]!r} is beyond the subset that is understood")


def parse_command(source: str) -> Callable[[str], str]:
    """A template of a command: a text with `{{ value }}` in it. Raises FrameError for any other."""
    _check(source)
    pieces = _COMMAND_VALUE.split(source)
    if len(pieces) < 2 or any("{{" in piece or "{%" in piece or "{#" in piece for piece in pieces):
        raise FrameError(f"command template {source[:80]!r} is beyond the subset that is understood")
    return lambda value: value.join(pieces)


def read_json(payload: str) -> Any:
    """Raises FrameError for what is no JSON, or is nested beyond reason."""
    try:
        return json.loads(payload)
    except (ValueError, RecursionError):
        raise FrameError(f"{payload[:60]!r} is no JSON") from None


def text_of(value: object) -> str:
    """A value of JSON as a template writes it: Python's words."""
    return value if isinstance(value, str) else str(value)


def _check(source: str) -> None:
    if len(source) > TEMPLATE_CHARS_MAX:
        raise FrameError(f"a template of {len(source)} characters is beyond what is understood")


def _path(text: str) -> tuple[str | int, ...] | None:
    if text == "value":
        return None
    steps: list[str | int] = []
    for name, index, quoted in _STEP.findall(text.removeprefix("value_json")):
        steps.append(int(index) if index else name or quoted[1:-1])
    if len(steps) > STEPS_MAX:
        raise FrameError(f"a path of {len(steps)} steps is beyond what is understood")
    return tuple(steps)


def _filters(text: str) -> tuple[tuple[str, int], ...]:
    return tuple((name, int(digits or 0)) for name, digits in _FILTER.findall(text))


def _literal(text: str | None) -> str | float | bool | None:
    if text is None or text.lower() == "none":
        return None
    if text[0] in "'\"":
        return text[1:-1]
    return text.lower() == "true" if text[0] in "TtFf" else float(text)


def _filtered(value: Any, name: str, digits: int) -> Any:
    """Raises FrameError for what is no number: a filter's own default would be a value that nobody measured."""
    if name == "is_defined":
        return value
    try:
        number = float(value)
        if not math.isfinite(number):
            raise ValueError
    except (TypeError, ValueError, OverflowError):
        raise FrameError(f"{str(value)[:60]!r} is no number, and the template's {name} needs one") from None
    match name:
        case "int":
            return int(number)
        case "round":
            return round(number, digits)
        case _:
            return number
