"""The timeline: of one station or of all."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query

from cloud_hub.access import HubDep, Viewer
from cloud_hub.events.models import Timeline
from station_agent.wire.model import StationId

router = APIRouter(tags=["events"])

Before = Annotated[str | None, Query(max_length=120, description="`next` of the page before")]
Limit = Annotated[int, Query(ge=1, le=200)]


@router.get("/stations/{station}/events", operation_id="listStationEvents")
async def list_station_events(
    station: StationId, hub: HubDep, _: Viewer, before: Before = None, limit: Limit = 50
) -> Timeline:
    """What happened at a station, newest first."""
    await hub.stations.known(station)
    return await hub.events.page(station, before, limit)


@router.get("/events", operation_id="listEvents")
async def list_events(hub: HubDep, _: Viewer, before: Before = None, limit: Limit = 50) -> Timeline:
    """What happened at all stations, newest first."""
    return await hub.events.page(None, before, limit)
