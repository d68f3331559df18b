"""The whole way of a live view but the page: RTSP camera -> station -> hub -> viewers, over real sockets."""

import contextlib
import io
import sys
import time
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import simplejpeg
from websockets.exceptions import ConnectionClosed, InvalidStatus

from firmware_bridge.simulators import barcode

pytestmark = pytest.mark.integration
STATION = "/api/v1/stations/demo-01"


async def until(condition: Any) -> None:
    await sys.modules["live_bench"].until(condition)


def receiver(viewer: Any) -> Any:
    return sys.modules["live_bench"].Receiver(viewer)


async def first_frames(viewer: Any, count: int) -> list[bytes]:
    """The init segment and `count` frames."""
    taking = receiver(viewer)
    return [await taking.next() for _ in range(count + 1)]


def pictures(messages: list[bytes]) -> list[np.ndarray]:
    """What an independent reader (FFmpeg) makes of a viewer's messages."""
    file = io.BytesIO(b"".join(message[1:] for message in messages))
    with av.open(file, format="mp4") as container:
        return [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]


async def test_a_viewer_sees_the_camera_now(bench: Any) -> None:
    began_ms = time.time_ns() // 1_000_000
    async with bench.watching() as viewer:
        messages = await first_frames(viewer, 8)
    assert [message[:1] for message in messages[:2]] == [b"i", b"k"]
    stamps = [barcode.read(picture) for picture in pictures(messages)]
    assert len(stamps) == 8
    assert None not in stamps
    assert stamps == sorted(stamps)
    assert stamps[-1] >= began_ms % barcode.MODULUS


async def test_without_a_viewer_no_media_leaves_the_station(bench: Any) -> None:
    await until(lambda: bench.camera.online)
    assert bench.pusher.media_bytes == 0
    assert bench.relay.media_bytes("demo-01", "door") == 0
    async with bench.watching() as viewer:
        await first_frames(viewer, 3)
        assert bench.pusher.watched == {"door"}
    await until(lambda: not bench.pusher.watched)
    sent, seq = bench.pusher.media_bytes, (await bench.camera.after(-1))[-1].seq
    newest = seq
    while newest < seq + 10:  # ten more frames of the camera
        newest = (await bench.camera.after(newest))[-1].seq
    assert bench.pusher.media_bytes == sent > 0
    assert not bench.relay.pushing("demo-01", "door")


async def test_the_second_viewer_begins_with_a_picture_at_once_and_shares_the_stream(bench: Any) -> None:
    async with bench.watching() as first:
        await first_frames(first, 5)
        async with bench.watching() as second:
            messages = await first_frames(second, 6)
            assert [message[:1] for message in messages[:3]] == [b"i", b"k", b"d"]
            assert len(bench.pusher.watched) == 1
            assert bench.relay.viewers("demo-01", "door") == 2
    await until(lambda: len(bench.views) == 2)
    assert all(view.bytes > 0 and view.user == "manager" and view.ended_at > view.started_at for view in bench.views)


async def test_the_view_goes_on_when_the_camera_is_unplugged_and_back(bench: Any) -> None:
    async with bench.watching() as viewer:
        taking = receiver(viewer)
        for _ in range(4):
            await taking.next()
        await bench.simulator.close()
        assert "door" in await taking.notice("silent")
        await bench.simulator.start()
        again = [await taking.next() for _ in range(3)]
    assert b"k" in {message[:1] for message in again}


async def test_a_viewer_who_stops_reading_does_not_hold_the_others_up(bench: Any) -> None:
    async with bench.watching() as stuck, bench.watching() as well:
        await stuck.recv()
        taking = receiver(well)
        numbers = [barcode.read(picture) for picture in pictures([await taking.next() for _ in range(60)])]
    steps = np.diff(np.array(numbers, dtype=np.int64))
    assert len(numbers) == 59
    assert (steps > 0).all()


async def test_a_picture_on_request(bench: Any) -> None:
    answer = await bench.http.get(f"{STATION}/cameras/door/picture")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "image/jpeg"
    assert answer.headers["cache-control"] == "no-store"
    rgb = simplejpeg.decode_jpeg(answer.content)
    assert rgb.shape == (360, 640, 3)
    assert barcode.read(rgb) is not None


async def test_a_picture_of_a_silent_camera_says_so(bench: Any) -> None:
    await bench.http.get(f"{STATION}/cameras/door/picture")
    await bench.simulator.close()
    await until(lambda: not bench.camera.online)
    answer = await bench.http.get(f"{STATION}/cameras/door/picture")
    assert answer.status_code in (502, 504)
    assert answer.headers["content-type"] == "application/problem+json"


async def test_an_unknown_camera_is_not_found(bench: Any) -> None:
    for answer in (
        await bench.http.get(f"{STATION}/cameras/attic/picture"),
        await bench.http.post(f"{STATION}/cameras/attic/live"),
    ):
        assert answer.status_code == 404
        assert "attic" in answer.json()["detail"]


async def test_media_sockets_need_their_own_ticket(bench: Any) -> None:
    connect = sys.modules["live_bench"].connect
    base = "ws" + bench.url.removeprefix("http")
    path, ticket = await bench.ticket()
    async with connect(f"{base}{path}?ticket={ticket}x", proxy=None) as viewer:
        with pytest.raises(ConnectionClosed) as closed:
            await viewer.recv()
    assert closed.value.rcvd.code == 4401
    with pytest.raises(InvalidStatus):  # a viewer's ticket does not let video in
        await connect(
            f"{base}{STATION}/cameras/door/push", proxy=None, additional_headers={"Authorization": f"Bearer {ticket}"}
        )
    upload = await bench.http.put(f"{STATION}/cameras/door/picture/0", content=b"\xff\xd8\xff")
    assert upload.status_code == 401


async def test_a_camera_without_h264_says_so_to_whom_would_watch(film: Any, tmp_path: Path) -> None:
    path = film(tmp_path / "door.mp4", "libx265", **{"x265-params": "log-level=none:keyint=10"})
    async with sys.modules["live_bench"].a_bench(film=path) as bench:
        await bench.camera.after(-1)
        async with bench.watching() as viewer:
            assert "set the camera's substream to H.264" in await receiver(viewer).notice("ended")
            await viewer.wait_closed()
        assert viewer.close_code == 4502
        assert bench.pusher.media_bytes == 0


async def test_a_user_whose_right_has_ended_is_cut_off(bench: Any) -> None:
    async with bench.watching() as viewer:
        await first_frames(viewer, 1)
        assert bench.relay.cut("manager") == 1
        with contextlib.suppress(ConnectionClosed):
            async for _ in viewer:
                continue
    assert viewer.close_code == 4403
