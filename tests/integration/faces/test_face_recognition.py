"""The embedded engine on real photos, through the whole service: who gets in, and above all who does not.

Photos of a few people, taken years apart, stand for a member at the door: harder than a camera's frames seconds after
the enrolment. So few members get in here (access.md says so of this engine); that no stranger does is what is asserted.
The figures are printed (`pytest -rP`).
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import sys
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from station_agent.clock import SystemClock
from station_agent.faces.engine import ENGINES, Picture, Sight
from station_agent.faces.match import STRICT, Match, gallery, match, person_distances
from station_agent.faces.service import EnrolRefused, FaceService, Identified
from station_agent.faces.templates import TemplateStore
from station_agent.faces.worker import FaceWorker
from station_agent.wire.commands import Consent

pytestmark = [pytest.mark.integration, pytest.mark.needs_faces, pytest.mark.timeout(180)]

SEED = 20261123
MEMBERS, OTHERS, STRANGERS, STRANGERS_THROUGHOUT = 20, 15, 100, 20

Frames = Callable[[Any], AsyncIterator[Any]]


class Remembering(FaceWorker):
    """The real child, asked once for each picture."""

    def __init__(self) -> None:
        super().__init__(ENGINES["dlib"])
        self._seen: dict[bytes, Sight] = {}

    async def look(self, rgb: Picture) -> Sight:
        key = rgb.tobytes()
        if key not in self._seen:
            self._seen[key] = await super().look(rgb)
        return self._seen[key]


@pytest.fixture
async def service(tmp_path: Path) -> AsyncIterator[FaceService]:
    store = TemplateStore(tmp_path / "faces" / "templates.sqlite", tmp_path / "keys" / "faces.key")
    service = FaceService(store, SystemClock(), worker=Remembering())
    running = asyncio.create_task(service.run())
    await service.worker.ready.wait()
    yield service
    running.cancel()
    await asyncio.wait({running})


@pytest.fixture
def consent() -> Consent:
    now = datetime.now(UTC)
    return Consent(given_at=now, purpose="open the door", expires_at=now + timedelta(days=1))


def sampled(folder: Path, count: int) -> list[Path]:
    return random.Random(SEED).sample(sorted(folder.iterdir()), count)


async def embeddings(service: FaceService, frames: AsyncIterator[Any]) -> list[np.ndarray]:
    """Of every frame's nearest face, good or not."""
    sights = [await service.worker.look(frame.rgb) async for frame in frames]
    return [sight.nearest.embedding for sight in sights if sight.nearest is not None]


async def test_no_stranger_gets_in_and_members_do_only_as_themselves(
    service: FaceService, consent: Consent, faces_dir: Path, still_person: Frames, one_photo_each: Frames
) -> None:
    people = [sorted(folder.glob("*.jpg")) for folder in sampled(faces_dir / "mated", MEMBERS + OTHERS)]
    members, others = people[:MEMBERS], people[MEMBERS:]
    strangers = sampled(faces_dir / "strangers", STRANGERS)
    ids = [f"{i:016x}" for i in range(MEMBERS)]

    # As it happens at a station: enrolment through its own rules, then another photo of each at the door.
    enrolled: list[str] = []
    for member, photos in zip(ids, members, strict=True):
        with contextlib.suppress(EnrolRefused):
            await service.enrol(member, consent, one_photo_each(photos[:3]))
            enrolled.append(member)
    assert len(enrolled) >= 2, "hardly any of the members could be enrolled"
    assert service.people() == len(enrolled)
    hits = 0
    for member, photos in zip(ids, members, strict=True):
        found = await service.identify(still_person(photos[3]))
        if isinstance(found, Identified):
            assert found.member == member
            assert found.distance <= STRICT.distance_max
            assert found.margin is not None
            assert found.margin >= STRICT.margin_min
            hits += 1
    assert hits, "not one of the enrolled members was recognised"
    for photo in [*(photos[0] for photos in others), *strangers[:STRANGERS_THROUGHOUT]]:
        assert not isinstance(await service.identify(still_person(photo)), Identified), photo.name

    # Harder: everybody's three photos as templates, whether or not enrolment would have taken them.
    everybody = gallery(
        [
            (member, embedding)
            for member, photos in zip(ids, members, strict=True)
            for embedding in await embeddings(service, one_photo_each(photos[:3]))
        ]
    )
    all_hits = 0
    for member, photos in zip(ids, members, strict=True):
        match_found = match(await embeddings(service, still_person(photos[3])), everybody, STRICT)
        if isinstance(match_found, Match):
            assert match_found.member == member
            all_hits += 1
    nearest = float("inf")
    for photo in [*(photos[0] for photos in others), *strangers]:
        for embedding in await embeddings(service, one_photo_each([photo])):
            nearest = min(nearest, float(person_distances([embedding], everybody, STRICT.metric).min()))
            assert not isinstance(match([embedding] * 3, everybody, STRICT), Match), photo.name

    print(
        f"{len(enrolled)} of {MEMBERS} enrolled by the rules (three photos years apart must agree); "
        f"{hits} of these recognised by a fourth photo; with everybody's photos as templates {all_hits} of {MEMBERS}. "
        f"0 of {OTHERS} people not enrolled and 0 of {STRANGERS} strangers let in; the nearest came to {nearest:.3f} "
        f"(limit {STRICT.distance_max})."
    )


async def test_what_is_seen_in_a_photo_is_told_apart(
    service: FaceService, faces_dir: Path, still_person: Frames, one_photo_each: Frames
) -> None:
    photo = sampled(faces_dir / "strangers", 1)[0]
    frame = await anext(aiter(one_photo_each([photo])))
    alone = await service.worker.look(frame.rgb)
    assert alone.nearest is not None
    assert not alone.others
    box = alone.nearest.box
    assert (box.left + box.width / 2, box.top + box.height / 2) == pytest.approx((125, 125), abs=20)
    assert 70 <= box.width <= 140

    twice = await service.worker.look(np.concatenate([frame.rgb, frame.rgb], axis=1))
    assert twice.nearest is not None
    assert [other.width for other in twice.others] == pytest.approx([twice.nearest.box.width], rel=0.3)

    nobody = np.full((480, 640, 3), 90, np.uint8)
    assert await service.worker.look(nobody) == Sight(None)
    large = np.kron(frame.rgb, np.ones((5, 5, 1), np.uint8))  # 1250 px: searched smaller, described in full
    seen = (await service.worker.look(large)).nearest
    assert seen is not None
    assert seen.box.width == pytest.approx(5 * box.width, rel=0.25)
    assert np.linalg.norm(seen.embedding - alone.nearest.embedding) < STRICT.distance_max


async def test_a_picture_of_any_shape_is_survived(service: FaceService) -> None:
    for shape in ((1, 1, 3), (1, 4000, 3), (2160, 3840, 3)):
        assert await service.worker.look(np.zeros(shape, np.uint8)) == Sight(None)
    noise = np.random.default_rng(SEED).integers(0, 255, (480, 640, 3), np.uint8)
    assert isinstance(await service.worker.look(noise), Sight)
    assert service.worker.restarts == 0


def test_the_engine_is_loaded_in_the_child_only() -> None:

    assert not {"dlib", "face_recognition"} & set(sys.modules)
