"""Face data: what there is, and having it erased; for managers, and for the member on the own phone."""

from __future__ import annotations

from fastapi import APIRouter

from cloud_hub.access import HubDep, Operator, Viewer
from cloud_hub.codes.routes import PhoneDep
from cloud_hub.faces.models import FaceData
from station_agent.wire.model import MemberId

router = APIRouter(tags=["faces"])


@router.get("/members/{member}/face", operation_id="getFaceData")
async def get_face_data(member: MemberId, hub: HubDep, _: Viewer) -> FaceData:
    return await hub.faces.of(member, for_staff=True)


@router.post("/members/{member}/face/erase", operation_id="eraseFace", status_code=202)
async def erase_face(member: MemberId, hub: HubDep, user: Operator) -> FaceData:
    """At every station that may hold it. Each station is asked until it has answered with a receipt."""
    return await hub.faces.erase(member, user.user, for_staff=True)


@router.get("/phone/face", operation_id="getPhoneFaceData")
async def get_phone_face_data(hub: HubDep, member: PhoneDep) -> FaceData:
    return await hub.faces.of(member, for_staff=False)


@router.post("/phone/face/erase", operation_id="erasePhoneFace", status_code=202)
async def erase_phone_face(hub: HubDep, member: PhoneDep) -> FaceData:
    """The member's own wish; nobody has to agree."""
    return await hub.faces.erase(member, f"member:{member}", for_staff=False)
