"""Identity of stations: for managers below /stations/{station}, for stations below /enrolment."""

from __future__ import annotations

from fastapi import APIRouter, Request

from cloud_hub.access import Admin, HubDep, Viewer
from cloud_hub.enrolment.models import (
    AuthorityText,
    Claim,
    Identity,
    NewClaim,
    NewStationFile,
    Revocation,
    Revoked,
)
from cloud_hub.enrolment.profiles import BadProfile, read_profile
from cloud_hub.problems import Problem
from station_agent.wire.enrolment import ClaimAnswer, ClaimRequest, RenewalAnswer, RenewalRequest
from station_agent.wire.model import StationId

router = APIRouter(tags=["identity"])


@router.get("/stations/{station}/identity", operation_id="getIdentity")
async def get_identity(station: StationId, hub: HubDep, _: Viewer) -> Identity:
    """Its certificates and claims: who it is, since when, until when."""
    return await hub.enrolment.identity(station)


@router.post("/stations/{station}/claims", operation_id="addClaim", status_code=201)
async def add_claim(station: StationId, new: NewClaim, hub: HubDep, user: Admin) -> Claim:
    """A one-time code by which a box becomes this station. One that waits already ends. For a box that was broken or
    stolen: `revoke` ends what it was at once; else that ends when the new box has claimed."""
    return await hub.enrolment.new_claim(station, new, user.user)


@router.post("/stations/files", operation_id="addStationFile", status_code=201)
async def add_station_file(file: NewStationFile, hub: HubDep, user: Admin) -> Claim:
    """Takes a station in by its profile as a file, and answers its claim. 409 when its id is taken."""
    try:
        profile = read_profile(file.name, file.text)
    except BadProfile as error:
        raise Problem(422, "bad-profile", f"{error}.") from None
    await hub.enrolment.add_station(profile, user.user)
    return await hub.enrolment.new_claim(profile.station.id, NewClaim(reason="the station is new"), user.user)


@router.post("/stations/{station}/revocation", operation_id="revokeStation")
async def revoke_station(station: StationId, revocation: Revocation, hub: HubDep, user: Admin) -> Revoked:
    """Ends its certificates and claims; its connection is closed within seconds. Its history stays."""
    return await hub.enrolment.revoke(station, user.user, revocation.reason)


@router.get("/enrolment/authority", operation_id="getAuthority")
async def get_authority(hub: HubDep) -> AuthorityText:
    """What a station compares with the fingerprint of its claim before it believes this hub."""
    return AuthorityText(authority=hub.enrolment.authority)


@router.post("/enrolment/claims", operation_id="claimStation")
async def claim_station(request: ClaimRequest, http: Request, hub: HubDep) -> ClaimAnswer:
    """A box becomes a station. The same key may ask again for a day, in case the answer was lost."""
    return await hub.enrolment.claim(request, _address(http))


@router.post("/enrolment/renewals", operation_id="renewStation")
async def renew_station(request: RenewalRequest, http: Request, hub: HubDep) -> RenewalAnswer:
    """A station's next certificate, proved by the key of the one before, also some time after that has ended."""
    return await hub.enrolment.renew(request, _address(http))


def _address(request: Request) -> str:
    return request.client.host if request.client else "unknown"
