"""A JetStream pull consumer that always has room asked for, so that what arrives is here without a round trip.

    ask for ROOM ---> messages ... (each uses one up) ---> below half: ask for the difference

The stream only carries over what comes while the hub is busy. It is bounded and in memory, for losing it loses nothing:
a station keeps its rows until the hub's own word. Its consumer is made anew at every start, so what a killed hub had
taken and not acknowledged comes again at once; the marks make that harmless.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Sequence

import nats
from nats.aio.msg import Msg
from nats.js.api import AckPolicy, ConsumerConfig, DiscardPolicy, RetentionPolicy, StorageType, StreamConfig
from nats.js.errors import NotFoundError

from cloud_hub.nats_link import BrokerLost, Connection

STREAM = "UP"
CONSUMER = "hub"
SUBJECTS = ["yizhan.v1.*.up.events", "yizhan.v1.*.up.telemetry"]
STREAM_BYTES_MAX = 256 * 1024 * 1024
ROOM = 1_000  # messages asked for ahead: at ~1 kB a megabyte, at the worst 200 MB of full batches
_EXPIRES_S = 20
_ACK_WAIT_S = 30
_MESSAGE = "$JS.ACK."  # how the reply subject of a message begins; what has none tells of a request
_TIME_IS_OVER = "408"


class Consumer:
    """`open` once; then `waiting` gives what has come, and `done` tells the broker to forget it."""

    def __init__(self, connection: Connection) -> None:
        self._client = connection.client
        self._lost = connection.lost
        self._here: list[Msg] = []
        self._news = asyncio.Event()
        self._asked = 0
        self._inbox = ""
        self._trouble = ""

    async def open(self) -> None:
        streams = self._client.jetstream()
        stream = StreamConfig(
            name=STREAM,
            subjects=SUBJECTS,
            retention=RetentionPolicy.WORK_QUEUE,
            storage=StorageType.MEMORY,
            discard=DiscardPolicy.OLD,
            max_bytes=STREAM_BYTES_MAX,
        )
        try:
            await streams.stream_info(STREAM)
            await streams.update_stream(stream)
        except NotFoundError:
            await streams.add_stream(stream)
        with contextlib.suppress(NotFoundError):
            await streams.delete_consumer(STREAM, CONSUMER)
        await streams.add_consumer(
            STREAM,
            ConsumerConfig(
                durable_name=CONSUMER, ack_policy=AckPolicy.EXPLICIT, ack_wait=_ACK_WAIT_S, max_ack_pending=ROOM * 4
            ),
        )
        self._inbox = self._client.new_inbox()
        await self._client.subscribe(self._inbox, cb=self._came)

    async def _came(self, message: Msg) -> None:
        headers = message.headers or {}
        if message.reply.startswith(_MESSAGE):
            self._asked -= 1
            self._here.append(message)
        elif headers.get("Status") == _TIME_IS_OVER:
            self._asked -= int(headers.get("Nats-Pending-Messages", self._asked))  # will not come on that request
        else:
            self._trouble = f"{headers.get('Status')} {headers.get('Description', '')}"
        self._news.set()

    async def waiting(self) -> Sequence[Msg]:
        """Everything that has come, at least one message. Raises BrokerLost."""
        while not self._here:
            await self._ask()
            self._news.clear()
            try:
                async with asyncio.timeout(_EXPIRES_S + 5):
                    await _first(self._news, self._lost)
            except TimeoutError:
                self._asked = 0  # the end of the last request was lost
            if self._lost.is_set():
                raise BrokerLost("the connection to the broker ended")
            if self._trouble:
                raise BrokerLost(f"the consumer is gone: {self._trouble}")
        here, self._here = self._here, []
        await self._ask()
        return here

    async def _ask(self) -> None:
        if self._asked > ROOM // 2:
            return
        request = {"batch": ROOM - self._asked, "expires": _EXPIRES_S * 1_000_000_000}
        self._asked = ROOM
        subject = f"$JS.API.CONSUMER.MSG.NEXT.{STREAM}.{CONSUMER}"
        await self._client.publish(subject, json.dumps(request).encode(), reply=self._inbox)

    async def done(self, messages: Sequence[Msg]) -> None:
        """What was lost of these acknowledgements comes again, and is a repetition then."""
        with contextlib.suppress(nats.errors.Error):
            for message in messages:
                await self._client.publish(message.reply)


async def _first(*events: asyncio.Event) -> None:
    waits = [asyncio.create_task(event.wait()) for event in events]
    try:
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for wait in waits:
            wait.cancel()
        await asyncio.gather(*waits, return_exceptions=True)
