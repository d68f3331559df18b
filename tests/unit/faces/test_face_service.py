"""Faces as the rest of the agent sees them: who is let in, who is enrolled, and what is said when nobody is."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import numpy as np
import pytest

from station_agent.faces.engine import Box, Sight
from station_agent.faces.evidence import FRAMES_MAX
from station_agent.faces.match import STRICT
from station_agent.faces.pipe import NotAFrame
from station_agent.faces.service import PEOPLE_MAX, EnrolRefused, FaceService, Identified, NotIdentified
from station_agent.faces.templates import TemplateStore, TemplatesUnusable
from station_agent.faces.worker import WorkerDied
from station_agent.wire.commands import Consent
from station_agent.wire.kinds import Reason
from tests.harness.scripted_faces import Shown

MakeSight = Callable[..., Sight]
MakeFrames = Callable[..., AsyncIterator[Any]]
ANN, BEA = "00000000000000aa", "00000000000000bb"


@pytest.fixture
def around(sight: MakeSight) -> Callable[..., list[Sight]]:
    """Good pictures of the person at `x`, each a little different."""

    def pictures(x: float, count: int = 3) -> list[Sight]:
        return [sight(x + 0.06 * i, 0.0) for i in range(count)]

    return pictures


@pytest.fixture
async def with_ann(
    service: FaceService, consent: Consent, frames: MakeFrames, around: Callable[..., list[Sight]]
) -> FaceService:
    await service.enrol(ANN, consent, frames(*around(0.0)))
    return service


def refusal(found: Identified | NotIdentified) -> Reason:
    assert isinstance(found, NotIdentified)
    assert found.detail
    return found.reason


async def test_an_enrolled_member_is_identified_and_no_frame_too_many_is_looked_at(
    with_ann: FaceService, frames: MakeFrames, sight: MakeSight, worker: Any
) -> None:
    worker.looks = 0
    found = await with_ann.identify(frames(*[sight(0.1, 0.1)] * 7, forever=True))
    assert isinstance(found, Identified)
    assert (found.member, found.margin, found.frames, worker.looks) == (ANN, None, 3, 3)
    assert found.distance < STRICT.distance_max


async def test_a_stranger_is_looked_at_for_a_bounded_number_of_frames(
    with_ann: FaceService, frames: MakeFrames, sight: MakeSight, worker: Any
) -> None:
    worker.looks = 0
    assert refusal(await with_ann.identify(frames(*[sight(5, 5)] * 30))) is Reason.FACE_UNKNOWN
    assert worker.looks == FRAMES_MAX


async def test_nobody_enrolled_needs_no_look(service: FaceService, frames: MakeFrames, sight: MakeSight) -> None:
    assert refusal(await service.identify(frames(sight(0, 0)))) is Reason.FACE_UNKNOWN


async def test_what_was_seen_by_the_deadline_is_the_reason(
    with_ann: FaceService, frames: MakeFrames, sight: MakeSight
) -> None:
    async def after(*sights: Sight) -> Reason:
        return refusal(await with_ann.identify(frames(*sights, forever=True), deadline_s=0.05))

    assert await after() is Reason.CAMERA_SILENT
    assert await after(Sight(None)) is Reason.NO_FACE
    assert await after(sight(0, 0), sight(0, 0)) is Reason.NO_FACE
    beside = Sight(sight(0, 0).nearest, (Box(0, 0, 200, 200),))
    assert await after(beside) is Reason.SEVERAL_FACES
    assert await after(sight(0, 0), sight(7, 7)) is Reason.FACE_AMBIGUOUS


async def test_an_engine_in_trouble_is_said_as_such(
    with_ann: FaceService, frames: MakeFrames, sight: MakeSight, monkeypatch: pytest.MonkeyPatch, worker: Any
) -> None:
    found = await with_ann.identify(frames(WorkerDied("it ended"), sight(0, 0)))
    assert found == NotIdentified(Reason.FACE_ENGINE_SILENT, "it ended")

    async def never(rgb: object) -> Sight:
        await asyncio.Event().wait()
        raise AssertionError

    monkeypatch.setattr(worker, "look", never)
    assert refusal(await with_ann.identify(frames(sight(0, 0)), deadline_s=0.05)) is Reason.FACE_ENGINE_SILENT


async def test_a_frame_that_is_none_is_the_cameras_fault(with_ann: FaceService, frames: MakeFrames) -> None:
    assert refusal(await with_ann.identify(frames(NotAFrame("too large")))) is Reason.CAMERA_SILENT


async def test_the_cameras_own_error_passes_through_and_the_frames_are_closed(
    with_ann: FaceService, sight: MakeSight
) -> None:
    class Silent(Exception):
        pass

    closed: list[bool] = []

    async def broken() -> AsyncIterator[Any]:
        try:
            raise Silent
            yield
        finally:
            closed.append(True)

    with pytest.raises(Silent):
        await with_ann.identify(broken())
    assert closed == [True]


async def test_frames_are_closed_when_somebody_was_identified(
    with_ann: FaceService, frames: MakeFrames, sight: MakeSight
) -> None:
    given = frames(*[sight(0, 0)] * 3, forever=True)
    await with_ann.identify(given)
    with pytest.raises(StopAsyncIteration):
        await anext(given)


async def test_after_the_consent_nobody_is_identified_even_before_the_erasure(
    with_ann: FaceService, frames: MakeFrames, sight: MakeSight, clock: Any, consent: Consent
) -> None:
    clock.time = consent.expires_at
    assert refusal(await with_ann.identify(frames(*[sight(0, 0)] * 3))) is Reason.FACE_UNKNOWN
    assert with_ann.people() == 1


async def test_erased_is_unknown_at_once(with_ann: FaceService, frames: MakeFrames, sight: MakeSight) -> None:
    assert await with_ann.erase(ANN) == 3
    assert await with_ann.erase(ANN) == 0
    assert with_ann.people() == 0
    assert refusal(await with_ann.identify(frames(*[sight(0, 0)] * 3))) is Reason.FACE_UNKNOWN


async def test_enrolling_tells_what_it_took(
    service: FaceService, frames: MakeFrames, around: Callable[..., list[Sight]], consent: Consent
) -> None:
    enrolled = await service.enrol(ANN, consent, frames(*around(0.0, 9), forever=True))
    assert (enrolled.member, enrolled.templates, enrolled.consent_until) == (ANN, 5, consent.expires_at)
    assert [quality.width_px for quality in enrolled.quality] == [200] * 5
    assert service.people() == 1


async def test_enrolling_again_replaces_the_templates(
    with_ann: FaceService,
    frames: MakeFrames,
    around: Callable[..., list[Sight]],
    consent: Consent,
    sight: MakeSight,
) -> None:
    await with_ann.enrol(ANN, consent, frames(*around(4.0)))
    assert with_ann.people() == 1
    assert isinstance(await with_ann.identify(frames(*[sight(4, 0)] * 3)), Identified)
    assert refusal(await with_ann.identify(frames(*[sight(0, 0)] * 3))) is Reason.FACE_UNKNOWN


async def test_frames_too_near_in_time_are_not_differing_pictures(
    service: FaceService, around: Callable[..., list[Sight]], consent: Consent, frames: MakeFrames
) -> None:
    async def quick() -> AsyncIterator[Any]:
        async for frame in frames(*around(0.0, 5)):
            yield type(frame)(frame.rgb, frame.mono_s / 5)

    with pytest.raises(EnrolRefused, match="2 good pictures of 3"):
        await service.enrol(ANN, consent, quick())


async def test_a_refused_enrolment_says_why_and_stores_nothing(
    service: FaceService, frames: MakeFrames, sight: MakeSight, consent: Consent, store: TemplateStore
) -> None:
    async def refused(*sights: Sight | Exception) -> str:
        with pytest.raises(EnrolRefused) as caught:
            await service.enrol(ANN, consent, frames(*sights, forever=True), deadline_s=0.05)
        return str(caught.value)

    assert "the camera gave no further picture" in await refused()
    assert "no face is seen" in await refused(Sight(None))
    assert "2 good pictures of 3 needed: it is too dark" in await refused(
        sight(0, 0), sight(0.1, 0), sight(0.2, 0, light=9.0), sight(0.2, 0, light=9.0)
    )
    assert "only one person" in await refused(Sight(sight(0, 0).nearest, (Box(0, 0, 60, 60),)))
    assert "do not surely show one person" in await refused(sight(0, 0), sight(1, 0), sight(2, 0), sight(3, 0))
    assert "slightly different sides" in await refused(*[sight(0, 0)] * 5)
    assert "it ended" in await refused(WorkerDied("it ended"))
    assert store.load().templates == ()
    assert service.people() == 0


async def test_a_face_is_one_members_only_and_whose_it_is_stays_private(
    with_ann: FaceService, frames: MakeFrames, around: Callable[..., list[Sight]], consent: Consent
) -> None:
    with pytest.raises(EnrolRefused, match="already enrolled under another member") as caught:
        await with_ann.enrol(BEA, consent, frames(*around(0.3)))
    assert ANN not in str(caught.value)
    assert with_ann.people() == 1


async def test_no_consent_no_enrolment(service: FaceService, frames: MakeFrames, consent: Consent, clock: Any) -> None:
    ended = consent.model_copy(update={"expires_at": clock.time})
    future = consent.model_copy(update={"given_at": clock.time + timedelta(minutes=6)})
    for bad, told in ((ended, "expired"), (future, "future")):
        with pytest.raises(EnrolRefused, match=told):
            await service.enrol(ANN, bad, frames())


async def test_a_station_holds_a_bounded_number_of_people(
    store: TemplateStore,
    clock: Any,
    worker: Any,
    consent: Consent,
    frames: MakeFrames,
    around: Callable[..., list[Sight]],
) -> None:
    service = FaceService(store, clock, people_max=2, worker=worker)
    running = asyncio.create_task(service.run())
    await clock.slept.wait()
    await service.enrol(ANN, consent, frames(*around(0.0)))
    await service.enrol(BEA, consent, frames(*around(5.0)))
    await service.enrol(BEA, consent, frames(*around(5.0)))  # again: no further person
    with pytest.raises(EnrolRefused, match="2 people are enrolled"):
        await service.enrol("00000000000000cc", consent, frames(*around(9.0)))
    running.cancel()
    await asyncio.wait({running})


async def test_as_many_may_be_enrolled_as_can_be_searched_among_unless_the_profile_says_more(
    store: TemplateStore, clock: Any, worker: Any
) -> None:
    assert FaceService(store, clock, worker=worker).people_max == STRICT.people_max
    assert FaceService(store, clock, people_max=2000, worker=worker).people_max == 2000
    assert FaceService(store, clock, people_max=10**6, worker=worker).people_max == PEOPLE_MAX


async def test_beyond_the_engines_limit_nobody_is_looked_for_and_a_codes_member_is_compared(
    with_ann: FaceService,
    consent: Consent,
    frames: MakeFrames,
    around: Callable[..., list[Sight]],
    sight: MakeSight,
    worker: Any,
) -> None:
    with_ann.policy = replace(STRICT, people_max=1)
    assert with_ann.searches
    await with_ann.enrol(BEA, consent, frames(*around(5.0)))
    assert not with_ann.searches
    worker.looks = 0
    assert refusal(await with_ann.identify(frames(*[sight(0.1, 0.1)] * 3))) is Reason.FACE_AFTER_CODE
    assert worker.looks == 0, "who cannot be told is not looked at"
    found = await with_ann.verify(ANN, frames(*[sight(0.1, 0.1)] * 3))
    assert isinstance(found, Identified)
    assert (found.member, found.margin) == (ANN, None)
    assert refusal(await with_ann.verify(BEA, frames(*[sight(0.1, 0.1)] * 8))) is Reason.FACE_OTHER


async def test_a_face_that_is_erased_while_it_is_looked_at_opens_nothing(
    with_ann: FaceService, sight: MakeSight
) -> None:
    async def erasing() -> AsyncIterator[Any]:
        for at in range(3):
            if at == 2:
                await with_ann.erase(ANN)
            yield Shown(sight(0, 0), float(at))

    for look in (with_ann.identify(erasing()), with_ann.verify(ANN, erasing())):
        assert refusal(await look) is Reason.FACE_NOT_ENROLLED


async def test_who_comes_while_somebody_is_enrolled_is_told_so_in_time(
    with_ann: FaceService, consent: Consent, frames: MakeFrames, sight: MakeSight
) -> None:
    begun = asyncio.Event()
    enrolment = with_ann.enrol(BEA, consent, frames(forever=True), deadline_s=60, guide=lambda _: begun.set())
    enrolling = asyncio.create_task(enrolment)
    await begun.wait()
    found = await with_ann.verify(ANN, frames(sight(0, 0)), deadline_s=0.05)
    assert found == NotIdentified(Reason.FACE_ENGINE_SILENT, "somebody else is being looked at or enrolled")
    enrolling.cancel()
    await asyncio.wait({enrolling})


async def test_ended_consents_are_erased_at_the_start_and_told(
    store: TemplateStore, clock: Any, worker: Any, consent: Consent
) -> None:
    store.add(ANN, "points", [np.zeros(2)] * 3, consent, clock.time)
    clock.time = consent.expires_at
    told: list[tuple[str, int]] = []
    service = FaceService(store, clock, worker=worker, on_expired=lambda member, count: told.append((member, count)))
    running = asyncio.create_task(service.run())
    await clock.slept.wait()
    running.cancel()
    await asyncio.wait({running})
    assert told == [(ANN, 3)]
    assert store.load().templates == ()


async def test_a_clock_that_is_not_believed_erases_nobody(
    store: TemplateStore, clock: Any, worker: Any, consent: Consent
) -> None:
    store.add(ANN, "points", [np.zeros(2)] * 3, consent, clock.time)
    clock.time, clock.believed = consent.expires_at, False
    running = asyncio.create_task(FaceService(store, clock, worker=worker).run())
    await clock.slept.wait()
    running.cancel()
    await asyncio.wait({running})
    assert len(store.load().templates) == 3


async def test_templates_of_another_engine_are_not_compared(
    store: TemplateStore, clock: Any, worker: Any, consent: Consent, frames: MakeFrames, sight: MakeSight
) -> None:
    store.add(ANN, "onnx", [np.zeros(2)] * 3, consent, clock.time)
    service = FaceService(store, clock, worker=worker)
    running = asyncio.create_task(service.run())
    await clock.slept.wait()
    assert refusal(await service.identify(frames(*[sight(0, 0)] * 3))) is Reason.FACE_UNKNOWN
    running.cancel()
    await asyncio.wait({running})


async def test_a_store_without_its_key_stops_the_service_with_the_reason(
    store: TemplateStore, clock: Any, worker: Any, consent: Consent, tmp_path: Any, frames: MakeFrames
) -> None:
    store.add(ANN, "points", [np.zeros(2)] * 3, consent, clock.time)
    store.add(BEA, "points", [np.ones(2)] * 3, consent, clock.time)
    (tmp_path / "keys" / "faces.key").unlink()
    service = FaceService(store, clock, worker=worker)
    with pytest.raises(TemplatesUnusable, match="gone"):
        await service.run()
    assert refusal(await service.identify(frames())) is Reason.FACE_ENGINE_SILENT
    with pytest.raises(EnrolRefused, match="could not be read"):
        await service.enrol(ANN, consent, frames())
    assert await service.erase(ANN) == 3  # the right to be forgotten does not hang on the key
