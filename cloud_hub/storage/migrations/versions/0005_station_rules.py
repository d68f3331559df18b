"""Rules of stations, the codes and cards in them, and the second person who confirms a command.

Revision ID: 0005
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from cloud_hub.storage.schema import Json, Moment

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("commands", sa.Column("confirm_until", Moment(), nullable=True))
    op.add_column("commands", sa.Column("confirmer", sa.String(length=80), nullable=True))
    op.create_table(
        "station_rules",
        sa.Column("station", sa.String(length=32), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("body", Json(), nullable=False),
        sa.Column("document", sa.Text(), nullable=False),
        sa.Column("changed_at", Moment(), nullable=False),
        sa.Column("changed_by", sa.String(length=80), nullable=False),
        sa.Column("reason", sa.String(length=200), nullable=False),
        sa.ForeignKeyConstraint(["station"], ["stations.id"], name=op.f("fk_station_rules_station")),
        sa.PrimaryKeyConstraint("station", name=op.f("pk_station_rules")),
    )
    op.create_table(
        "access_codes",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("station", sa.String(length=32), nullable=False),
        sa.Column("kind", sa.String(length=8), nullable=False),
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.Column("person", sa.String(length=16), nullable=True),
        sa.Column("member", sa.String(length=16), nullable=True),
        sa.Column("name", sa.String(length=60), nullable=False),
        sa.Column("role", sa.String(length=48), nullable=True),
        sa.Column("occupation", sa.String(length=24), nullable=True),
        sa.Column("phone", sa.String(length=20), nullable=True),
        sa.Column("not_before", Moment(), nullable=True),
        sa.Column("not_after", Moment(), nullable=True),
        sa.Column("uses", sa.Integer(), nullable=True),
        sa.Column("created_at", Moment(), nullable=False),
        sa.Column("created_by", sa.String(length=80), nullable=False),
        sa.Column("reason", sa.String(length=200), nullable=False),
        sa.Column("revoked_at", Moment(), nullable=True),
        sa.Column("revoked_by", sa.String(length=80), nullable=True),
        sa.ForeignKeyConstraint(["station"], ["stations.id"], name=op.f("fk_access_codes_station")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_access_codes")),
    )
    op.create_index(op.f("ix_access_codes_station_revoked_at"), "access_codes", ["station", "revoked_at"], unique=False)
