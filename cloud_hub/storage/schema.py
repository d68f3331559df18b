"""The hub's tables (SQLAlchemy Core). Only what SQLite and PostgreSQL both have.

Times are whole microseconds since 1970 UTC: one meaning in every database, and fast to compare. JSON is text with
escapes only, so no byte that a station sends is refused by a database's own idea of JSON or of text.
Migrations (migrations/) lead to exactly this; a test compares them.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.types import TypeDecorator

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_encode = json.JSONEncoder(separators=(",", ":")).encode  # made once: dumps() would make one for every row


def moment(stored: int) -> datetime:
    """Of microseconds since 1970 UTC."""
    return _EPOCH + stored * _MICROSECOND


class Moment(TypeDecorator[datetime]):
    """An aware datetime, kept as microseconds since 1970 UTC."""

    impl = sa.BigInteger
    cache_ok = True

    @staticmethod
    def stored(value: datetime | None) -> int | None:
        return None if value is None else (value - _EPOCH) // _MICROSECOND

    def process_bind_param(self, value: datetime | None, dialect: sa.Dialect) -> int | None:
        return self.stored(value)

    def process_result_value(self, value: Any | None, dialect: sa.Dialect) -> datetime | None:
        return None if value is None else moment(value)


class Json(TypeDecorator[Any]):
    """Any JSON value, kept as ASCII text."""

    impl = sa.Text
    cache_ok = True

    stored = staticmethod(_encode)

    def process_bind_param(self, value: Any | None, dialect: sa.Dialect) -> str | None:
        return self.stored(value)

    def process_result_value(self, value: Any | None, dialect: sa.Dialect) -> Any:
        return None if value is None else json.loads(value)


metadata = sa.MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
    }
)

_STATION = sa.String(32)
_SPOOL = sa.String(36)
_MEMBER = sa.String(16)
_HASH = sa.String(64)  # SHA-256 in hex
_TOKEN = sa.String(64)  # SHA-256 in hex: a stolen database opens no session

stations = sa.Table(
    "stations",
    metadata,
    sa.Column("id", _STATION, primary_key=True),
    sa.Column("profile", Json, nullable=False),
    sa.Column("broker_secret", sa.String(64), nullable=False),
    sa.Column("created_at", Moment, nullable=False),
    sa.Column("last_state", Json),  # StationState; written now and then, the newest is in memory
    sa.Column("last_seen", Moment),
)

station_streams = sa.Table(
    "station_streams",
    metadata,
    sa.Column("station", _STATION, primary_key=True),
    sa.Column("spool", _SPOOL, primary_key=True),
    sa.Column("stream", sa.String(16), primary_key=True),
    sa.Column("mark", sa.BigInteger, nullable=False),
    sa.Column("chain", _HASH),  # of the event at the mark; none for telemetry, nor before the first chained event
)

# Where a station's events did not follow from each other (station_agent/wire/chain.py). Never deleted by the hub.
chain_breaks = sa.Table(
    "chain_breaks",
    metadata,
    sa.Column("station", _STATION, primary_key=True),
    sa.Column("spool", _SPOOL, primary_key=True),
    sa.Column("seq", sa.BigInteger, primary_key=True),
    sa.Column("found_at", Moment, nullable=False),
    sa.Column("detail", sa.Text, nullable=False),
)

events = sa.Table(
    "events",
    metadata,
    sa.Column("station", _STATION, primary_key=True),
    sa.Column("spool", _SPOOL, primary_key=True),
    sa.Column("seq", sa.BigInteger, primary_key=True),
    sa.Column("at", Moment, nullable=False),  # repaired where the station's clock was wrong
    sa.Column("reported_at", Moment, nullable=False),
    sa.Column("received_at", Moment, nullable=False),
    sa.Column("kind", sa.String(48), nullable=False),
    sa.Column("member", _MEMBER),
    sa.Column("body", Json, nullable=False),
    sa.Column("boot", sa.String(36)),  # these three are none in rows of before the chain
    sa.Column("mono_ms", sa.BigInteger),
    sa.Column("chain", _HASH),
    sa.Index(None, "at"),
    sa.Index(None, "station", "at"),
    sqlite_with_rowid=False,
)

telemetry = sa.Table(
    "telemetry",
    metadata,
    sa.Column("station", _STATION, primary_key=True),
    sa.Column("at", Moment, primary_key=True),
    sa.Column("spool", _SPOOL, primary_key=True),
    sa.Column("seq", sa.BigInteger, primary_key=True),
    sa.Column("kind", sa.String(48), nullable=False),
    sa.Column("body", Json, nullable=False),
    sqlite_with_rowid=False,
)

# What a minute and an hour said of a station's datapoints (rollups/buckets.py), moved when the telemetry is stored.
telemetry_minutes = sa.Table(
    "telemetry_minutes",
    metadata,
    sa.Column("station", _STATION, primary_key=True),
    sa.Column("at", Moment, primary_key=True),  # its beginning
    sa.Column("body", Json, nullable=False),
    sqlite_with_rowid=False,
)

telemetry_hours = sa.Table(
    "telemetry_hours",
    metadata,
    sa.Column("station", _STATION, primary_key=True),
    sa.Column("at", Moment, primary_key=True),
    sa.Column("body", Json, nullable=False),
    sqlite_with_rowid=False,
)

latest_readings = sa.Table(
    "latest_readings",
    metadata,
    sa.Column("station", _STATION, primary_key=True),
    sa.Column("device", sa.String(48), primary_key=True),
    sa.Column("point", sa.String(48), primary_key=True),
    sa.Column("value", Json, nullable=False),
    sa.Column("unit", sa.String(16), nullable=False),
    sa.Column("quality", sa.String(8), nullable=False),
    sa.Column("at", Moment, nullable=False),
)

visits = sa.Table(
    "visits",
    metadata,
    sa.Column("station", _STATION, primary_key=True),
    sa.Column("attempt", sa.String(36), primary_key=True),
    sa.Column("at", Moment, nullable=False),
    sa.Column("member", _MEMBER),
    sa.Column("credential", sa.String(16), nullable=False),
    sa.Index(None, "station", "at"),
    sa.Index(None, "member", "at"),
)

alarms = sa.Table(
    "alarms",
    metadata,
    sa.Column("station", _STATION, primary_key=True),
    sa.Column("alarm", sa.String(32), primary_key=True),
    sa.Column("subject", sa.String(48), primary_key=True),
    sa.Column("detail", sa.Text, nullable=False),
    sa.Column("raised_at", Moment, nullable=False),
    sa.Column("cleared_at", Moment),
)

members = sa.Table(
    "members",
    metadata,
    sa.Column("id", _MEMBER, primary_key=True),
    sa.Column("name", sa.String(60), nullable=False),
    sa.Column("occupation", sa.String(24), nullable=False),
    sa.Column("active", sa.Boolean, nullable=False),
    sa.Column("valid_until", Moment),
    sa.Column("created_at", Moment, nullable=False),
    sa.Index(None, "name", "id"),
)

phone_keys = sa.Table(
    "phone_keys",
    metadata,
    sa.Column("member", _MEMBER, sa.ForeignKey("members.id"), primary_key=True),
    sa.Column("public", sa.String(66), primary_key=True),
    sa.Column("kid", sa.SmallInteger, nullable=False),
    sa.Column("algorithm", sa.String(16), nullable=False),
    sa.Column("not_after", Moment, nullable=False),
    sa.Column("created_at", Moment, nullable=False),
    sa.Column("revoked_at", Moment),  # its certificates go on until not_after, so stations must be told
)

phone_tickets = sa.Table(
    "phone_tickets",
    metadata,
    sa.Column("token_hash", _TOKEN, primary_key=True),
    sa.Column("member", _MEMBER, sa.ForeignKey("members.id"), nullable=False),
    sa.Column("expires_at", Moment, nullable=False),
)

phone_sessions = sa.Table(
    "phone_sessions",
    metadata,
    sa.Column("token_hash", _TOKEN, primary_key=True),
    sa.Column("member", _MEMBER, sa.ForeignKey("members.id"), nullable=False),
    sa.Column("expires_at", Moment, nullable=False),
)

faces = sa.Table(
    "faces",
    metadata,
    sa.Column("member", _MEMBER, primary_key=True),
    sa.Column("station", _STATION, primary_key=True),
    sa.Column("templates", sa.Integer, nullable=False),
    sa.Column("consent_until", Moment, nullable=False),
    sa.Column("enrolled_at", Moment),  # none in rows of before erasures
)

face_consents = sa.Table(
    "face_consents",
    metadata,
    sa.Column("member", _MEMBER, primary_key=True),
    sa.Column("station", _STATION, primary_key=True),
    sa.Column("given_at", Moment, primary_key=True),
    sa.Column("stations", Json, nullable=False),
    sa.Column("purpose", sa.String(200), nullable=False),
    sa.Column("expires_at", Moment, nullable=False),
    sa.Column("recorded_by", sa.String(80), nullable=False),
)

# One row a station that was asked to forget a member's face. Never deleted by the hub: with a receipt it is the proof.
face_erasures = sa.Table(
    "face_erasures",
    metadata,
    sa.Column("id", sa.String(36), primary_key=True),
    sa.Column("member", _MEMBER, nullable=False),
    sa.Column("station", _STATION, nullable=False),
    sa.Column("why", sa.String(16), nullable=False),
    sa.Column("asked_at", Moment, nullable=False),
    sa.Column("asked_by", sa.String(80), nullable=False),
    sa.Column("done_at", Moment),  # these five: the station's receipt, an event of its log
    sa.Column("templates", sa.Integer),
    sa.Column("spool", _SPOOL),
    sa.Column("seq", sa.BigInteger),
    sa.Column("chain", _HASH),
    sa.Index(None, "member"),
    sa.Index(None, "done_at"),
)

rosters = sa.Table(
    "rosters",
    metadata,
    sa.Column("station", _STATION, sa.ForeignKey("stations.id"), primary_key=True),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("digest", sa.String(64), nullable=False),  # of what the version says, whoever signs it when
    sa.Column("issued_at", Moment, nullable=False),
)

# What managers set at a station (rules/models.py), and the document of the newest version exactly as it is signed.
station_rules = sa.Table(
    "station_rules",
    metadata,
    sa.Column("station", _STATION, sa.ForeignKey("stations.id"), primary_key=True),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("body", Json, nullable=False),
    sa.Column("document", sa.Text, nullable=False),
    sa.Column("changed_at", Moment, nullable=False),
    sa.Column("changed_by", sa.String(80), nullable=False),
    sa.Column("reason", sa.String(200), nullable=False),
)

# What managers set in each version that changed it, the newest HISTORY_MAX of a station (rules/history.py).
station_rules_history = sa.Table(
    "station_rules_history",
    metadata,
    sa.Column("station", _STATION, sa.ForeignKey("stations.id"), primary_key=True),
    sa.Column("version", sa.Integer, primary_key=True),
    sa.Column("body", Json, nullable=False),
    sa.Column("changed_at", Moment, nullable=False),
    sa.Column("changed_by", sa.String(80), nullable=False),
    sa.Column("action", sa.String(40), nullable=False),
    sa.Column("reason", sa.String(200), nullable=False),
)

# PINs, cards and guests' codes of stations: their hashes only. A revoked or ended one stays, for whoever asks later.
access_codes = sa.Table(
    "access_codes",
    metadata,
    sa.Column("id", sa.String(36), primary_key=True),
    sa.Column("station", _STATION, sa.ForeignKey("stations.id"), nullable=False),
    sa.Column("kind", sa.String(8), nullable=False),
    sa.Column("hash", _HASH, nullable=False),
    sa.Column("person", _MEMBER),  # the pseudonym of a staff person or a guest; none for a member's card
    sa.Column("member", _MEMBER),
    sa.Column("name", sa.String(60), nullable=False),
    sa.Column("role", sa.String(48)),
    sa.Column("occupation", sa.String(24)),
    sa.Column("phone", sa.String(20)),  # of a guest; taken away some time after the code has ended
    sa.Column("not_before", Moment),
    sa.Column("not_after", Moment),
    sa.Column("uses", sa.Integer),
    sa.Column("created_at", Moment, nullable=False),
    sa.Column("created_by", sa.String(80), nullable=False),
    sa.Column("reason", sa.String(200), nullable=False),
    sa.Column("revoked_at", Moment),
    sa.Column("revoked_by", sa.String(80)),
    sa.Index(None, "station", "revoked_at"),
)

commands = sa.Table(
    "commands",
    metadata,
    sa.Column("id", sa.String(36), primary_key=True),
    sa.Column("station", _STATION, sa.ForeignKey("stations.id"), nullable=False),
    sa.Column("kind", sa.String(32), nullable=False),
    sa.Column("order", Json, nullable=False),
    sa.Column("actor", sa.String(80), nullable=False),
    sa.Column("reason", sa.String(200), nullable=False),
    sa.Column("issued_at", Moment, nullable=False),
    sa.Column("expires_at", Moment, nullable=False),
    sa.Column("status", sa.String(16), nullable=False),
    sa.Column("told_by_station", sa.Boolean, nullable=False),  # the status; what a station tells wins
    sa.Column("detail", sa.Text, nullable=False),
    sa.Column("result", Json, nullable=False),
    sa.Column("accepted_at", Moment),
    sa.Column("settled_at", Moment),
    sa.Column("confirm_until", Moment),  # none: no second person was needed
    sa.Column("confirmer", sa.String(80)),
    sa.Index(None, "station", "issued_at"),
    sa.Index(None, "status", "expires_at"),
)

users = sa.Table(
    "users",
    metadata,
    sa.Column("user", sa.String(40), primary_key=True),
    sa.Column("name", sa.String(60), nullable=False),
    sa.Column("role", sa.String(16), nullable=False),
    sa.Column("password_hash", sa.String(200), nullable=False),
    sa.Column("created_at", Moment, nullable=False),
)

sessions = sa.Table(
    "sessions",
    metadata,
    sa.Column("token_hash", _TOKEN, primary_key=True),
    sa.Column("user", sa.String(40), sa.ForeignKey("users.user"), nullable=False),
    sa.Column("expires_at", Moment, nullable=False),
)

audit = sa.Table(
    "audit",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("at", Moment, nullable=False),
    sa.Column("actor", sa.String(80), nullable=False),
    sa.Column("action", sa.String(40), nullable=False),
    sa.Column("subject", sa.String(120), nullable=False),
    sa.Column("detail", Json, nullable=False),
    sa.Index(None, "at"),
)

# Codes by which a box becomes a station, once each (enrolment/). The code itself is kept nowhere.
claims = sa.Table(
    "claims",
    metadata,
    sa.Column("id", sa.String(5), primary_key=True),
    sa.Column("station", _STATION, sa.ForeignKey("stations.id"), nullable=False),
    sa.Column("created_at", Moment, nullable=False),
    sa.Column("created_by", sa.String(80), nullable=False),
    sa.Column("reason", sa.String(200), nullable=False),
    sa.Column("expires_at", Moment, nullable=False),
    sa.Column("withdrawn_at", Moment),
    sa.Column("used_at", Moment),  # these three: by which key, and what it got
    sa.Column("key", _HASH),
    sa.Column("serial", sa.String(40)),
    sa.Index(None, "station", "created_at"),
)

# Every certificate that a station ever had. Never deleted by the hub: it says who spoke for the station when.
station_certificates = sa.Table(
    "station_certificates",
    metadata,
    sa.Column("serial", sa.String(40), primary_key=True),
    sa.Column("station", _STATION, sa.ForeignKey("stations.id"), nullable=False),
    sa.Column("key", _HASH, nullable=False),
    sa.Column("certificate", sa.Text, nullable=False),
    sa.Column("issued_at", Moment, nullable=False),
    sa.Column("issued_by", sa.String(80), nullable=False),
    sa.Column("not_after", Moment, nullable=False),
    sa.Column("revoked_at", Moment),
    sa.Column("revoked_by", sa.String(80)),
    sa.Column("reason", sa.String(200), nullable=False),
    sa.Index(None, "station", "issued_at"),
    sa.Index(None, "revoked_at", "not_after"),
)

# When the hub was brought back from a backup: what came between `made_at` and `at` may be missing here.
restores = sa.Table(
    "restores",
    metadata,
    sa.Column("at", Moment, primary_key=True),
    sa.Column("made_at", Moment, nullable=False),  # the backup
    sa.Column("actor", sa.String(80), nullable=False),
)

# Files of rows that left the database (archive/). Never deleted by the hub.
archives = sa.Table(
    "archives",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("table", sa.String(16), nullable=False),
    sa.Column("file", sa.String(200), nullable=False),  # below DATA/archive
    sa.Column("rows", sa.BigInteger, nullable=False),
    sa.Column("sha256", _HASH, nullable=False),
    sa.Column("written_at", Moment, nullable=False),
    sa.Column("deleted_at", Moment),  # none: some of the rows may still be in the database as well
    sa.Column("proof", _HASH, nullable=False),
)

# From where the hash chain of a spool goes on in the table of events; what is before it is in the archive.
chain_anchors = sa.Table(
    "chain_anchors",
    metadata,
    sa.Column("station", _STATION, primary_key=True),
    sa.Column("spool", _SPOOL, primary_key=True),
    sa.Column("seq", sa.BigInteger, nullable=False),
    sa.Column("chain", _HASH),
    sa.Column("archive", sa.Integer, nullable=False),
    sa.Column("proof", _HASH, nullable=False),
    sa.Column("began_at", Moment),  # when the hub got the spool's first event
)

rejected = sa.Table(
    "rejected",
    metadata,
    sa.Column("source", sa.String(64), primary_key=True),
    sa.Column("reason", sa.String(64), primary_key=True),
    sa.Column("count", sa.BigInteger, nullable=False),
    sa.Column("last_at", Moment, nullable=False),
    sa.Column("last_detail", sa.Text, nullable=False),
)
