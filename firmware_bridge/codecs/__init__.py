"""Codecs: bytes <-> frames, PURE. Each keeps what a half-read frame needs and nothing of the line."""

from __future__ import annotations


class FrameError(ValueError):
    """Bytes that cannot be the frame that was due. Says what is wrong with them."""
