"""What an onlooker of a virtual station sees, and what a person there can do; HTTP knows only this."""

from __future__ import annotations

import asyncio
import base64
import io
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal

from firmware_bridge.simulators.rtsp_camera import RtspCamera
from firmware_bridge.simulators.station import SimulatedStation, StationState
from station_agent.virtual.agent import AgentProcess
from station_agent.virtual.phones import Phones

if TYPE_CHECKING:
    import numpy as np
    from PIL import Image

FACE_SHOWN_S = 6.0
PICTURE_SIDE_MAX = 1600
PICTURE_PIXELS_MAX = 40_000_000


class NotPossible(Exception):
    """What was asked cannot be done here; the message is for the person."""


class VirtualDoor:
    """The simulated station, its camera and its agent as one thing."""

    def __init__(
        self,
        station_id: str,
        name: str,
        simulation: SimulatedStation,
        camera: RtspCamera | None,
        agent: AgentProcess,
        phones: Phones,
    ) -> None:
        self._id = station_id
        self._name = name
        self._simulation = simulation
        self._camera = camera
        self._agent = agent
        self._phones = phones
        self._changed = asyncio.Event()
        self._recheck: asyncio.TimerHandle | None = None

    @property
    def ready(self) -> bool:
        """The agent is up, the hub has acknowledged it, and the door is known."""
        status = self._agent.status
        return status is not None and status.linked and status.door != "unknown"

    def changed(self) -> None:
        """Something moved: whoever follows gets a new state."""
        event, self._changed = self._changed, asyncio.Event()
        event.set()

    async def change(self, timeout_s: float) -> bool:
        """Wait for the next change; False when none came."""
        try:
            async with asyncio.timeout(timeout_s):
                await self._changed.wait()
        except TimeoutError:
            return False
        return True

    def close(self) -> None:
        if self._recheck is not None:
            self._recheck.cancel()

    def state(self) -> dict[str, Any]:
        seen = self._simulation.state()
        status = self._agent.status
        config = self._simulation.config
        pictures = [base64.b64encode(page.dots).decode() for page in seen.sign_pages if page.dots]
        texts = [page.text for page in seen.sign_pages if page.text]
        return {
            "station": {"id": self._id, "name": self._name},
            "lock_released": seen.lock_released,
            "fire": seen.fire,
            "exit_button": config.exit,
            "fire_input": config.fire is not None,
            "bolt": _bolt(seen),
            "door_open": seen.door_open,
            "contact_open": seen.contact_open,
            "door_state": status.door if status else None,
            "sign": {
                "width": config.sign_width,
                "height": config.sign_height,
                "pages": pictures,
                "text": (status.sign_text if status else "") or "".join(texts) or None,
            },
            "code_screen": _screen(seen, config.code_screen),
            "temperature_c": seen.temperature_c,
            "humidity_pct": seen.humidity_percent,
            "releases": seen.releases,
            "openings": seen.openings,
            "agent_running": status is not None,
            "agent_pid": self._agent.pid,
            "linked": status is not None and status.linked,
            "camera": {"showing": self._camera is not None and self._camera.showing},
        }

    def scan(self, text: str) -> None:
        try:
            self._simulation.scan(text)
        except ValueError as error:
            raise NotPossible(f"no scanner would read this: {error}") from error

    async def scan_picture(self, body: bytes) -> str | None:
        """What the scanner reads on a picture; None when there is no code on it."""
        text = await asyncio.to_thread(_read_code, body)
        if text is not None:
            self.scan(text)
        return text

    def members(self) -> list[dict[str, str]]:
        return [
            {"member": row.member, "name": row.name, "occupation": row.occupation} for row in self._phones.rows.values()
        ]

    def present(self, member: str) -> None:
        """That member's phone shows its code to the scanner."""
        try:
            code = self._phones.code(member, datetime.now(UTC))
        except KeyError as error:
            raise NotPossible(f"member {member} has no virtual phone here") from error
        self.scan(code)

    async def show_face(self, body: bytes) -> None:
        if self._camera is None:
            raise NotPossible("this station has no camera")
        rgb = await asyncio.to_thread(_rgb, body)
        await self._camera.show(rgb, FACE_SHOWN_S)
        self.changed()
        if self._recheck is not None:
            self._recheck.cancel()
        self._recheck = asyncio.get_running_loop().call_later(FACE_SHOWN_S + 0.05, self.changed)

    def press(self, button: str) -> None:
        try:
            self._simulation.press(button)
        except KeyError as error:
            raise NotPossible(f"there is no button {button!r}") from error

    def move(self, action: Literal["push", "close", "force"]) -> None:
        match action:
            case "push":
                self._simulation.push_door()
            case "close":
                self._simulation.close_door()
            case "force":
                self._simulation.force_door()

    def fire(self, active: bool) -> None:
        """The fire panel's contact closes, or opens again."""
        try:
            self._simulation.set_fire(active)
        except KeyError as error:
            raise NotPossible("this door has no fire input") from error

    def jam(self, jammed: bool) -> None:
        """The bolt freezes, or thaws."""
        self._simulation.jam(jammed)

    def climate(self, temperature_c: float | None, humidity_pct: float | None) -> None:
        if temperature_c is not None:
            self._simulation.set_temperature(temperature_c)
        if humidity_pct is not None:
            self._simulation.set_humidity(humidity_pct)

    def measures(self) -> dict[str, Any]:
        """Monotonic seconds of this machine, for benches: ends of scans, relay frames, releases."""
        return {
            "mono_s": time.monotonic(),
            "scan_ends_s": self._simulation.scan_ends_s,
            "relay_frames_s": self._simulation.relay_frames_s,
            "releases_s": list(self._simulation.releases_s),
        }


def _screen(seen: StationState, size: tuple[int, int] | None) -> dict[str, Any] | None:
    if seen.code_screen is None or size is None:
        return None
    return {"width": size[0], "height": size[1], "dots": base64.b64encode(seen.code_screen).decode()}


def _bolt(seen: StationState) -> str:
    if seen.bolt_drawn:
        return "released" if seen.lock_released or seen.door_open else "moving"
    return "moving" if seen.lock_released else "secured"


# What reads pictures is loaded by the first of them, in its thread: most visitors show none.


def _image(body: bytes) -> Image.Image:
    from PIL import Image, ImageOps, UnidentifiedImageError

    try:
        image = Image.open(io.BytesIO(body), formats=["JPEG", "PNG"])
        if image.width * image.height > PICTURE_PIXELS_MAX:
            raise NotPossible(f"a picture of {image.width}x{image.height} is larger than this page takes")
        return ImageOps.exif_transpose(image).convert("RGB")
    except (UnidentifiedImageError, OSError, Image.DecompressionBombError) as error:
        raise NotPossible("this is no JPEG or PNG picture") from error


def _read_code(body: bytes) -> str | None:
    import numpy as np
    import zxingcpp

    grey = np.asarray(_image(body).convert("L"))
    found = zxingcpp.read_barcodes(grey, formats=zxingcpp.barcode_formats_from_str("QRCode"))
    return found[0].text if found else None


def _rgb(body: bytes) -> np.ndarray[Any, np.dtype[np.uint8]]:
    import numpy as np

    image = _image(body)
    image.thumbnail((PICTURE_SIDE_MAX, PICTURE_SIDE_MAX))
    return np.asarray(image, np.uint8)
