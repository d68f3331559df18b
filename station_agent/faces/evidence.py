"""PURE: what the frames of one attempt add up to.

    nothing --fit frame--> collecting --fit frame, agrees--> collecting --match() says who--> decided
    collecting --fit frame of somebody else--> collecting anew from that frame
    collecting --several faces--> nothing                unfit otherwise: nothing changes

All frames since the last fresh start count in the decision, so that a longer look is more certain, not one more throw
of the dice; and an attempt has at most `FRAMES_MAX` fit frames in all.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from station_agent.faces import gates
from station_agent.faces.engine import Embedding, Face, Sight
from station_agent.faces.match import Gallery, Match, NoMatch, Policy, agree, match, verify
from station_agent.wire.kinds import Reason

FRAMES_MAX = 8
"""Fit frames of one attempt: some 1.6 s of looking. Somebody unknown gets no endless series of chances."""


@dataclass(frozen=True)
class Evidence:
    """`faces` are those that count, one a frame."""

    faces: tuple[Face, ...] = field(default=(), repr=False)
    fit: int = 0
    last_mono_s: float | None = None
    unfit: gates.Unfit | None = None
    broken: bool = False

    @property
    def embeddings(self) -> tuple[Embedding, ...]:
        return tuple(face.embedding for face in self.faces)

    @property
    def exhausted(self) -> bool:
        return self.fit >= FRAMES_MAX

    def add(self, sight: Sight, mono_s: float, policy: Policy) -> Evidence:
        """With one more frame. A frame not newer than the last one counts for nothing: it is the same look."""
        if self.last_mono_s is not None and mono_s <= self.last_mono_s:
            return self
        seen = replace(self, last_mono_s=mono_s)
        face = gates.to_look(sight)
        if isinstance(face, gates.Unfit):
            alone = face.reason is not Reason.SEVERAL_FACES
            return replace(seen, unfit=face, faces=self.faces if alone else ())
        if agree((*self.embeddings, face.embedding), policy):
            return replace(seen, faces=(*self.faces, face), fit=self.fit + 1)
        return replace(seen, faces=(face,), fit=self.fit + 1, broken=True)

    def decide(self, enrolled: Gallery, policy: Policy, member: str | None = None) -> Match | NoMatch:
        """What is known by now: whose face it is, or with `member` whether it is that member's."""
        if member is None:
            found = match(self.embeddings, enrolled, policy)
        else:
            found = verify(self.embeddings, enrolled, member, policy)
        if isinstance(found, NoMatch) and found.reason is Reason.NO_FACE:
            if self.broken:
                return NoMatch(Reason.FACE_AMBIGUOUS, "the frames do not surely show one and the same person")
            if self.unfit is not None:
                return NoMatch(self.unfit.reason, self.unfit.sentence)
        return found
