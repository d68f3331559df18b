"""The station's camera against a real RTSP server and real files; the RTSP server against an independent client."""

import asyncio
import json
import logging
import shutil
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import numpy as np
import pytest
import simplejpeg

from firmware_bridge.simulators import barcode
from firmware_bridge.simulators.rtsp_camera import CameraFailed, RtspCamera
from station_agent.clock import SystemClock
from station_agent.video.camera import Camera, Packet
from station_agent.video.errors import CameraSilent, LiveRefused
from station_agent.video.push import VideoPusher
from station_agent.wire.commands import VideoPush

Film = Callable[..., str]
pytestmark = pytest.mark.integration


@asynccontextmanager
async def running(url: str) -> AsyncIterator[Camera]:
    camera = Camera("door", url, SystemClock())
    service = asyncio.create_task(camera.run())
    try:
        yield camera
    finally:
        service.cancel()
        await asyncio.gather(service, return_exceptions=True)


async def test_the_test_camera_is_what_an_independent_client_expects() -> None:
    if (ffprobe := shutil.which("ffprobe")) is None:
        pytest.skip("no ffprobe on this machine (Debian package ffmpeg)")
    command = (ffprobe, "-v", "error", "-of", "json", "-show_streams", "-show_packets", "-read_intervals", "%+#20")
    async with RtspCamera(width=320, height=240, fps=30) as simulator:
        process = await asyncio.create_subprocess_exec(
            *command, "-rtsp_transport", "tcp", simulator.url, stdout=asyncio.subprocess.PIPE
        )
        output, _ = await asyncio.wait_for(process.communicate(), 20)
    found = json.loads(output)
    (stream,) = found["streams"]
    assert (stream["codec_name"], stream["width"], stream["height"], stream["has_b_frames"]) == ("h264", 320, 240, 0)
    times = [packet["pts"] for packet in found["packets"] if "pts" in packet]
    assert len(times) >= 18
    assert np.median(np.diff(times)) == pytest.approx(3000, rel=0.2)
    assert "K" in found["packets"][0]["flags"]


async def test_frames_are_the_newest_and_a_shown_face_is_seen() -> None:
    async with RtspCamera(width=320, height=240, fps=30) as simulator, running(simulator.url) as camera:
        stamps: list[int | None] = []
        async for frame in camera.frames():
            assert frame.rgb.shape == (240, 320, 3)
            stamps.append(barcode.read(frame.rgb))
            if len(stamps) == 10:
                break
        assert None not in stamps
        assert stamps == sorted(stamps, key=lambda stamp: stamp or 0)
        await simulator.show(np.full((50, 50, 3), 255, np.uint8), seconds=30.0)
        assert simulator.showing
        async for frame in camera.frames():
            if barcode.read(frame.rgb) is None:
                assert frame.rgb[120, 160].min() > 240
                break


async def test_the_camera_is_found_again_after_it_was_unplugged() -> None:
    async with RtspCamera(width=320, height=240, fps=30) as simulator, running(simulator.url) as camera:
        seen = await camera.after(-1)
        await simulator.close()
        with pytest.raises(CameraSilent, match="door") as silent:
            await asyncio.wait_for(_watch(camera, seen), 20)
        assert "power, cable" in str(silent.value)
        await simulator.start()
        after = (await camera.after(seen[-1].seq, timeout_s=20))[0]
        assert after.key
        assert after.decode_time > seen[-1].decode_time


async def _watch(camera: Camera, seen: list[Packet]) -> None:
    while True:
        seen += await camera.after(seen[-1].seq)


async def test_a_picture_that_cannot_be_shown_and_a_camera_that_does_not_run_say_so() -> None:
    simulator = RtspCamera()
    with pytest.raises(ValueError, match="shape"):
        await simulator.show(np.zeros((4, 4), np.uint8), 1.0)
    with pytest.raises(CameraFailed):
        await simulator.show(np.zeros((4, 4, 3), np.uint8), 1.0)
    with pytest.raises(CameraFailed):
        _ = simulator.url


async def test_a_file_is_played_in_a_loop_at_its_own_pace(film: Film, tmp_path: Path) -> None:
    async with running(film(tmp_path / "door.mp4", "libx264", g="10", bf="2")) as camera:
        first = (await camera.after(-1))[0]
        assert first.stream.sets is not None
        assert (first.stream.sets.width, first.stream.sets.height) == (160, 96)
        packet, times = first, [first.decode_time]
        while packet.seq < first.seq + 45:  # the film has 20
            for packet in await camera.after(packet.seq):  # noqa: B020 - the last one is where we are
                times.append(packet.decode_time)
        assert (np.diff(times) > 0).all()
        assert packet.mono_s - first.mono_s > 45 / 30 * 0.9
        assert barcode.read(simplejpeg.decode_jpeg(await camera.picture())) in range(20)


async def test_hevc_gives_pictures_and_says_why_it_cannot_be_watched(film: Film, tmp_path: Path) -> None:
    path = film(tmp_path / "door.mp4", "libx265", **{"x265-params": "log-level=none:keyint=10"})
    async with running(path) as camera:
        assert barcode.read(simplejpeg.decode_jpeg(await camera.picture())) is not None
        assert camera.live_refusal is not None
        assert "H.264" in camera.live_refusal
        pusher = VideoPusher({"door": camera}, "http://127.0.0.1:1", SystemClock())
        with pytest.raises(LiveRefused, match="HEVC"):
            await pusher.execute(VideoPush(camera="door", push_path="/push", ticket="t"))


@pytest.mark.parametrize(
    ("content", "says"),
    [(None, "there is no file"), (b"", "Invalid data"), (b"no film" * 100, "Invalid data")],
)
async def test_a_file_that_is_no_film_says_so(tmp_path: Path, content: bytes | None, says: str) -> None:
    path = tmp_path / "door.mp4"
    if content is not None:
        path.write_bytes(content)
    async with running(str(path)) as camera:
        with pytest.raises(CameraSilent, match=says):
            await camera.after(-1, timeout_s=0.3)


async def test_a_password_in_the_address_is_told_to_nobody(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    async with running(f"rtsp://admin:secret@127.0.0.1:{port}/stream") as camera:
        with pytest.raises(CameraSilent) as silent:
            await camera.after(-1, timeout_s=0.3)
    assert "Connection refused" in str(silent.value)
    assert "secret" not in str(silent.value) + caplog.text + repr(camera) + (camera.trouble or "")
