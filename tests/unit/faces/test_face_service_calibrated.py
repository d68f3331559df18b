"""The service with a model pack: its thresholds follow the people who are enrolled, and a code allows 1:1."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from station_agent.faces.calibrate import Calibration
from station_agent.faces.engine import Sight
from station_agent.faces.manifest import parse
from station_agent.faces.match import Metric
from station_agent.faces.packs import Pack
from station_agent.faces.service import EnrolRefused, FaceService, Identified, NotIdentified
from station_agent.faces.templates import TemplateStore
from station_agent.wire.commands import Consent
from station_agent.wire.kinds import Reason

MakeFrames = Callable[..., AsyncIterator[Any]]
MakeSight = Callable[..., Sight]

DIMENSIONS = 24
MANIFEST = """
name = "points"
version = "1"
engine = "onnx"
licence = "none"
source = "here"
[threshold]
floor = 0.3
start = 0.85
verify_floor = 0.2
[detector]
kind = "yunet"
file = "d.onnx"
sha256 = "%(zeros)s"
licence = "none"
source = "here"
channels = "bgr"
mean = [0, 0, 0]
std = [1, 1, 1]
score_min = 0.9
overlap_max = 0.3
[embedder]
file = "e.onnx"
sha256 = "%(zeros)s"
licence = "none"
source = "here"
channels = "rgb"
mean = [0, 0, 0]
std = [1, 1, 1]
side_px = 112
template = [[38, 52], [74, 52], [56, 72], [42, 92], [71, 92]]
"""


@pytest.fixture
def pack(tmp_path: Path) -> Pack:
    manifest, _ = parse((MANIFEST % {"zeros": "0" * 64}).encode(), "here")
    return Pack(tmp_path, manifest, "0" * 64, "nobody")


@pytest.fixture
def people() -> list[np.ndarray]:
    """Sixty people, each three pictures."""
    rng = np.random.default_rng(7)
    return [rng.normal(size=DIMENSIONS) + 0.25 * rng.normal(size=(3, DIMENSIONS)) for _ in range(60)]


@pytest.fixture
def station(store: TemplateStore, clock: Any, worker: Any, pack: Pack) -> Any:
    """A running service, with the calibrations that it told of."""
    worker.engine_name = pack.manifest.space

    @asynccontextmanager
    async def running(**options: Any) -> AsyncIterator[tuple[FaceService, list[Calibration]]]:
        told: list[Calibration] = []
        service = FaceService(store, clock, worker=worker, pack=pack, on_calibrated=told.append, **options)
        clock.slept.clear()
        task = asyncio.create_task(service.run())
        await clock.slept.wait()
        yield service, told
        task.cancel()
        await asyncio.wait({task})

    return running


def fill(
    store: TemplateStore, pack: Pack, people: list[np.ndarray], consent: Consent, clock: Any, count: int = 60
) -> None:
    for i, pictures in enumerate(people[:count]):
        store.add(f"{i:016x}", pack.manifest.space, list(pictures), consent, clock.time)


async def test_with_few_people_the_packs_start_holds(station: Any) -> None:
    async with station() as (service, told):
        assert service.policy.metric is Metric.COSINE
        assert service.policy.distance_max == pytest.approx(1 - 0.85)
        assert service.people_max == 2000
        assert [calibration.fitted for calibration in told] == [False]


async def test_the_roster_sets_the_threshold_at_the_start(
    station: Any, store: TemplateStore, pack: Pack, people: list[np.ndarray], consent: Consent, clock: Any
) -> None:
    fill(store, pack, people, consent, clock)
    async with station() as (service, told):
        [calibration] = told
        assert calibration == service.calibration
        assert (calibration.people, calibration.templates, calibration.fitted) == (60, 180, True)
        assert 0.3 < calibration.threshold < 1
        assert service.policy.distance_max == pytest.approx(1 - calibration.threshold)
        assert service.policy.verify_max == pytest.approx(1 - calibration.verify) != service.policy.distance_max


async def test_every_enrolment_and_erasure_makes_it_anew(
    station: Any,
    store: TemplateStore,
    pack: Pack,
    people: list[np.ndarray],
    consent: Consent,
    clock: Any,
    frames: MakeFrames,
    sight: MakeSight,
) -> None:
    fill(store, pack, people, consent, clock, count=59)
    async with station() as (service, told):
        await service.enrol("ff" * 8, consent, frames(*[sight(*row) for row in people[59]]))
        await service.erase("ff" * 8)
        await service.erase(f"{0:016x}")
        assert [calibration.people for calibration in told] == [59, 60, 59, 58]
        assert told[0].threshold == pytest.approx(told[2].threshold)
        assert service.calibration == told[-1]


async def test_a_member_is_known_by_the_stations_own_threshold(
    station: Any,
    store: TemplateStore,
    pack: Pack,
    people: list[np.ndarray],
    consent: Consent,
    clock: Any,
    frames: MakeFrames,
    sight: MakeSight,
) -> None:
    fill(store, pack, people, consent, clock)
    async with station() as (service, _):
        found = await service.identify(frames(*[sight(*row) for row in people[5]]))
        assert isinstance(found, Identified)
        assert found.member == f"{5:016x}"
        stranger = sight(*np.random.default_rng(1).normal(size=DIMENSIONS))
        unknown = await service.identify(frames(*[stranger] * 3))
        assert isinstance(unknown, NotIdentified)
        assert unknown.reason is Reason.FACE_UNKNOWN


async def test_after_a_code_a_worse_picture_of_that_member_will_do_and_no_other(
    station: Any,
    store: TemplateStore,
    pack: Pack,
    people: list[np.ndarray],
    consent: Consent,
    clock: Any,
    frames: MakeFrames,
    sight: MakeSight,
) -> None:
    fill(store, pack, people, consent, clock)
    async with station() as (service, told):
        own = people[5][0] / np.linalg.norm(people[5][0])
        aside = np.random.default_rng(3).normal(size=DIMENSIONS)
        aside -= (aside @ own) * own
        score = (told[0].threshold + told[0].verify) / 2 - 0.02
        poor = sight(*(score * own + np.sqrt(1 - score**2) * aside / np.linalg.norm(aside)))
        assert isinstance(await service.identify(frames(*[poor] * 3)), NotIdentified)
        found = await service.verify(f"{5:016x}", frames(*[poor] * 3))
        assert isinstance(found, Identified)
        assert found.member == f"{5:016x}"
        for other, reason in ((f"{6:016x}", Reason.FACE_OTHER), ("ee" * 8, Reason.FACE_NOT_ENROLLED)):
            missed = await service.verify(other, frames(*[poor] * 3))
            assert isinstance(missed, NotIdentified)
            assert missed.reason is reason


async def test_templates_of_another_model_count_for_nothing_and_it_is_said(
    station: Any,
    store: TemplateStore,
    people: list[np.ndarray],
    consent: Consent,
    clock: Any,
    frames: MakeFrames,
    sight: MakeSight,
    caplog: pytest.LogCaptureFixture,
) -> None:
    store.add(f"{0:016x}", "onnx-another", list(people[0]), consent, clock.time)
    with caplog.at_level(logging.WARNING):
        async with station() as (service, told):
            assert told[0].people == 0
            found = await service.identify(frames(*[sight(*row) for row in people[0]]))
            assert isinstance(found, NotIdentified)
    assert "3 face templates are of another model" in caplog.text


async def test_the_same_picture_three_times_is_no_enrolment(
    station: Any, people: list[np.ndarray], consent: Consent, frames: MakeFrames, sight: MakeSight
) -> None:
    async with station() as (service, _):
        with pytest.raises(EnrolRefused, match="slightly different sides"):
            await service.enrol("ff" * 8, consent, frames(*[sight(*people[0][0])] * 4))


async def test_the_log_names_the_threshold_and_no_member(
    station: Any,
    store: TemplateStore,
    pack: Pack,
    people: list[np.ndarray],
    consent: Consent,
    clock: Any,
    caplog: pytest.LogCaptureFixture,
) -> None:
    fill(store, pack, people, consent, clock)
    with caplog.at_level(logging.INFO):
        async with station() as (service, _):
            assert f"threshold {service.calibration.threshold:.3f} (calibrated)" in caplog.text
    assert f"{5:016x}" not in caplog.text
