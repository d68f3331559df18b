"""How long a row takes from a station's publish to the hub's commit, and how fast a full spool drains.

    publish ... commit    one event at a time, paced: from the MQTT publish to the hub's acknowledgement, which it sends
                          after its commit (SQLite, synchronous=FULL). Baseline: the same message to the same broker
                          without a hub, from the publish to the broker's own PUBACK.
    drain                 a spool of events in batches of 200 rows, then a crowd of single rows, to the last
                          acknowledgement. Baseline: the same messages to the broker's last PUBACK.

Once on SQLite (the figures without a name), once on PostgreSQL. Events are chained, as a station's are.

Everything is real: the hub process with its broker, MQTT by paho. The one paho client and the hub share the machine, so
the baselines are what this client can get out of this broker, measured in the same run.
"""

import asyncio
import tempfile
import threading
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import uuid4

import paho.mqtt.client as mqtt

from cloud_hub.broker import Broker, BrokerFailed, BrokerUser
from station_agent.wire import topics
from station_agent.wire.envelope import Batch, Stream
from station_agent.wire.events import VisitCounted
from station_agent.wire.kinds import Credential
from tests.bench.harness import Row, quantile
from tests.harness.hub_process import HubProcess
from tests.harness.postgres import postgres_server
from tests.integration.hub.mqtt_station import MqttStation

PACE_S = 0.02
WINDOW = 64  # batches on their way: what a station's own machine allows itself is less
WAIT_S = 60.0
DRAIN_GOAL_ROWS_S = 25_000.0  # one worker, SQLite FULL, 2 cores
DURABLE = {"fsync": "on", "full_page_writes": "on", "wal_level": "replica", "autovacuum": "on"}  # as a server has it


async def run(quick: bool) -> list[Row]:
    singles, in_batches, alone = (200, 20_000, 4_000) if quick else (1_000, 200_000, 20_000)
    with tempfile.TemporaryDirectory() as folder:
        messages = _Messages(singles, in_batches, alone)
        async with _bare_broker(Path(folder)) as port:
            base = await asyncio.to_thread(_to_broker, port, messages)
        hub_folder = Path(folder) / "hub"
        hub_folder.mkdir()
        ours = await asyncio.to_thread(_to_hub, hub_folder, messages, {})
        with postgres_server(**DURABLE) as server:
            other_folder = Path(folder) / "other"
            other_folder.mkdir()
            env = {"YIZHAN_DATABASE": server.url_with_tables()}
            other = await asyncio.to_thread(_to_hub, other_folder, messages, env)
    return [
        Row(
            "ingest",
            "publish -> commit p50",
            quantile(ours.latencies_ms, 0.5),
            "ms",
            quantile(base.latencies_ms, 0.5),
            samples=tuple(ours.latencies_ms),
        ),
        Row(
            "ingest",
            "publish -> commit p99",
            quantile(ours.latencies_ms, 0.99),
            "ms",
            quantile(base.latencies_ms, 0.99),
        ),
        Row("ingest", "drain, batches of 200", ours.batched_rows_s, "rows/s", base.batched_rows_s),
        Row("ingest", "drain, single rows", ours.single_rows_s, "rows/s", base.single_rows_s),
        Row("ingest", "drain, batches of 200, over the goal", ours.batched_rows_s, "rows/s", DRAIN_GOAL_ROWS_S),
        Row("ingest", "publish -> commit p99, PostgreSQL", quantile(other.latencies_ms, 0.99), "ms"),
        Row("ingest", "drain, batches of 200, PostgreSQL", other.batched_rows_s, "rows/s", base.batched_rows_s),
        Row("ingest", "drain, single rows, PostgreSQL", other.single_rows_s, "rows/s", base.single_rows_s),
    ]


class _Messages:
    """How many rows each part sends."""

    def __init__(self, paced: int, in_batches: int, alone: int) -> None:
        self.paced = paced
        self.in_batches = in_batches
        self.alone = alone


class _Measured:
    def __init__(self, latencies_ms: list[float], batched_rows_s: float, single_rows_s: float) -> None:
        self.latencies_ms = latencies_ms
        self.batched_rows_s = batched_rows_s
        self.single_rows_s = single_rows_s


def _filled(station: MqttStation, rows: int) -> MqttStation:
    for _ in range(rows):
        station.add(VisitCounted(attempt=uuid4(), credential=Credential.CODE))
    return station


# --- the hub ---


def _to_hub(folder: Path, messages: _Messages, env: dict[str, str]) -> _Measured:
    with HubProcess(folder, env) as hub:
        with MqttStation(hub.link("demo-01")) as station:
            latencies_ms = [_until_committed(station) for _ in range(messages.paced)]
        with MqttStation(hub.link("demo-01")) as station:
            batched = _drained_rows_s(_filled(station, messages.in_batches), 200)
        with MqttStation(hub.link("demo-02")) as station:
            single = _drained_rows_s(_filled(station, messages.alone), 1)
    return _Measured(latencies_ms, batched, single)


def _until_committed(station: MqttStation) -> float:
    """Milliseconds; then a pause, so that each row is alone on its way."""
    _filled(station, 1)
    (batch,) = station.batches(Stream.EVENTS)
    began = time.perf_counter()
    station.publish(batch)
    assert station.acknowledged(batch.rows[-1].seq, WAIT_S)
    took_ms = (time.perf_counter() - began) * 1000
    time.sleep(PACE_S)
    return took_ms


def _drained_rows_s(station: MqttStation, rows_max: int) -> float:
    batches = station.batches(Stream.EVENTS, rows_max)
    window = WINDOW * 200 // rows_max if rows_max > 1 else WINDOW * 16
    began = time.perf_counter()
    for number, batch in enumerate(batches):
        if number >= window:
            assert station.acknowledged(batches[number - window].rows[-1].seq, WAIT_S)
        station.publish(batch)
    assert station.acknowledged(batches[-1].rows[-1].seq, WAIT_S)
    return sum(len(batch.rows) for batch in batches) / (time.perf_counter() - began)


# --- the broker alone ---


@asynccontextmanager
async def _bare_broker(folder: Path) -> AsyncIterator[int]:
    """The MQTT port of the hub's broker with the hub's configuration and no hub."""
    broker = Broker(folder, 0, 0)
    broker.prepare()
    broker.write_users([BrokerUser("demo-01", "demo-01", "bench")])
    running = asyncio.create_task(broker.run())
    try:
        await asyncio.wait_for(broker.ready.wait(), WAIT_S)
        yield broker.ports.mqtt
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        if not running.cancelled() and isinstance(running.exception(), BrokerFailed):
            running.result()


def _to_broker(port: int, messages: _Messages) -> _Measured:
    link = {"station": "demo-01", "broker": {"host": "127.0.0.1", "port": port, "username": "demo-01"}}
    link["broker"]["password"] = "bench"
    with MqttStation({**link, "hub_keys": []}) as station:
        paced = _filled(station, messages.paced).batches(Stream.EVENTS, 1)
        latencies_ms = []
        for batch in paced:
            began = time.perf_counter()
            _publish(station, batch).wait_for_publish(WAIT_S)
            latencies_ms.append((time.perf_counter() - began) * 1000)
            time.sleep(PACE_S)
        station.rows[Stream.EVENTS].clear()
        batched = _pubacked_rows_s(station, _filled(station, messages.in_batches).batches(Stream.EVENTS, 200))
        station.rows[Stream.EVENTS].clear()
        single = _pubacked_rows_s(station, _filled(station, messages.alone).batches(Stream.EVENTS, 1))
    return _Measured(latencies_ms, batched, single)


def _publish(station: MqttStation, batch: Batch) -> mqtt.MQTTMessageInfo:
    return station.client.publish(topics.up(station.id, topics.Up.EVENTS), batch.model_dump_json(), qos=1)


def _pubacked_rows_s(station: MqttStation, batches: Sequence[Batch]) -> float:
    left = len(batches)
    all_there = threading.Event()

    def count(*_: object) -> None:
        nonlocal left
        left -= 1
        if left == 0:
            all_there.set()

    station.client.on_publish = count
    began = time.perf_counter()
    for batch in batches:
        _publish(station, batch)
    assert all_there.wait(WAIT_S)
    return sum(len(batch.rows) for batch in batches) / (time.perf_counter() - began)
