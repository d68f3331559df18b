"""Fan-out to readers: bounded, filtered, never held up by a slow one."""

import asyncio

from cloud_hub.live.feed import RESYNC, WAITING_MAX, Feed, Message
from cloud_hub.live.models import Topic


def message(number: int, station: str = "demo-01") -> Message:
    return Message(Topic.EVENT, station, str(number))


async def drained(feed: Feed, station: str | None, send: list[Message]) -> list[Message | None]:
    """What a reader gets that begins to read only after all was sent, until the feed closes."""
    with feed.reader(station) as reader:
        for one in send:
            feed.publish(one)
        feed.close()
        return [got async for got in reader.messages(60.0)]


async def test_a_reader_gets_what_its_station_tells_in_order() -> None:
    sent = [message(1), message(2, "demo-02"), message(3)]
    assert await drained(Feed(), "demo-01", sent) == [sent[0], sent[2]]
    assert await drained(Feed(), None, sent) == sent


async def test_a_slow_reader_is_told_to_begin_again() -> None:
    sent = [message(number) for number in range(WAITING_MAX + 2)]
    assert await drained(Feed(), None, sent) == [RESYNC, sent[-1]]


async def test_silence_is_broken_by_heartbeats() -> None:
    feed = Feed()
    with feed.reader(None) as reader:
        messages = reader.messages(0.001)
        assert await anext(messages) is None
        feed.publish(message(1))
        assert await anext(messages) == message(1)
        await messages.aclose()


async def test_closing_ends_a_reader_that_waits() -> None:
    feed = Feed()
    with feed.reader(None) as reader:
        waiting = asyncio.create_task(anext(reader.messages(60.0), "ended"))
        await asyncio.sleep(0)
        feed.close()
        assert await waiting == "ended"
    assert feed.readers == 0
