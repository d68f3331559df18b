"""A phone key can be revoked; the row stays until its certificates have ended.

Revision ID: 0003
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from cloud_hub.storage.schema import Moment

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("phone_keys", sa.Column("revoked_at", Moment(), nullable=True))
