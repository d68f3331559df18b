"""A test camera: a real RTSP server with real H.264, in a process of its own.

It shows a moving background with a barcode of the time that each frame left (barcode.py), or for some seconds a
picture that is held before it. It encodes only while somebody plays.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

START_S_MAX = 15.0  # importing the encoder on a busy small machine
END_S_MAX = 3.0
PICTURE_SIDE_MAX = 4096


class CameraFailed(Exception):
    """The test camera's process did not start or has ended."""


class RtspCamera:
    """`await start()`, then `url` plays; `await close()` unplugs it. Restarting keeps the port."""

    def __init__(self, width: int = 640, height: int = 360, fps: int = 15, port: int = 0) -> None:
        if width % 2 or height % 2 or not 1 <= fps <= 60:
            raise ValueError(f"{width}x{height} at {fps} fps cannot be encoded: even sides and 1 to 60 fps, please")
        self._size = (width, height)
        self._fps = fps
        self._port = port
        self._process: asyncio.subprocess.Process | None = None
        self._showing_until_s = 0.0

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    @property
    def url(self) -> str:
        if not self._port:
            raise CameraFailed("the test camera has no address before start()")
        return f"rtsp://127.0.0.1:{self._port}/stream"

    @property
    def showing(self) -> bool:
        """Whether a picture is held before the camera now."""
        return time.monotonic() < self._showing_until_s

    async def start(self) -> None:
        """Returns when the camera can be played. Raises CameraFailed when it does not come up."""
        width, height = self._size
        size = ("--width", str(width), "--height", str(height), "--fps", str(self._fps), "--port", str(self._port))
        self._process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "firmware_bridge.simulators.rtsp_server", *size),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        assert self._process.stdout is not None
        try:
            async with asyncio.timeout(START_S_MAX):
                line = await self._process.stdout.readline()
        except TimeoutError:
            line = b""
        if not line:
            await self.close()
            raise CameraFailed("the test camera's process did not start; its own message stands above")
        self._port = int(line)

    async def show(self, rgb: NDArray[np.uint8], seconds: float) -> None:
        """Holds a picture (height, width, 3) before the camera from now on; a newer one replaces it."""
        if rgb.ndim != 3 or rgb.shape[2] != 3 or rgb.dtype.name != "uint8" or max(rgb.shape) > PICTURE_SIDE_MAX:
            raise ValueError(
                f"a picture of shape {rgb.shape} ({rgb.dtype.name}) cannot be shown: (height, width, 3) of uint8, "
                f"sides to {PICTURE_SIDE_MAX}"
            )
        if self._process is None or self._process.stdin is None:
            raise CameraFailed("the test camera is not running")
        height, width, _ = rgb.shape
        order = json.dumps({"width": width, "height": height, "seconds": seconds})
        try:
            self._process.stdin.write(order.encode() + b"\n" + rgb.tobytes())
            await self._process.stdin.drain()
        except ConnectionError as error:
            raise CameraFailed("the test camera's process has ended") from error
        self._showing_until_s = time.monotonic() + seconds

    async def close(self) -> None:
        """Ends the process; nothing of it is left. May be called twice."""
        process, self._process = self._process, None
        if process is None:
            return
        assert process.stdin is not None
        process.stdin.close()
        try:
            async with asyncio.timeout(END_S_MAX):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()
