"""A picture on request: the `camera.picture` command."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from station_agent.video.camera import Camera
from station_agent.video.errors import CameraUnknown, HubUnreachable
from station_agent.video.hub_address import HubAddress
from station_agent.wire.commands import CameraPicture

if TYPE_CHECKING:
    import httpx

UPLOAD_S_MAX = 10.0  # a picture of 100 kB over a weak 4G link


class PictureUploader:
    """Takes the newest frame and PUTs it to the hub."""

    def __init__(self, cameras: Mapping[str, Camera], hub_url: str, ca_file: Path | None = None) -> None:
        self._cameras = cameras
        self._ca_file = ca_file
        self._hub = HubAddress.of(hub_url)

    async def execute(self, order: CameraPicture) -> int:
        """The size of the JPEG that the hub has taken, in bytes. Raises VideoError."""
        camera = self._cameras.get(order.camera)
        if camera is None:
            raise CameraUnknown(order.camera, list(self._cameras))
        jpeg = await camera.picture()
        client = await asyncio.to_thread(self._client)
        import httpx  # loaded by now

        headers = {"Authorization": f"Bearer {order.ticket}", "Content-Type": "image/jpeg"}
        try:
            async with client:
                answer = await client.put(order.upload_path, content=jpeg, headers=headers)
        except httpx.HTTPError as error:
            raise HubUnreachable(f"The hub could not be given the picture: {type(error).__name__} {error}.") from error
        if answer.status_code >= 300:
            raise HubUnreachable(f"The hub refused the picture with status {answer.status_code}.")
        return len(jpeg)

    def _client(self) -> httpx.AsyncClient:
        """In a thread: the library and the system's certificates take some hundred milliseconds to load, for which no
        door may wait."""
        import httpx

        return httpx.AsyncClient(
            base_url=self._hub.base,
            verify=self._hub.context(self._ca_file) or True,
            timeout=UPLOAD_S_MAX,
            trust_env=not self._hub.on_this_machine,
        )
