"""How long a revoked station stays connected, by the size of the fleet; how fast certificates are made.

The broker is the hub's own, with TLS and certificates; one station is connected and the others are users who are away.
From the hub's table to the closed connection: the configuration written, the reload, the connection's end. A hub adds
up to a second in which it notices what a command line has changed (enrolment/service.py).
"""

import asyncio
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

import paho.mqtt.client as mqtt
from cryptography.hazmat.primitives.asymmetric import ec

from cloud_hub.broker import Broker, BrokerTls, BrokerUser
from cloud_hub.enrolment.authority import (
    Authorities,
    issue_station,
    load_authorities,
    read_request,
    server_certificate,
    station_user,
)
from station_agent.identity.files import private_pem, signing_request
from station_agent.link.tls import broker_context
from tests.bench.harness import BenchFailed, Row

GOAL_MS = 5000.0
CONNECT_S = 20.0


async def run(quick: bool) -> list[Row]:
    fleets = (100, 1_000) if quick else (1_000, 10_000, 20_000)
    rows = [Row("identity", "certificates made, with proof of the key, a second", _issued_a_second(quick), "1/s")]
    for count in fleets:
        with tempfile.TemporaryDirectory(prefix="yizhan-bench-") as name:
            took_ms = await _revoked(Path(name), count)
        metric = f"revocation to closed connection, {count:,} stations"
        rows.append(Row("identity", metric, took_ms, "ms", GOAL_MS))
    return rows


def _issued_a_second(quick: bool) -> float:
    authorities, now = Authorities.generated(datetime.now(UTC)), datetime.now(UTC)
    requests = [signing_request(ec.generate_private_key(ec.SECP256R1())) for _ in range(50 if quick else 1000)]
    began = time.perf_counter()
    for number, request in enumerate(requests):
        issue_station(authorities.station, f"s-{number}", read_request(request), now)
    return len(requests) / (time.perf_counter() - began)


async def _revoked(data: Path, count: int) -> float:
    """Milliseconds."""
    folder = data / "broker"
    folder.mkdir()
    authorities, now = load_authorities(data, datetime.now(UTC)), datetime.now(UTC)
    tls = BrokerTls(folder / "server.pem", folder / "station-ca.pem")
    server_certificate(tls.server, authorities.hub, ["127.0.0.1"], now)
    tls.clients.write_text(authorities.station.pem)
    (data / "hub-ca.pem").write_text(authorities.hub.pem)
    key = ec.generate_private_key(ec.SECP256R1())
    made = issue_station(authorities.station, "revoked", key.public_key(), now)
    (data / "station.pem").write_bytes(private_pem(key) + made.pem.encode())
    others = [BrokerUser(station_user(f"s-{number}", f"{number:040x}"), f"s-{number}") for number in range(count - 1)]

    broker = Broker(data, 0, 0, tls=tls)
    broker.prepare()
    broker.write_users([*others, BrokerUser(made.user, "revoked")])
    serving = asyncio.create_task(broker.run())
    try:
        await asyncio.wait_for(broker.ready.wait(), CONNECT_S)
        return await _cut_off(broker, data, others)
    finally:
        serving.cancel()
        await asyncio.gather(serving, return_exceptions=True)


async def _cut_off(broker: Broker, data: Path, others: list[BrokerUser]) -> float:
    loop = asyncio.get_running_loop()
    connected, closed = asyncio.Event(), asyncio.Event()
    client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2)
    client.tls_set_context(broker_context(data / "hub-ca.pem", data / "station.pem", clock_trusted=True))
    client.on_connect = lambda _c, _u, _f, code, _p: code.is_failure or loop.call_soon_threadsafe(connected.set)
    client.on_disconnect = lambda *_: loop.call_soon_threadsafe(closed.set)
    await asyncio.to_thread(client.connect, "127.0.0.1", broker.ports.mqtt)
    client.loop_start()
    try:
        await asyncio.wait_for(connected.wait(), CONNECT_S)
        began = time.perf_counter()
        if await asyncio.to_thread(broker.write_users, others):
            broker.read_again()
        await asyncio.wait_for(closed.wait(), 60)
        return (time.perf_counter() - began) * 1000
    except TimeoutError:
        raise BenchFailed("identity: the revoked station was not cut off within a minute") from None
    finally:
        client.disconnect()
        client.loop_stop()
