"""What minutes and hours said of each datapoint, from the telemetry that there is.

Revision ID: 0006
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from cloud_hub.rollups.tables import rebuild
from cloud_hub.storage.schema import Json, Moment

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for name in ("telemetry_minutes", "telemetry_hours"):
        op.create_table(
            name,
            sa.Column("station", sa.String(length=32), nullable=False),
            sa.Column("at", Moment(), nullable=False),
            sa.Column("body", Json(), nullable=False),
            sa.PrimaryKeyConstraint("station", "at", name=op.f(f"pk_{name}")),
            sqlite_with_rowid=False,
        )
    rebuild(op.get_bind())
