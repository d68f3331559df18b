"""Consents are recorded, erasures are standing orders with receipts.

Revision ID: 0004
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from cloud_hub.storage.schema import Json, Moment

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("faces", sa.Column("enrolled_at", Moment(), nullable=True))
    op.create_table(
        "face_consents",
        sa.Column("member", sa.String(length=16), nullable=False),
        sa.Column("station", sa.String(length=32), nullable=False),
        sa.Column("given_at", Moment(), nullable=False),
        sa.Column("stations", Json(), nullable=False),
        sa.Column("purpose", sa.String(length=200), nullable=False),
        sa.Column("expires_at", Moment(), nullable=False),
        sa.Column("recorded_by", sa.String(length=80), nullable=False),
        sa.PrimaryKeyConstraint("member", "station", "given_at", name=op.f("pk_face_consents")),
    )
    op.create_table(
        "face_erasures",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("member", sa.String(length=16), nullable=False),
        sa.Column("station", sa.String(length=32), nullable=False),
        sa.Column("why", sa.String(length=16), nullable=False),
        sa.Column("asked_at", Moment(), nullable=False),
        sa.Column("asked_by", sa.String(length=80), nullable=False),
        sa.Column("done_at", Moment(), nullable=True),
        sa.Column("templates", sa.Integer(), nullable=True),
        sa.Column("spool", sa.String(length=36), nullable=True),
        sa.Column("seq", sa.BigInteger(), nullable=True),
        sa.Column("chain", sa.String(length=64), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_face_erasures")),
    )
    op.create_index(op.f("ix_face_erasures_member"), "face_erasures", ["member"], unique=False)
    op.create_index(op.f("ix_face_erasures_done_at"), "face_erasures", ["done_at"], unique=False)
