"""Ordering a station to do something, and seeing what became of it."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query

from cloud_hub.access import HubDep, Operator, Viewer
from cloud_hub.commands.models import Command, NewCommand
from station_agent.wire.commands import FaceEnrol
from station_agent.wire.model import StationId

router = APIRouter(tags=["commands"])


@router.post("/stations/{station}/commands", operation_id="sendCommand", status_code=202)
async def send_command(station: StationId, new: NewCommand, hub: HubDep, user: Operator) -> Command:
    """Signs the order and sends it at once; what becomes of it comes over the live stream. Needs a reason."""
    order = new.order
    if isinstance(order, FaceEnrol):
        order = await hub.faces.consented(station, order, user.user)
    return await hub.commands.send(station, order, user.user, new.reason)


@router.get("/stations/{station}/commands", operation_id="listStationCommands")
async def list_station_commands(
    station: StationId, hub: HubDep, _: Viewer, limit: Annotated[int, Query(ge=1, le=200)] = 50
) -> list[Command]:
    """The newest commands of a station, newest first."""
    await hub.stations.known(station)
    return await hub.commands.of_station(station, limit)


@router.post("/commands/{command}/confirm", operation_id="confirmCommand", status_code=202)
async def confirm_command(command: UUID, hub: HubDep, user: Operator) -> Command:
    """The second person of an order that waits for one (`confirm_until`): somebody else than who ordered it."""
    return await hub.commands.confirm(command, user.user)


@router.get("/commands/{command}", operation_id="getCommand")
async def get_command(command: UUID, hub: HubDep, _: Viewer) -> Command:
    return await hub.commands.get(command)
