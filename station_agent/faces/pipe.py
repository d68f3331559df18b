"""Owns the language between agent and face child: what goes over their socket pair. No pickle: a child that was
taken over through a picture must not be able to run code in the agent.

    request  "LOOK" | height u32 | width u32 | height * width * 3 bytes RGB
    reply    kind 1 byte | length u32 | JSON            kinds: R ready, S sight, E the engine failed
"""

from __future__ import annotations

import json
import struct
from dataclasses import asdict
from typing import Any

import numpy as np

from station_agent.faces.engine import Box, Face, Picture, Sight

REQUEST = struct.Struct("!4sII")
REPLY = struct.Struct("!cI")
MAGIC = b"LOOK"
READY, SIGHT, FAILED = b"R", b"S", b"E"

FRAME_BYTES_MAX = 3840 * 2160 * 3  # a 4K camera's frame
REPLY_BYTES_MAX = 65_536  # 512 numbers and some hundred boxes
BOXES_MAX = 100
SENTENCE_MAX = 500


class PipeBroken(Exception):
    """The other side said something that the protocol does not know."""


class NotAFrame(Exception):
    """What should be looked at is no RGB frame, or too large."""


def request(rgb: Picture) -> bytes:
    """The head that goes before the frame's bytes. Raises NotAFrame."""
    if rgb.dtype != np.uint8 or rgb.ndim != 3 or rgb.shape[2] != 3:
        raise NotAFrame(f"a frame is RGB bytes of shape (height, width, 3), not {rgb.dtype} {rgb.shape}")
    if not 0 < rgb.nbytes <= FRAME_BYTES_MAX:
        raise NotAFrame(f"a frame has 1 to {FRAME_BYTES_MAX} bytes, this one {rgb.nbytes}: set the camera smaller")
    return REQUEST.pack(MAGIC, *rgb.shape[:2])


def frame_shape(head: bytes) -> tuple[int, int, int]:
    magic, height, width = REQUEST.unpack(head)
    if magic != MAGIC or not 0 < height * width * 3 <= FRAME_BYTES_MAX:
        raise PipeBroken("the request has a wrong head")
    return height, width, 3


def reply(kind: bytes, body: Any) -> bytes:
    text = json.dumps(body).encode()
    return REPLY.pack(kind, len(text)) + text


def failed_reply(sentence: str) -> bytes:
    return reply(FAILED, sentence[:SENTENCE_MAX])


def sight_reply(sight: Sight) -> bytes:
    nearest = None
    if sight.nearest is not None:
        nearest = asdict(sight.nearest) | {"embedding": [float(x) for x in sight.nearest.embedding]}
    return reply(SIGHT, {"nearest": nearest, "others": [asdict(box) for box in sight.others[:BOXES_MAX]]})


def reply_length(head: bytes) -> tuple[bytes, int]:
    kind, length = REPLY.unpack(head)
    if kind not in (READY, SIGHT, FAILED) or length > REPLY_BYTES_MAX:
        raise PipeBroken("the reply has a wrong head")
    return kind, length


def ready(body: bytes) -> tuple[str, int]:
    """Name of the engine and length of its embeddings."""
    try:
        told = json.loads(body)
        return str(told["name"]), int(told["dimensions"])
    except (ValueError, TypeError, KeyError) as error:
        raise PipeBroken(f"the face child's first word is wrong: {error}") from error


def sentence(body: bytes) -> str:
    """Why the engine failed."""
    try:
        return str(json.loads(body))
    except ValueError as error:
        raise PipeBroken(f"the face child's complaint cannot be read: {error}") from error


def sight(body: bytes, dimensions: int) -> Sight:
    """Raises PipeBroken for anything but a sight whose embedding has `dimensions` finite numbers."""
    try:
        told = json.loads(body)
        others = tuple(Box(**box) for box in told["others"])
        if told["nearest"] is None:
            return Sight(None, others)
        fields = dict(told["nearest"])
        embedding = np.asarray(fields.pop("embedding"), dtype=np.float64)
        if (landmarks := fields.pop("landmarks")) is not None:
            landmarks = tuple((float(x), float(y)) for x, y in landmarks)
        face = Face(box=Box(**fields.pop("box")), embedding=embedding, landmarks=landmarks, **fields)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise PipeBroken(f"the face child's reply is no sight: {error}") from error
    if embedding.shape != (dimensions,) or not np.isfinite(embedding).all():
        raise PipeBroken(f"the face child's embedding is not {dimensions} finite numbers")
    return Sight(face, others)
