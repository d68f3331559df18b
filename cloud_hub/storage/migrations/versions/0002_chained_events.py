"""Events carry the hash chain of their spool, and what it is made of.

Revision ID: 0002
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from cloud_hub.storage.schema import Moment

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("station_streams", sa.Column("chain", sa.String(length=64), nullable=True))
    op.add_column("events", sa.Column("boot", sa.String(length=36), nullable=True))
    op.add_column("events", sa.Column("mono_ms", sa.BigInteger(), nullable=True))
    op.add_column("events", sa.Column("chain", sa.String(length=64), nullable=True))
    op.create_table(
        "chain_breaks",
        sa.Column("station", sa.String(length=32), nullable=False),
        sa.Column("spool", sa.String(length=36), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("found_at", Moment(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("station", "spool", "seq", name=op.f("pk_chain_breaks")),
    )
