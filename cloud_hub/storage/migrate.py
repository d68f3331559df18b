"""Brings a database to the newest schema (alembic), within the transaction that is given.

alembic is loaded only where there is something to do: it costs a third of a second of every start.
"""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa

_LOCK = 0x7969_7A68_616E  # any number that other programs of the same database do not use
_SCRIPTS = Path(__file__).parent / "migrations"


class NewerSchema(Exception):
    """A newer hub has used this database."""


def migrate(connection: sa.Connection, upto: str = "") -> None:
    """To the newest schema, or to the older one `upto`. Raises NewerSchema.

    What fails in the middle leaves the old schema, if the caller rolls back: both databases take tables back as well.
    """
    if connection.dialect.name == "postgresql":  # two hubs that start together: the second one finds it done
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_LOCK)))
    revision = revision_of(connection)
    if revision == (upto or newest()):
        return
    if revision is not None and revision > newest():
        raise NewerSchema(f"the database has the schema {revision}, this hub knows {newest()}: update the hub")
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(_SCRIPTS))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    command.upgrade(config, upto or "head")


def revisions() -> list[str]:
    """Of every schema that there was, oldest first: versions/ holds `<revision>_<what>.py`, counted upwards."""
    return sorted(path.stem.partition("_")[0] for path in (_SCRIPTS / "versions").glob("[0-9]*.py"))


def newest() -> str:
    return revisions()[-1]


def revision_of(connection: sa.Connection) -> str | None:
    """The schema that the database has; None for an empty one."""
    if not sa.inspect(connection).has_table("alembic_version"):
        return None
    found = connection.scalar(sa.text("SELECT version_num FROM alembic_version"))
    return None if found is None else str(found)
