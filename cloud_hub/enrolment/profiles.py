"""Reads a station's profile as a technician wrote it: TOML, or JSON. PURE."""

from __future__ import annotations

import json
import tomllib

from pydantic import ValidationError

from station_agent.wire.profile import StationProfile


class BadProfile(Exception):
    """The message names what is wrong by its path."""


def read_profile(name: str, text: str) -> StationProfile:
    """`name` of the file says which of the two it is. Raises BadProfile."""
    try:
        return StationProfile.model_validate(json.loads(text) if name.endswith(".json") else tomllib.loads(text))
    except (tomllib.TOMLDecodeError, json.JSONDecodeError) as error:
        raise BadProfile(f"{name} cannot be read: {error}") from error
    except ValidationError as error:
        rows = error.errors(include_url=False, include_input=False)
        found = "; ".join(f"{'.'.join(map(str, row['loc']))}: {row['msg']}" for row in rows[:5])
        raise BadProfile(f"{name} is no station profile: {found}") from error
