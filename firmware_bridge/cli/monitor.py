"""`yizhan-bridge monitor`: read along on a line, or in a capture, frame by frame."""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import typer

from firmware_bridge.capture import Capture, CaptureError, Direction, parse
from firmware_bridge.cli.target import SILENT, AsJson, Baud, DataBits, Parity, line_config, mistakes_told, up_to
from firmware_bridge.clock import SystemClock
from firmware_bridge.codecs import Seen, Sniffer
from firmware_bridge.config import LineConfig
from firmware_bridge.line import Line
from firmware_bridge.recorder import Recorder
from firmware_bridge.sniffers import SNIFFERS, RawSniffer

# A frame that pauses longer than this inside is broken. USB adapters hand bytes on every 16 ms.
IDLE_S = 0.05
DATA_SHOWN_MAX = 24
RAW = "raw"


def monitor(
    url: Annotated[str | None, typer.Argument(help="The line; nothing when --read is given")] = None,
    protocol: Annotated[str, typer.Option(help="What is spoken there: raw, or one of `--list`")] = RAW,
    baud: Baud = None,
    parity: Parity = "N",
    data_bits: DataBits = 8,
    write: Annotated[Path | None, typer.Option(help="Keep what is heard in this capture file")] = None,
    read: Annotated[Path | None, typer.Option(help="Show a capture file instead of a line")] = None,
    seconds: Annotated[float | None, typer.Option(help="End by itself after this", min=0)] = None,
    list_: Annotated[bool, typer.Option("--list", help="Name the protocols and end")] = False,
    as_json: AsJson = False,
) -> None:
    """Listen only: nothing is sent. A line that the agent holds is not to be had; let the agent capture it."""
    if list_:
        typer.echo("\n".join([RAW, *sorted(SNIFFERS)]))
        return
    with mistakes_told():
        if (url is None) == (read is None):
            raise ValueError("name a line, or a capture file with --read")
        screen = Screen(_sniffer(protocol), as_json)
        if read is not None:
            capture = _load(read)
            if protocol == RAW and capture.header.get("protocol") in SNIFFERS:
                screen = Screen(_sniffer(capture.header["protocol"]), as_json)
            show(capture, screen)
            return
        assert url is not None
        opened = asyncio.run(_listen(line_config(url, baud, parity, data_bits), protocol, screen, write, seconds))
    raise typer.Exit(0 if opened else SILENT)


def _sniffer(protocol: str) -> Sniffer:
    if protocol == RAW:
        return RawSniffer()
    if protocol not in SNIFFERS:
        raise ValueError(f"protocol: {protocol!r} is none of {', '.join([RAW, *sorted(SNIFFERS)])}")
    return SNIFFERS[protocol]()


def _load(path: Path) -> Capture:
    try:
        with path.open(encoding="ascii") as file:
            return parse(file)
    except (OSError, UnicodeDecodeError, CaptureError) as error:
        raise ValueError(f"{path}: {error}") from None


class Screen:
    """Frames as lines: seconds since the first byte, the direction where it is known, bytes, meaning."""

    def __init__(self, sniffer: Sniffer, as_json: bool) -> None:
        self._sniffer = sniffer
        self._as_json = as_json
        self.frames = 0
        self.broken = 0

    def heard(self, at_s: float, direction: Direction, data: bytes) -> None:
        self._show(at_s, direction, self._sniffer.feed(data))

    def silence(self, at_s: float, direction: Direction) -> None:
        self._show(at_s, direction, self._sniffer.idle())

    def _show(self, at_s: float, direction: Direction, seen: Iterable[Seen]) -> None:
        for frame in seen:
            self.frames += frame.ok
            self.broken += not frame.ok
            if self._as_json:
                row = {"at_s": round(at_s, 6), "direction": direction.value, "bytes": frame.data.hex()}
                typer.echo(json.dumps({**row, "text": frame.text, "ok": frame.ok}, ensure_ascii=False))
                continue
            data = frame.data[:DATA_SHOWN_MAX].hex(" ") + (" …" if len(frame.data) > DATA_SHOWN_MAX else "")
            sign = " " if frame.ok else "?"
            typer.echo(f"{at_s:11.6f} {direction.value}{sign} {frame.text}   [{data}]")


def show(capture: Capture, screen: Screen) -> None:
    """A capture's rows, with the silences between them; a change of direction is one."""
    last_s, direction = 0.0, Direction.IN
    for row in capture.rows:
        if row.at_s - last_s > IDLE_S or row.direction is not direction:
            screen.silence(last_s, direction)
        screen.heard(row.at_s, row.direction, row.data)
        last_s, direction = row.at_s, row.direction
    screen.silence(last_s, direction)


async def _listen(config: LineConfig, protocol: str, screen: Screen, write: Path | None, seconds: float | None) -> bool:
    """Whether the line could be opened at all."""
    framing = f"{config.baud} {config.data_bits}{config.parity}{config.stop_bits}"
    with contextlib.ExitStack() as stack:
        recorder = None
        if write is not None:
            recorder = stack.enter_context(Recorder(write, {"protocol": protocol, "line": framing}))
        line = Line(
            "line", config, clock=SystemClock(), rng=random.Random(), tap=recorder.tap if recorder is not None else None
        )
        ear = _Ear(screen)
        line.bind(ear.bytes, lambda: None, ear.lost)
        async with up_to(seconds):
            await line.run()
        ear.close()
        return line.opened > 0


class _Ear:
    """Bytes of a line to the screen, and its silences."""

    def __init__(self, screen: Screen) -> None:
        self._screen = screen
        self._began_s = time.monotonic()
        self._timer: asyncio.TimerHandle | None = None

    def bytes(self, data: bytes, mono_s: float) -> None:
        at_s = mono_s - self._began_s
        self._screen.heard(at_s, Direction.IN, data)
        self.close()
        self._timer = asyncio.get_running_loop().call_later(IDLE_S, self._screen.silence, at_s, Direction.IN)

    def lost(self, why: str) -> None:
        typer.echo(f"line: {why}", err=True)

    def close(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
