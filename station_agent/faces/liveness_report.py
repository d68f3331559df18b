"""Measures the passive liveness models on a folder of pictures, in the words of ISO/IEC 30107-3.

    FOLDER/live/**/*.jpg          living people (bona fide presentations)
    FOLDER/attack/NAME/*.jpg      attacks of one kind each, such as `print` or `screen`; attack/*.jpg is one kind

One picture is one attempt: it stands still for three frames, and their vote decides, as at the door.

    APCER   of a kind's attacks that were judged: how many passed for living            (the worst kind is what counts)
    BPCER   of the living that were judged: how many were turned away
    APNRR, BPNRR   attempts without a judgement: no face, or none that the gates let through

The figures hold for these pictures and say nothing about others.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, UnidentifiedImageError

from station_agent.faces import gates
from station_agent.faces.engine import Engine, Face, Picture, look
from station_agent.faces.liveness import Verdict, vote
from station_agent.faces.rates import Rate
from station_agent.faces.report import standing

SUFFIXES = frozenset({".jpg", ".jpeg", ".png"})
UNNAMED = "attack"


class NoPictures(Exception):
    """The folder is not what is needed; the sentence says what is missing."""


@dataclass(frozen=True)
class Judged:
    """One group of attempts: how many passed for living, were turned away, or were not judged at all."""

    passed: int = 0
    refused: int = 0
    unjudged: int = 0
    scores: tuple[float, ...] = field(default=(), repr=False)

    @property
    def judged(self) -> int:
        return self.passed + self.refused


@dataclass(frozen=True)
class LivenessReport:
    live: Judged
    attacks: Mapping[str, Judged]

    @property
    def bpcer(self) -> Rate:
        return Rate(self.live.refused, self.live.judged)

    def apcer(self, kind: str) -> Rate:
        return Rate(self.attacks[kind].passed, self.attacks[kind].judged)

    @property
    def worst_kind(self) -> str:
        """The kind of attack that passes most often."""
        return max(self.attacks, key=lambda kind: self.apcer(kind).share or 0.0)

    def text(self) -> str:
        rows = [
            ("BPCER, living people turned away", str(self.bpcer)),
            ("BPNRR, living people not judged", str(Rate(self.live.unjudged, self.live.judged + self.live.unjudged))),
        ]
        for kind, judged in self.attacks.items():
            rows.append((f"APCER, {kind} that passed", str(self.apcer(kind))))
            rows.append((f"APNRR, {kind} not judged", str(Rate(judged.unjudged, judged.judged + judged.unjudged))))
        rows.append(("worst kind", self.worst_kind))
        width = max(len(name) for name, _ in rows)
        lines = [f"{name:<{width}}  {told}" for name, told in rows]
        return "\n".join([*lines, "", "Of these pictures alone: nothing follows for other attacks, cameras or people."])

    def as_json(self) -> dict[str, Any]:
        def told(rate: Rate) -> dict[str, Any]:
            return {"errors": rate.errors, "trials": rate.trials, "interval_95": list(rate.interval)}

        return {
            "bpcer": told(self.bpcer),
            "bpnrr": told(Rate(self.live.unjudged, self.live.judged + self.live.unjudged)),
            "apcer": {kind: told(self.apcer(kind)) for kind in self.attacks},
            "apnrr": {
                kind: told(Rate(judged.unjudged, judged.judged + judged.unjudged))
                for kind, judged in self.attacks.items()
            },
            "worst_kind": self.worst_kind,
        }


def measure(folder: Path, engine: Engine) -> LivenessReport:
    """Raises NoPictures."""
    live = _pictures(folder / "live")
    attack = folder / "attack"
    kinds = {path.name: _pictures(path) for path in sorted(attack.glob("*")) if path.is_dir()}
    loose = [path for path in sorted(attack.glob("*")) if path.suffix.lower() in SUFFIXES]
    if loose:
        kinds[UNNAMED] = loose
    kinds = {kind: found for kind, found in kinds.items() if found}
    if not live or not kinds:
        raise NoPictures(f"{folder}: expected pictures in live/, and in attack/ or folders of it")
    return LivenessReport(_judged(engine, live), {kind: _judged(engine, found) for kind, found in kinds.items()})


def _pictures(folder: Path) -> list[Path]:
    return [path for path in sorted(folder.rglob("*")) if path.suffix.lower() in SUFFIXES]


def _judged(engine: Engine, paths: Iterable[Path]) -> Judged:
    passed, refused, unjudged, scores = 0, 0, 0, []
    for path in paths:
        sights = [gates.to_look(look(engine, frame)) for frame in standing(_read(path))]
        faces = [sight for sight in sights if isinstance(sight, Face)]
        verdict = vote([face.live for face in faces])
        if len(faces) < len(sights) or verdict is Verdict.UNSURE:
            unjudged += 1
            continue
        scores.append(float(np.median([face.live for face in faces if face.live is not None])))
        passed += verdict is Verdict.LIVE
        refused += verdict is Verdict.ATTACK
    return Judged(passed, refused, unjudged, tuple(scores))


def _read(path: Path) -> Picture:
    try:
        with Image.open(path) as picture:
            return np.asarray(picture.convert("RGB"))
    except (OSError, UnidentifiedImageError) as error:
        raise NoPictures(f"{path}: no picture: {error}") from error
