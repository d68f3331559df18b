"""PURE: can the display that a profile names for the door code hold its QR? Asked by `check`, before a station runs.

The LED signs over a door (128 x 16 and the like) cannot: a QR of the link needs 41 to 53 dots each way, and another
picture every 15 s, at once. What can: a framebuffer (any HDMI screen, or LED panels behind a sending card) and HUB75.
"""

from __future__ import annotations

from station_agent.signs import qr
from station_agent.wire.door_code import CHALLENGE_BYTES, DoorCode
from station_agent.wire.profile import DeviceRow, StationProfile

QUICK_SIGNS = ("framebuffer_sign", "hub75_sign")
"""Drawn at once and by us. alpha_sign takes seconds for a picture; huidu_sign makes a program of every one."""

USUAL_URL = "https://" + "h" * 24
"""Where the profile names no url: the station's own link to the hub is not known to `check`."""


def check_door_code(profile: StationProfile) -> list[str]:
    """Mistakes, each with its path in the profile."""
    row = profile.door_code
    if row is None:
        return []
    device = profile.devices.get(row.sign)
    if device is None:
        return [f"door_code.sign: there is no device {row.sign!r}"]
    if device.driver not in QUICK_SIGNS:
        can = " or a ".join(QUICK_SIGNS)
        return [
            f"door_code.sign: {row.sign!r} is a {device.driver}, which cannot show a QR that changes every 15 s; name "
            f"a {can} (an HDMI screen, LED panels of 64 x 64), or leave [door_code] out"
        ]
    errors = []
    if profile.sign is not None and profile.sign.device == row.sign:
        errors.append(f"door_code.sign: {row.sign!r} shows texts already; the door code needs a display of its own")
    width, height = _size(device)
    needed = qr.side_dots(DoorCode(bytes(CHALLENGE_BYTES), profile.station.id).link(row.url or USUAL_URL))
    if min(width, height) < needed:
        errors.append(
            f"door_code.sign: {row.sign!r} has {width} x {height} dots; the QR of this station's link needs "
            f"{needed} x {needed}"
        )
    return errors


def _size(device: DeviceRow) -> tuple[int, int]:
    """Dots of a sign of QUICK_SIGNS as its options say, or 0 where they are wrong, which is told on its own."""
    options = device.options
    if device.driver == "framebuffer_sign":
        return _number(options.get("width", 0)), _number(options.get("height", 0))
    rows, cols = _number(options.get("rows", 32)), _number(options.get("cols", 64))
    return cols * _number(options.get("chain", 1)), rows * _number(options.get("parallel", 1))


def _number(value: object) -> int:
    return value if isinstance(value, int) else 0
