"""Where codes come from at this station: the scanner, a camera; and who judges those that are not ours.

The camera is looked at while somebody is near, if the profile names an input that says so, otherwise always.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import assert_never

from firmware_bridge.capabilities import Scan
from firmware_bridge.secrets import SecretDirectory
from station_agent.access.desk import Desk
from station_agent.access.texts import Texts
from station_agent.access.verifiers.port import Verifier
from station_agent.access.verifiers.totp import TotpVerifier
from station_agent.access.verifiers.union_platform import PlatformVerifier
from station_agent.clock import Clock
from station_agent.video.camera import Camera
from station_agent.wire.profile import PlatformRow, StationProfile, TotpRow

FOLDER = "verifiers"
"""Of the key directory: tokens and files of secrets."""


def verifiers(profile: StationProfile, key_dir: Path) -> list[Verifier]:
    """In the order of the profile, which is the order in which they are asked."""
    folder = key_dir / FOLDER
    made: list[Verifier] = []
    for name, row in profile.verifiers.items():
        match row:
            case TotpRow():
                made.append(TotpVerifier(name, row, folder / f"{name}.secrets"))
            case PlatformRow():
                made.append(PlatformVerifier(name, row, profile.station.id, SecretDirectory(folder)))
            case _:
                assert_never(row)
    return made


class CodeInputs:
    """`services` are to be kept running; `scanned` and `input_changed` are told what devices say."""

    def __init__(
        self,
        profile: StationProfile,
        key_dir: Path,
        cameras: Mapping[str, Camera],
        desk: Desk,
        scanned: Callable[[Scan], None],
        clock: Clock,
    ) -> None:
        """`scanned` takes the texts that belong to no verifier."""
        self._profile = profile
        self._clock = clock
        self._texts = Texts(desk, scanned, verifiers(profile, key_dir), clock)
        self._near: asyncio.TimerHandle | None = None
        self.services: list[tuple[str, Callable[[], Awaitable[None]]]] = []
        if profile.verifiers:
            self.services.append(("verifiers", self._texts.run))
        name, row = profile.door.code_camera, profile.codes
        self._reader = None
        if name is not None:
            from station_agent.video.codes import CodeReader

            self._reader = CodeReader(
                cameras[name], self._seen, clock, frames_per_s=row.frames_per_s, region=row.region
            )
            self._reader.want(row.near is None)
            self.services.append((f"codes:{name}", self._reader.run))

    def scanned(self, scan: Scan) -> None:
        if scan.device == self._profile.door.scanner:
            self._texts.read(scan)

    def input_changed(self, device: str, input: str, active: bool) -> None:
        """Somebody came near: look, and go on for a while after they are seen no more."""
        row = self._profile.codes
        if self._reader is None or device != self._profile.door.lock or input != row.near:
            return
        if self._near is not None:
            self._near.cancel()
            self._near = None
        if active:
            self._reader.want(True)
        else:
            reader = self._reader
            self._near = asyncio.get_running_loop().call_later(row.near_s, lambda: reader.want(False))

    async def close(self) -> None:
        if self._near is not None:
            self._near.cancel()
        await self._texts.close()

    def _seen(self, text: str, mono_s: float) -> None:
        camera = self._profile.door.code_camera
        assert camera is not None
        if self._texts.known(text):
            self._texts.read(Scan(camera, text, self._clock.now(), mono_s))
