"""The language between agent and face child: what is sent arrives, and nothing odd is believed."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from station_agent.faces import pipe
from station_agent.faces.engine import Box, Face, Sight


def test_a_sight_arrives_as_it_was_sent(face: Callable[..., Face]) -> None:
    sent = Sight(face(0.25, -1.5, 3.0), (Box(1, 2, 3, 4),))
    reply = pipe.sight_reply(sent)
    kind, length = pipe.reply_length(reply[: pipe.REPLY.size])
    body = reply[pipe.REPLY.size :]
    assert (kind, length) == (pipe.SIGHT, len(body))
    got = pipe.sight(body, 3)
    assert got == sent
    assert got.nearest is not None
    np.testing.assert_array_equal(got.nearest.embedding, [0.25, -1.5, 3.0])


def test_landmarks_and_pose_arrive_too(face: Callable[..., Face]) -> None:
    marks = tuple((float(x), x / 3) for x in range(5))
    sent = Sight(replace(face(0.0, 1.0), landmarks=marks, nodded=0.5, tilted=3.0))
    assert pipe.sight(pipe.sight_reply(sent)[pipe.REPLY.size :], 2) == sent


def test_an_empty_picture_is_a_sight_too() -> None:
    assert pipe.sight(pipe.sight_reply(Sight(None))[pipe.REPLY.size :], 3) == Sight(None)


@pytest.mark.parametrize(
    "change",
    [
        {"embedding": [1.0, 2.0]},
        {"embedding": [1.0, 2.0, float("nan")]},
        {"embedding": "123"},
        {"box": {"left": 1}},
        {"shell": "rm"},
        {"landmarks": [[1, 2, 3]]},
        {"landmarks": "eyes"},
    ],
)
def test_a_reply_that_is_no_sight_is_refused(face: Callable[..., Face], change: dict[str, Any]) -> None:
    told = json.loads(pipe.sight_reply(Sight(face(0, 0, 0)))[pipe.REPLY.size :])
    told["nearest"] |= change
    with pytest.raises(pipe.PipeBroken):
        pipe.sight(json.dumps(told).encode(), 3)


@pytest.mark.parametrize("body", [b"", b"\xff", b"[]", b"null", b'{"others": 3, "nearest": null}'])
def test_noise_is_refused(body: bytes) -> None:
    with pytest.raises(pipe.PipeBroken):
        pipe.sight(body, 3)
    with pytest.raises(pipe.PipeBroken):
        pipe.ready(body)


def test_a_reply_has_a_known_kind_and_a_bounded_length() -> None:
    for head in (pipe.REPLY.pack(b"X", 1), pipe.REPLY.pack(pipe.SIGHT, pipe.REPLY_BYTES_MAX + 1)):
        with pytest.raises(pipe.PipeBroken):
            pipe.reply_length(head)


def test_a_request_names_its_shape() -> None:
    assert pipe.frame_shape(pipe.request(np.zeros((480, 640, 3), np.uint8))) == (480, 640, 3)


@pytest.mark.parametrize(
    "array",
    [np.zeros((2, 2), np.uint8), np.zeros((2, 2, 4), np.uint8), np.zeros((2, 2, 3)), np.zeros((0, 2, 3), np.uint8)],
)
def test_only_rgb_bytes_are_a_frame(array: np.ndarray) -> None:
    with pytest.raises(pipe.NotAFrame):
        pipe.request(array)


def test_a_frame_larger_than_a_4k_camera_makes_is_refused() -> None:
    huge = np.broadcast_to(np.zeros(3, np.uint8), (2161, 3840, 3))
    with pytest.raises(pipe.NotAFrame, match="smaller"):
        pipe.request(huge)
    with pytest.raises(pipe.PipeBroken):
        pipe.frame_shape(pipe.REQUEST.pack(pipe.MAGIC, 2**31, 2**31))


def test_no_repr_shows_an_embedding(face: Callable[..., Face]) -> None:
    assert "0.123" not in repr(Sight(face(0.123, 0.123)))
