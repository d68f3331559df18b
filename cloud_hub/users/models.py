"""Who may use the hub, and what each role may do."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from pydantic import SecretStr, StringConstraints

from cloud_hub.model import Api

UserName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9._-]{0,39}$")]


class Role(StrEnum):
    """Each includes the ones before it."""

    VIEWER = "viewer"
    OPERATOR = "operator"
    ADMIN = "admin"

    def includes(self, other: Role) -> bool:
        order = list(Role)
        return order.index(self) >= order.index(other)


class LogIn(Api):
    user: Annotated[str, StringConstraints(min_length=1, max_length=40)]
    password: Annotated[SecretStr, StringConstraints(min_length=1, max_length=200)]


class User(Api):
    """Who is logged in. `name` is for people to read."""

    user: str
    role: Role
    name: str
