"""Which keys of the hub this station believes: those of its link file, and what they led to (wire/enrolment.py, Trust).

    link file (version n) --link n+1, signed by a key of n--> version n+1 --> ...          kept in the store

Only the next version is taken, only signed by a key that is believed now. What was led to counts for the link file that
it began at; after a claim everything begins anew.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from pydantic import ValidationError

from station_agent.telemetry.store import Store, keep_value, kept_value
from station_agent.wire.documents import DocumentRefused
from station_agent.wire.enrolment import Trust
from station_agent.wire.link import HubLink
from station_agent.wire.model import Wire
from station_agent.wire.signed import key_id, open_signed

log = logging.getLogger(__name__)

NAME = "hub.trust"


class _Kept(Wire):
    base: str
    version: int
    hub_keys: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Trusted:
    """The hub's keys of one version, in hex."""

    version: int
    hub_keys: tuple[str, ...]

    @property
    def keys(self) -> dict[str, Ed25519PublicKey]:
        """By key id."""
        publics = (Ed25519PublicKey.from_public_bytes(bytes.fromhex(text)[-32:]) for text in self.hub_keys)
        return {key_id(public): public for public in publics}


def of_link(link: HubLink) -> Trusted:
    return Trusted(link.trust_version, link.hub_keys)


def next_of(held: Trusted, body: str) -> Trusted | None:
    """What a Trust document leads to, whose signature was checked; None for one that is behind us already.

    Raises DocumentRefused.
    """
    try:
        trust = Trust.model_validate_json(body)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        raise DocumentRefused(f"no trust: {'.'.join(map(str, first['loc']))}: {first['msg']}") from error
    if trust.version <= held.version:
        return None
    if trust.version != held.version + 1:
        raise DocumentRefused(f"trust version {trust.version} does not follow {held.version}, which is held")
    return Trusted(trust.version, trust.hub_keys)


def led(held: Trusted, links: Iterable[str]) -> Trusted:
    """Through signed links, one after the other. Raises Forged and DocumentRefused."""
    for link in links:
        held = next_of(held, open_signed("document", link.encode(), held.keys)) or held
    return held


class TrustHolder:
    """`keys` is one mapping for all who ask, changed in place; `take` is what the uplink gives such a document to."""

    def __init__(self, link: HubLink, store: Store, on_changed: Callable[[], None]) -> None:
        self._base = hashlib.sha256(f"{link.trust_version} {' '.join(link.hub_keys)}".encode()).hexdigest()
        self._store = store
        self._on_changed = on_changed
        self.held = of_link(link)
        self.keys = self.held.keys

    async def load(self) -> None:
        """What was led to before the restart."""
        text = await self._store.submit(lambda db: kept_value(db, NAME))
        if text is None:
            return
        try:
            kept = _Kept.model_validate_json(text)
        except ValidationError:
            log.error("the kept keys of the hub cannot be read; the link file's are taken")
            return
        if kept.base == self._base and kept.version > self.held.version:
            self._take(Trusted(kept.version, kept.hub_keys))

    async def take(self, body: str) -> None:
        """Raises DocumentRefused."""
        await self._keep(next_of(self.held, body))

    async def take_links(self, links: Iterable[str]) -> None:
        """Those that came with a renewal. Raises Forged and DocumentRefused."""
        following = led(self.held, links)
        await self._keep(following if following != self.held else None)

    async def _keep(self, following: Trusted | None) -> None:
        if following is None:
            return
        kept = _Kept(base=self._base, version=following.version, hub_keys=following.hub_keys)
        await self._store.submit(lambda db: keep_value(db, NAME, kept.model_dump_json()))
        self._take(following)
        log.info("the hub's keys are those of version %d", following.version)
        self._on_changed()

    def _take(self, following: Trusted) -> None:
        self.held = following
        keys = following.keys
        self.keys.update(keys)
        for gone in set(self.keys) - set(keys):
            del self.keys[gone]
