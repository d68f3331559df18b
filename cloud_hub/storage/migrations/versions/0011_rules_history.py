"""Earlier versions of each station's rules; the newest one of today is the first of them.

Revision ID: 0011
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from cloud_hub.storage.schema import Json, Moment

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "station_rules_history",
        sa.Column("station", sa.String(length=32), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("body", Json(), nullable=False),
        sa.Column("changed_at", Moment(), nullable=False),
        sa.Column("changed_by", sa.String(length=80), nullable=False),
        sa.Column("action", sa.String(length=40), nullable=False),
        sa.Column("reason", sa.String(length=200), nullable=False),
        sa.ForeignKeyConstraint(["station"], ["stations.id"], name=op.f("fk_station_rules_history_station")),
        sa.PrimaryKeyConstraint("station", "version", name=op.f("pk_station_rules_history")),
    )
    op.execute(
        "INSERT INTO station_rules_history (station, version, body, changed_at, changed_by, action, reason) "
        "SELECT station, version, body, changed_at, changed_by, 'rules.put', reason FROM station_rules"
    )
