"""Liveness as the agent meets it: recognised is not enough, and nothing that is missing counts as proof."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from typing import Any

import pytest

from station_agent.faces import proof
from station_agent.faces.engine import Box, Sight
from station_agent.faces.liveness import Mode, Movement, Verdict
from station_agent.faces.proof import Liveness, NotTold
from station_agent.faces.service import FaceService, Identified, NotIdentified
from station_agent.faces.templates import TemplateStore
from station_agent.wire.commands import Consent
from station_agent.wire.kinds import Reason

ANN = "00000000000000aa"
REST = ((-31.0, 0.0), (31.0, 0.0), (0.0, 35.0), (-25.0, 72.0), (25.0, 72.0))
TURNED = {Movement.TURN_LEFT: (18.0, 35.0), Movement.TURN_RIGHT: (-18.0, 35.0)}
TURNED |= {Movement.LOOK_UP: (0.0, 24.0), Movement.LOOK_DOWN: (0.0, 46.0)}

MakeSight = Callable[..., Sight]
MakeFrames = Callable[..., AsyncIterator[Any]]


def looking(sight: Sight, live: float | None = 0.9, nose: tuple[float, float] | None = None) -> Sight:
    assert sight.nearest is not None
    marks = (*REST[:2], nose or REST[2], *REST[3:])
    return replace(sight, nearest=replace(sight.nearest, live=live, landmarks=marks))


class Fixed(random.Random):
    """Draws the movement that the test wants."""

    def __init__(self, movement: Movement) -> None:
        super().__init__()
        self.movement = movement

    def choice(self, seq: Any) -> Any:
        return self.movement


class FakeDepth:
    """A second camera whose word is known beforehand; None: it does not answer."""

    def __init__(self, *verdicts: Verdict | None) -> None:
        self.verdicts = list(verdicts)

    async def verdict(self, box: Box, mono_s: float) -> Verdict:
        said = self.verdicts.pop(0)
        if said is None:
            await asyncio.Event().wait()
        assert said is not None
        return said


Identify = Callable[..., Any]


@pytest.fixture
async def identify(
    store: TemplateStore, clock: Any, worker: Any, consent: Consent, sight: MakeSight, frames: MakeFrames
) -> AsyncIterator[Identify]:
    """`await identify(liveness, *sights, ask=...)` at a station where ANN is enrolled."""
    running: list[asyncio.Task[None]] = []

    async def identified(liveness: Liveness, *sights: Sight, **more: Any) -> Identified | NotIdentified:
        service = FaceService(store, clock, worker=worker, liveness=liveness)
        running.append(asyncio.create_task(service.run()))
        clock.slept.clear()
        await clock.slept.wait()
        if not store.load().templates:
            await service.enrol(ANN, consent, frames(*(sight(0.06 * i, 0.0) for i in range(3))))
        return await service.identify(frames(*sights, forever=True), **more)

    yield identified
    for task in running:
        task.cancel()
    await asyncio.gather(*running, return_exceptions=True)


def refused(found: Identified | NotIdentified, reason: Reason, told: str) -> None:
    assert isinstance(found, NotIdentified)
    assert found.reason is reason
    assert told in found.detail


async def test_a_picture_of_a_member_does_not_open(identify: Identify, clock: Any, sight: MakeSight) -> None:
    passive = Liveness(Mode.PASSIVE, clock)
    found = await identify(passive, *[looking(sight(0, 0), live=score) for score in (0.9, 0.1, 0.2)])
    refused(found, Reason.FACE_NOT_LIVE, "0.20 over 3 frames")
    assert isinstance(await identify(passive, *[looking(sight(0, 0))] * 3), Identified)


async def test_without_a_model_nothing_is_proven(identify: Identify, clock: Any, sight: MakeSight) -> None:
    found = await identify(Liveness(Mode.PASSIVE, clock), *[looking(sight(0, 0), live=None)] * 3)
    refused(found, Reason.FACE_NOT_LIVE, "install a model pack")


@pytest.mark.parametrize("movement", Movement)
async def test_a_member_who_does_what_was_asked_is_let_in(
    identify: Identify, clock: Any, sight: MakeSight, movement: Movement
) -> None:
    asked: list[Movement] = []

    async def ask(movement: Movement) -> None:
        asked.append(movement)

    match = [looking(sight(0, 0))] * 3
    answer = [looking(sight(0, 0)), *[looking(sight(0.1, 0), nose=TURNED[movement])] * 2]
    liveness = Liveness(Mode.CHALLENGE, clock, rng=Fixed(movement))
    assert isinstance(await identify(liveness, *match, *answer, ask=ask), Identified)
    assert asked == [movement]


async def test_the_member_s_photo_and_somebody_else_s_head_do_not_open(
    identify: Identify, clock: Any, sight: MakeSight, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(proof, "CHALLENGE_S", 0.05)

    async def ask(movement: Movement) -> None: ...

    left = TURNED[Movement.TURN_LEFT]
    liveness = Liveness(Mode.CHALLENGE, clock, rng=Fixed(Movement.TURN_LEFT))
    photo, other = looking(sight(0, 0)), [looking(sight(5, 5), nose=left)] * 6
    refused(await identify(liveness, *[photo] * 4, *other, ask=ask), Reason.CHALLENGE_MISSED, "nothing of the kind")
    refused(await identify(liveness, *[photo] * 9, ask=ask), Reason.CHALLENGE_MISSED, "asked to turn left")


async def test_the_wrong_movement_is_no_answer(identify: Identify, clock: Any, sight: MakeSight) -> None:
    async def ask(movement: Movement) -> None: ...

    wrong = [looking(sight(0, 0), nose=TURNED[Movement.TURN_RIGHT])] * 2
    liveness = Liveness(Mode.CHALLENGE, clock, rng=Fixed(Movement.TURN_LEFT))
    found = await identify(liveness, *[looking(sight(0, 0))] * 4, *wrong, ask=ask)
    refused(found, Reason.CHALLENGE_MISSED, "moved otherwise")


async def test_a_challenge_that_cannot_be_told_opens_for_nobody(
    identify: Identify, clock: Any, sight: MakeSight, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(movement: Movement) -> None:
        raise NotTold("the sign does not answer")

    async def slow(movement: Movement) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(proof, "TELL_S", 0.02)
    liveness, match = Liveness(Mode.CHALLENGE, clock), [looking(sight(0, 0))] * 3
    refused(await identify(liveness, *match, ask=broken), Reason.CHALLENGE_MISSED, "the sign does not answer")
    refused(await identify(liveness, *match, ask=slow), Reason.CHALLENGE_MISSED, "did not stand on the sign")
    refused(await identify(liveness, *match), Reason.CHALLENGE_MISSED, "neither sign nor voice")


async def test_somebody_unknown_is_not_asked_for_anything(identify: Identify, clock: Any, sight: MakeSight) -> None:
    async def ask(movement: Movement) -> None:
        raise AssertionError

    found = await identify(Liveness(Mode.CHALLENGE, clock), *[looking(sight(9, 9))] * 9, ask=ask)
    refused(found, Reason.FACE_UNKNOWN, "")


async def test_a_depth_camera_has_the_last_word_on_a_picture(
    identify: Identify, clock: Any, sight: MakeSight, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(proof, "DEPTH_S", 0.02)
    match = [looking(sight(0, 0))] * 3
    live, attack = Verdict.LIVE, Verdict.ATTACK
    sure = Liveness(Mode.PASSIVE, clock, depth=FakeDepth(live, live, attack))
    assert isinstance(await identify(sure, *match), Identified)
    flat = Liveness(Mode.PASSIVE, clock, depth=FakeDepth(attack, live, attack))
    refused(await identify(flat, *match), Reason.FACE_NOT_LIVE, "attack, live, attack")
    silent = Liveness(Mode.PASSIVE, clock, depth=FakeDepth(None, None, live))
    refused(await identify(silent, *match), Reason.FACE_NOT_LIVE, "unsure, unsure, live")
