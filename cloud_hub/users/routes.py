"""Logging in and out."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from cloud_hub.access import SESSION_COOKIE, HubDep, Viewer
from cloud_hub.users.models import LogIn, User
from cloud_hub.users.service import SESSION_LIFETIME

router = APIRouter(tags=["session"])


@router.post("/session", operation_id="openSession")
async def open_session(login: LogIn, request: Request, response: Response, hub: HubDep) -> User:
    """Logs in and sets the session cookie. After five wrong tries in a minute: 429."""
    address = request.client.host if request.client else "unknown"
    user, token = await hub.users.log_in(login.user, login.password.get_secret_value(), address)
    response.set_cookie(
        SESSION_COOKIE,
        token,
        max_age=int(SESSION_LIFETIME.total_seconds()),
        httponly=True,
        secure=hub.settings.secure,
        samesite="lax",
    )
    return user


@router.get("/session", operation_id="getSession")
async def get_session(user: Viewer) -> User:
    """Who is logged in; 401 when nobody is."""
    return user


@router.delete("/session", operation_id="closeSession", status_code=204)
async def close_session(request: Request, response: Response, hub: HubDep) -> None:
    """Logs out, and ends the live views of a user who is gone. Doing so twice is no error."""
    if token := request.cookies.get(SESSION_COOKIE):
        gone = await hub.users.log_out(token)
        if gone is not None:
            hub.relay.cut(gone)
    response.delete_cookie(SESSION_COOKIE, httponly=True, secure=hub.settings.secure, samesite="lax")
