"""Members: finding, adding, changing."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query

from cloud_hub.access import HubDep, Operator, Viewer
from cloud_hub.members.models import Member, MemberChange, Members, NewMember
from station_agent.wire.model import MemberId

router = APIRouter(prefix="/members", tags=["members"])


@router.get("", operation_id="listMembers")
async def list_members(
    hub: HubDep,
    _: Viewer,
    query: Annotated[str, Query(max_length=60, description="part of the name, or the id")] = "",
    cursor: Annotated[str | None, Query(max_length=400)] = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
) -> Members:
    return await hub.members.page(query, cursor, limit)


@router.post("", operation_id="addMember", status_code=201)
async def add_member(new: NewMember, hub: HubDep, user: Operator) -> Member:
    return await hub.members.add(new, user.user)


@router.get("/{member}", operation_id="getMember")
async def get_member(member: MemberId, hub: HubDep, _: Viewer) -> Member:
    return await hub.members.get(member)


@router.patch("/{member}", operation_id="changeMember")
async def change_member(member: MemberId, change: MemberChange, hub: HubDep, user: Operator) -> Member:
    """A change of rights reaches every connected station at once, the others when they are back."""
    return await hub.members.change(member, change, user.user)
