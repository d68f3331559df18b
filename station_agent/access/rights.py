"""PURE: somebody has proven who they are. May they enter here and now?

The order of the questions, the first no is the answer:

    role known? --> by this credential? --> lockdown --> their schedule --> opening hours --> capacity --> just entered?

A clock that cannot be believed answers no question of time: then schedules and opening hours bind nobody (`decide`
adds the remark that says so). Nobody stands outside at -30 C because a battery is flat.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import tzinfo

from station_agent.access.attempts import Now
from station_agent.access.presence import Presence
from station_agent.access.rules import HeldRules
from station_agent.wire.kinds import Credential, Reason, Remark
from station_agent.wire.rules import AtLimit, PassbackMode, Role


@dataclass(frozen=True, slots=True)
class Known:
    """Somebody who has proven who they are. `key` names the phone or the card; "" for a face."""

    who: str
    role: str
    credential: Credential
    key: str = ""


@dataclass(frozen=True, slots=True)
class Refusal:
    reason: Reason
    detail: str


@dataclass(frozen=True, slots=True)
class Allowed:
    """`hold_s`: for how long the door should be released for them; None where nothing says it."""

    role: Role
    remarks: tuple[Remark, ...] = ()
    hold_s: float | None = None


def ask(known: Known, rules: HeldRules, presence: Presence, now: Now, zone: tzinfo) -> Allowed | Refusal:
    role = rules.role(known.role)
    if role is None:
        return Refusal(Reason.ROLE_UNKNOWN, f"rules version {rules.version} have no role {known.role!r}")
    if known.credential not in role.credentials and not _by_stronger(known.credential, role):
        return Refusal(Reason.CREDENTIAL_NOT_ALLOWED, f"the role {known.role} does not enter by {known.credential}")
    lockdown = rules.lockdown_now(now.utc, now.trusted)
    if lockdown is not None and known.role not in lockdown.exempt:
        until = f" until {lockdown.until:%Y-%m-%d %H:%M} UTC" if lockdown.until else ""
        return Refusal(Reason.LOCKDOWN, f"ordered by {lockdown.ordered_by}{until}")
    remarks = []
    if now.trusted:
        late = _hours(known, role, rules, now, zone)
        if late is not None:
            return late
    if rules.capacity is not None:
        inside = presence.inside(now.mono_s, rules.capacity.stay_min * 60)
        if inside >= rules.capacity.people_max:
            if role.capacity and rules.capacity.at_limit is AtLimit.DENY:
                return Refusal(Reason.STATION_FULL, f"about {inside} inside, at most {rules.capacity.people_max}")
            remarks.append(Remark.OVER_CAPACITY)
    waits = _just_entered(known, rules, presence, now)
    if waits is not None:
        return waits
    if _by_another_key(known, rules, presence, now):
        remarks.append(Remark.OTHER_CREDENTIAL)
    longest_s = max(role.hold_s or 0.0, rules.hold_s.get(known.who, 0.0))
    return Allowed(role, tuple(remarks), longest_s or None)


def _by_stronger(credential: Credential, role: Role) -> bool:
    """Who may show a code may answer the door code: the same phone proves it, and that it is at the door as well."""
    return credential is Credential.DOOR_CODE and Credential.CODE in role.credentials


def _hours(known: Known, role: Role, rules: HeldRules, now: Now, zone: tzinfo) -> Refusal | None:
    local = now.utc.astimezone(zone)
    if role.schedule is not None and not rules.schedules[role.schedule].covers(local):
        return Refusal(Reason.OUTSIDE_SCHEDULE, f"{local:%a %H:%M} is not in {role.schedule!r} of {known.role}")
    if role.opening_hours and rules.opening is not None and not rules.opening.covers(local):
        return Refusal(Reason.STATION_CLOSED, f"{local:%a %H:%M} is outside the opening hours")
    return None


def _just_entered(known: Known, rules: HeldRules, presence: Presence, now: Now) -> Refusal | None:
    """Only after a door that has opened, only for `delay_s`, and not when somebody has left since."""
    last = presence.last(known.who)
    if rules.passback.mode is not PassbackMode.DELAY or last is None or not last.entered:
        return None
    left_s = last.at + rules.passback.delay_s - now.mono_s
    if left_s <= 0 or presence.last_exit >= last.at:
        return None
    return Refusal(Reason.PASSBACK_WAIT, f"entered {now.mono_s - last.at:.0f} s ago; waits {left_s:.0f} s more")


def _by_another_key(known: Known, rules: HeldRules, presence: Presence, now: Now) -> bool:
    last = presence.last(known.who)
    if rules.passback.mode is PassbackMode.OFF or last is None or not known.key or not last.key:
        return False
    recent = now.mono_s - last.at < rules.passback.within_min * 60
    return recent and last.key != known.key and presence.last_exit < last.at
