"""The live stream: server-sent events."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import StreamingResponse

from cloud_hub.access import SESSION_COOKIE, HubDep, Viewer
from cloud_hub.hub import Hub
from cloud_hub.live.feed import READERS_MAX
from cloud_hub.problems import Problem
from station_agent.wire.model import StationId

router = APIRouter(tags=["live"])

HEARTBEAT_S = 5.0  # proxies cut what is silent for a minute; a log-out must not be watched past


@router.get(
    "/live",
    operation_id="openLive",
    response_class=StreamingResponse,
    responses={200: {"content": {"text/event-stream": {"schema": {"type": "string"}}}}},
)
async def open_live(
    request: Request,
    hub: HubDep,
    _: Viewer,
    station: Annotated[StationId | None, Query(description="only this one's")] = None,
) -> StreamingResponse:
    """Events `station` (a Station), `event` (a TimelineItem), `command` (a Command), `reading` (LatestReadings of one
    station), `resync` (read everything again). Nothing is repeated: open the stream, then read."""
    if hub.feed.full:
        raise Problem(503, "too-many-streams", f"{READERS_MAX} live streams are open: close some pages.")
    return StreamingResponse(
        _stream(hub, station, request.cookies[SESSION_COOKIE]),
        media_type="text/event-stream",
        headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
    )


async def _stream(hub: Hub, station: str | None, session: str) -> AsyncIterator[str]:
    """Ends when the session does, at the latest HEARTBEAT_S after it."""
    with hub.feed.reader(station) as reader:
        yield "retry: 1000\n\n"
        checked_s = hub.clock.monotonic()
        async for message in reader.messages(HEARTBEAT_S):
            if hub.clock.monotonic() - checked_s >= HEARTBEAT_S:
                if await hub.users.of(session) is None:
                    return
                checked_s = hub.clock.monotonic()
            yield ":\n\n" if message is None else f"event: {message.topic}\ndata: {message.data}\n\n"
