"""Describes the REST interface: config/schema/openapi.json, from which the pages' client is generated."""

from __future__ import annotations

import json
from pathlib import Path

from cloud_hub.app import create_app
from cloud_hub.clock import SystemClock
from cloud_hub.hub import build_hub
from cloud_hub.keys import Keys
from cloud_hub.settings import Settings
from cloud_hub.storage.database import Database
from cloud_hub.storage.engines import sqlite_engine


def openapi_text() -> str:
    """JSON, the same for the same code. Starts nothing and touches no file."""
    hub = build_hub(Settings(data=Path()), SystemClock(), Keys.generated(), Database(sqlite_engine(Path(":memory:"))))
    return json.dumps(create_app(hub).openapi(), indent=1, ensure_ascii=False, sort_keys=True) + "\n"
