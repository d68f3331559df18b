"""Owns `yizhan-station faces report`: how well an engine with its policy does on a folder of labelled photos.

    FOLDER/mated/NAME/*.jpg     several photos a person        FOLDER/strangers/*.jpg     one photo a person

Most of the people are enrolled with their first three photos as templates; some are left out. Then everybody comes to
the door: a photo stands still for three frames, each a little shifted and lit otherwise. Nothing is chosen after a look
at a score: who is left out is drawn by a seed, the thresholds come from the policy's own rule.
"""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from math import inf
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, UnidentifiedImageError

from station_agent.faces import gates
from station_agent.faces.engine import Embedding, Engine, Picture, Sight, look
from station_agent.faces.evidence import Evidence
from station_agent.faces.match import Gallery, Match, Metric, Policy, gallery, match, one_person, person_distances
from station_agent.faces.rates import Curve, Rate, curve

TEMPLATES = 3
SEED = 20261123
LEFT_OUT_SHARE = 6  # one person of so many is not enrolled

STANDING = ((0, 0, 1.0), (2, 1, 0.92), (-1, 2, 1.08))
"""Pixels down, pixels right, brightness: a still person is never quite where the frame before had them."""

Rule = Callable[[Gallery], Policy]


class NoFolder(Exception):
    """The folder is not one of labelled photos; the sentence says what is missing."""


@dataclass(frozen=True)
class Attempt:
    """One person before the camera. `who` is None for somebody who is not enrolled. `cpu_ms` is for all frames."""

    who: str | None
    sights: tuple[Sight, ...]
    cpu_ms: float
    wall_ms: float


@dataclass(frozen=True)
class Outcome:
    """`score` is what the fused frames have in common with the person they are most like, when everything but the limit
    holds (frames that agree, margin); -inf otherwise.
    """

    accepted_as: str | None
    reason: str
    score: float


@dataclass(frozen=True)
class Report:
    """`ungated_...`: what the match alone does when no picture is turned away for its quality or for a second face in
    it. `ungated_accepted` counts strangers and people left out.
    """

    engine: str
    policy: Policy
    people: int
    templates: int
    enrolment_would_take: int
    missed_by_photo: Rate
    missed_by_person: Rate
    taken_for_another: int
    strangers: Rate
    left_out: Rate
    ungated_missed_by_photo: Rate
    ungated_accepted: Rate
    reasons: dict[str, dict[str, int]]
    verify: Curve
    genuine: tuple[float, ...]
    impostor: tuple[float, ...]
    mated_search: tuple[float, ...]
    other_search: tuple[float, ...]
    attempt_cpu_ms: tuple[float, ...]
    attempt_wall_ms: tuple[float, ...]

    @property
    def threshold(self) -> float:
        return _score(self.policy.distance_max, self.policy.metric)

    @property
    def verify_threshold(self) -> float:
        return _score(self.policy.verify_max, self.policy.metric)

    def true_match_at(self, false_match: float) -> float:
        """Share of genuine 1:1 comparisons above the threshold that lets this share of the others through."""
        good = self.verify.false_match <= false_match
        return float(1 - self.verify.false_non_match[good].min()) if good.any() else 0.0

    def missed_at(self, false_positive: float) -> float:
        """FNIR at a threshold that lets this share of all strangers through (of those who were there)."""
        others = np.sort(self.other_search)[::-1]
        allowed = int(false_positive * len(others))
        threshold = others[allowed] if allowed < len(others) else -inf
        mated = np.asarray(self.mated_search)
        return float(np.mean((mated <= threshold) | (mated == -inf)))

    def as_json(self) -> dict[str, Any]:
        rates = {
            "missed_by_person": self.missed_by_person,
            "missed_by_photo": self.missed_by_photo,
            "strangers_accepted": self.strangers,
            "left_out_accepted": self.left_out,
            "ungated_missed_by_photo": self.ungated_missed_by_photo,
            "ungated_accepted": self.ungated_accepted,
        }
        return {
            "engine": self.engine,
            "metric": self.policy.metric.value,
            "threshold": round(self.threshold, 4),
            "threshold_1_to_1": round(self.verify_threshold, 4),
            "people": self.people,
            "templates": self.templates,
            "enrolment_would_take": self.enrolment_would_take,
            "taken_for_another": self.taken_for_another,
            **{
                name: {"errors": rate.errors, "trials": rate.trials, "interval_95": _rounded(rate.interval)}
                for name, rate in rates.items()
            },
            "reasons": self.reasons,
            "equal_error": round(self.verify.equal_error, 5),
            "true_match_at_fmr": {f"{rate:g}": round(self.true_match_at(rate), 4) for rate in (1e-2, 1e-3, 1e-4)},
            "fnir_at_fpir": {f"{rate:g}": round(self.missed_at(rate), 4) for rate in (1e-1, 1e-2, 0.0)},
            "attempt_cpu_ms": _spread(self.attempt_cpu_ms),
            "attempt_wall_ms": _spread(self.attempt_wall_ms),
        }

    def text(self) -> str:
        told = self.as_json()
        rows = [
            ("engine", self.engine),
            ("enrolled", f"{self.people} people, {self.templates} templates"),
            ("threshold", f"{told['threshold']} ({self.policy.metric.value} score), 1:1 {told['threshold_1_to_1']}"),
            ("missed, a person's further photos as one attempt", str(self.missed_by_person)),
            ("missed, each further photo as one attempt", str(self.missed_by_photo)),
            ("taken for another member", str(self.taken_for_another)),
            ("strangers let in", str(self.strangers)),
            ("people left out, let in", str(self.left_out)),
            ("without gates: missed, each further photo", str(self.ungated_missed_by_photo)),
            ("without gates: strangers and people left out, let in", str(self.ungated_accepted)),
            ("enrolment's own rules would take", f"{self.enrolment_would_take} of these {self.people} sets of photos"),
            ("1:1 equal error rate", f"{100 * self.verify.equal_error:.2f} %"),
            *_percents("1:1 true matches at FMR", told["true_match_at_fmr"]),
            *_percents("FNIR at FPIR", told["fnir_at_fpir"]),
            ("attempt of three frames, processor time", _told_ms(self.attempt_cpu_ms)),
            ("attempt of three frames, wall time", _told_ms(self.attempt_wall_ms)),
        ]
        rows += [
            (f"not let in: {who}", ", ".join(f"{count} {reason}" for reason, count in counts.items()) or "nobody")
            for who, counts in self.reasons.items()
        ]
        width = max(len(name) for name, _ in rows)
        return "\n".join(f"{name:<{width}}  {value}" for name, value in rows)


def measure(
    folder: Path,
    engine: Engine,
    rule: Rule,
    *,
    seed: int = SEED,
    left_out: int | None = None,
    tell: Callable[[str], None] = lambda line: None,
) -> Report:
    """Looks at every photo. Raises NoFolder."""
    people, strangers = _read(folder)
    random.Random(seed).shuffle(people)
    count = len(people) // LEFT_OUT_SHARE if left_out is None else left_out
    if len(people) - count < 2:
        raise NoFolder(f"{folder}: too few people in mated/ with more than {TEMPLATES} photos: {len(people)}")
    apart, members = people[:count], people[count:]
    tell(f"{len(members)} people to enrol, {count} left out, {len(strangers)} strangers")

    rows: list[tuple[str, Embedding]] = []
    further: dict[str, list[Attempt]] = {}
    takes: list[list[Sight]] = []
    for name, photos in members:
        seen = ((path, look(engine, _picture(path))) for path in photos)
        chosen = list(islice(((path, sight) for path, sight in seen if sight.nearest is not None), TEMPLATES))
        rows += [(name, sight.nearest.embedding) for _, sight in chosen if sight.nearest is not None]
        takes.append([sight for _, sight in chosen])
        used = {path for path, _ in chosen}
        further[name] = [_attempt(engine, path, name) for path in photos if path not in used]
    enrolled = gallery(rows)
    policy = rule(enrolled)
    tell(f"enrolled; threshold {_score(policy.distance_max, policy.metric):.4f}")
    outside = [_attempt(engine, path, None) for _, photos in apart for path in photos]
    tell("people left out seen")
    foreign = [_attempt(engine, path, None) for path in strangers]

    by_photo = [attempt for attempts in further.values() for attempt in attempts]
    by_person = [_together(attempts) for attempts in further.values() if attempts]
    mated, persons = _outcomes(by_photo, enrolled, policy), _outcomes(by_person, enrolled, policy)
    unknown, left = _outcomes(foreign, enrolled, policy), _outcomes(outside, enrolled, policy)
    genuine, impostor = _comparisons(by_photo, [*outside, *foreign], enrolled, policy.metric)
    everybody = [*by_photo, *outside, *foreign]
    bare = [_ungated(attempt, enrolled, policy) for attempt in everybody]
    return Report(
        engine=engine.name,
        policy=policy,
        people=len(enrolled.people),
        templates=len(enrolled.owner),
        enrolment_would_take=sum(_would_take(sights, policy) for sights in takes),
        missed_by_photo=_missed(by_photo, mated),
        missed_by_person=_missed(by_person, persons),
        taken_for_another=sum(
            outcome.accepted_as not in (None, attempt.who)
            for attempt, outcome in zip([*by_photo, *by_person], [*mated, *persons], strict=True)
        ),
        strangers=Rate(sum(outcome.accepted_as is not None for outcome in unknown), len(unknown)),
        left_out=Rate(sum(outcome.accepted_as is not None for outcome in left), len(left)),
        ungated_missed_by_photo=_missed(by_photo, bare[: len(by_photo)]),
        ungated_accepted=Rate(
            sum(outcome.accepted_as is not None for outcome in bare[len(by_photo) :]), len(outside) + len(foreign)
        ),
        reasons={"members by photo": _reasons(mated), "strangers": _reasons(unknown), "left out": _reasons(left)},
        verify=curve(genuine, impostor),
        genuine=tuple(genuine),
        impostor=tuple(impostor),
        mated_search=tuple(outcome.score for outcome in mated),
        other_search=tuple(outcome.score for outcome in (*unknown, *left)),
        attempt_cpu_ms=tuple(attempt.cpu_ms for attempt in everybody),
        attempt_wall_ms=tuple(attempt.wall_ms for attempt in everybody),
    )


def standing(rgb: Picture) -> list[Picture]:
    """Three frames of somebody who stands still."""
    frames = []
    for down, right, light in STANDING:
        rows = np.clip(np.arange(rgb.shape[0]) - down, 0, rgb.shape[0] - 1)
        columns = np.clip(np.arange(rgb.shape[1]) - right, 0, rgb.shape[1] - 1)
        moved = np.ascontiguousarray(rgb[rows][:, columns])  # dlib takes no other
        frames.append(moved if light == 1.0 else np.clip(moved * light, 0, 255).astype(np.uint8))
    return frames


def _read(folder: Path) -> tuple[list[tuple[str, list[Path]]], list[Path]]:
    mated, strangers = folder / "mated", folder / "strangers"
    if not mated.is_dir() or not strangers.is_dir():
        raise NoFolder(f"{folder}: expected mated/NAME/*.jpg and strangers/*.jpg in it")
    people = [(path.name, sorted(path.glob("*.jpg"))) for path in sorted(mated.iterdir()) if path.is_dir()]
    alone = sorted(strangers.glob("*.jpg"))
    if not alone:
        raise NoFolder(f"{strangers}: no photo in it")
    return [(name, photos) for name, photos in people if len(photos) > TEMPLATES], alone


def _picture(path: Path) -> Picture:
    try:
        with Image.open(path) as photo:
            return np.asarray(photo.convert("RGB"))
    except (OSError, UnidentifiedImageError) as error:
        raise NoFolder(f"{path}: no picture: {error}") from error


def _attempt(engine: Engine, path: Path, who: str | None) -> Attempt:
    frames = standing(_picture(path))
    began, began_cpu = time.perf_counter(), time.thread_time()
    sights = tuple(look(engine, frame) for frame in frames)
    cpu_ms, wall_ms = (time.thread_time() - began_cpu) * 1000, (time.perf_counter() - began) * 1000
    return Attempt(who, sights, cpu_ms, wall_ms)


def _together(attempts: Sequence[Attempt]) -> Attempt:
    return Attempt(attempts[0].who, tuple(sight for attempt in attempts for sight in attempt.sights), 0.0, 0.0)


def _outcomes(attempts: Iterable[Attempt], enrolled: Gallery, policy: Policy) -> list[Outcome]:
    return [_outcome(attempt, enrolled, policy) for attempt in attempts]


def _outcome(attempt: Attempt, enrolled: Gallery, policy: Policy) -> Outcome:
    """As the service decides: after every frame, until somebody is known or the frames are used up."""
    evidence = Evidence()
    accepted, reason = None, ""
    for i, sight in enumerate(attempt.sights):
        evidence = evidence.add(sight, float(i), policy)
        found = evidence.decide(enrolled, policy)
        if isinstance(found, Match):
            accepted, reason = found.member, ""
            break
        reason = found.reason.value
        if evidence.exhausted:
            break
    any_limit = match(evidence.embeddings, enrolled, replace(policy, distance_max=inf))
    right = isinstance(any_limit, Match) and attempt.who in (None, any_limit.member)
    score = _score(any_limit.distance, policy.metric) if right and any_limit.distance is not None else -inf
    return Outcome(accepted, reason, score)


def _ungated(attempt: Attempt, enrolled: Gallery, policy: Policy) -> Outcome:
    faces = [sight.nearest.embedding for sight in attempt.sights if sight.nearest is not None]
    found = match(faces, enrolled, policy)
    return Outcome(found.member, "", 0.0) if isinstance(found, Match) else Outcome(None, found.reason.value, 0.0)


def _comparisons(
    mated: Sequence[Attempt], others: Sequence[Attempt], enrolled: Gallery, metric: Metric
) -> tuple[list[float], list[float]]:
    """Scores 1:1 of every attempt's first frame: with the person whose it is, and with everybody else."""
    genuine: list[float] = []
    impostor: list[float] = []
    for attempt in (*mated, *others):
        nearest = attempt.sights[0].nearest
        if nearest is None:
            continue
        distances = person_distances([nearest.embedding], enrolled, metric)[0]
        for person, distance in zip(enrolled.people, distances, strict=True):
            (genuine if person == attempt.who else impostor).append(_score(float(distance), metric))
    return genuine, impostor


def _would_take(sights: Sequence[Sight], policy: Policy) -> bool:
    """Whether these photos, as they are, could be enrolled at a station: quality, and that they show one person."""
    faces = [face for face in map(gates.to_enrol, sights) if not isinstance(face, gates.Unfit)]
    return bool(one_person([face.embedding for face in faces], policy, TEMPLATES))


def _missed(attempts: Sequence[Attempt], outcomes: Sequence[Outcome]) -> Rate:
    missed = (outcome.accepted_as != attempt.who for attempt, outcome in zip(attempts, outcomes, strict=True))
    return Rate(sum(missed), len(attempts))


def _reasons(outcomes: Iterable[Outcome]) -> dict[str, int]:
    return dict(Counter(outcome.reason for outcome in outcomes if outcome.accepted_as is None).most_common())


def _score(distance: float, metric: Metric) -> float:
    return 1 - distance if metric is Metric.COSINE else -distance


def _spread(samples: Sequence[float]) -> dict[str, float]:
    return {f"p{q}": round(float(np.percentile(samples, q)), 2) for q in (50, 95, 99)}


def _rounded(numbers: Iterable[float]) -> list[float]:
    return [round(number, 5) for number in numbers]


def _percents(what: str, shares: Mapping[str, float]) -> list[tuple[str, str]]:
    return [(f"{what} {rate}", f"{100 * share:.2f} %") for rate, share in shares.items()]


def _told_ms(samples: Sequence[float]) -> str:
    return ", ".join(f"{name} {value:.0f} ms" for name, value in _spread(samples).items())
