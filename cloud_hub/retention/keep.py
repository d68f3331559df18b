"""PURE: how long the hub keeps what in its database."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta


@dataclass(frozen=True, slots=True)
class Keep:
    """Days; 0 is for ever. Rows go by whole days (UTC), so that a day is there or not.

    Telemetry is thinned by age: every row, then what each minute said, then what each hour said. Events and the audit
    never simply go: after their days they are in the archive, and the hash chain goes on from there.
    """

    telemetry_days: int = 35
    minutes_days: int = 92
    hours_days: int = 0
    events_days: int = 0
    audit_days: int = 0
    archive_telemetry: bool = False

    @property
    def archives(self) -> bool:
        """Whether anything goes into the archive."""
        return bool(self.events_days or self.audit_days or (self.archive_telemetry and self.telemetry_days))


DEFAULT = Keep()


def horizon(now: datetime, days: int) -> datetime | None:
    """What is before it may go; None: nothing may."""
    if days <= 0:
        return None
    return (now - timedelta(days=days)).replace(hour=0, minute=0, second=0, microsecond=0)
