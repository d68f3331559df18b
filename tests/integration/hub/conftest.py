"""A hub for each module, shared by tests that only add to it; tests that kill it start their own.

Every test here runs twice: on SQLite, and on a PostgreSQL server that lives as long as the test session.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from tests.harness.hub_process import HubProcess
from tests.harness.postgres import PostgresServer, postgres_server
from tests.integration.hub.mqtt_station import MqttStation

DATABASES = ["sqlite", "postgresql"]


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    with postgres_server() as server:
        yield server


@contextmanager
def hub_on(request: pytest.FixtureRequest, folder: Path, env: dict[str, str]) -> Iterator[HubProcess]:
    """A hub on the database of the fixture's parameter. PostgreSQL is started by the first test that wants it."""
    if request.param == "sqlite":
        with HubProcess(folder, env) as hub:
            yield hub
        return
    server: PostgresServer = request.getfixturevalue("postgres")
    url = server.url_with_tables()
    with HubProcess(folder, {**env, "YIZHAN_DATABASE": url}) as hub:
        yield hub
    server.drop(url)


@pytest.fixture(scope="module", params=DATABASES)
def hub(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[HubProcess]:
    with hub_on(request, tmp_path_factory.mktemp("hub"), {"YIZHAN_UNION_TOKEN": "a-token-of-the-union"}) as hub:
        yield hub


@pytest.fixture(params=DATABASES)
def own_hub(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[HubProcess]:
    with hub_on(request, tmp_path, {}) as hub:
        yield hub


@pytest.fixture
def admin(hub: HubProcess) -> Iterator[httpx.Client]:
    with hub.client("admin") as client:
        yield client


@pytest.fixture
def station(hub: HubProcess) -> Iterator[MqttStation]:
    """demo-01, connected."""
    with MqttStation(hub.link("demo-01")) as station:
        yield station
