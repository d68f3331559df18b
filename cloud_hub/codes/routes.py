"""The member's phone: tickets to open the page, the phone's session, its key, its visits."""

from __future__ import annotations

import hmac
from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response
from starlette.requests import HTTPConnection

from cloud_hub.access import HubDep, Operator, Viewer, require
from cloud_hub.codes.models import (
    DemoMember,
    DemoTicketRequest,
    NewPhoneKey,
    PhoneKeyCertificate,
    PhoneKeyRow,
    PhoneMember,
    PhoneTicket,
    Public,
    TicketUse,
    Visits,
)
from cloud_hub.codes.service import PHONE_LIFETIME
from cloud_hub.problems import Problem
from cloud_hub.users.models import Role
from station_agent.wire.model import MemberId

router = APIRouter(tags=["phone"])

PHONE_COOKIE = "yizhan_phone"


async def ticket_issuer(connection: HTTPConnection, hub: HubDep) -> str:
    """The union's backend by its bearer token, or an operator by session: who, for the audit."""
    scheme, _, token = connection.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        expected = hub.settings.union_token
        if expected is None or not hmac.compare_digest(expected.get_secret_value().encode(), token.encode()):
            raise Problem(401, "wrong-token", "The bearer token is not the one in YIZHAN_UNION_TOKEN of the hub.")
        return "union"
    return (await require(Role.OPERATOR)(connection, hub)).user


async def phone_member(connection: HTTPConnection, hub: HubDep) -> str:
    """The member whose phone asks."""
    token = connection.cookies.get(PHONE_COOKIE)
    member = await hub.codes.member_of(token) if token else None
    if member is None:
        raise Problem(401, "no-phone-session", "Open the page again from the union's mini-program.")
    return member


def demo_only(hub: HubDep) -> None:
    if not hub.settings.demo:
        raise Problem(404, "not-a-demo", "This address exists in the demo only.")


PhoneDep = Annotated[str, Depends(phone_member)]


@router.post("/members/{member}/phone-ticket", operation_id="issuePhoneTicket", status_code=201)
async def issue_phone_ticket(
    member: MemberId, hub: HubDep, issuer: Annotated[str, Depends(ticket_issuer)]
) -> PhoneTicket:
    """By an operator, or by the union's backend with `Authorization: Bearer`. Good once, within a minute."""
    return await hub.codes.issue_ticket(member, issuer)


@router.post("/phone/session", operation_id="openPhoneSession")
async def open_phone_session(use: TicketUse, response: Response, hub: HubDep) -> PhoneMember:
    member, token = await hub.codes.use_ticket(use.ticket)
    response.set_cookie(
        PHONE_COOKIE,
        token,
        max_age=int(PHONE_LIFETIME.total_seconds()),
        httponly=True,
        secure=hub.settings.secure,
        samesite="lax",
    )
    return await hub.codes.phone_member(member)


@router.get("/phone/me", operation_id="getPhoneMember")
async def get_phone_member(hub: HubDep, member: PhoneDep) -> PhoneMember:
    return await hub.codes.phone_member(member)


@router.post("/phone/keys", operation_id="registerPhoneKey", status_code=201)
async def register_phone_key(new: NewPhoneKey, hub: HubDep, member: PhoneDep) -> PhoneKeyCertificate:
    """Certifies the phone's key for 14 days and puts it into the stations' rosters, which hold the newest four."""
    return await hub.codes.register_key(member, new)


@router.get("/phone/keys", operation_id="listPhoneKeys")
async def list_phone_keys(hub: HubDep, member: PhoneDep) -> list[PhoneKeyRow]:
    """The member's own phones, newest first."""
    return await hub.codes.keys(member)


@router.delete("/phone/keys/{public}", operation_id="revokePhoneKey", status_code=204)
async def revoke_phone_key(public: Public, hub: HubDep, member: PhoneDep, request: Request) -> None:
    """The member has lost that phone. Every other phone of the member has to be opened from the mini-program again."""
    await hub.codes.revoke_key(member, public, f"member:{member}", request.cookies.get(PHONE_COOKIE))


@router.get("/members/{member}/phone-keys", operation_id="listMemberPhoneKeys")
async def list_member_phone_keys(member: MemberId, hub: HubDep, _: Viewer) -> list[PhoneKeyRow]:
    return await hub.codes.keys(member)


@router.delete("/members/{member}/phone-keys/{public}", operation_id="revokeMemberPhoneKey", status_code=204)
async def revoke_member_phone_key(member: MemberId, public: Public, hub: HubDep, user: Operator) -> None:
    """A member reports a lost phone. It reaches every connected station at once, the others when they are back."""
    await hub.codes.revoke_key(member, public, user.user)


@router.get("/phone/visits", operation_id="listPhoneVisits")
async def list_phone_visits(hub: HubDep, member: PhoneDep) -> Visits:
    return await hub.codes.visits(member)


@router.get("/demo/members", operation_id="listDemoMembers", dependencies=[Depends(demo_only)])
async def list_demo_members(hub: HubDep) -> list[DemoMember]:
    """Demo only: whose phone one may play."""
    return await hub.codes.demo_members()


@router.post(
    "/demo/phone-ticket", operation_id="issueDemoPhoneTicket", status_code=201, dependencies=[Depends(demo_only)]
)
async def issue_demo_phone_ticket(wanted: DemoTicketRequest, hub: HubDep) -> PhoneTicket:
    """Demo only: stands in for the union's mini-program."""
    return await hub.codes.issue_ticket(wanted.member, "demo")
