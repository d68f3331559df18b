"""The rules of a station: looking at them, changing them, giving out codes and cards.

Operators switch extreme cold and lockdown, give guests their codes, and revoke; what lasts is an admin's to set.
"""

from __future__ import annotations

from uuid import UUID

from fastapi import APIRouter

from cloud_hub.access import Admin, HubDep, Operator, Viewer
from cloud_hub.rules.models import (
    AccessCode,
    CodeUntil,
    ColdChange,
    GivenCode,
    LockdownChange,
    NewCard,
    NewGuestCode,
    NewPin,
    Revocation,
    RulesChange,
    StationRules,
)
from cloud_hub.rules.questions import (
    CopyOutcome,
    OldRules,
    RulesAnswer,
    RulesCopy,
    RulesProgress,
    RulesQuestion,
    RulesVersion,
    RulesWeek,
    WeekQuestion,
)
from station_agent.wire.model import StationId

router = APIRouter(tags=["rules"])
here = APIRouter(prefix="/stations/{station}", tags=["rules"])


@router.get("/rules", operation_id="listRulesProgress")
async def list_rules_progress(hub: HubDep, _: Viewer) -> list[RulesProgress]:
    """How far the stations that have rules are with their newest version."""
    return await hub.rules.progress()


@here.get("/rules", operation_id="getRules")
async def get_rules(station: StationId, hub: HubDep, _: Viewer) -> StationRules:
    return await hub.rules.of(station)


@here.put("/rules", operation_id="putRules")
async def put_rules(station: StationId, change: RulesChange, hub: HubDep, user: Admin) -> StationRules:
    """409 when they are no longer those of `expected_version`."""
    return await hub.rules.put(station, change, user.user)


@here.post("/rules/copy", operation_id="copyRules")
async def copy_rules(station: StationId, change: RulesCopy, hub: HubDep, user: Admin) -> list[CopyOutcome]:
    """Parts of this station's published rules for other stations, each by itself. 409 as for a change."""
    return await hub.rules.copy(station, change, user.user)


@here.get("/rules/versions", operation_id="listRulesVersions")
async def list_rules_versions(station: StationId, hub: HubDep, _: Viewer) -> list[RulesVersion]:
    """Who changed what was set, when and why; newest first."""
    return await hub.rules.looking.versions(station)


@here.get("/rules/versions/{version}", operation_id="getRulesVersion")
async def get_rules_version(station: StationId, version: int, hub: HubDep, _: Viewer) -> OldRules:
    """To go back to it, publish its parts."""
    return await hub.rules.looking.version(station, version)


@here.post("/rules/answer", operation_id="askRules")
async def ask_rules(station: StationId, question: RulesQuestion, hub: HubDep, _: Viewer) -> RulesAnswer:
    """Who may enter then, by the rules in force or by a draft: what the door itself would say. Changes nothing."""
    return await hub.rules.looking.answer(station, question)


@here.post("/rules/week", operation_id="askRulesWeek")
async def ask_rules_week(station: StationId, question: WeekQuestion, hub: HubDep, _: Viewer) -> RulesWeek:
    """When each role may enter in seven days, by the rules in force or by a draft. Changes nothing."""
    return await hub.rules.looking.week(station, question)


@here.post("/rules/cold", operation_id="setCold")
async def set_cold(station: StationId, change: ColdChange, hub: HubDep, user: Operator) -> StationRules:
    """Extreme cold: the button at the door opens for everybody until then."""
    return await hub.rules.cold(station, change, user.user)


@here.post("/rules/lockdown", operation_id="setLockdown")
async def set_lockdown(station: StationId, change: LockdownChange, hub: HubDep, user: Operator) -> StationRules:
    """Nobody enters but the exempt roles; everybody inside can leave."""
    return await hub.rules.lockdown(station, change, user.user)


@here.get("/codes", operation_id="listAccessCodes")
async def list_access_codes(station: StationId, hub: HubDep, _: Operator) -> list[AccessCode]:
    """PINs, cards and guests' codes that are neither revoked nor over, newest first."""
    return await hub.rules.codes(station)


@here.post("/codes/guest", operation_id="giveGuestCode", status_code=201)
async def give_guest_code(station: StationId, new: NewGuestCode, hub: HubDep, user: Operator) -> GivenCode:
    """The digits are in this answer and nowhere else. 429 for more than six a minute."""
    return await hub.rules.guest(station, new, user.user)


@here.post("/codes/pin", operation_id="givePin", status_code=201)
async def give_pin(station: StationId, new: NewPin, hub: HubDep, user: Admin) -> GivenCode:
    """The digits are in this answer and nowhere else."""
    return await hub.rules.pin(station, new, user.user)


@here.post("/codes/card", operation_id="registerCard", status_code=201)
async def register_card(station: StationId, new: NewCard, hub: HubDep, user: Admin) -> GivenCode:
    """By its raw number, or the one unknown card that the station has just read."""
    return await hub.rules.card(station, new, user.user)


@here.post("/codes/{code}/until", operation_id="moveAccessCodeEnd")
async def move_access_code_end(
    station: StationId, code: UUID, change: CodeUntil, hub: HubDep, user: Admin
) -> AccessCode:
    """Another end for a PIN or card."""
    return await hub.rules.until(station, str(code), change, user.user)


@here.post("/codes/{code}/revoke", operation_id="revokeAccessCode", status_code=204)
async def revoke_access_code(
    station: StationId, code: UUID, revocation: Revocation, hub: HubDep, user: Operator
) -> None:
    await hub.rules.revoke(station, str(code), revocation.reason, user.user)


router.include_router(here)
