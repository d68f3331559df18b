"""A box becomes a station: key, request, proof of the code, certificate, and everything that it needs to begin.

    key kept --> CSR --> hub: claim, CSR, MAC --> MAC of the answer right? certificate ours? --> files, link file last

Interrupted anywhere it is done again with the same key, and the hub answers the same.
"""

from __future__ import annotations

import hashlib
import ssl
from pathlib import Path

from pydantic import ValidationError

from station_agent.identity import files
from station_agent.identity.http import HubHttp, HubRefused
from station_agent.wire.claim import ClaimTicket, answer_mac, read_code, request_mac, same
from station_agent.wire.enrolment import CLAIM_PATH, ClaimAnswer, ClaimRequest, Enrolment
from station_agent.wire.link import HubLink


class AlreadyClaimed(Exception):
    """The folder holds an identity already."""


def held_link(folder: Path) -> HubLink | None:
    """The link file of an identity that is whole."""
    try:
        return HubLink.model_validate_json((folder / files.LINK).read_bytes())
    except (OSError, ValidationError):
        return None


def claim(folder: Path, ticket: ClaimTicket, hub: HubHttp, *, again: bool = False) -> HubLink:
    """The link of the station that the box is now. `again`: also when it is one already.

    Raises BadCode, AlreadyClaimed, HubSilent, HubRefused, BadIdentity and OSError.
    """
    code = read_code(ticket.code)
    held = held_link(folder)
    if held is not None and not (folder / files.CLAIM_KEY).exists():
        if _used(folder) == code.id:
            return held
        if not again:
            raise AlreadyClaimed(f"{folder} is the identity of {held.station} at {held.hub_url} already")
    files.make_folder(folder)
    key = files.pending_key(folder / files.CLAIM_KEY)
    csr = files.signing_request(key)
    answer = hub.post(CLAIM_PATH, ClaimRequest(claim=code.id, csr=csr, mac=request_mac(code, csr)), ClaimAnswer)
    if not same(answer_mac(code, csr, answer.body), answer.mac):
        raise HubRefused(f"what answers at {ticket.hub_url} does not know the claim code, so it is not the hub")
    enrolment = _read(answer.body)
    if not files.is_of(enrolment.certificate, key):
        raise HubRefused("the hub's certificate is for another key than ours")
    found = hashlib.sha256(ssl.PEM_cert_to_DER_cert(enrolment.authority)).hexdigest()
    if ticket.fingerprint not in (None, found):
        raise HubRefused("the hub's authority has another fingerprint than the claim says")
    files.save(folder, code.id, key, enrolment)
    link = held_link(folder)
    assert link is not None
    return link


def _used(folder: Path) -> str | None:
    try:
        return (folder / files.CLAIM).read_text()
    except OSError:
        return None


def _read(body: str) -> Enrolment:
    try:
        return Enrolment.model_validate_json(body)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"]))
        raise HubRefused(f"the hub's answer is not of this version ({where}: {first['msg']}): update one") from error
