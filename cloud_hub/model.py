"""What every request and answer of the REST interface shares."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Api(BaseModel):
    """Strict and immutable; an unknown field in a request is an error that names it."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)
