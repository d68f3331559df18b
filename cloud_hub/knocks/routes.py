"""A member's phone has scanned the code at a door."""

from __future__ import annotations

from fastapi import APIRouter

from cloud_hub.access import HubDep
from cloud_hub.codes.routes import PhoneDep
from cloud_hub.knocks.models import KnockOutcome, NewKnock, PhoneDoor
from station_agent.wire.model import StationId

router = APIRouter(prefix="/phone", tags=["phone"])


@router.post("/knocks", operation_id="knock")
async def knock(new: NewKnock, hub: HubDep, member: PhoneDep) -> KnockOutcome:
    """Asks the station, which decides. Answers when the lock has; a refusal is an answer as well (`outcome`)."""
    return await hub.knocks.knock(member, new)


@router.get("/doors/{station}", operation_id="getPhoneDoor")
async def get_phone_door(station: StationId, hub: HubDep, _: PhoneDep) -> PhoneDoor:
    """Which door a scanned code belongs to: shown before the phone asks it to open."""
    return hub.knocks.door(station)
