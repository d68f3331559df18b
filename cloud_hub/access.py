"""What routes ask for: the hub itself, and somebody whose role suffices."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Annotated

from fastapi import Depends
from starlette.requests import HTTPConnection

from cloud_hub.hub import Hub
from cloud_hub.problems import Problem
from cloud_hub.users.models import Role, User

SESSION_COOKIE = "yizhan_session"


def hub_of(connection: HTTPConnection) -> Hub:
    hub: Hub = connection.app.state.hub
    return hub


HubDep = Annotated[Hub, Depends(hub_of)]


def require(role: Role) -> Callable[[HTTPConnection, Hub], Awaitable[User]]:
    """A dependency: the logged-in user. Answers 401 to nobody and 403 to a lesser role."""

    async def current(connection: HTTPConnection, hub: HubDep) -> User:
        token = connection.cookies.get(SESSION_COOKIE)
        user = await hub.users.of(token) if token else None
        if user is None:
            raise Problem(401, "not-logged-in", "Log in first (POST /api/v1/session).")
        if not user.role.includes(role):
            raise Problem(403, "role-too-low", f"This needs the role {role}; {user.user} is {user.role}.")
        return user

    return current


Viewer = Annotated[User, Depends(require(Role.VIEWER))]
Operator = Annotated[User, Depends(require(Role.OPERATOR))]
Admin = Annotated[User, Depends(require(Role.ADMIN))]
