"""What can go wrong with a camera, in sentences for the person who reads the command's result."""

from __future__ import annotations


class VideoError(Exception):
    """A camera, its live view or its picture; the message says which and what to do."""


class CameraUnknown(VideoError):
    def __init__(self, name: str, known: list[str]) -> None:
        has = ", ".join(sorted(known)) or "none"
        super().__init__(f"This station has no camera {name!r}; its cameras: {has}.")


class CameraSilent(VideoError):
    """No picture comes from this camera now."""

    def __init__(self, name: str, what: str) -> None:
        super().__init__(f"Camera {name!r} gives no picture: {what}")
        self.name = name
        self.what = what


class LiveRefused(VideoError):
    """This camera's stream cannot be watched live."""


class HubUnreachable(VideoError):
    """The hub did not take the picture or the video."""
