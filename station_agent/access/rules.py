"""PURE: the rules (规则) of the station as decisions use them; rules_store.py keeps them over a restart.

They come as a signed document (wire/rules.py), are taken whole or not at all, and only forwards. Without any, the
station behaves as `NO_RULES` does: a member of the roster enters at any time.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from station_agent.wire.rules import (
    MEMBER_ROLE,
    Capacity,
    Card,
    ColdOpen,
    Guest,
    Hashing,
    Lockdown,
    LockOut,
    Passback,
    Pin,
    RemoteOpen,
    Role,
    Rules,
)
from station_agent.wire.schedule import Schedule


@dataclass(frozen=True, slots=True)
class HeldRules:
    """Version 0 is no rules."""

    version: int = 0
    schedules: Mapping[str, Schedule] = field(default_factory=dict)
    opening: Schedule | None = None
    roles: Mapping[str, Role] = field(default_factory=dict)
    capacity: Capacity | None = None
    passback: Passback = field(default_factory=Passback)
    lock_out: LockOut | None = None
    cold: ColdOpen | None = None
    lockdown: Lockdown | None = None
    remote: RemoteOpen = field(default_factory=RemoteOpen)
    hold_s: Mapping[str, float] = field(default_factory=dict)
    hashing: Hashing | None = None
    pins: Mapping[str, Pin] = field(default_factory=dict)
    cards: Mapping[str, Card] = field(default_factory=dict)
    guests: Mapping[str, Guest] = field(default_factory=dict)

    @classmethod
    def of(cls, rules: Rules) -> HeldRules:
        return cls(
            version=rules.version,
            schedules=rules.schedules,
            opening=rules.schedules[rules.opening] if rules.opening else None,
            roles=rules.roles,
            capacity=rules.capacity,
            passback=rules.passback,
            lock_out=rules.lock_out,
            cold=rules.cold,
            lockdown=rules.lockdown,
            remote=rules.remote,
            hold_s=rules.hold_s,
            hashing=rules.hashing,
            pins={pin.hash: pin for pin in rules.pins},
            cards={card.hash: card for card in rules.cards},
            guests={guest.hash: guest for guest in rules.guests},
        )

    def role(self, name: str) -> Role | None:
        """None for a role that the rules do not have. Where there are no rules, no role binds anybody."""
        if name in self.roles:
            return self.roles[name]
        return Role() if name == MEMBER_ROLE or self.version == 0 else None

    def lockdown_now(self, utc: datetime, trusted: bool) -> Lockdown | None:
        """One whose end cannot be told lasts."""
        if self.lockdown is None:
            return None
        until = self.lockdown.until
        return self.lockdown if until is None or not trusted or utc < until else None

    def cold_now(self, utc: datetime, trusted: bool) -> ColdOpen | None:
        """Lockdown is above it. While the clock cannot be believed it lasts: better a warm stranger."""
        if self.cold is None or self.lockdown_now(utc, trusted) is not None:
            return None
        return self.cold if not trusted or utc < self.cold.until else None


NO_RULES = HeldRules()
