"""The web application: routes of every room, pages, errors, guard."""

from __future__ import annotations

from fastapi import FastAPI

from cloud_hub import health, pages, problems
from cloud_hub.access import require
from cloud_hub.codes import routes as codes
from cloud_hub.commands import routes as commands
from cloud_hub.enrolment import routes as enrolment
from cloud_hub.events import routes as events
from cloud_hub.faces import routes as faces
from cloud_hub.guard import Guard
from cloud_hub.hub import Hub
from cloud_hub.knocks import routes as knocks
from cloud_hub.live import routes as live
from cloud_hub.members import routes as members
from cloud_hub.rules import routes as rules
from cloud_hub.stations import routes as stations
from cloud_hub.users import routes as users
from cloud_hub.users.models import Role
from cloud_hub.video.routes import VideoDeps, video_router

API = "/api/v1"

_ERRORS: dict[int | str, dict[str, object]] = {
    "4XX": {"model": problems.ProblemBody, "description": "What is wrong with the request, and what to do"},
    "5XX": {"model": problems.ProblemBody, "description": "What the hub cannot do now"},
}


def create_app(hub: Hub) -> FastAPI:
    """The hub's services need not run yet: describing the interface only needs the wiring."""
    app = FastAPI(
        title="Yizhan hub",
        version="1",
        description="Stations, members, events and commands of unattended rest stations (驿站).",
        openapi_url=f"{API}/openapi.json",
        docs_url=None,
        redoc_url=None,
        separate_input_output_schemas=False,
        license_info={"name": "Apache-2.0", "identifier": "Apache-2.0"},
    )
    app.state.hub = hub
    # Straight into the app, each with its prefix, and the health of the hub first: a router within a router has its
    # routes built once more before the hub is ready, which is a fifth of its start.
    app.include_router(health.router, responses=_ERRORS)
    video = video_router(
        VideoDeps(
            relay=hub.relay,
            pictures=hub.pictures,
            tickets=hub.tickets,
            viewer=require(Role.VIEWER),
            has_camera=hub.has_camera,
            clock=hub.clock,
        )
    )
    rooms = (users, stations, enrolment, events, commands, members, codes, knocks, faces, rules, live)
    for router in (*(room.router for room in rooms), video):
        app.include_router(router, prefix=API, responses=_ERRORS)
    pages.install(app, hub.settings.dist)
    problems.install(app)
    app.add_middleware(Guard, settings=hub.settings, counters=hub.counters)
    return app
