"""The database goes away under a hub that runs, and comes back: nothing is lost, nothing is counted twice."""

from pathlib import Path
from uuid import uuid4

import pytest

from station_agent.wire.envelope import Stream
from station_agent.wire.events import VisitCounted
from station_agent.wire.kinds import Credential
from tests.harness.hub_process import HubProcess, until
from tests.harness.postgres import postgres_server
from tests.integration.hub.mqtt_station import MqttStation
from tests.integration.hub.test_hub_kills import visits_on_the_timeline

pytestmark = [pytest.mark.integration, pytest.mark.faults, pytest.mark.timeout(120)]


def test_what_stations_tell_while_postgresql_is_down_is_stored_once_when_it_is_back(tmp_path: Path) -> None:
    with postgres_server() as server, HubProcess(tmp_path, {"YIZHAN_DATABASE": server.url_with_tables()}) as hub:
        with MqttStation(hub.link("demo-01")) as station:
            told = [uuid4() for _ in range(20)]
            for attempt in told:
                station.add(VisitCounted(attempt=attempt, credential=Credential.CODE))
            station.deliver(rows_max=5)
            server.crash()
            more = [uuid4() for _ in range(20)]
            for attempt in more:
                station.add(VisitCounted(attempt=attempt, credential=Credential.CODE))
            for batch in station.batches(Stream.EVENTS, 5):
                station.publish(batch)
            assert not station.acknowledged(21, 1.0), "nothing is called safe that is not"
            assert not hub.is_ready()
            server.start()
            station.deliver(rows_max=5, limit_s=60.0)
        until(hub.is_ready, "the hub is ready again")
        with hub.client() as client:
            assert visits_on_the_timeline(client) == [str(attempt) for attempt in told + more]
