"""What a row of a table names in place of importing it: "module:NAME", found when it is first used.

A station imports the few drivers that its profile has, and none of the others.
"""

from __future__ import annotations

from importlib import import_module


def named(package: str, text: str) -> object:
    """What NAME is in `package`.module. Raises ImportError or AttributeError where there is no such thing."""
    module, _, name = text.partition(":")
    found: object = getattr(import_module(f"{package}.{module}"), name)
    return found
