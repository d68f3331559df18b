"""A hub for each module, shared by tests that only add to it; tests that kill it start their own."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.harness.hub_process import HubProcess
from tests.integration.hub.mqtt_station import MqttStation


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HubProcess]:
    with HubProcess(tmp_path_factory.mktemp("hub"), {"YIZHAN_UNION_TOKEN": "a-token-of-the-union"}) as hub:
        yield hub


@pytest.fixture
def own_hub(tmp_path: Path) -> Iterator[HubProcess]:
    with HubProcess(tmp_path) as hub:
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
