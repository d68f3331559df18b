"""A picture on request: the `camera.picture` command."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from station_agent.video.camera import Camera
from station_agent.video.errors import CameraUnknown, HubUnreachable
from station_agent.video.hub_address import HubAddress
from station_agent.wire.commands import CameraPicture

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
        import httpx  # a fifth of a second at the agent's start, for what most starts never do

        jpeg = await camera.picture()
        headers = {"Authorization": f"Bearer {order.ticket}", "Content-Type": "image/jpeg"}
        try:
            async with httpx.AsyncClient(
                base_url=self._hub.base,
                verify=self._hub.context(self._ca_file) or True,
                timeout=UPLOAD_S_MAX,
                trust_env=not self._hub.on_this_machine,
            ) as client:
                answer = await client.put(order.upload_path, content=jpeg, headers=headers)
        except httpx.HTTPError as error:
            raise HubUnreachable(f"The hub could not be given the picture: {type(error).__name__} {error}.") from error
        if answer.status_code >= 300:
            raise HubUnreachable(f"The hub refused the picture with status {answer.status_code}.")
        return len(jpeg)
