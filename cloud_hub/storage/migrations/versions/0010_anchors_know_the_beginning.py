"""When a spool began is known though its first events are in the archive.

Revision ID: 0010
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from cloud_hub.storage.schema import Moment

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("chain_anchors", sa.Column("began_at", Moment(), nullable=True))
