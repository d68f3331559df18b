"""The next certificate, before the one that is held ends; or after, when the station was away for long.

    key kept --> CSR, signed also by the key of before --> hub --> signed by the hub? for our key? --> station.pem

The link takes the new file at its next connection; the certificate of before goes on until its own end.

When it is due, by the later of the clock and the moment that is known to have passed (clock.py):

    |---------------------------|=======|--------------|
    issued                     2/3     + jitter       ends        whoever is cut off meanwhile asks as well
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from pydantic import ValidationError

from station_agent.clock import SystemClock
from station_agent.identity import files
from station_agent.identity.http import HubHttp, HubRefused, HubSilent
from station_agent.identity.trust import Trusted, TrustHolder, led, of_link
from station_agent.wire.documents import DocumentRefused
from station_agent.wire.enrolment import RENEWAL_PATH, RenewalAnswer, RenewalRequest, Renewed, renewal_text
from station_agent.wire.link import HubLink
from station_agent.wire.signed import Forged, open_signed

log = logging.getLogger(__name__)

DUE_AT = 2 / 3
JITTER = 0.1
"""Of the life: stations that were claimed on one day do not come on one day again."""

LOOK_EVERY_S = 300.0
CUT_OFF_S = 600.0
"""Without a link for so long, the certificate may be why."""

AGAIN_S = 6 * 3600.0
"""Between two tries that brought nothing."""


def due_at(certificate: x509.Certificate) -> datetime:
    """When it is to be renewed; the same for the same certificate, and another for another station's."""
    begins, ends = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    spread = hashlib.sha256(str(certificate.serial_number).encode()).digest()[0] / 255
    return begins + (ends - begins) * (DUE_AT + JITTER * spread)


@dataclass(frozen=True, slots=True)
class Renewal:
    """When the new certificate ends, and the links to newer keys of the hub that came with it."""

    until: datetime
    trust: tuple[str, ...]


def renew(folder: Path, link: HubLink, hub: HubHttp, held: Trusted | None = None) -> Renewal:
    """Gets and keeps the next certificate. `held`: the keys of the hub that are believed now, by default the link's.

    Raises HubSilent, HubRefused, BadIdentity and OSError.
    """
    trusted = held or of_link(link)
    own = files.read_certificate(folder / files.STATION)
    before = files.read_key(folder / files.STATION)
    key = files.pending_key(folder / files.RENEWAL_KEY)
    csr = files.signing_request(key)
    proof = before.sign(renewal_text(csr), ec.ECDSA(hashes.SHA256()))
    request = RenewalRequest(
        station=link.station,
        serial=f"{own.serial_number:x}",
        certificate=own.public_bytes(Encoding.PEM).decode(),
        csr=csr,
        proof=base64.b64encode(proof).decode(),
        trust_version=trusted.version,
    )
    answer = hub.post(RENEWAL_PATH, request, RenewalAnswer)
    renewed = _opened(answer, trusted)
    if renewed.station != link.station or not files.is_of(renewed.certificate, key):
        raise HubRefused("the hub's certificate is for another station or key than ours")
    files.write_whole(folder / files.STATION, files.private_pem(key) + renewed.certificate.encode())
    files.write_whole(folder / files.AUTHORITY, renewed.authority.encode())
    files.remove(folder / files.RENEWAL_KEY)
    return Renewal(files.read_certificate(folder / files.STATION).not_valid_after_utc, answer.trust)


def _opened(answer: RenewalAnswer, trusted: Trusted) -> Renewed:
    """Raises HubRefused for what the hub has not signed."""
    try:
        keys = led(trusted, answer.trust).keys
        return Renewed.model_validate_json(open_signed("document", answer.renewed.encode(), keys))
    except (Forged, DocumentRefused, ValidationError) as error:
        raise HubRefused(f"the renewal is not signed by the hub that this station knows: {error}") from error


class Renewals:
    """`run` is the service. `linked`: whether there is a link to the hub now."""

    def __init__(
        self, folder: Path, link: HubLink, trust: TrustHolder, linked: Callable[[], bool], clock: SystemClock
    ) -> None:
        self._folder = folder
        self._link = link
        self._trust = trust
        self._linked = linked
        self._clock = clock
        self._tried_s = float("-inf")
        self._linked_s = clock.monotonic()

    async def run(self) -> None:
        while True:
            await self.look()
            await self._clock.sleep(LOOK_EVERY_S)

    async def look(self) -> bool:
        """Renews when it is due. Whether it did."""
        now_s = self._clock.monotonic()
        if self._linked():
            self._linked_s = now_s
        cut_off = now_s - self._linked_s >= CUT_OFF_S
        due = max(self._clock.now(), self._clock.floor) >= due_at(files.read_certificate(self._folder / files.STATION))
        if not (due or cut_off) or now_s - self._tried_s < AGAIN_S:
            return False
        self._tried_s = now_s
        try:
            renewal = await asyncio.to_thread(self._renew)
            await self._trust.take_links(renewal.trust)
        except (HubSilent, HubRefused) as error:
            log.warning("the certificate is not renewed, %s: %s", "cut off" if cut_off else "due", error)
            return False
        log.info("the certificate is renewed and lasts until %s", renewal.until.isoformat())
        return True

    def _renew(self) -> Renewal:
        trusted = self._clock.trusted()
        with HubHttp(self._link.hub_url, ca_file=self._link.ca_file, clock_trusted=trusted) as hub:
            return renew(self._folder, self._link, hub, self._trust.held)
