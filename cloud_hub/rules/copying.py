"""PURE: the same rules for another station: of the parts that are wanted all, of the others nothing."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from cloud_hub.rules.models import Labels, RoleRule, RulesParts
from cloud_hub.rules.questions import CopyPart


def copied(source: RulesParts, target: RulesParts, what: Collection[CopyPart]) -> RulesParts:
    """What `target` is afterwards. Who needs the door for longer stays: people belong to their station.

    A schedule that comes along replaces the target's of that name, unless a part that stays needs the target's own:
    then the one that comes is called otherwise.
    """
    hours, roles = CopyPart.HOURS in what, CopyPart.ROLES in what
    stays = _named(None if hours else target.opening, () if roles else target.roles.values())
    comes = _named(source.opening if hours else None, source.roles.values() if roles else ())
    schedules = {name: schedule for name, schedule in target.schedules.items() if name in stays}
    words = {name: text for name, text in target.labels.schedules.items() if name in stays}
    called: dict[str, str] = {}
    for name in sorted(comes):
        new = name
        if schedules.get(name, source.schedules[name]) != source.schedules[name]:
            new = _free(name, stays | comes)
        called[name] = new
        schedules[new] = source.schedules[name]
        if name in source.labels.schedules:
            words[new] = source.labels.schedules[name]
    changed: dict[str, object] = {"schedules": schedules}
    if hours:
        changed["opening"] = source.opening and called[source.opening]
    if roles:
        changed["roles"] = {
            role: rule.model_copy(update={"schedule": rule.schedule and called[rule.schedule]})
            for role, rule in source.roles.items()
        }
    changed["labels"] = Labels(schedules=words, roles=source.labels.roles if roles else target.labels.roles)
    if CopyPart.CAPACITY in what:
        changed["capacity"] = source.capacity
    if CopyPart.SECURITY in what:
        changed |= {"passback": source.passback, "lock_out": source.lock_out, "remote": source.remote}
    return target.model_copy(update=changed)


def _named(opening: str | None, roles: Iterable[RoleRule]) -> set[str]:
    """The schedules that these name."""
    return {name for name in (opening, *(role.schedule for role in roles)) if name is not None}


def _free(name: str, taken: Collection[str]) -> str:
    return next(new for number in range(2, len(taken) + 3) if (new := f"{name[:44]}-{number}") not in taken)
