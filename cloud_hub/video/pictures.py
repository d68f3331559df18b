"""A picture on request: the order goes to the station, its upload comes back, and the picture is kept nowhere."""

from __future__ import annotations

import asyncio
import secrets
from typing import Any

from cloud_hub.clock import Clock
from cloud_hub.problems import Problem
from cloud_hub.video.relay import CarryOut
from cloud_hub.video.tickets import Purpose, Ticket, Tickets
from station_agent.wire.commands import CameraPicture

ANSWER_S_MAX = 3.0
TICKET_S = 15
JPEG_BYTES_MAX = 4 * 1024 * 1024
WAITING_MAX = 100


class Pictures:
    """Brings the one who asked and the upload together."""

    def __init__(self, tickets: Tickets, carry_out: CarryOut, clock: Clock, answer_s_max: float = ANSWER_S_MAX) -> None:
        self._tickets = tickets
        self._carry_out = carry_out
        self._clock = clock
        self._answer_s_max = answer_s_max
        self._waiting: dict[str, asyncio.Future[bytes]] = {}

    async def ask(self, station: str, camera: str, user: str) -> bytes:
        """A JPEG of now. Raises Problem: 504 when the station does not answer in time, or its own refusal."""
        if len(self._waiting) >= WAITING_MAX:
            raise Problem(503, "busy", "Too many pictures are being waited for; try again in a moment.")
        expires_at = int(self._clock.now().timestamp()) + TICKET_S
        ticket = Ticket(Purpose.PICTURE, station, station, camera, secrets.token_hex(8), expires_at)
        order = CameraPicture(
            camera=camera,
            upload_path=f"/api/v1/stations/{station}/cameras/{camera}/picture/{ticket.id}",
            ticket=self._tickets.signed(ticket),
        )
        upload: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self._waiting[ticket.id] = upload
        carrying = asyncio.create_task(self._carry(station, order, user), name="picture-order")
        try:
            async with asyncio.timeout(self._answer_s_max):
                answers: set[asyncio.Future[Any]] = {upload, carrying}
                await asyncio.wait(answers, return_when=asyncio.FIRST_COMPLETED)
                if not upload.done():
                    carrying.result()  # a refusal is raised here
                return await upload
        except TimeoutError:
            detail = f"Station {station} sent no picture within {self._answer_s_max:g} s: is it online?"
            raise Problem(504, "no-answer", detail) from None
        finally:
            del self._waiting[ticket.id]
            carrying.cancel()
            await asyncio.gather(carrying, return_exceptions=True)

    def take(self, picture: str, jpeg: bytes) -> None:
        """The station's upload. Raises Problem when nobody waits for it, or when it is no JPEG."""
        if not jpeg.startswith(b"\xff\xd8\xff"):
            raise Problem(415, "not-a-jpeg", "The upload is not a JPEG.")
        waiting = self._waiting.get(picture)
        if waiting is None or waiting.done():
            raise Problem(410, "nobody-waits", "Nobody waits for this picture any more.")
        waiting.set_result(jpeg)

    async def _carry(self, station: str, order: CameraPicture, user: str) -> None:
        await self._carry_out(station, order, user, "picture")
