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


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    with postgres_server() as server:
        yield server


@pytest.fixture(scope="session", params=["sqlite", "postgresql"])
def server(request: pytest.FixtureRequest) -> PostgresServer | None:
    """None: on SQLite."""
    return None if request.param == "sqlite" else request.getfixturevalue("postgres")


@contextmanager
def hub_on(server: PostgresServer | None, folder: Path, env: dict[str, str]) -> Iterator[HubProcess]:
    """A hub with tables of its own."""
    if server is None:
        with HubProcess(folder, env) as hub:
            yield hub
        return
    url = server.url_with_tables()
    with HubProcess(folder, {**env, "YIZHAN_DATABASE": url}) as hub:
        yield hub
    server.drop(url)


@pytest.fixture(scope="module")
def hub(server: PostgresServer | None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[HubProcess]:
    with hub_on(server, tmp_path_factory.mktemp("hub"), {"YIZHAN_UNION_TOKEN": "a-token-of-the-union"}) as hub:
        yield hub


@pytest.fixture
def own_hub(server: PostgresServer | None, tmp_path: Path) -> Iterator[HubProcess]:
    with hub_on(server, tmp_path, {}) as hub:
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
