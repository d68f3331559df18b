"""What a demo made is everybody's to try, and so a demo's for good, wherever it is brought.

The folder is marked, the keys in it (which go into backups with them), and the tables, by who added the first stations.
"""

from __future__ import annotations

import sqlalchemy as sa

from cloud_hub.secret_files import write_secret
from cloud_hub.settings import BadSettings, Settings
from cloud_hub.storage.schema import audit, station_certificates

ACTOR = "demo"
"""Who adds a demo's stations and log-ins, in the audit log."""

_MADE_BY_DEMO = "was made by --demo: its log-ins, phones and keys are everybody's to try, and serve no real station"


def check_folder(settings: Settings) -> None:
    """Before anything is read or made there. Raises BadSettings."""
    folder, keys = settings.data / "demo", settings.data / "keys"
    mark = keys / "demo"
    marked = folder.is_dir() or mark.exists()
    if settings.demo and not marked and keys.is_dir():
        raise BadSettings(f"{settings.data} is a hub's that is no demo: give the demo another --data")
    if not settings.demo and marked:
        raise BadSettings(f"{settings.data} {_MADE_BY_DEMO}. Give the hub another --data")
    if settings.demo and not mark.exists():
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        keys.mkdir(mode=0o700, exist_ok=True)
        write_secret(mark, b"these keys are a demo's\n")


def check_tables(connection: sa.Connection, demo: bool) -> None:
    """Tables may come from elsewhere: a backup without keys, a PostgreSQL server. Raises BadSettings."""
    of_demo = sa.select(audit.c.id).where(audit.c.actor == ACTOR, audit.c.action == "station.add").limit(1)
    if not demo and connection.scalar(of_demo) is not None:
        raise BadSettings(f"this database {_MADE_BY_DEMO}. Give the hub another one")
    if demo and connection.scalar(sa.select(station_certificates.c.serial).limit(1)) is not None:
        raise BadSettings("this database has stations that are no demo's: give the demo another one")
