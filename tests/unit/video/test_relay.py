"""The hub's fan-out with sockets made of queues and a clock that the test sets."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from cloud_hub.problems import Problem
from cloud_hub.video.channel import GOP_MESSAGES_MAX, Channel
from cloud_hub.video.pictures import Pictures
from cloud_hub.video.relay import BROKE_OFF, CUT, LEFT, NOBODY_WATCHES, End, Gone, Order, Relay, View
from cloud_hub.video.tickets import Purpose, Ticket, Tickets
from station_agent.wire.commands import CameraPicture, VideoPush
from station_agent.wire.media import LATE_S, BadMessage, Chunk, Ended, HubTime, Received, Silent, StreamIs, notice

STREAM = StreamIs(codec="avc1.42c016", width=640, height=360)
INIT = b"i" + b"init segment"


class SetClock:
    def __init__(self) -> None:
        self.now_s = 1000.0

    def now(self) -> datetime:
        return datetime(2026, 11, 23, tzinfo=UTC) + timedelta(seconds=self.now_s)

    def monotonic(self) -> float:
        return self.now_s


class QueueSocket:
    """What the relay sent is in `texts` and `media`; `say` is the peer speaking, `leave` its going."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.media: list[bytes] = []
        self.changed = asyncio.Event()
        self._said: asyncio.Queue[str | bytes | None] = asyncio.Queue()

    async def send_text(self, text: str) -> None:
        self.texts.append(text)
        self._tell()

    async def send_bytes(self, data: bytes) -> None:
        self.media.append(data)
        self._tell()

    async def receive(self) -> str | bytes:
        message = await self._said.get()
        if message is None:
            raise Gone
        return message

    def say(self, message: str | bytes) -> None:
        self._said.put_nowait(message)

    def leave(self) -> None:
        self._said.put_nowait(None)

    async def until(self, condition: Any) -> None:
        async with asyncio.timeout(5):
            while not condition():
                await self.changed.wait()

    def _tell(self) -> None:
        self.changed.set()
        self.changed = asyncio.Event()


class Hub:
    """A relay whose station is the test."""

    def __init__(self, linger_s: float = 0.0) -> None:
        self.clock = SetClock()
        self.tickets = Tickets(bytes(range(32)))
        self.orders: asyncio.Queue[Order] = asyncio.Queue()
        self.views: list[View] = []
        self.refusal: Problem | None = None
        self.relay = Relay(self.tickets, self.carry_out, self.audit, self.clock, linger_s)
        self.tasks: list[asyncio.Task[End]] = []

    async def carry_out(self, station: str, order: Order, actor: str, reason: str) -> None:
        self.orders.put_nowait(order)
        if self.refusal is not None:
            raise self.refusal

    async def audit(self, view: View) -> None:
        self.views.append(view)

    def watch(self, user: str) -> tuple[QueueSocket, asyncio.Task[End]]:
        socket = QueueSocket()
        task = asyncio.create_task(self.relay.view(Ticket(Purpose.VIEW, user, "s1", "door", "v", 0), socket))
        self.tasks.append(task)
        return socket, task

    async def station(self) -> tuple[QueueSocket, asyncio.Task[End]]:
        """The station does what it was ordered: connects and describes its stream."""
        order = await asyncio.wait_for(self.orders.get(), 5)
        assert isinstance(order, VideoPush)
        now_s = self.clock.now().timestamp()
        socket, task = self.push(self.tickets.check(order.ticket, Purpose.PUSH, "s1", "door", now_s))
        socket.say(STREAM.model_dump_json())
        socket.say(INIT)
        return socket, task

    def push(self, ticket: Ticket) -> tuple[QueueSocket, asyncio.Task[End]]:
        socket = QueueSocket()
        task = asyncio.create_task(self.relay.push(ticket, socket))
        self.tasks.append(task)
        return socket, task


@pytest.fixture
async def hub() -> AsyncIterator[Hub]:
    made = Hub()
    yield made
    await made.relay.close()
    for task in made.tasks:
        task.cancel()
    await asyncio.gather(*made.tasks, return_exceptions=True)


def frame(number: int, key: bool = False) -> bytes:
    return (b"k" if key else b"d") + f"frame {number:04}".encode()


async def test_the_first_viewer_has_the_station_push_and_a_later_one_begins_with_the_current_gop(hub: Hub) -> None:
    first, _ = hub.watch("an")
    station, _ = await hub.station()
    for number in range(4):
        station.say(frame(number, key=number % 3 == 0))
        await first.until(lambda due=number + 2: len(first.media) == due)
    assert first.media == [INIT, frame(0, True), frame(1), frame(2), frame(3, True)]
    assert notice(first.texts[0]) == STREAM
    second, _ = hub.watch("bo")
    await second.until(lambda: len(second.media) == 2)
    assert second.media == [INIT, frame(3, True)]
    assert hub.orders.empty()


async def test_a_slow_viewer_goes_on_at_a_keyframe_and_the_other_never_notices(hub: Hub) -> None:
    slow, _ = hub.watch("slow")
    quick, _ = hub.watch("quick")
    station, _ = await hub.station()
    station.say(frame(0, key=True))
    await slow.until(lambda: len(slow.media) == 2)
    await quick.until(lambda: len(quick.media) == 2)
    quick.say(Received(bytes=sum(map(len, quick.media)), at_ms=1.0).model_dump_json())
    await quick.until(lambda: any(isinstance(notice(text), HubTime) for text in quick.texts))
    hub.clock.now_s += LATE_S + 0.1
    station.say(frame(1))
    await quick.until(lambda: len(quick.media) == 3)
    station.say(frame(2, key=True))
    await quick.until(lambda: len(quick.media) == 4)
    assert len(slow.media) == 2, "late: not even a keyframe, as it would only lengthen the queue"
    slow.say(Received(bytes=sum(map(len, slow.media)), at_ms=1.0).model_dump_json())
    await slow.until(lambda: any(isinstance(notice(text), HubTime) for text in slow.texts))
    station.say(frame(3))
    await quick.until(lambda: len(quick.media) == 5)
    station.say(frame(4, key=True))
    station.say(frame(5))
    await slow.until(lambda: len(slow.media) == 4)
    assert slow.media[2:] == [frame(4, True), frame(5)]
    await quick.until(lambda: len(quick.media) == 7)
    assert quick.media[1:] == [frame(n, key=n % 2 == 0) if n < 5 else frame(n) for n in range(6)]


async def test_the_station_is_let_go_when_nobody_watches(hub: Hub) -> None:
    viewer, viewing = hub.watch("an")
    station, pushing = await hub.station()
    station.say(frame(0, key=True))
    await viewer.until(lambda: len(viewer.media) == 2)
    viewer.leave()
    assert await viewing == LEFT
    assert await asyncio.wait_for(pushing, 5) == NOBODY_WATCHES
    assert not hub.relay.pushing("s1", "door")
    assert notice(station.texts[-1]) == Received(bytes=len(INIT) + len(frame(0)))
    (view,) = hub.views
    assert (view.user, view.station, view.camera, view.bytes) == ("an", "s1", "door", len(INIT) + len(frame(0)))


async def test_the_next_viewer_after_that_gets_nothing_old(hub: Hub) -> None:
    viewer, viewing = hub.watch("an")
    station, pushing = await hub.station()
    station.say(frame(0, key=True))
    await viewer.until(lambda: len(viewer.media) == 2)
    viewer.leave()
    await viewing
    await asyncio.wait_for(pushing, 5)
    again, _ = hub.watch("an")
    station, _ = await hub.station()
    station.say(frame(7, key=True))
    await again.until(lambda: len(again.media) == 2)
    assert again.media == [INIT, frame(7, True)]


async def test_viewers_are_told_when_the_station_breaks_off(hub: Hub) -> None:
    viewer, viewing = hub.watch("an")
    station, pushing = await hub.station()
    station.say(frame(0, key=True))
    await viewer.until(lambda: len(viewer.media) == 2)
    station.leave()
    assert await viewing == BROKE_OFF
    assert await pushing == BROKE_OFF


async def test_viewers_are_told_why_the_station_will_not(hub: Hub) -> None:
    hub.refusal = Problem(502, "refused", "Camera 'door' sends HEVC.")
    viewer, viewing = hub.watch("an")
    assert await viewing == End(4502, "Camera 'door' sends HEVC.")
    assert notice(viewer.texts[-1]) == Ended(reason="Camera 'door' sends HEVC.")


async def test_a_station_whose_answer_is_late_but_whose_video_came_is_watched(hub: Hub) -> None:
    answered = asyncio.Event()

    async def carry_out(station: str, order: Order, actor: str, reason: str) -> None:
        hub.orders.put_nowait(order)
        await answered.wait()
        raise Problem(504, "no-answer", "Station s1 did not answer in time")

    hub.relay = Relay(hub.tickets, carry_out, hub.audit, hub.clock)
    viewer, viewing = hub.watch("an")
    station, _ = await hub.station()
    station.say(frame(0, key=True))
    await viewer.until(lambda: len(viewer.media) == 2)
    answered.set()
    station.say(frame(1))
    await viewer.until(lambda: len(viewer.media) == 3)
    assert not viewing.done()


async def test_viewers_are_told_that_the_camera_is_silent(hub: Hub) -> None:
    viewer, _ = hub.watch("an")
    station, _ = await hub.station()
    silent = Silent(detail="Camera 'door' gives no picture")
    station.say(silent.model_dump_json())
    await viewer.until(lambda: len(viewer.texts) == 1)
    assert notice(viewer.texts[0]) == silent


async def test_a_user_whose_right_ended_is_cut_off_and_others_are_not(hub: Hub) -> None:
    _, cut = hub.watch("an")
    _, stays = hub.watch("bo")
    await hub.station()
    assert hub.relay.cut("an") == 1
    assert await cut == CUT
    assert not stays.done()


async def test_a_push_is_taken_once_and_only_when_asked_for(hub: Hub) -> None:
    foreign = Ticket(Purpose.PUSH, "s1", "s1", "door", "not asked for", 0)
    assert (await hub.push(foreign)[1]).code == 4409
    hub.watch("an")
    order = await hub.orders.get()
    ticket = hub.tickets.check(order.ticket, Purpose.PUSH, "s1", "door", hub.clock.now().timestamp())
    _, pushing = hub.push(ticket)
    assert (await hub.push(ticket)[1]).code == 4409
    assert not pushing.done()


@pytest.mark.parametrize("nonsense", [b"x", b"k frame before init", "{}", Received(bytes=1).model_dump_json()])
async def test_a_station_that_speaks_nonsense_is_closed_with_the_reason(hub: Hub, nonsense: str | bytes) -> None:
    hub.watch("an")
    order = await hub.orders.get()
    socket, pushing = hub.push(hub.tickets.check(order.ticket, Purpose.PUSH, "s1", "door", 0.0))
    socket.say(nonsense)
    end = await asyncio.wait_for(pushing, 5)
    assert end.code == 1008
    assert end.reason


async def test_a_viewer_that_speaks_nonsense_harms_nobody_else(hub: Hub) -> None:
    odd, viewing = hub.watch("odd")
    well, _ = hub.watch("an")
    station, _ = await hub.station()
    odd.say('{"kind":"received","bytes":99999}')
    await viewing
    station.say(frame(0, key=True))
    await well.until(lambda: len(well.media) == 2)


def test_a_channel_without_keyframes_is_bounded() -> None:
    channel = Channel()
    channel.stream_is(STREAM)
    channel.take(Chunk.INIT, INIT)
    channel.take(Chunk.DELTA, frame(0))
    assert channel.after(-1) == []
    channel.take(Chunk.KEY, frame(1, True))
    for number in range(GOP_MESSAGES_MAX - 1):
        channel.take(Chunk.DELTA, frame(number))
    with pytest.raises(BadMessage, match="without a keyframe"):
        channel.take(Chunk.DELTA, frame(0))
    assert channel.after(-1) == []


async def test_a_picture_goes_to_whom_asked() -> None:
    tickets = Tickets(bytes(range(32)))
    jpeg = b"\xff\xd8\xff picture"

    async def upload(station: str, order: Order, actor: str, reason: str) -> None:
        assert isinstance(order, CameraPicture)
        pictures.take(order.upload_path.rpartition("/")[2], jpeg)

    pictures = Pictures(tickets, upload, SetClock())
    assert await pictures.ask("s1", "door", "an") == jpeg


async def test_a_picture_nobody_waits_for_and_what_is_no_jpeg_are_refused() -> None:
    pictures = Pictures(Tickets(bytes(range(32))), Hub().carry_out, SetClock())
    with pytest.raises(Problem, match="Nobody waits"):
        pictures.take("0123", b"\xff\xd8\xff")
    with pytest.raises(Problem, match="not a JPEG"):
        pictures.take("0123", b"GIF89a")


async def test_a_station_that_does_not_answer_is_a_504_and_one_that_refuses_says_why() -> None:
    async def never(station: str, order: Order, actor: str, reason: str) -> None:
        await asyncio.Event().wait()

    with pytest.raises(Problem) as late:
        await Pictures(Tickets(bytes(range(32))), never, SetClock(), answer_s_max=0.01).ask("s1", "door", "an")
    assert late.value.status == 504

    async def refuse(station: str, order: Order, actor: str, reason: str) -> None:
        raise Problem(502, "refused", "Camera 'door' gives no picture")

    with pytest.raises(Problem, match="gives no picture"):
        await Pictures(Tickets(bytes(range(32))), refuse, SetClock()).ask("s1", "door", "an")
