"""The test camera's own process: an RTSP server that paints, encodes and sends while somebody plays.

    python -m firmware_bridge.simulators.rtsp_server --width 640 --height 360 --fps 15 --port 0

Prints its port on standard output, then reads from standard input what to show: a line of JSON
`{"width", "height", "seconds"}` and the picture's RGB bytes. Ends when standard input does, so that it never
outlives whoever started it. RTP travels inside the RTSP connection; UDP is answered with 461, as cameras
behind a firewall do.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import random
import signal
import sys
import time
from fractions import Fraction

import av
import numpy as np
from av.codec.context import Flags
from av.video.frame import PictureType

from firmware_bridge.simulators.rtsp_protocol import Request, RequestReader, RtspError
from firmware_bridge.simulators.rtsp_rtp import CLOCK_HZ, RtpStream, description, nal_units
from firmware_bridge.simulators.rtsp_scene import Scene

HOST = "127.0.0.1"
GOP_S = 2
UNSENT_BYTES_MAX = 1 << 20  # some seconds of video; a client that far behind has stopped reading
METHODS = "OPTIONS, DESCRIBE, SETUP, PLAY, TEARDOWN, GET_PARAMETER"
SPS, PPS, IDR = 7, 8, 5


class Encoder:
    """libx264 as a camera's encoder: no B-frames, one slice, parameter sets before each IDR."""

    def __init__(self, width: int, height: int, fps: int) -> None:
        context = av.CodecContext.create("libx264", "w")
        context.width, context.height = width, height
        context.pix_fmt = "yuv420p"
        context.time_base = Fraction(1, CLOCK_HZ)
        context.framerate = Fraction(fps)
        context.gop_size = fps * GOP_S
        context.max_b_frames = 0
        context.thread_count = 1
        context.flags |= Flags.global_header
        context.options = {
            "preset": "ultrafast",
            "tune": "zerolatency",
            "forced-idr": "1",
            "crf": "21",
            "maxrate": "2M",
            "bufsize": "1M",
        }
        context.open()
        self._context = context
        sets = nal_units(bytes(context.extradata or b""))
        self.sps = next(unit for unit in sets if unit[0] & 0x1F == SPS)
        self.pps = next(unit for unit in sets if unit[0] & 0x1F == PPS)

    def encode(self, rgb: np.ndarray, timestamp: int, key: bool) -> list[bytes]:
        """The NAL units of one frame."""
        frame = av.VideoFrame.from_ndarray(rgb, format="rgb24").reformat(format="yuv420p")
        frame.pts = timestamp
        frame.time_base = Fraction(1, CLOCK_HZ)
        frame.pict_type = PictureType.I if key else PictureType.NONE
        units = [unit for packet in self._context.encode(frame) for unit in nal_units(bytes(packet))]
        if any(unit[0] & 0x1F == IDR for unit in units):
            return [self.sps, self.pps, *units]
        return units


class Client:
    """One connection: its session, and the stream that it gets while it plays."""

    def __init__(self, writer: asyncio.StreamWriter) -> None:
        self.writer = writer
        self.session = f"{random.getrandbits(32):08x}"
        self.channel: int | None = None
        self.playing = False
        self.waits_for_key = True
        self._rtp = RtpStream(random.getrandbits(32))

    def send(self, nals: list[bytes], timestamp: int) -> None:
        """Sends one access unit, beginning with a key frame; gives up on a client that stopped reading."""
        if self.waits_for_key and not any(nal[0] & 0x1F == IDR for nal in nals):
            return
        self.waits_for_key = False
        if self.writer.transport.get_write_buffer_size() > UNSENT_BYTES_MAX:
            self.writer.transport.abort()
            return
        head = bytes([ord("$"), self.channel or 0])
        packets = self._rtp.packets(nals, timestamp)
        self.writer.write(b"".join(head + len(packet).to_bytes(2, "big") + packet for packet in packets))


class RtspServer:
    """Serves one scene to any number of clients."""

    def __init__(self, width: int, height: int, fps: int) -> None:
        self.scene = Scene(width, height)
        self._fps = fps
        self._encoder = Encoder(width, height, fps)
        self._players: set[Client] = set()
        self._somebody_plays = asyncio.Event()

    async def produce(self) -> None:
        """Paints and encodes at the frame rate while somebody plays, and rests otherwise."""
        started_s = time.monotonic()
        number = 0
        due_s = started_s
        while True:
            if not self._players:
                self._somebody_plays.clear()
                await self._somebody_plays.wait()
                due_s = time.monotonic()
            await asyncio.sleep(due_s - time.monotonic())
            at_s = time.monotonic()
            rgb = self.scene.frame(number, at_s, time.time_ns() // 1_000_000)
            timestamp = int((at_s - started_s) * CLOCK_HZ)
            key = any(client.waits_for_key for client in self._players)
            nals = self._encoder.encode(rgb, timestamp, key)
            for client in tuple(self._players):
                client.send(nals, timestamp)
            number += 1
            due_s = max(due_s + 1 / self._fps, at_s)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        client = Client(writer)
        requests = RequestReader()
        try:
            while data := await reader.read(4096):
                for request in requests.feed(data):
                    writer.write(self._answer(client, request))
                    if request.method == "PLAY" and client.playing:
                        self._players.add(client)
                        self._somebody_plays.set()
                    if request.method == "TEARDOWN":
                        return
        except (ConnectionError, RtspError, asyncio.CancelledError):
            return  # cancelled only when the whole process ends
        finally:
            self._players.discard(client)
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()

    def _answer(self, client: Client, request: Request) -> bytes:
        match request.method:
            case "OPTIONS":
                return request.answer(200, {"Public": METHODS})
            case "DESCRIBE":
                body = description(HOST, self._encoder.sps, self._encoder.pps)
                base = request.url.rstrip("/") + "/"
                return request.answer(200, {"Content-Base": base, "Content-Type": "application/sdp"}, body)
            case "SETUP":
                return self._set_up(client, request)
            case "PLAY" if client.channel is not None:
                client.playing = True
                return request.answer(200, {"Session": client.session, "Range": "npt=now-"})
            case "PLAY":
                return request.answer(455)
            case "GET_PARAMETER" | "TEARDOWN":
                return request.answer(200, {"Session": client.session})
            case _:
                return request.answer(501)

    def _set_up(self, client: Client, request: Request) -> bytes:
        transport = request.headers.get("transport", "")
        fields = dict(field.partition("=")[::2] for field in transport.split(";"))
        channel = fields.get("interleaved", "0-1").partition("-")[0]
        if "RTP/AVP/TCP" not in fields or not channel.isdecimal() or int(channel) > 254:
            return request.answer(461)
        client.channel = int(channel)
        granted = f"RTP/AVP/TCP;unicast;interleaved={channel}-{client.channel + 1}"
        return request.answer(200, {"Session": client.session, "Transport": granted})


async def read_orders(server: RtspServer) -> None:
    """Shows what standard input says; returns at its end."""
    reader = asyncio.StreamReader()
    transport, _ = await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), sys.stdin
    )
    try:
        while line := await reader.readline():
            order = json.loads(line)
            height, width = int(order["height"]), int(order["width"])
            data = await reader.readexactly(height * width * 3)
            picture = np.frombuffer(data, np.uint8).reshape(height, width, 3)
            server.scene.show(picture, time.monotonic() + float(order["seconds"]))
    except asyncio.IncompleteReadError:
        return
    finally:
        transport.close()


async def main(width: int, height: int, fps: int, port: int) -> None:
    server = RtspServer(width, height, fps)
    listener = await asyncio.start_server(server.serve, HOST, port)
    print(listener.sockets[0].getsockname()[1], flush=True)
    orders = asyncio.create_task(read_orders(server))
    producer = asyncio.create_task(server.produce())
    await asyncio.wait({orders, producer}, return_when=asyncio.FIRST_COMPLETED)
    for task in (orders, producer):
        task.cancel()
    listener.close()
    for result in await asyncio.gather(orders, producer, return_exceptions=True):
        if isinstance(result, Exception):
            raise result


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; our end is our starter's
    parser = argparse.ArgumentParser()
    for name, default in (("width", 640), ("height", 360), ("fps", 15), ("port", 0)):
        parser.add_argument(f"--{name}", type=int, default=default)
    asyncio.run(main(**vars(parser.parse_args())))
