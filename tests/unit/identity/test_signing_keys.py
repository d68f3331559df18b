"""The hub's signing keys over time: stations are led from one version to the next, and believe nothing else."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from cloud_hub.settings import BadSettings
from cloud_hub.signing_keys import CannotRotate, SigningKeys
from station_agent.wire.enrolment import Trust
from station_agent.wire.signed import Forged, key_id, open_signed
from tests.unit.identity.stations import keys_of

NOW = datetime(2026, 12, 1, 8, tzinfo=UTC)
DAY = timedelta(days=1)


def test_the_new_key_is_announced_by_the_old_one_before_it_signs(tmp_path: Path) -> None:
    keys = SigningKeys(tmp_path)
    old, first = keys.current(NOW), keys.trusted()
    keys.rotate(NOW, DAY)
    assert keys.version == 2
    link = keys.link_to(2)
    assert link is not None
    trust = Trust.model_validate_json(open_signed("document", link.encode(), keys_of(first)))
    assert (trust.version, trust.hub_keys) == (2, keys.trusted())
    assert set(first) < set(trust.hub_keys)
    assert key_id(keys.current(NOW + timedelta(hours=23)).public_key()) == key_id(old.public_key())
    new = keys.current(NOW + DAY)
    assert new.public_key().public_bytes_raw().hex() in trust.hub_keys
    assert key_id(new.public_key()) != key_id(old.public_key())


def test_a_station_that_slept_through_two_rotations_is_led_through_both(tmp_path: Path) -> None:
    keys = SigningKeys(tmp_path)
    held = keys.trusted()
    keys.rotate(NOW, timedelta(0))
    keys.rotate(NOW + 30 * DAY, timedelta(0))
    assert set(held).isdisjoint(keys.trusted())
    newest = keys.link_to(3)
    assert newest is not None
    with pytest.raises(Forged, match="unknown key"):  # not in one step
        open_signed("document", newest.encode(), keys_of(held))
    for link in keys.links_after(1):
        held = Trust.model_validate_json(open_signed("document", link.encode(), keys_of(held))).hub_keys
    assert held == keys.trusted()
    assert keys.links_after(3) == ()


def test_a_stolen_key_is_followed_by_another_and_then_trusted_no_longer(tmp_path: Path) -> None:
    keys = SigningKeys(tmp_path)
    stolen = key_id(keys.current(NOW).public_key())
    with pytest.raises(CannotRotate, match="first `yizhan-hub signing-key rotate --at-once`"):
        keys.withdraw(stolen, NOW)
    keys.rotate(NOW, timedelta(0))
    keys.withdraw(stolen, NOW)
    assert [state.state for state in keys.states(NOW)] == ["signs"]
    assert not (tmp_path / "hub.pem").exists()
    with pytest.raises(CannotRotate, match="there is no signing key"):
        keys.withdraw(stolen, NOW)


def test_only_one_key_is_announced_at_a_time(tmp_path: Path) -> None:
    keys = SigningKeys(tmp_path)
    keys.rotate(NOW, DAY)
    with pytest.raises(CannotRotate, match="announced already"):
        keys.rotate(NOW + timedelta(hours=1), DAY)
    assert [state.state for state in keys.states(NOW)] == ["signs", "announced"]
    assert [state.state for state in keys.states(NOW + DAY)] == ["trusted", "signs"]


def test_another_process_sees_the_rotation_and_nobody_else_the_keys(tmp_path: Path) -> None:
    ours, theirs = SigningKeys(tmp_path), SigningKeys(tmp_path)
    assert ours.trusted() == theirs.trusted()
    theirs.rotate(NOW, timedelta(0))
    assert ours.version == 2
    assert key_id(ours.current(NOW).public_key()) == key_id(theirs.current(NOW).public_key())
    assert {path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {0o600}


def test_a_damaged_list_is_named(tmp_path: Path) -> None:
    SigningKeys(tmp_path).trusted()
    (tmp_path / "signing.json").write_text("{}")
    with pytest.raises(BadSettings, match=r"signing\.json is no list of signing keys"):
        SigningKeys(tmp_path).trusted()
