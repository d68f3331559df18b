"""Live view, station side: one media WebSocket per watched camera, and none while nobody watches.

    VideoPush order -> connect -> [stream, init, current GOP, live frames ...] -> the hub closes -> over

The hub asks for the push when the first viewer comes and closes the socket when the last has gone. What leaves the
station is the camera's own H.264 in fMP4; nothing is decoded. While the uplink is slower than the stream, frames
up to the next keyframe are left out (wire/media.py FlowGate), so the picture stays live.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from functools import partial
from pathlib import Path

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake

from station_agent.clock import Clock
from station_agent.video.camera import NOMINAL_TICKS, Camera, Packet
from station_agent.video.errors import CameraSilent, CameraUnknown, HubUnreachable, LiveRefused
from station_agent.video.h264 import ParameterSets
from station_agent.video.hub_address import HubAddress
from station_agent.video.packager import fragment, init_segment
from station_agent.video.source import Stream
from station_agent.wire.commands import VideoPush
from station_agent.wire.media import TEXT_BYTES_MAX, BadMessage, Chunk, FlowGate, Received, Silent, StreamIs, notice

log = logging.getLogger(__name__)

CONNECT_S_MAX = 5.0
CLOSE_S_MAX = 1.0
PUSHES_MAX = 16  # as many as a profile may have cameras


class VideoPusher:
    """`execute` opens a push and returns; `run()` is the service that carries the pushes."""

    def __init__(self, cameras: Mapping[str, Camera], hub_url: str, clock: Clock, ca_file: Path | None = None) -> None:
        self.media_bytes = 0
        self.frames_left_out = 0
        self._cameras = cameras
        self._hub = HubAddress.of(hub_url)
        self._ca_file = ca_file
        self._clock = clock
        self._opened: asyncio.Queue[tuple[Camera, ClientConnection]] = asyncio.Queue(PUSHES_MAX)
        self._pushes: dict[str, asyncio.Task[None]] = {}

    @property
    def watched(self) -> frozenset[str]:
        """The cameras whose video leaves the station now."""
        return frozenset(self._pushes)

    async def execute(self, order: VideoPush) -> None:
        """Connects to the hub; the video follows by itself. Raises VideoError."""
        camera = self._cameras.get(order.camera)
        if camera is None:
            raise CameraUnknown(order.camera, list(self._cameras))
        if camera.trouble is not None:
            await camera.after(-1)  # it may be coming up just now; else it says why not
        if camera.live_refusal is not None:
            raise LiveRefused(camera.live_refusal)
        if self._opened.full():
            raise HubUnreachable(f"{PUSHES_MAX} live views wait to be started already; try again.")
        self._opened.put_nowait((camera, await self._connect(order)))

    async def run(self) -> None:
        """Carries pushes until cancelled, then closes their sockets."""
        try:
            async with asyncio.TaskGroup() as group:
                while True:
                    camera, socket = await self._opened.get()
                    if (older := self._pushes.pop(camera.name, None)) is not None:
                        older.cancel()  # the hub has lost that socket, else it had not asked again
                    task = group.create_task(self._push(camera, socket), name=f"push-{camera.name}")
                    self._pushes[camera.name] = task
                    task.add_done_callback(partial(self._forget, camera.name))
        finally:
            while not self._opened.empty():
                await self._opened.get_nowait()[1].close()

    def _forget(self, name: str, task: asyncio.Task[None]) -> None:
        if self._pushes.get(name) is task:
            del self._pushes[name]

    async def _connect(self, order: VideoPush) -> ClientConnection:
        try:
            return await connect(
                self._hub.websocket + order.push_path,
                additional_headers={"Authorization": f"Bearer {order.ticket}"},
                compression=None,
                open_timeout=CONNECT_S_MAX,
                close_timeout=CLOSE_S_MAX,
                max_size=TEXT_BYTES_MAX,
                ssl=self._hub.context(self._ca_file),
                proxy=None if self._hub.on_this_machine else True,
            )
        except (OSError, InvalidHandshake, TimeoutError) as error:
            raise HubUnreachable(f"The hub did not take the live view: {error or type(error).__name__}.") from error

    async def _push(self, camera: Camera, socket: ClientConnection) -> None:
        gate = FlowGate()
        receipts = asyncio.create_task(_receipts(socket, gate), name=f"receipts-{camera.name}")
        sending = asyncio.create_task(self._send(camera, socket, gate), name=f"send-{camera.name}")
        try:
            await asyncio.wait({receipts, sending}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (receipts, sending):
                task.cancel()
            outcomes = await asyncio.gather(receipts, sending, return_exceptions=True)
            await socket.close()
            log.info("live view of camera %s ended after %d bytes", camera.name, gate.sent_bytes)
        for outcome in outcomes:
            match outcome:
                case ConnectionClosed() | asyncio.CancelledError() | None:
                    continue
                case BadMessage():
                    log.warning("live view of camera %s: the hub sent %s", camera.name, outcome)
                case _:
                    raise outcome

    async def _send(self, camera: Camera, socket: ClientConnection, gate: FlowGate) -> None:
        """Sends until the socket closes. A silent camera is told once and waited for; one that no longer sends
        H.264 ends the view."""
        seq, number = -1, 0
        stream: Stream | None = None
        told_silent = skipping = False
        duration = NOMINAL_TICKS
        last_time: int | None = None
        while True:
            try:
                batch = await camera.after(seq)
            except CameraSilent as error:
                if not told_silent:
                    await socket.send(Silent(detail=str(error)[:300]).model_dump_json())
                told_silent = True
                continue
            told_silent = False
            for packet in batch:
                jumped = packet.seq != seq + 1
                seq = packet.seq
                if last_time is not None and not jumped:
                    duration = packet.decode_time - last_time
                last_time = packet.decode_time
                skipping = skipping or gate.late(self._clock.monotonic())
                if skipping and (not packet.key or gate.late(self._clock.monotonic())):
                    self.frames_left_out += 1
                    continue
                skipping = False
                if packet.stream != stream:
                    stream = packet.stream
                    if stream.sets is None:
                        await socket.send(Silent(detail=(camera.live_refusal or "")[:300]).model_dump_json())
                        return
                    await self._send_stream(socket, gate, stream.sets)
                number += 1
                kind = Chunk.KEY if packet.key else Chunk.DELTA
                await self._send_media(socket, gate, kind, _fragment(number, packet, duration))

    async def _send_stream(self, socket: ClientConnection, gate: FlowGate, sets: ParameterSets) -> None:
        await socket.send(StreamIs(codec=sets.codec, width=sets.width, height=sets.height).model_dump_json())
        await self._send_media(socket, gate, Chunk.INIT, init_segment(sets))

    async def _send_media(self, socket: ClientConnection, gate: FlowGate, kind: Chunk, data: bytes) -> None:
        message = kind.encode() + data
        gate.sent(len(message), self._clock.monotonic())
        self.media_bytes += len(message)
        await socket.send(message)


def _fragment(number: int, packet: Packet, duration: int) -> bytes:
    return fragment(
        number, packet.decode_time, packet.composition_offset, duration, packet.key, packet.data, packet.utc_s
    )


async def _receipts(socket: ClientConnection, gate: FlowGate) -> None:
    """Takes the hub's receipts until it closes the socket. Raises BadMessage."""
    async for text in socket:
        if isinstance(text, bytes):
            raise BadMessage("a binary message where receipts are expected")
        if isinstance(receipt := notice(text), Received):
            gate.received(receipt.bytes)
