"""Gives stations their identity and ends it: claims, renewals, revocation.

    claim       id known? code proved? not over, not used by another key? --> certificate, the station's others end
    renewal     certificate known, not revoked, ended not long ago? proved by its key? --> one more certificate
    revocation  every certificate of the station ends; the broker closes its connection with the next configuration

All of it may be repeated: the same key gets the same certificate, so a lost answer costs nothing. `run()` notices what
a command line beside the hub has changed, and certificates that end by themselves.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import hmac
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from cloud_hub.clock import Clock
from cloud_hub.enrolment import queries
from cloud_hub.enrolment.authority import (
    BadRequest,
    StationCertificate,
    issue_station,
    key_hash,
    read_request,
    read_station,
)
from cloud_hub.enrolment.models import Claim, ClaimState, Identity, NewClaim, Revoked
from cloud_hub.enrolment.qr import qr_svg
from cloud_hub.keys import Keys
from cloud_hub.problems import Problem
from cloud_hub.settings import Settings
from cloud_hub.storage.database import Database
from cloud_hub.storage.schema import stations
from cloud_hub.users.rules import TRIES_OF_AN_ADDRESS, TryLimit
from station_agent.wire.claim import ClaimTicket, answer_mac, make_code, read_code, request_mac, same, ticket_text
from station_agent.wire.enrolment import (
    BrokerAddress,
    ClaimAnswer,
    ClaimRequest,
    Enrolment,
    RenewalAnswer,
    RenewalRequest,
    Renewed,
    renewal_text,
)
from station_agent.wire.profile import StationProfile
from station_agent.wire.signed import sign

LOOK_EVERY_S = 1.0
"""How late a change by a command line is noticed."""

TRIES_OF_A_CLAIM = 5
"""Wrong tries a minute at one claim, or in one station's name, from one address: a guesser makes nobody else wait. A
million addresses that guess for the 72 hours of a code find it with a chance of one in 50 thousand million."""

RECOVERED_WITHIN = timedelta(days=180)
"""So long after its end a certificate still vouches for its own renewal: a container may stand without power for a
winter. Later the station is claimed anew. A revoked one never does."""

ENDING_WITHIN = timedelta(days=14)
"""A station renews 20 to 30 days before its certificate ends; one that has not by now is named."""

LIVING_MAX = 4
"""Valid certificates of one station: two in an ordinary renewal, more when answers were lost with their keys."""


def claim_code(keys: Keys, id: str, created_at: datetime) -> str:
    """The code of a claim. It is derived and so kept nowhere: a stolen database or backup of it claims nothing."""
    about = f"{id} {created_at.timestamp():.6f}".encode()
    return make_code(id, hmac.digest(keys.derived("claims"), about, "sha256"))


def shown_claim(keys: Keys, station: str, row: queries.NewClaimRow, hub_url: str) -> Claim:
    """As whoever adds the station sees it."""
    code = claim_code(keys, row.id, row.created_at)
    fingerprint = keys.authorities.hub.fingerprint
    text = ticket_text(ClaimTicket(hub_url, code, fingerprint))
    return Claim(
        station=station,
        code=code,
        text=text,
        qr_svg=qr_svg(text),
        hub_url=hub_url,
        fingerprint=fingerprint,
        expires_at=row.expires_at,
    )


class EnrolmentService:
    """`changed` is told of every change: all certificates that are valid, by the broker's name of each -> station."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        settings: Settings,
        keys: Keys,
        broker: Callable[[], BrokerAddress],
        changed: Callable[[Mapping[str, str]], Awaitable[None]],
    ) -> None:
        self._database = database
        self._clock = clock
        self._settings = settings
        self._keys = keys
        self._broker = broker
        self._changed = changed
        self._by_claim = TryLimit(TRIES_OF_A_CLAIM)
        self._by_address = TryLimit(TRIES_OF_AN_ADDRESS)
        self._change = 0
        self._next_end: datetime | None = None
        self._told = False
        self._looking = asyncio.Lock()

    # --- managers ---

    async def add_station(self, profile: StationProfile, actor: str) -> None:
        """A station whose box is still to claim it. Raises Problem 409 when its id is taken, and in the demo."""
        self._not_in_the_demo()
        now = self._clock.now()
        await self._database.write(lambda c: queries.add_station(c, profile, now, actor))
        await self.look()

    async def new_claim(self, station: str, wanted: NewClaim, actor: str) -> Claim:
        """Raises Problem 404, and 409 in the demo."""
        self._not_in_the_demo()
        now = self._clock.now()

        def add(connection: sa.Connection) -> queries.NewClaimRow:
            if wanted.revoke:
                queries.revoke(connection, station, now, actor, wanted.reason)
            lifetime = timedelta(hours=wanted.valid_hours)
            return queries.add_claim(connection, station, now, lifetime, actor, wanted.reason)

        row = await self._database.write(add)
        await self.look()
        return shown_claim(self._keys, station, row, self._settings.url)

    async def revoke(self, station: str, actor: str, reason: str) -> Revoked:
        """Raises Problem 404."""
        now = self._clock.now()
        ended = await self._database.write(lambda c: queries.revoke(c, station, now, actor, reason))
        await self.look()
        return Revoked(station=station, certificates=ended[0], claims=ended[1])

    async def identity(self, station: str) -> Identity:
        """Raises Problem 404."""
        return await self._database.read(lambda c: queries.identity(c, station, self._clock.now()))

    async def ending(self) -> list[str]:
        """Stations that should have renewed long ago, by id: away for weeks, or something keeps them from it."""
        before = self._clock.now() + ENDING_WITHIN
        return await self._database.read(lambda c: queries.ending(c, before))

    @property
    def authority(self) -> str:
        return self._keys.authorities.hub.pem

    # --- stations ---

    async def claim(self, request: ClaimRequest, address: str) -> ClaimAnswer:
        """Raises Problem 400, 403, 409, 410 and 429."""
        self._not_in_the_demo()
        tried = f"{request.claim} {address}"
        self._count_try(tried, address)
        key = _key(request.csr)
        now = self._clock.now()

        def claim(connection: sa.Connection) -> ClaimAnswer:
            row = queries.claim(connection, request.claim)
            code = read_code(claim_code(self._keys, request.claim, row.created_at if row else now))
            if row is None or not same(request_mac(code, request.csr), request.mac):
                raise Problem(403, "claim-refused", "The claim code is wrong: compare it with the original.")
            pem = self._certificate(connection, row, key, now, address)
            enrolment = self._enrolment(connection, row.station, pem, now)
            body = enrolment.model_dump_json()
            return ClaimAnswer(body=body, mac=answer_mac(code, request.csr, body))

        answer = await self._database.write(claim)
        self._by_claim.right(tried)
        self._by_address.right(address)
        await self.look()
        return answer

    def _certificate(
        self, connection: sa.Connection, row: Any, key: ec.EllipticCurvePublicKey, now: datetime, address: str
    ) -> str:
        """The certificate that the claim gives to this key, PEM. Raises Problem 409 and 410."""
        match queries.claim_state(row, now):
            case ClaimState.WAITING:
                made = issue_station(self._keys.authorities.station, row.station, key, now)
                queries.use_claim(connection, row.id, row.station, made, now, address)
                return made.pem
            case ClaimState.USED if row.key == key_hash(key) and now - row.used_at < queries.REPEATED_WITHIN:
                given = queries.certificate(connection, row.serial)
                if given is not None and given.revoked_at is None:
                    pem: str = given.certificate
                    return pem
                raise Problem(410, "claim-over", "What this claim gave has been revoked: ask for a new claim.")
            case ClaimState.USED:
                used = f"This claim was used at {row.used_at:%Y-%m-%d %H:%M} UTC"
                if row.key == key_hash(key):
                    raise Problem(409, "claim-used", f"{used} by this box: ask for a new one.")
                advice = f"If that was not you, revoke {row.station} and ask for a new claim."
                raise Problem(409, "claim-used", f"{used} by another key. {advice}")
            case _:
                raise Problem(410, "claim-over", "This claim is over: ask for a new one.")

    def _enrolment(self, connection: sa.Connection, station: str, pem: str, now: datetime) -> Enrolment:
        profile = connection.scalar(sa.select(stations.c.profile).where(stations.c.id == station))
        return Enrolment(
            station=station,
            issued_at=now,
            certificate=pem,
            authority=self.authority,
            hub_url=self._settings.url,
            broker=self._broker(),
            hub_keys=self._keys.signing.trusted(),
            trust_version=self._keys.signing.version,
            profile=StationProfile.model_validate(profile),
        )

    async def renew(self, request: RenewalRequest, address: str) -> RenewalAnswer:
        """Raises Problem 400, 403 and 429."""
        tried = f"{request.station} {address}"
        self._count_try(tried, address)
        key = _key(request.csr)
        now = self._clock.now()

        def renew(connection: sa.Connection) -> str:
            row = queries.certificate(connection, request.serial) or self._restored(connection, request)
            if row is None or row.station != request.station or not _proved(row.certificate, request):
                raise Problem(403, "renewal-refused", "This is not proved by the key of that certificate.")
            if row.revoked_at is not None:
                raise Problem(403, "revoked", f"The certificate was revoked ({row.reason}): claim the station anew.")
            if now - row.not_after > RECOVERED_WITHIN:
                raise Problem(403, "ended-long-ago", "The certificate ended too long ago: claim the station anew.")
            pem = self._renewed(connection, row, key, now, address)
            return Renewed(
                station=request.station,
                issued_at=now,
                certificate=pem,
                authority=self.authority,
                hub_url=self._settings.url,
                broker=self._broker(),
            ).model_dump_json()

        body = await self._database.write(renew)
        self._by_claim.right(tried)
        self._by_address.right(address)
        await self.look()
        signed = sign("document", body, self._keys.hub).decode()
        return RenewalAnswer(trust=self._keys.signing.links_after(request.trust_version), renewed=signed)

    def _restored(self, connection: sa.Connection, request: RenewalRequest) -> Any:
        """The row of a certificate that this hub gave and then lost, being restored from a backup of before. None for
        any other. What was revoked in that time is lost as well: whoever restores a hub has to repeat it."""
        made = read_station(self._keys.authorities.station, request.certificate or "")
        if made is None or made.serial != request.serial or not queries.is_station(connection, made.station):
            return None
        if not queries.was_lost(connection, made.issued_at):
            return None
        queries.add_certificate(connection, made, made.issued_at, "a hub that was restored since")
        return queries.certificate(connection, made.serial)

    def _renewed(
        self, connection: sa.Connection, row: Any, key: ec.EllipticCurvePublicKey, now: datetime, address: str
    ) -> str:
        given = queries.certificate_of_key(connection, row.station, key_hash(key), now)
        if given is not None:
            pem: str = given.certificate
            return pem
        if queries.living(connection, row.station, now) >= LIVING_MAX:
            raise Problem(
                429, "too-many-certificates", f"{row.station} has {LIVING_MAX} certificates that are valid already."
            )
        made: StationCertificate = issue_station(self._keys.authorities.station, row.station, key, now)
        queries.renewed(connection, made, row, now, address)
        return made.pem

    def _count_try(self, tried: str, address: str) -> None:
        """Counted before it is checked, so that tries at the same time count as well. Raises Problem 429."""
        now_s = self._clock.monotonic()
        wait_s = max(self._by_claim.wait_s(tried, now_s), self._by_address.wait_s(address, now_s))
        if wait_s > 0:
            seconds = str(int(wait_s) + 1)
            raise Problem(
                429, "too-many-tries", f"Too many wrong tries: wait {seconds} s.", headers={"Retry-After": seconds}
            )
        self._by_claim.wrong(tried, now_s)
        self._by_address.wrong(address, now_s)

    def _not_in_the_demo(self) -> None:
        if self._settings.demo:
            raise Problem(
                409, "demo", "A demo hub gives no identity: its stations have link files for this machine only."
            )

    # --- the broker ---

    async def run(self) -> None:
        while True:
            await self.look()
            await asyncio.sleep(LOOK_EVERY_S)

    async def look(self) -> None:
        """Tells `changed` what has changed since it was told last, if anything has."""
        async with self._looking:
            now = self._clock.now()
            change = await self._database.read(lambda c: queries.newest_change(c, self._change))
            ended = self._next_end is not None and now >= self._next_end
            if self._told and change == self._change and not ended:
                return
            users, self._next_end = await self._database.read(
                lambda c: (queries.broker_users(c, now), queries.next_end(c, now))
            )
            await self._changed(users)
            self._change, self._told = change, True


def _key(csr: str) -> ec.EllipticCurvePublicKey:
    try:
        return read_request(csr)
    except BadRequest as error:
        raise Problem(400, "bad-request-of-certificate", f"{error}.") from error


def _proved(certificate: str, request: RenewalRequest) -> bool:
    key = x509.load_pem_x509_certificate(certificate.encode()).public_key()
    assert isinstance(key, ec.EllipticCurvePublicKey)
    try:
        key.verify(base64.b64decode(request.proof, validate=True), renewal_text(request.csr), ec.ECDSA(hashes.SHA256()))
    except (InvalidSignature, binascii.Error):
        return False
    return True
