"""Owns faces at the door for the rest of the agent: identify, enrol, erase; nothing else of this room is needed.

    frames of the camera -> child process (worker.py) -> gates.py -> evidence.py, match.py -> Identified | NotIdentified

It looks only while somebody asked for it (the face button, an enrolment order). A member here is only what was
enrolled: whether that member may enter is `access.decide`'s to say.

With a model pack the thresholds are the station's own (calibrate.py). They are made anew whenever the set of templates
changes (start, enrolment, erasure, end of a consent) and put in force together with it; nothing reads them from disk.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import TypeVar

from station_agent.clock import Clock
from station_agent.faces import calibrate, gates
from station_agent.faces.engine import ENGINES, Embedding
from station_agent.faces.evidence import Evidence
from station_agent.faces.liveness import Mode, Verdict
from station_agent.faces.match import (
    NOT_ENROLLED,
    STRICT,
    Gallery,
    Match,
    Policy,
    calibrated,
    gallery,
    lookalike,
    one_person,
)
from station_agent.faces.packs import Pack
from station_agent.faces.pipe import NotAFrame
from station_agent.faces.proof import Ask, Frame, Liveness, nobody_asks
from station_agent.faces.templates import ConsentWithdrawn, Loaded, TemplateStore, TemplatesUnusable
from station_agent.faces.worker import FaceWorker, WorkerTrouble
from station_agent.wire.commands import Consent
from station_agent.wire.documents import Erasure
from station_agent.wire.kinds import Reason

log = logging.getLogger(__name__)

IDENTIFY_DEADLINE_S = 4.0
ENROL_DEADLINE_S = 12.0
TEMPLATES_MAX = 5
PEOPLE_MAX = 5000
"""Enrolled at one station, where a face is only compared with that of a code's member: 100 MB of templates."""

CANDIDATES_MAX = 12
"""Frames that an enrolment may choose its templates from; match.one_person tries their subsets."""

ENROL_GAP_S = 0.4
"""Between frames to enrol: a person moves a little meanwhile, so that the templates are not one and the same."""

STAND = "look into the camera", "请正对摄像头"
MOVE = "good; now turn the head a little", "请轻轻转头"
"""Sentences of an enrolment, for the page and for the sign; the others are those of gates.py."""

EXPIRY_CHECK_S = 600.0
CANNOT_RECEIVE = "this station cannot receive templates yet"
"""A template leaves its station only sealed for another one, and stations have no keys of their own so far."""

CLOCK_SKEW_MAX = timedelta(minutes=5)  # between the hub, where consent is given, and the station


Result = TypeVar("Result")


@dataclass(frozen=True)
class Identified:
    """`distance` of the fused frames to the member, `margin` to the next person (None: nobody else is enrolled)."""

    member: str
    distance: float
    margin: float | None
    frames: int


@dataclass(frozen=True)
class NotIdentified:
    reason: Reason
    detail: str


@dataclass(frozen=True)
class Quality:
    """Of the picture that a template was made from; units as in engine.Face."""

    width_px: int
    sharpness: float
    light: float
    turned: float


@dataclass(frozen=True)
class Enrolled:
    member: str
    templates: int
    consent_until: datetime
    quality: tuple[Quality, ...]


@dataclass(frozen=True)
class Guidance:
    """What to do next while somebody is enrolled: `good` pictures of `wanted`; `zh` is for the sign."""

    good: int
    wanted: int
    sentence: str
    zh: str


class EnrolRefused(Exception):
    """Nobody was enrolled and nothing was stored. The sentence is for the operator and the person."""


@dataclass(frozen=True)
class _Candidate:
    embedding: Embedding = field(repr=False)
    quality: Quality


class FaceService:
    """`engine` is a row of ENGINES; `pack` the model pack of one that needs it. `people_max` may be enrolled; None: as
    many as this engine can search among. Where more are, a face counts only after a code. `on_expired(member,
    templates)` is told of every erasure that the end of a consent caused, `on_calibrated` of new thresholds. `liveness`
    is asked of everybody who was recognised. `station` is where this is: consents name stations. One look at a time; a
    second one waits within its own deadline.
    """

    def __init__(
        self,
        store: TemplateStore,
        clock: Clock,
        *,
        engine: str = "dlib",
        pack: Pack | None = None,
        people_max: int | None = None,
        on_expired: Callable[[str, int], None] = lambda member, templates: None,
        on_calibrated: Callable[[calibrate.Calibration], None] = lambda calibration: None,
        worker: FaceWorker | None = None,
        liveness: Liveness | None = None,
        station: str = "",
    ) -> None:
        arguments = () if pack is None else (str(pack.folder), pack.digest)
        self.worker = worker or FaceWorker(ENGINES[engine], *arguments)
        self.policy: Policy = STRICT
        self.calibration: calibrate.Calibration | None = None
        if pack is not None:  # as long as nobody is loaded
            self.policy = calibrated(pack.manifest.threshold.start, pack.manifest.threshold.floor)
        self.people_max = min(people_max or self.policy.people_max, PEOPLE_MAX)
        self._pack = pack
        self._on_calibrated = on_calibrated
        self._searched: tuple[Loaded, datetime, Gallery] | None = None
        self._store = store
        self._clock = clock
        self._on_expired = on_expired
        self._liveness = liveness or Liveness(Mode.OFF, clock)
        self._station = station
        self._loaded: Loaded | None = None
        self._changes: set[asyncio.Task[object]] = set()
        self._looking = asyncio.Lock()
        self._storing = asyncio.Lock()

    async def run(self) -> None:
        """Keeps the face child alive and erases templates whose consent has ended. Raises WorkerTrouble and
        TemplatesUnusable, for the supervisor.
        """
        async with self._storing:
            await self._load()
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self.worker.run())
                group.create_task(self._keep_to_consent())
        except ExceptionGroup as group:
            raise group.exceptions[0] from None  # one of the two failed and ended the other
        finally:
            if self._changes:  # a change of the store that has begun is brought to its end
                await asyncio.wait(self._changes)

    def people(self) -> int:
        """Members with a face enrolled here."""
        return len({template.member for template in self._loaded.templates}) if self._loaded else 0

    @property
    def searches(self) -> bool:
        """Whether few enough people are enrolled to tell who of them stands there."""
        return self._loaded is None or self._few(self._enrolled(self._loaded))

    async def identify(
        self, frames: AsyncIterator[Frame], deadline_s: float = IDENTIFY_DEADLINE_S, ask: Ask = nobody_asks
    ) -> Identified | NotIdentified:
        """Who stands before the camera. Ends as soon as that is certain, at the latest after `deadline_s`; where a
        challenge follows, which `ask` tells the person, that takes its own time.

        Raises what `frames` raises (CameraSilent). It closes `frames`.
        """
        return await self._attempt(frames, deadline_s, None, ask)

    async def verify(
        self,
        member: str,
        frames: AsyncIterator[Frame],
        deadline_s: float = IDENTIFY_DEADLINE_S,
        ask: Ask = nobody_asks,
    ) -> Identified | NotIdentified:
        """Whether `member`, whose code was valid, stands before the camera: one comparison, so a lower threshold. Else
        as identify().
        """
        return await self._attempt(frames, deadline_s, member, ask)

    async def _attempt(
        self, frames: AsyncIterator[Frame], deadline_s: float, member: str | None, ask: Ask
    ) -> Identified | NotIdentified:
        evidence = Evidence()
        seen: list[Verdict | None] = []  # a second camera's, one for each frame of the evidence
        pictures, waiting = 0, True
        try:
            async with asyncio.timeout(deadline_s) as limit, self._looking, _closing(frames):
                waiting = False
                if self._loaded is None:
                    return NotIdentified(Reason.FACE_ENGINE_SILENT, "the enrolled faces could not be read")
                enrolled = self._enrolled(self._loaded)
                if member is not None and member not in enrolled.people:
                    return NotIdentified(Reason.FACE_NOT_ENROLLED, NOT_ENROLLED)
                if member is None and not self._few(enrolled):
                    return NotIdentified(Reason.FACE_AFTER_CODE, f"{len(enrolled.people)} people are enrolled")
                if not enrolled.people:
                    return NotIdentified(Reason.FACE_UNKNOWN, "nobody's face is enrolled at this station")
                policy = self.policy  # the one that was made for these templates
                async for frame in frames:
                    pictures += 1
                    evidence = evidence.add(await self.worker.look(frame.rgb), frame.mono_s, policy)
                    seen = seen[: len(evidence.faces) - 1]
                    if len(evidence.faces) > len(seen):
                        seen.append(await self._liveness.seen(evidence.faces[-1], frame.mono_s))
                    found = evidence.decide(enrolled, policy, member)
                    if isinstance(found, Match):
                        missing = self._liveness.passive(evidence.faces, seen)
                        if missing is None and self._liveness.mode is Mode.CHALLENGE:
                            limit.reschedule(None)
                            look = self.worker.look
                            missing = await self._liveness.challenge(evidence.faces, frames, look, policy, ask)
                        if missing is not None:
                            return NotIdentified(missing.reason, missing.detail)
                        if self._loaded is None or found.member not in self._enrolled(self._loaded).people:
                            return NotIdentified(Reason.FACE_NOT_ENROLLED, "the face was erased during this look")
                        return Identified(found.member, found.distance, found.margin, found.frames)
                    if evidence.exhausted:
                        break
        except TimeoutError:
            if waiting:
                return NotIdentified(Reason.FACE_ENGINE_SILENT, "somebody else is being looked at or enrolled")
            if pictures == 0:
                return NotIdentified(Reason.CAMERA_SILENT, f"no picture came within {deadline_s:g} s")
            if evidence.last_mono_s is None:
                return NotIdentified(Reason.FACE_ENGINE_SILENT, f"the face engine did not answer in {deadline_s:g} s")
        except WorkerTrouble as trouble:
            return NotIdentified(Reason.FACE_ENGINE_SILENT, str(trouble))
        except NotAFrame as error:
            return NotIdentified(Reason.CAMERA_SILENT, str(error))
        found = evidence.decide(enrolled, policy, member)
        assert not isinstance(found, Match)
        return NotIdentified(found.reason, found.detail)

    async def enrol(
        self,
        member: str,
        consent: Consent,
        frames: AsyncIterator[Frame],
        deadline_s: float = ENROL_DEADLINE_S,
        guide: Callable[[Guidance], None] = lambda guidance: None,
    ) -> Enrolled:
        """Makes the member's templates from the person before the camera, in the place of older ones. `guide` is told
        what to do next, at the beginning and with every picture.

        Raises EnrolRefused, and what `frames` raises (CameraSilent). It closes `frames`.
        """
        candidates: list[_Candidate] = []
        unfit: Counter[str] = Counter()
        try:
            self._allowed(member, consent)
            await self._not_withdrawn(member, consent)
            async with self._looking:
                try:
                    async with asyncio.timeout(deadline_s), _closing(frames):
                        await self._collect(frames, candidates, unfit, guide)
                except TimeoutError:
                    pass  # what there is by now must do
                chosen = self._chosen(candidates)
                if not chosen:
                    raise EnrolRefused(_why_too_few(candidates, unfit, self.policy.templates_min))
                embeddings = [candidate.embedding for candidate in chosen]
                loaded = self._allowed(member, consent)  # again: time has passed
                if lookalike(embeddings, self._enrolled(loaded), member, self.policy):
                    raise EnrolRefused("this face is already enrolled under another member")
                engine, now = self.worker.engine_name, self._clock.now()
                await self._stored(lambda: self._store.add(member, engine, embeddings, consent, now))
        except (WorkerTrouble, TemplatesUnusable, NotAFrame, ConsentWithdrawn) as trouble:
            raise EnrolRefused(str(trouble)) from trouble
        log.info("enrolled the face of member %s with %d templates", member, len(chosen))
        return Enrolled(member, len(chosen), consent.expires_at, tuple(candidate.quality for candidate in chosen))

    async def erase(self, member: str) -> int:
        """Deletes every template of the member; how many there were. Raises TemplatesUnusable."""
        count = await self._stored(lambda: self._store.erase(member))
        log.info("erased %d face templates of member %s", count, member)
        return count

    async def erase_asked(self, erasure: Erasure) -> int:
        """Deletes every template of the member with an older consent; how many there were, also when the same is asked
        again. Raises TemplatesUnusable.
        """
        count = await self._stored(lambda: self._store.erase_asked(erasure))
        log.info("erased %d face templates of member %s, as was asked at %s", count, erasure.member, erasure.asked_at)
        return count

    async def _not_withdrawn(self, member: str, consent: Consent) -> None:
        await asyncio.to_thread(self._store.check_consent, member, consent)

    async def _collect(
        self,
        frames: AsyncIterator[Frame],
        candidates: list[_Candidate],
        unfit: Counter[str],
        guide: Callable[[Guidance], None],
    ) -> None:
        """Fills both until the templates can be chosen, or there are as many candidates as are allowed."""
        last_mono_s = float("-inf")

        def tell(sentence: str, zh: str) -> None:
            good = max(len(self._chosen(candidates)), min(len(candidates), self.policy.templates_min - 1))
            guide(Guidance(good, TEMPLATES_MAX, sentence, zh))

        tell(*STAND)
        async for frame in frames:
            if frame.mono_s < last_mono_s + ENROL_GAP_S:
                continue
            face = gates.to_enrol(await self.worker.look(frame.rgb))
            if isinstance(face, gates.Unfit):
                unfit[face.sentence] += 1
                tell(face.sentence, face.zh)
                continue
            last_mono_s = frame.mono_s
            quality = Quality(face.box.width, face.sharpness, face.light, face.turned)
            candidates.append(_Candidate(face.embedding, quality))
            tell(*MOVE)
            if len(candidates) == CANDIDATES_MAX or len(self._chosen(candidates)) == TEMPLATES_MAX:
                return

    def _chosen(self, candidates: list[_Candidate]) -> list[_Candidate]:
        embeddings = [candidate.embedding for candidate in candidates]
        return [candidates[i] for i in one_person(embeddings, self.policy, TEMPLATES_MAX)]

    def _allowed(self, member: str, consent: Consent) -> Loaded:
        now = self._clock.now()
        if self._loaded is None:
            raise EnrolRefused("the enrolled faces could not be read, so none can be added")
        if consent.expires_at <= now or consent.expires_at <= consent.given_at:
            raise EnrolRefused("the consent has expired: ask the member for a new one")
        if consent.given_at > now + CLOCK_SKEW_MAX:
            raise EnrolRefused("the consent is dated in the future: check the clocks of hub and station")
        if consent.stations and self._station not in consent.stations:
            raise EnrolRefused(f"the consent names {', '.join(consent.stations)}, not this station: enrol there")
        for elsewhere in consent.stations:
            if elsewhere != self._station:
                raise EnrolRefused(
                    f"{elsewhere}: {CANNOT_RECEIVE}; name this station alone, and enrol at the other too"
                )
        others = {template.member for template in self._loaded.templates} - {member}
        if len(others) >= self.people_max:
            limit = f"{len(others)} people are enrolled and no more may be: erase somebody"
            raise EnrolRefused(f"{limit}, or raise faces.people_max, beyond which a face counts only after a code")
        return self._loaded

    def _enrolled(self, loaded: Loaded) -> Gallery:
        """The templates that may be matched now: this engine's, with a consent that holds. Kept until one ends."""
        now = self._clock.now()
        if self._searched is not None:
            of, until, enrolled = self._searched
            if of is loaded and now < until:
                return enrolled
        name = self.worker.engine_name
        valid = [row for row in loaded.templates if row.expires_at > now and row.engine == name]
        enrolled = gallery((row.member, row.embedding) for row in valid)
        if valid:
            self._searched = loaded, min(row.expires_at for row in valid), enrolled
        return enrolled

    def _few(self, enrolled: Gallery) -> bool:
        return len(enrolled.people) <= self.policy.people_max

    async def _keep_to_consent(self) -> None:
        while True:
            if self._clock.trusted():  # a clock gone wild must not erase everybody
                expired = await self._stored(partial(self._store.erase_expired, self._clock.now()))
                for member, templates in expired.items():
                    log.info("the consent of member %s ended; erased %d face templates", member, templates)
                    self._on_expired(member, templates)
            await self._clock.sleep(EXPIRY_CHECK_S)

    async def _stored(self, change: Callable[[], Result]) -> Result:
        """Does a change of the store to its end, even when the caller is cancelled meanwhile: what is matched must
        never be another set than what is stored.
        """
        task = asyncio.create_task(self._changed(change))
        self._changes.add(task)
        task.add_done_callback(self._changes.discard)
        return await asyncio.shield(task)

    async def _changed(self, change: Callable[[], Result]) -> Result:
        async with self._storing:
            result = await asyncio.to_thread(change)
            try:
                await self._load()
            except TemplatesUnusable as trouble:  # the change itself is done: an erasure needs no key
                log.error("%s", trouble)
                self._loaded = None
            return result

    async def _load(self) -> None:
        loaded = await asyncio.to_thread(self._store.load)
        for sentence in loaded.damaged:
            log.error("%s", sentence)
        if self._pack is not None:
            self._calibrated(await asyncio.to_thread(_calibration, loaded, self._pack))
        self._loaded = loaded

    def _calibrated(self, calibration: calibrate.Calibration) -> None:
        self.policy = calibrated(calibration.threshold, calibration.verify)
        if calibration != self.calibration:
            self.calibration = calibration
            log.info(
                "faces: %d people with %d templates; threshold %.3f (%s), 1:1 %.3f",
                calibration.people,
                calibration.templates,
                calibration.threshold,
                "calibrated" if calibration.fitted else "the pack's, too few people to calibrate",
                calibration.verify,
            )
            self._on_calibrated(calibration)


def _calibration(loaded: Loaded, pack: Pack) -> calibrate.Calibration:
    """Takes up to 2 s for 2,000 people: call it in a thread."""
    own = [row for row in loaded.templates if row.engine == pack.manifest.space]
    if foreign := len(loaded.templates) - len(own):
        log.warning("%d face templates are of another model and match nobody: enrol these members again", foreign)
    return calibrate.calibrate(gallery(calibrate.some_people(own)), pack.manifest.threshold)


def _closing(frames: AsyncIterator[Frame]) -> AsyncExitStack:
    """Lets the camera stop decoding: an abandoned generator would hold it until it is collected."""
    stack = AsyncExitStack()
    if isinstance(frames, AsyncGenerator):
        stack.push_async_callback(frames.aclose)
    return stack


def _why_too_few(candidates: list[_Candidate], unfit: Counter[str], needed: int) -> str:
    if len(candidates) >= needed:
        return (
            "the pictures do not surely show one person from slightly different sides: look straight, turn the head a "
            "little, and try again"
        )
    why = unfit.most_common(1)[0][0] if unfit else "the camera gave no further picture"
    return f"{len(candidates)} good pictures of {needed} needed: {why}"
