"""For machines that watch the hub: alive, ready, metrics."""

from __future__ import annotations

from fastapi import APIRouter
from fastapi.responses import PlainTextResponse

from cloud_hub.access import HubDep
from cloud_hub.model import Api
from cloud_hub.problems import Problem

router = APIRouter(tags=["health"])


class Health(Api):
    status: str


@router.get("/healthz", operation_id="getHealth")
async def get_health() -> Health:
    """The process answers."""
    return Health(status="ok")


@router.get("/readyz", operation_id="getReadiness")
async def get_readiness(hub: HubDep) -> Health:
    """Broker connected, events are taken in, database writable; else 503 that says which is not."""
    failing = dict(hub.supervisor.failing)
    if not hub.nats.connected:
        failing.setdefault("broker", "not connected yet")
    elif not hub.ingest.ready.is_set():
        failing.setdefault("ingest", "not begun yet")
    await hub.database.write(lambda connection: connection.exec_driver_sql("SELECT 1"))
    if failing:
        detail = "; ".join(f"{name}: {reason}" for name, reason in sorted(failing.items()))
        raise Problem(503, "not-ready", f"Not ready: {detail}.")
    return Health(status="ready")


@router.get("/metrics", operation_id="getMetrics", response_class=PlainTextResponse)
async def get_metrics(hub: HubDep) -> str:
    """Prometheus text."""
    rows = await hub.stations.rows()
    gauges = {
        "stations": len(rows),
        "stations_online": sum(row.online for row in rows),
        "live_readers": hub.feed.readers,
        "commands_outstanding": hub.commands.outstanding,
        "stations_certificate_ending": len(await hub.enrolment.ending()),
    }
    text = "".join(f"# TYPE yizhan_{name} gauge\nyizhan_{name} {value}\n" for name, value in gauges.items())
    for name, count in sorted(hub.supervisor.failures.items()):
        hub.counters.set("service_failures", count, service=name)
    return text + hub.counters.text()
