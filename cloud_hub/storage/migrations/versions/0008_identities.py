"""Claims of stations, and their certificates.

Revision ID: 0008
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from cloud_hub.storage.schema import Moment

revision = "0008"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "claims",
        sa.Column("id", sa.String(length=5), nullable=False),
        sa.Column("station", sa.String(length=32), nullable=False),
        sa.Column("created_at", Moment(), nullable=False),
        sa.Column("created_by", sa.String(length=80), nullable=False),
        sa.Column("reason", sa.String(length=200), nullable=False),
        sa.Column("expires_at", Moment(), nullable=False),
        sa.Column("withdrawn_at", Moment(), nullable=True),
        sa.Column("used_at", Moment(), nullable=True),
        sa.Column("key", sa.String(length=64), nullable=True),
        sa.Column("serial", sa.String(length=40), nullable=True),
        sa.ForeignKeyConstraint(["station"], ["stations.id"], name=op.f("fk_claims_station")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_claims")),
    )
    op.create_index(op.f("ix_claims_station_created_at"), "claims", ["station", "created_at"], unique=False)
    op.create_table(
        "station_certificates",
        sa.Column("serial", sa.String(length=40), nullable=False),
        sa.Column("station", sa.String(length=32), nullable=False),
        sa.Column("key", sa.String(length=64), nullable=False),
        sa.Column("certificate", sa.Text(), nullable=False),
        sa.Column("issued_at", Moment(), nullable=False),
        sa.Column("issued_by", sa.String(length=80), nullable=False),
        sa.Column("not_after", Moment(), nullable=False),
        sa.Column("revoked_at", Moment(), nullable=True),
        sa.Column("revoked_by", sa.String(length=80), nullable=True),
        sa.Column("reason", sa.String(length=200), nullable=False),
        sa.ForeignKeyConstraint(["station"], ["stations.id"], name=op.f("fk_station_certificates_station")),
        sa.PrimaryKeyConstraint("serial", name=op.f("pk_station_certificates")),
    )
    op.create_index(
        op.f("ix_station_certificates_station_issued_at"),
        "station_certificates",
        ["station", "issued_at"],
        unique=False,
    )
    op.create_index(
        op.f("ix_station_certificates_revoked_at_not_after"),
        "station_certificates",
        ["revoked_at", "not_after"],
        unique=False,
    )
