"""Codes in a camera's picture: the luma plane of the newest frame, some ten times a second, in a thread of its own.

    packets --decode--> luma (height, width) --region--> zxing --> texts --> Steady --> one text, once

The thread runs at a lower priority than the loop, and both libraries let go of the interpreter while they work: the
door does not wait for it (docs/benchmarks.md). A QR of version 6 must be some 200 pixels wide in the picture, one of
version 10 some 260.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import numpy as np
import zxingcpp
from numpy.typing import NDArray

from station_agent.clock import Clock
from station_agent.video.camera import Camera, Packet
from station_agent.video.decode import Decoder
from station_agent.video.errors import CameraSilent

NICE = 10
CODES_MAX = 4
"""Codes of one frame that are looked at: a person shows one, a wall of them is no person."""

GONE_S = 1.5
"""A text that was not seen for so long and is seen again is shown again."""

SILENT_PAUSE_S = 1.0

Region = tuple[float, float, float, float]

_QR = zxingcpp.barcode_formats_from_str("QRCode")


def read_codes(luma: NDArray[np.uint8]) -> list[str]:
    """The texts of the QR codes in a grey picture."""
    found = zxingcpp.read_barcodes(luma, formats=_QR, try_invert=False)
    return [code.text for code in found[:CODES_MAX] if code.text]


def cropped(luma: NDArray[np.uint8], region: Region | None) -> NDArray[np.uint8]:
    """The part between left, top, right, bottom (parts of 1)."""
    if region is None:
        return luma
    left, top, right, bottom = region
    height, width = luma.shape
    return np.ascontiguousarray(
        luma[int(top * height) : max(1, int(bottom * height)), int(left * width) : max(1, int(right * width))]
    )


@dataclass(slots=True)
class Steady:
    """A code that is held before the camera is one attempt, however many frames show it."""

    gone_s: float = GONE_S
    _seen: dict[str, float] = field(default_factory=dict)  # text -> when last

    def new(self, texts: list[str], mono_s: float) -> list[str]:
        """Those of `texts` that were not there before."""
        self._seen = {text: at for text, at in self._seen.items() if mono_s - at < self.gone_s}
        fresh = [text for text in dict.fromkeys(texts) if text not in self._seen]
        self._seen.update(dict.fromkeys(texts, mono_s))
        return fresh


class CodeReader:
    """`run()` looks while `wanted()`; every text that comes into view is handed to `found` once, on the loop."""

    def __init__(
        self,
        camera: Camera,
        found: Callable[[str, float], None],
        clock: Clock,
        *,
        frames_per_s: float = 10.0,
        region: Region | None = None,
    ) -> None:
        """`found` gets the text and the monotonic time at which its frame arrived."""
        self._camera = camera
        self._found = found
        self._clock = clock
        self._period_s = 1.0 / frames_per_s
        self._region = region
        self._wanted = asyncio.Event()
        self._wanted.set()
        self.looks = 0

    def want(self, wanted: bool) -> None:
        """Whether it is worth looking: nobody is near, nothing is decoded."""
        if wanted:
            self._wanted.set()
        else:
            self._wanted.clear()

    async def run(self) -> None:
        steady = Steady()
        # One thread, so that frames are decoded in order; of its own, so that it may be slow.
        pool = ThreadPoolExecutor(1, thread_name_prefix=f"codes-{self._camera.name}", initializer=_behind)
        try:
            while True:
                await self._wanted.wait()
                try:
                    await self._look(pool, steady)
                except CameraSilent:
                    await self._clock.sleep(SILENT_PAUSE_S)
        finally:
            pool.shutdown(wait=True, cancel_futures=True)

    async def _look(self, pool: ThreadPoolExecutor, steady: Steady) -> None:
        loop = asyncio.get_running_loop()
        decoder: Decoder | None = None
        seq = -1
        while self._wanted.is_set():
            began_s = self._clock.monotonic()
            batch = await self._camera.after(seq)
            if decoder is None or batch[0].seq != seq + 1 or batch[0].stream != decoder.stream:
                decoder = Decoder(batch[0].stream)
            seq = batch[-1].seq
            texts = await loop.run_in_executor(pool, _texts, decoder, batch, self._region)
            self.looks += 1
            for text in steady.new(texts, batch[-1].mono_s):
                self._found(text, batch[-1].mono_s)
            left_s = self._period_s - (self._clock.monotonic() - began_s)
            if left_s > 0:
                await self._clock.sleep(left_s)


def _texts(decoder: Decoder, batch: list[Packet], region: Region | None) -> list[str]:
    luma = decoder.newest_luma([packet.data for packet in batch])
    return [] if luma is None else read_codes(cropped(luma, region))


def _behind() -> None:
    """This thread steps back behind the loop. Linux has a nice value for each thread; elsewhere nothing happens."""
    with contextlib.suppress(OSError, AttributeError):
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICE)
