"""A hub that runs is backed up by the command, another one is made of it, and the stations go on with that one.

On both databases, and from one to the other: a hub that outgrew SQLite moves to PostgreSQL this way.
"""

import json
import os
import subprocess
import sys
import threading
from pathlib import Path
from uuid import uuid4

import pytest

from station_agent.telemetry.ack import AckMachine, SpooledRow
from station_agent.wire.envelope import Batch, Stream
from station_agent.wire.events import VisitCounted
from station_agent.wire.kinds import Credential
from tests.harness.hub_process import HubProcess, until
from tests.harness.postgres import PostgresServer
from tests.integration.hub.mqtt_station import MqttStation
from tests.integration.hub.test_hub_kills import visits_on_the_timeline

pytestmark = [pytest.mark.integration, pytest.mark.timeout(120)]

OTHER = {"sqlite": "postgresql", "postgresql": "sqlite"}


def yizhan_hub(*words: object, env: dict[str, str] | None = None, status: int = 0) -> str:
    program = Path(sys.executable).with_name("yizhan-hub")
    ran = subprocess.run(
        [program, *map(str, words)], env=os.environ | (env or {}), capture_output=True, text=True, timeout=60
    )
    assert ran.returncode == status, ran.stdout + ran.stderr
    return ran.stdout


def tell_visits(station: MqttStation, count: int) -> list[str]:
    """Attempts of visits that are in the spool now, chained as a station does."""
    attempts = [uuid4() for _ in range(count)]
    for attempt in attempts:
        station.add(VisitCounted(attempt=attempt, credential=Credential.CODE))
    return [str(attempt) for attempt in attempts]


def visits(hub: HubProcess) -> list[str]:
    with hub.client() as client:
        return visits_on_the_timeline(client)


def test_stations_go_on_with_the_restored_hub_and_what_is_missing_is_told(
    own_hub: HubProcess, tmp_path: Path, postgres: PostgresServer
) -> None:
    passphrase = tmp_path / "passphrase"
    passphrase.write_text("a long one, kept elsewhere\n")
    backup = tmp_path / "backup"
    env = own_hub.env
    with MqttStation(own_hub.link("demo-01")) as station:
        before = tell_visits(station, 40)
        station.deliver()
        meanwhile: list[str] = []
        stop = threading.Event()

        def tell_on() -> None:
            while not stop.is_set():
                meanwhile.extend(tell_visits(station, 1))
                station.deliver()

        telling = threading.Thread(target=tell_on)
        telling.start()
        try:
            until(lambda: meanwhile, "the hub takes in")
            yizhan_hub("backup", backup, "--data", own_hub.data, "--passphrase-file", passphrase, env=env)
        finally:
            stop.set()
            telling.join()
        after = tell_visits(station, 5)
        station.deliver()
        stored = visits(own_hub)
        assert stored == before + meanwhile + after
        own_hub.kill()

        kind = "postgresql" if env else "sqlite"
        (tmp_path / "new").mkdir()
        new = HubProcess(tmp_path / "new")
        if OTHER[kind] == "postgresql":
            new.env["YIZHAN_DATABASE"] = postgres.url()
        yizhan_hub("restore", backup, "--data", new.data, "--passphrase-file", passphrase, env=new.env)
        (own_hub.data / "demo").rename(new.data / "demo")  # is the demo's own and in no backup
        with new:
            kept = visits(new)
            assert kept == stored[: len(kept)]
            assert len(kept) >= len(before) + 1
            _goes_on(new, station, stored, len(kept))
        gap = json.loads(yizhan_hub("audit", "verify", "--data", new.data, "--json", env=new.env, status=2))
        (told,) = gap["breaks"]
        assert f"{len(kept) + 1} to {len(stored)} before it never came; on " in told["detail"]
        if new.env:
            postgres.drop(new.env["YIZHAN_DATABASE"])


def _goes_on(new: HubProcess, old: MqttStation, stored: list[str], kept: int) -> None:
    """The station as it is: its spool has deleted what the lost hub acknowledged; now somebody comes in."""
    with MqttStation(new.link("demo-01")) as station:
        station.spool, station.rows = old.spool, {stream: list(rows) for stream, rows in old.rows.items()}
        (new_visit,) = tell_visits(station, 1)
        row = station.rows[Stream.EVENTS][-1]
        machine = AckMachine("demo-01", station.spool, Stream.EVENTS, acked=len(stored), last=row.seq)
        machine.connected(0.0)

        def offered(now_s: float) -> Batch:
            batch = machine.offer(len(stored), [SpooledRow(row, 100)], now_s)
            assert batch is not None
            return batch

        station.publish(offered(0.0))
        assert station.acknowledged(kept, 10.0), "the hub answers with its own word"
        machine.acknowledged(station.eacks[-1], 10.0)
        station.publish(offered(11.0))
        assert station.acknowledged(row.seq, 10.0), "and takes what follows"
        assert visits(new) == [*stored[:kept], new_visit]
        with new.client() as client:
            (alarm,) = client.get("stations/demo-01").json()["alarms"]
        assert alarm["alarm"] == "log_broken"
        assert "never came" in alarm["detail"]
