"""Issuer keys over time: announced, signing, known, withdrawn; and the command that changes them."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from typer.testing import CliRunner

from cloud_hub.cli import app
from cloud_hub.codes.issuers import CERTIFICATE_LIFETIME, KEYS_MAX, CannotRotate, Issuers
from cloud_hub.keys import load_keys
from cloud_hub.settings import BadSettings
from station_agent.wire import membership_code as codes
from station_agent.wire.kinds import Reason

NOW = datetime(2026, 12, 1, 8, 0, tzinfo=UTC)
DAY = timedelta(days=1)
LEAD = 14 * DAY
MEMBER = "00112233445566aa"
PHONE = ec.derive_private_key(0xB0B, ec.SECP256R1())


@pytest.fixture
def issuers(tmp_path: Path) -> Issuers:
    folder = tmp_path / "keys"
    folder.mkdir()
    return Issuers(folder)


def certificate(issuers: Issuers, at: datetime) -> codes.Certificate:
    """As the hub certifies a phone at that time."""
    issuer = issuers.current(at)
    day = (at + CERTIFICATE_LIFETIME - datetime(1970, 1, 1, tzinfo=UTC)).days
    return codes.certify(issuer.key, issuer.kid, MEMBER, codes.public_bytes(PHONE), day)


def shown(issuers: Issuers, proof: codes.Certificate, at: datetime) -> Reason | None:
    """What a station with the roster of that time says to the phone's code; None when it is good."""
    code = codes.parse(codes.make_code(PHONE, MEMBER, at, b"\0\1", proof))
    try:
        codes.verify(code, (), {issuer.kid: issuer for issuer in issuers.known(at)}, at)
    except codes.CodeRefused as refused:
        return refused.reason
    return None


def test_a_new_key_is_known_to_stations_before_it_signs(issuers: Issuers) -> None:
    first = issuers.current(NOW).kid
    row = issuers.rotate(NOW, LEAD)
    assert [issuer.kid for issuer in issuers.known(NOW)] == [first, row.kid]
    assert issuers.current(NOW + LEAD - DAY).kid == first
    assert issuers.current(NOW + LEAD).kid == row.kid


def test_certificates_of_the_old_key_hold_until_they_end_and_no_longer(issuers: Issuers) -> None:
    issuers.rotate(NOW, LEAD)
    last = NOW + LEAD - timedelta(seconds=1)
    old = certificate(issuers, last)
    assert shown(issuers, old, last) is None
    assert shown(issuers, old, last + CERTIFICATE_LIFETIME) is None
    assert shown(issuers, old, last + CERTIFICATE_LIFETIME + 2 * DAY) in (
        Reason.CERTIFICATE_WRONG,
        Reason.CERTIFICATE_EXPIRED,
    )
    new = certificate(issuers, NOW + LEAD)
    assert new.issuer_kid != old.issuer_kid
    assert shown(issuers, new, NOW + LEAD) is None
    after = NOW + LEAD + CERTIFICATE_LIFETIME + 2 * DAY
    assert [issuer.kid for issuer in issuers.known(after)] == [new.issuer_kid]


def test_a_withdrawn_key_vouches_for_nobody_and_its_certificates_do_no_harm_to_a_phone_of_the_roster(
    issuers: Issuers,
) -> None:
    old = certificate(issuers, NOW)
    issuers.rotate(NOW, timedelta(0))
    issuers.withdraw(old.issuer_kid, NOW)
    assert shown(issuers, old, NOW) is Reason.CERTIFICATE_WRONG
    public = codes.public_bytes(PHONE)
    known = codes.PhoneKey(
        kid=codes.public_kid(public), algorithm=codes.Algorithm.ES256, public=public.hex(), not_after=NOW + DAY
    )
    code = codes.parse(codes.make_code(PHONE, MEMBER, NOW, b"\0\2", old))
    codes.verify(code, [known], {issuer.kid: issuer for issuer in issuers.known(NOW)}, NOW)


def test_the_only_key_that_signs_is_not_withdrawn(issuers: Issuers) -> None:
    with pytest.raises(CannotRotate, match="only one that signs"):
        issuers.withdraw(1, NOW)
    with pytest.raises(CannotRotate, match="no issuer key 9"):
        issuers.withdraw(9, NOW)


def test_an_announced_key_can_begin_at_once_and_is_not_announced_twice(issuers: Issuers) -> None:
    first = issuers.current(NOW).kid
    row = issuers.rotate(NOW, LEAD)
    with pytest.raises(CannotRotate, match="announced already"):
        issuers.rotate(NOW, LEAD)
    assert issuers.rotate(NOW + DAY, timedelta(0)).kid == row.kid
    assert issuers.current(NOW + DAY).kid == row.kid
    issuers.withdraw(first, NOW + DAY)


def test_keys_are_bounded_and_a_kid_is_taken_again_only_when_it_is_free() -> None:
    issuers, at = Issuers(None), NOW
    seen: list[int] = []
    for _ in range(300):
        seen.append(issuers.rotate(at, timedelta(0)).kid)
        kids = [issuer.kid for issuer in issuers.known(at)]
        assert len(kids) == len(set(kids)) <= KEYS_MAX
        at += 3 * DAY
    assert {1, 255} <= set(seen)
    while len(issuers.known(at)) < KEYS_MAX:
        issuers.rotate(at, timedelta(0))
    with pytest.raises(CannotRotate, match="wait until one has ended"):
        issuers.rotate(at, timedelta(0))


def test_a_key_that_is_over_is_destroyed_with_the_next_rotation(issuers: Issuers, tmp_path: Path) -> None:
    issuers.rotate(NOW, timedelta(0))
    assert (tmp_path / "keys" / "issuer.pem").exists()
    issuers.rotate(NOW + 30 * DAY, timedelta(0))
    assert not (tmp_path / "keys" / "issuer.pem").exists()
    assert [row.kid for row in issuers.rows()] == [2, 3]


def test_a_running_hub_follows_what_the_command_did(tmp_path: Path) -> None:
    keys = load_keys(tmp_path)
    before = keys.issuers.stamp
    other = Issuers(tmp_path / "keys")
    kid = other.rotate(NOW, timedelta(0)).kid
    assert keys.issuers.stamp != before
    assert keys.issuers.current(NOW).kid == kid
    assert {path.stat().st_mode & 0o777 for path in (tmp_path / "keys").iterdir()} == {0o600}


def test_a_hub_of_before_rotation_keeps_its_key(tmp_path: Path) -> None:
    keys = load_keys(tmp_path)
    (tmp_path / "keys" / "issuers.json").unlink()
    assert load_keys(tmp_path).issuers.known(NOW) == keys.issuers.known(NOW)


def test_a_damaged_list_or_key_is_named(tmp_path: Path) -> None:
    load_keys(tmp_path)
    (tmp_path / "keys" / "issuer.pem").unlink()
    with pytest.raises(BadSettings, match=r"issuer\.pem is missing"):
        load_keys(tmp_path)
    (tmp_path / "keys" / "issuers.json").write_text("[{}]")
    with pytest.raises(BadSettings, match=r"issuers\.json is no list"):
        load_keys(tmp_path)


def test_the_command_rotates_lists_and_withdraws(tmp_path: Path) -> None:
    run = CliRunner().invoke
    none = run(app, ["issuer", "list", "--data", str(tmp_path)])
    assert none.exit_code == 1
    assert "no hub" in none.stderr
    load_keys(tmp_path)
    data = ["--data", str(tmp_path)]
    assert run(app, ["issuer", "rotate", *data]).exit_code == 0
    again = run(app, ["issuer", "rotate", *data])
    assert again.exit_code == 1
    assert "announced already" in again.stderr
    assert run(app, ["issuer", "rotate", "--at-once", *data]).exit_code == 0
    assert run(app, ["issuer", "withdraw", "1", *data]).exit_code == 0
    listed = json.loads(run(app, ["issuer", "list", "--json", *data]).stdout)
    assert [(row["kid"], row["state"]) for row in listed] == [(1, "withdrawn"), (2, "signs")]
    assert "withdrawn" in run(app, ["issuer", "list", *data]).stdout
