"""PURE: whose face it is, or why nobody's. The one place where a face becomes a member.

The policy of access.md; how strict, an engine's Policy says. All of it must hold:

1. at least `frames_min` frames, and every two of them lie within `together_max` of each other: they show one person
   throughout, so nobody can step in half-way;
2. every single frame is nearest to a template of the same member;
3. that member's fused distance is at most `distance_max`;
4. the next *person* (not the next template) is at least `margin_min` further away;
5. at most `people_max` people are enrolled: each more is one more chance to be taken for somebody else.

Fused distance of a person: the median over the frames of the distance to that person's nearest template. Not the
distance of the averaged embedding: an average lies nearer to everybody than the frames that it is made of, so it
could let in somebody whom no single frame shows within the limit.

After a valid code only one question is left, whether this is that member: verify() asks 1 and 3 with `verify_max`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from itertools import combinations
from typing import assert_never, cast

import numpy as np
from numpy.typing import NDArray

from station_agent.faces.engine import Embedding
from station_agent.wire.kinds import Reason

Distances = NDArray[np.float64]

NOT_ENROLLED = "the member's face is not enrolled at this station"
NOT_THROUGHOUT = "the frames do not surely show one and the same person throughout"


class Metric(StrEnum):
    EUCLIDEAN = "euclidean"
    COSINE = "cosine"
    """1 - cosine: 0 for the same direction, 1 for unrelated ones. The length of an embedding says nothing."""


@dataclass(frozen=True)
class Policy:
    """Distances are of `metric`, between embeddings of the same engine.

    `together_max`: two frames of one attempt further apart are not surely one person's. `verify_max`: the limit after a
    code, when only one member is asked about. `templates_apart_max`: two pictures further apart than this are not taken
    for one person's when templates are made; nearer than `templates_differ_min` they are the same picture again.
    """

    distance_max: float
    margin_min: float
    frames_min: int
    people_max: int
    templates_min: int
    metric: Metric
    together_max: float
    verify_max: float
    templates_apart_max: float
    templates_differ_min: float


STRICT = Policy(
    distance_max=0.36,
    margin_min=0.10,
    frames_min=3,
    people_max=100,
    templates_min=3,
    metric=Metric.EUCLIDEAN,
    together_max=0.36,
    verify_max=0.36,
    templates_apart_max=0.36 + 0.10,
    templates_differ_min=0.03,
)
"""access.md, for `face-recognition` (dlib), which confuses strangers easily. Templates may lie as far apart as those
whom we would still mix up with somebody at the limit: they are meant to differ, and an operator looks on."""


def calibrated(threshold: float, verify: float) -> Policy:
    """For an engine whose cosine scores were calibrated (calibrate.py): `threshold` for a search, `verify` for telling
    whether two pictures show one person.
    """
    return Policy(
        distance_max=1 - threshold,
        margin_min=0.10,
        frames_min=3,
        people_max=2000,
        templates_min=3,
        metric=Metric.COSINE,
        together_max=1 - verify,
        verify_max=1 - verify,
        templates_apart_max=1 - verify,
        templates_differ_min=0.005,
    )


@dataclass(frozen=True)
class Gallery:
    """The enrolled people. Row i of `templates` belongs to the person `people[owner[i]]`; `owner` ascends."""

    people: tuple[str, ...] = ()
    owner: NDArray[np.intp] = field(default_factory=lambda: np.zeros(0, dtype=np.intp), repr=False)
    templates: NDArray[np.float64] = field(default_factory=lambda: np.zeros((0, 0)), repr=False)

    @cached_property
    def directions(self) -> NDArray[np.float64]:
        """`templates` at length 1; made once, which is most of what a search costs."""
        return unit(self.templates)

    @cached_property
    def firsts(self) -> NDArray[np.intp]:
        """The row where each person's templates begin."""
        return np.nonzero(np.diff(self.owner, prepend=-1))[0]


@dataclass(frozen=True)
class Match:
    """`margin` is None when nobody else is enrolled."""

    member: str
    distance: float
    margin: float | None
    frames: int


@dataclass(frozen=True)
class NoMatch:
    reason: Reason
    detail: str
    distance: float | None = None


def gallery(templates: Iterable[tuple[str, Embedding]]) -> Gallery:
    """From (member, template) pairs of one engine. Raises ValueError for a template that is not finite numbers or
    has another length than the first.
    """
    rows = [(member, np.asarray(template, dtype=np.float64)) for member, template in templates]
    if not rows:
        return Gallery()
    if any(row.shape != rows[0][1].shape or row.ndim != 1 or not np.isfinite(row).all() for _, row in rows):
        raise ValueError("templates of one gallery are finite numbers, equally many in each")
    people = tuple(sorted({member for member, _ in rows}))
    rows.sort(key=lambda row: row[0])
    index = {member: i for i, member in enumerate(people)}
    return Gallery(people, np.array([index[member] for member, _ in rows]), np.stack([row for _, row in rows]))


def match(frames: Sequence[Embedding], enrolled: Gallery, policy: Policy) -> Match | NoMatch:
    """Whose face the frames show. One embedding a frame, in any order; all frames count, none is left out."""
    if len(enrolled.people) > policy.people_max:
        return NoMatch(
            Reason.FACE_AFTER_CODE,
            f"{len(enrolled.people)} people are enrolled, and this engine searches among at most {policy.people_max}",
        )
    if len(frames) < max(1, policy.frames_min):
        return NoMatch(Reason.NO_FACE, f"a face was seen in {len(frames)} frames, {policy.frames_min} are needed")
    if not enrolled.people:
        return NoMatch(Reason.FACE_UNKNOWN, "nobody's face is enrolled at this station")
    if not agree(frames, policy):
        return NoMatch(Reason.FACE_AMBIGUOUS, NOT_THROUGHOUT)
    distances = person_distances(frames, enrolled, policy.metric)
    fused = np.median(distances, axis=0)
    first = int(fused.argmin())
    distance = float(fused[first])
    if not distance <= policy.distance_max:
        return NoMatch(Reason.FACE_UNKNOWN, "the face is not like any enrolled one", distance)
    if (distances.argmin(axis=1) != first).any():
        return NoMatch(Reason.FACE_AMBIGUOUS, "the frames are nearest to different members", distance)
    others = np.delete(fused, first)
    margin = float(others.min()) - distance if others.size else None
    if margin is not None and not margin >= policy.margin_min:
        return NoMatch(Reason.FACE_AMBIGUOUS, "the face is like that of two members", distance)
    return Match(enrolled.people[first], distance, margin, len(frames))


def verify(frames: Sequence[Embedding], enrolled: Gallery, member: str, policy: Policy) -> Match | NoMatch:
    """Whether the frames show `member`, whose code was valid. How many others are enrolled, and who is like them, is
    nothing to the question.
    """
    if len(frames) < max(1, policy.frames_min):
        return NoMatch(Reason.NO_FACE, f"a face was seen in {len(frames)} frames, {policy.frames_min} are needed")
    if member not in enrolled.people:
        return NoMatch(Reason.FACE_NOT_ENROLLED, NOT_ENROLLED)
    if not agree(frames, policy):
        return NoMatch(Reason.FACE_AMBIGUOUS, NOT_THROUGHOUT)
    own = enrolled.templates[enrolled.owner == enrolled.people.index(member)]
    distance = float(np.median(distances(np.stack(frames), own, policy.metric).min(axis=1)))
    if not distance <= policy.verify_max:
        return NoMatch(Reason.FACE_OTHER, "the face is not like that of the code's member", distance)
    return Match(member, distance, None, len(frames))


def agree(embeddings: Sequence[Embedding], policy: Policy) -> bool:
    """Every two are within `together_max` of each other. Numbers that are not finite agree with nothing."""
    if not all(np.isfinite(embedding).all() for embedding in embeddings):
        return False
    return all(distance(a, b, policy.metric) <= policy.together_max for a, b in combinations(embeddings, 2))


def distance(a: Embedding, b: Embedding, metric: Metric) -> float:
    return float(distances(a[None], b[None], metric)[0, 0])


def distances(some: Distances, others: Distances, metric: Metric) -> Distances:
    """(some, others): from each row to each row."""
    match metric:
        case Metric.EUCLIDEAN:
            # Written out rather than by the dot-product trick, which loses half of the digits for near ones.
            return cast(Distances, np.linalg.norm(some[:, None, :] - others[None, :, :], axis=2))
        case Metric.COSINE:
            return 1 - unit(some) @ unit(others).T
        case _:
            assert_never(metric)


def unit(rows: Distances) -> Distances:
    """Each row at length 1; a row of zeros stays one and is like nobody."""
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    return rows / np.where(lengths > 0, lengths, 1.0)


def person_distances(frames: Sequence[Embedding], enrolled: Gallery, metric: Metric) -> Distances:
    """(frames, people): from each frame to each person's nearest template."""
    if metric is Metric.COSINE:
        to_templates = 1 - unit(np.stack(frames)) @ enrolled.directions.T
    else:
        to_templates = distances(np.stack(frames), enrolled.templates, metric)
    return np.minimum.reduceat(to_templates, enrolled.firsts, axis=1)


def lookalike(embeddings: Sequence[Embedding], enrolled: Gallery, member: str, policy: Policy) -> bool:
    """Whether any of the embeddings is somebody else than `member`, already enrolled."""
    if not enrolled.people:
        return False
    nearest = person_distances(embeddings, enrolled, policy.metric).min(axis=0)
    return any(
        near <= policy.distance_max for person, near in zip(enrolled.people, nearest, strict=True) if person != member
    )


def one_person(embeddings: Sequence[Embedding], policy: Policy, templates_max: int) -> list[int]:
    """Indices of the largest set (at most `templates_max`, the earliest of equals) in which every two are at least
    `templates_differ_min` and at most `templates_apart_max` apart: templates worth keeping, of one person. Empty when
    no set has `policy.templates_min`. For a dozen embeddings at most: it tries the subsets.
    """
    good = {
        (i, j)
        for i, j in combinations(range(len(embeddings)), 2)
        if policy.templates_differ_min
        <= distance(embeddings[i], embeddings[j], policy.metric)
        <= policy.templates_apart_max
    }
    for size in range(templates_max, policy.templates_min - 1, -1):
        for chosen in combinations(range(len(embeddings)), size):
            if all(pair in good for pair in combinations(chosen, 2)):
                return list(chosen)
    return []
