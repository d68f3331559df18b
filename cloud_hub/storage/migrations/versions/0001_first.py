"""The first schema.

Revision ID: 0001
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from cloud_hub.storage.schema import Json, Moment

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "alarms",
        sa.Column("station", sa.String(length=32), nullable=False),
        sa.Column("alarm", sa.String(length=32), nullable=False),
        sa.Column("subject", sa.String(length=48), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("raised_at", Moment(), nullable=False),
        sa.Column("cleared_at", Moment(), nullable=True),
        sa.PrimaryKeyConstraint("station", "alarm", "subject", name=op.f("pk_alarms")),
    )
    op.create_table(
        "audit",
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("at", Moment(), nullable=False),
        sa.Column("actor", sa.String(length=80), nullable=False),
        sa.Column("action", sa.String(length=40), nullable=False),
        sa.Column("subject", sa.String(length=120), nullable=False),
        sa.Column("detail", Json(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit")),
    )
    op.create_index(op.f("ix_audit_at"), "audit", ["at"], unique=False)
    op.create_table(
        "events",
        sa.Column("station", sa.String(length=32), nullable=False),
        sa.Column("spool", sa.String(length=36), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("at", Moment(), nullable=False),
        sa.Column("reported_at", Moment(), nullable=False),
        sa.Column("received_at", Moment(), nullable=False),
        sa.Column("kind", sa.String(length=48), nullable=False),
        sa.Column("member", sa.String(length=16), nullable=True),
        sa.Column("body", Json(), nullable=False),
        sa.PrimaryKeyConstraint("station", "spool", "seq", name=op.f("pk_events")),
        sqlite_with_rowid=False,
    )
    op.create_index(op.f("ix_events_at"), "events", ["at"], unique=False)
    op.create_index(op.f("ix_events_station_at"), "events", ["station", "at"], unique=False)
    op.create_table(
        "faces",
        sa.Column("member", sa.String(length=16), nullable=False),
        sa.Column("station", sa.String(length=32), nullable=False),
        sa.Column("templates", sa.Integer(), nullable=False),
        sa.Column("consent_until", Moment(), nullable=False),
        sa.PrimaryKeyConstraint("member", "station", name=op.f("pk_faces")),
    )
    op.create_table(
        "latest_readings",
        sa.Column("station", sa.String(length=32), nullable=False),
        sa.Column("device", sa.String(length=48), nullable=False),
        sa.Column("point", sa.String(length=48), nullable=False),
        sa.Column("value", Json(), nullable=False),
        sa.Column("unit", sa.String(length=16), nullable=False),
        sa.Column("quality", sa.String(length=8), nullable=False),
        sa.Column("at", Moment(), nullable=False),
        sa.PrimaryKeyConstraint("station", "device", "point", name=op.f("pk_latest_readings")),
    )
    op.create_table(
        "members",
        sa.Column("id", sa.String(length=16), nullable=False),
        sa.Column("name", sa.String(length=60), nullable=False),
        sa.Column("occupation", sa.String(length=24), nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("valid_until", Moment(), nullable=True),
        sa.Column("created_at", Moment(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_members")),
    )
    op.create_index(op.f("ix_members_name_id"), "members", ["name", "id"], unique=False)
    op.create_table(
        "rejected",
        sa.Column("source", sa.String(length=64), nullable=False),
        sa.Column("reason", sa.String(length=64), nullable=False),
        sa.Column("count", sa.BigInteger(), nullable=False),
        sa.Column("last_at", Moment(), nullable=False),
        sa.Column("last_detail", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("source", "reason", name=op.f("pk_rejected")),
    )
    op.create_table(
        "station_streams",
        sa.Column("station", sa.String(length=32), nullable=False),
        sa.Column("spool", sa.String(length=36), nullable=False),
        sa.Column("stream", sa.String(length=16), nullable=False),
        sa.Column("mark", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("station", "spool", "stream", name=op.f("pk_station_streams")),
    )
    op.create_table(
        "stations",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("profile", Json(), nullable=False),
        sa.Column("broker_secret", sa.String(length=64), nullable=False),
        sa.Column("created_at", Moment(), nullable=False),
        sa.Column("last_state", Json(), nullable=True),
        sa.Column("last_seen", Moment(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_stations")),
    )
    op.create_table(
        "telemetry",
        sa.Column("station", sa.String(length=32), nullable=False),
        sa.Column("at", Moment(), nullable=False),
        sa.Column("spool", sa.String(length=36), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.String(length=48), nullable=False),
        sa.Column("body", Json(), nullable=False),
        sa.PrimaryKeyConstraint("station", "at", "spool", "seq", name=op.f("pk_telemetry")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "users",
        sa.Column("user", sa.String(length=40), nullable=False),
        sa.Column("name", sa.String(length=60), nullable=False),
        sa.Column("role", sa.String(length=16), nullable=False),
        sa.Column("password_hash", sa.String(length=200), nullable=False),
        sa.Column("created_at", Moment(), nullable=False),
        sa.PrimaryKeyConstraint("user", name=op.f("pk_users")),
    )
    op.create_table(
        "visits",
        sa.Column("station", sa.String(length=32), nullable=False),
        sa.Column("attempt", sa.String(length=36), nullable=False),
        sa.Column("at", Moment(), nullable=False),
        sa.Column("member", sa.String(length=16), nullable=True),
        sa.Column("credential", sa.String(length=16), nullable=False),
        sa.PrimaryKeyConstraint("station", "attempt", name=op.f("pk_visits")),
    )
    op.create_index(op.f("ix_visits_member_at"), "visits", ["member", "at"], unique=False)
    op.create_index(op.f("ix_visits_station_at"), "visits", ["station", "at"], unique=False)
    op.create_table(
        "commands",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("station", sa.String(length=32), nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("order", Json(), nullable=False),
        sa.Column("actor", sa.String(length=80), nullable=False),
        sa.Column("reason", sa.String(length=200), nullable=False),
        sa.Column("issued_at", Moment(), nullable=False),
        sa.Column("expires_at", Moment(), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("told_by_station", sa.Boolean(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("result", Json(), nullable=False),
        sa.Column("accepted_at", Moment(), nullable=True),
        sa.Column("settled_at", Moment(), nullable=True),
        sa.ForeignKeyConstraint(["station"], ["stations.id"], name=op.f("fk_commands_station")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_commands")),
    )
    op.create_index(op.f("ix_commands_station_issued_at"), "commands", ["station", "issued_at"], unique=False)
    op.create_index(op.f("ix_commands_status_expires_at"), "commands", ["status", "expires_at"], unique=False)
    op.create_table(
        "phone_keys",
        sa.Column("member", sa.String(length=16), nullable=False),
        sa.Column("public", sa.String(length=66), nullable=False),
        sa.Column("kid", sa.SmallInteger(), nullable=False),
        sa.Column("algorithm", sa.String(length=16), nullable=False),
        sa.Column("not_after", Moment(), nullable=False),
        sa.Column("created_at", Moment(), nullable=False),
        sa.ForeignKeyConstraint(["member"], ["members.id"], name=op.f("fk_phone_keys_member")),
        sa.PrimaryKeyConstraint("member", "public", name=op.f("pk_phone_keys")),
    )
    op.create_table(
        "phone_sessions",
        sa.Column("token_hash", sa.String(length=64), nullable=False),
        sa.Column("member", sa.String(length=16), nullable=False),
        sa.Column("expires_at", Moment(), nullable=False),
        sa.ForeignKeyConstraint(["member"], ["members.id"], name=op.f("fk_phone_sessions_member")),
        sa.PrimaryKeyConstraint("token_hash", name=op.f("pk_phone_sessions")),
    )
    op.create_table(
        "phone_tickets",
        sa.Column("token_hash", sa.String(length=64), nullable=False),
        sa.Column("member", sa.String(length=16), nullable=False),
        sa.Column("expires_at", Moment(), nullable=False),
        sa.ForeignKeyConstraint(["member"], ["members.id"], name=op.f("fk_phone_tickets_member")),
        sa.PrimaryKeyConstraint("token_hash", name=op.f("pk_phone_tickets")),
    )
    op.create_table(
        "rosters",
        sa.Column("station", sa.String(length=32), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("issued_at", Moment(), nullable=False),
        sa.ForeignKeyConstraint(["station"], ["stations.id"], name=op.f("fk_rosters_station")),
        sa.PrimaryKeyConstraint("station", name=op.f("pk_rosters")),
    )
    op.create_table(
        "sessions",
        sa.Column("token_hash", sa.String(length=64), nullable=False),
        sa.Column("user", sa.String(length=40), nullable=False),
        sa.Column("expires_at", Moment(), nullable=False),
        sa.ForeignKeyConstraint(["user"], ["users.user"], name=op.f("fk_sessions_user")),
        sa.PrimaryKeyConstraint("token_hash", name=op.f("pk_sessions")),
    )
