"""Who did what: one row per deed of a person or a machine, written in the transaction of the deed."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa

from cloud_hub.storage.schema import audit


def record(
    connection: sa.Connection, at: datetime, actor: str, action: str, subject: str, detail: dict[str, Any] | None = None
) -> None:
    """`actor` is a user's name, `member:<id>`, `station:<id>` or `hub`; `action` such as `command.send`."""
    connection.execute(audit.insert().values(at=at, actor=actor, action=action, subject=subject, detail=detail or {}))
