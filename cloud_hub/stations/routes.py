"""Stations: the list, one, its readings; adding one."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query

from cloud_hub.access import Admin, HubDep, Viewer
from cloud_hub.stations.models import LatestReadings, ReadingSeries, Station, StationDetail, StationLink
from station_agent.wire.model import StationId
from station_agent.wire.profile import StationProfile

router = APIRouter(prefix="/stations", tags=["stations"])


@router.get("", operation_id="listStations")
async def list_stations(hub: HubDep, _: Viewer) -> list[Station]:
    """Every station, by id."""
    return await hub.stations.rows()


@router.post("", operation_id="addStation", status_code=201)
async def add_station(profile: StationProfile, hub: HubDep, user: Admin) -> StationLink:
    """Takes a station in by its profile. 409 when its id is taken. Add a claim then, by which its box gets its
    identity; a demo's station gets a secret link file here instead."""
    if not hub.settings.demo:
        await hub.enrolment.add_station(profile, user.user)
        return StationLink(station=profile.station.id, link=None)
    link = await hub.stations.add(profile, user.user)
    return StationLink(station=link.station, link=hub.stations.revealed(link))


@router.get("/{station}", operation_id="getStation")
async def get_station(station: StationId, hub: HubDep, _: Viewer) -> StationDetail:
    return await hub.stations.detail(station)


@router.get("/{station}/readings", operation_id="getReadings")
async def get_readings(
    station: StationId,
    hub: HubDep,
    _: Viewer,
    device: Annotated[str | None, Query(max_length=48)] = None,
    point: Annotated[str | None, Query(max_length=48)] = None,
    hours: Annotated[int, Query(ge=1, le=24 * 31)] = 24,
) -> ReadingSeries:
    """What was measured in the last `hours`, one series a datapoint: means of
    minutes for a day, of hours for more."""
    return await hub.stations.readings(station, device, point, hours)


@router.get("/{station}/readings/latest", operation_id="getLatestReadings")
async def get_latest_readings(station: StationId, hub: HubDep, _: Viewer) -> LatestReadings:
    return await hub.stations.latest(station)
