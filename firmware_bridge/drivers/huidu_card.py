"""The conversation with a Huidu card on a bus line: negotiation, requests, files, heartbeats.

```
 (line opens)  version  >  GetIFVersion  >  guid: requests, files, heartbeats  >  (line goes)  no guid
```
One call at a time: who holds `speaking` may call. A card hangs up by itself now and then; the line opens again and
the next call negotiates anew.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import Generic, TypeVar

from firmware_bridge.capabilities import DeviceError, DeviceRefused, Health, Priority
from firmware_bridge.codecs import huidu
from firmware_bridge.codecs import huidu_xml as xml
from firmware_bridge.drivers.base import DriverContext
from firmware_bridge.exchange import DevicePolicy, Exchange

T = TypeVar("T")

# How long any card may take is added to each exchange: some requests are answered at once, some after seconds, and a
# bus that learns from the first ones must not give up the others.
ANSWER_S = 0.5
# A card writes what it was sent to its flash before it says that the file is there.
FILE_S_MAX = 10.0
DEADLINE_S = 20.0
QUARANTINE_S_MAX = 30.0
# A card that is still writing or building is asked again; after this it is said to be stuck.
BUSY_PAUSE_S = 0.1
BUSY_TRIES_MAX = 100


class _Reply(Generic[T]):
    """The first message that `wanted` takes; the others go to `unasked`."""

    def __init__(self, wanted: Callable[[huidu.Message], T | None], unasked: Callable[[huidu.Message], None]) -> None:
        self._parser = huidu.PacketParser()
        self._wanted = wanted
        self._unasked = unasked

    @property
    def discarded(self) -> int:
        return self._parser.discarded

    def feed(self, data: bytes) -> T | huidu.ErrorAnswer | None:
        reply: T | huidu.ErrorAnswer | None = None
        for message in self._parser.feed(data):
            found = message if isinstance(message, huidu.ErrorAnswer) else self._wanted(message)
            if found is None or reply is not None:
                self._unasked(message)
            else:
                reply = found
        return reply


class HuiduCard:
    """One card. `on_beat` is called when it wants a sign of life."""

    def __init__(self, context: DriverContext, timeout_s: float, on_beat: Callable[[], None]) -> None:
        self.name = context.name
        self.speaking = asyncio.Lock()
        self._bus = context.bus
        self._tell = context.health_listener()
        self._timeout_s = timeout_s
        self._on_beat = on_beat
        self._unasked_packets = huidu.PacketParser()  # between exchanges
        self._guid: str | None = None
        self.negotiations = 0
        policy = DevicePolicy(timeout_s=ANSWER_S, retries=0, quarantine_after=2, quarantine_s_max=QUARANTINE_S_MAX)
        context.bus.attach(context.name, policy, self._health, listens=self._heard, answers=True)

    async def negotiate(self) -> None:
        """Agree on versions and take the guid, once a connection."""
        if self._guid is not None:
            return
        await self._exchange(
            (huidu.encode(huidu.Version(huidu.TRANSPORT_VERSION)),),
            lambda message: message if isinstance(message, huidu.Version) and message.is_answer else None,
        )
        version = xml.Node("version", {"value": xml.SDK_VERSION})
        answer = await self._request(xml.NO_GUID, "GetIFVersion", version)
        if not answer.succeeded or not answer.guid:
            raise DeviceRefused(self.name, f"the card gives no session: {answer.result or 'no result'}")
        self._guid = answer.guid
        self.negotiations += 1

    async def ask(self, method: str, *body: xml.Node) -> xml.Answer:
        """One request; whatever the card says to it."""
        await self.negotiate()
        assert self._guid is not None
        answer = await self._request(self._guid, method, *body)
        if answer.result == "kInvalidGUID":
            self._forget()
        return answer

    async def call(self, method: str, *body: xml.Node, busy: frozenset[str] = xml.BUSY) -> xml.Node:
        """One request that must succeed, asked again while the card is busy: what it answered."""
        for _ in range(BUSY_TRIES_MAX):
            answer = await self.ask(method, *body)
            if answer.succeeded:
                return answer.body
            if answer.result not in busy and self._guid is not None:
                break
            await asyncio.sleep(BUSY_PAUSE_S)
        raise DeviceRefused(self.name, f"{method}: the card says {answer.result or 'nothing'}")

    async def send_file(self, name: str, data: bytes, md5: str, file_type: huidu.FileType) -> None:
        """Send a file under a name that no other content ever had (see the codec)."""
        await self.negotiate()
        try:
            await self._send_file(huidu.FileStart(md5, len(data), file_type, name), data)
        except DeviceError:
            # A card that waits for content takes nothing else.
            with contextlib.suppress(DeviceError):
                await self._exchange((huidu.encode(huidu.FileEnd()),), _file_end)
            self._forget()
            raise

    async def _send_file(self, start: huidu.FileStart, data: bytes) -> None:
        begun = await self._exchange(
            (huidu.encode(start),), lambda message: message if isinstance(message, huidu.FileStartAnswer) else None
        )
        if begun.status != huidu.STATUS_OK:
            raise DeviceRefused(
                self.name, f"the card takes no file {start.name!r}: {huidu.status_name(begun.status)}; see its storage"
            )
        packets = (*huidu.encode_content(data[begun.existing :]), huidu.encode(huidu.FileEnd()))
        ended = await self._exchange(packets, _file_end, reply_s=FILE_S_MAX)
        if ended.status != huidu.STATUS_OK:
            raise DeviceRefused(self.name, f"file {start.name!r} did not arrive: {huidu.status_name(ended.status)}")

    async def heartbeat(self) -> None:
        """Tell the card that we live. Not every card answers at once, so no answer is waited for."""
        await self.negotiate()
        beat: Exchange[None] = Exchange((huidu.encode(huidu.Heartbeat()),), None)
        await self._bus.request(self.name, beat, priority=Priority.TELEMETRY, deadline_s=DEADLINE_S)

    async def pause(self, for_s: float) -> bool:
        """Sleep, or until the line opens again: whether it did."""
        return await self._bus.pause(for_s)

    async def _request(self, guid: str, method: str, *body: xml.Node) -> xml.Answer:
        joiner = huidu.Joiner()

        def answer(message: huidu.Message) -> xml.Answer | None:
            if not isinstance(message, huidu.XmlPiece) or not message.is_answer:
                return None
            document = joiner.add(message)
            found = xml.decode_answer(document) if document is not None else None
            return found if found is not None and found.method == method else None

        packets = huidu.encode_document(xml.encode_request(xml.Request(guid, method, body)))
        return await self._exchange(packets, answer)

    async def _exchange(
        self, packets: tuple[bytes, ...], wanted: Callable[[huidu.Message], T | None], *, reply_s: float = 0.0
    ) -> T:
        reply_s += self._timeout_s
        self._unasked_packets = huidu.PacketParser()
        exchange: Exchange[T | huidu.ErrorAnswer] = Exchange(
            packets, lambda: _Reply(wanted, self._unasked), reply_s=reply_s
        )
        reply = await self._bus.request(
            self.name, exchange, priority=Priority.TELEMETRY, deadline_s=DEADLINE_S + reply_s
        )
        if isinstance(reply, huidu.ErrorAnswer):
            self._forget()
            raise DeviceRefused(self.name, f"the card reports {huidu.status_name(reply.status)}")
        return reply

    def _heard(self, data: bytes, mono_s: float) -> None:
        for message in self._unasked_packets.feed(data):
            self._unasked(message)

    def _unasked(self, message: huidu.Message) -> None:
        if isinstance(message, huidu.Heartbeat) and not message.is_answer:
            self._on_beat()

    def _health(self, health: Health, detail: str) -> None:
        if health is Health.OFFLINE:
            self._forget()
        self._tell(health, detail)

    def _forget(self) -> None:
        self._guid = None


def _file_end(message: huidu.Message) -> huidu.FileEndAnswer | None:
    return message if isinstance(message, huidu.FileEndAnswer) else None
