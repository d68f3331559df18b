"""The hub's signing keys over time: stations are led from one version to the next, and believe nothing else."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from cloud_hub.enrolment.trust import AGAIN_S, TrustService
from cloud_hub.keys import load_keys
from cloud_hub.settings import BadSettings
from cloud_hub.signing_keys import CannotRotate, SigningKeys
from station_agent.identity import files
from station_agent.identity.claim import claim
from station_agent.identity.renewal import renew
from station_agent.identity.trust import Trusted, TrustHolder, led, next_of, of_link
from station_agent.settings import read_link
from station_agent.telemetry.store import Store
from station_agent.wire.claim import read_ticket
from station_agent.wire.documents import DocumentRefused
from station_agent.wire.enrolment import Trust
from station_agent.wire.link import BrokerLink, HubLink
from station_agent.wire.signed import Forged, Signed, key_id, open_signed, sign
from station_agent.wire.topics import Down
from tests.unit.identity.stations import HUB, NOW, Bench, SetClock, keys_of

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


def test_every_service_signs_by_the_key_whose_time_it_is(tmp_path: Path) -> None:
    """What the services hold is made once; the key behind it changes."""
    keys = load_keys(tmp_path)
    held = keys.hub
    before = sign("command", "open", held)
    SigningKeys(tmp_path / "keys").rotate(datetime.now(UTC), timedelta(0))  # by a command line beside the hub
    after = sign("command", "open", held)
    assert Signed.model_validate_json(before).kid != Signed.model_validate_json(after).kid
    assert open_signed("command", after, keys_of(keys.signing.trusted())) == "open"


class Sent:
    """A Downlink that takes note."""

    def __init__(self) -> None:
        self.documents: list[tuple[str, str]] = []

    async def send(self, station: str, leaf: Down, payload: bytes) -> bool:
        assert leaf is Down.DOCUMENT
        self.documents.append((station, payload.decode()))
        return True


async def test_a_station_that_is_behind_is_sent_the_next_link_and_nobody_else_any() -> None:
    keys, sent, clock = SigningKeys(None), Sent(), SetClock()
    trust = TrustService(keys, clock, sent)
    for version in (0, 1, 5):
        trust.reported("alpha", version)
    await trust.send_due()
    assert sent.documents == []
    keys.rotate(NOW, timedelta(0))
    keys.rotate(NOW + DAY, timedelta(0))
    trust.reported("old", 0)  # knows no such document
    for _ in range(3):  # heartbeats come faster than the link
        trust.reported("alpha", 1)
        await trust.send_due()
    assert sent.documents == [("alpha", keys.link_to(2))]
    clock.pass_by(timedelta(seconds=AGAIN_S))
    trust.reported("alpha", 1)  # it was lost
    trust.reported("beta", 2)
    await trust.send_due()
    assert sent.documents[1:] == [("alpha", keys.link_to(2)), ("beta", keys.link_to(3))]
    trust.reported("alpha", 2)
    await trust.send_due()
    assert sent.documents[3:] == [("alpha", keys.link_to(3))]
    trust.reported("alpha", 3)
    await trust.send_due()
    assert len(sent.documents) == 4


def test_a_station_takes_only_the_version_after_its_own() -> None:
    keys = SigningKeys(None)
    held = Trusted(1, keys.trusted())
    keys.rotate(NOW, timedelta(0))
    keys.rotate(NOW + DAY, timedelta(0))
    two, three = keys.links_after(1)
    assert led(held, [two, three]) == Trusted(3, keys.trusted())
    assert led(led(held, [two]), [two, three]) == Trusted(3, keys.trusted())  # one that is known already is passed over
    with pytest.raises(Forged, match="unknown key"):
        led(held, [three])
    skipped = Trust(version=3, issued_at=NOW, hub_keys=held.hub_keys).model_dump_json()
    with pytest.raises(DocumentRefused, match="does not follow 1"):
        next_of(held, skipped)
    with pytest.raises(DocumentRefused, match="no trust: hub_keys"):
        next_of(held, skipped.replace(held.hub_keys[0], "00"))
    stranger = SigningKeys(None)
    stranger.rotate(NOW, timedelta(0))
    with pytest.raises(Forged, match="unknown key"):
        led(held, stranger.links_after(1))


async def test_what_a_station_was_led_to_outlives_a_restart_but_not_another_claim(tmp_path: Path) -> None:
    keys, other = SigningKeys(None), SigningKeys(None)
    link = hub_link(keys.trusted())
    keys.rotate(NOW, timedelta(0))
    told = 0

    def changed() -> None:
        nonlocal told
        told += 1

    async with Store(tmp_path / "station.sqlite") as store:
        holder = TrustHolder(link, store, changed)
        await holder.load()
        shared = holder.keys
        (two,) = keys.links_after(1)
        await holder.take(open_signed("document", two.encode(), shared))
        assert set(shared) == set(keys_of(keys.trusted()))  # orders and documents ask the same mapping
        assert told == 1
        again = TrustHolder(link, store, changed)
        await again.load()
        assert again.held == Trusted(2, keys.trusted())
        elsewhere = TrustHolder(hub_link(other.trusted()), store, changed)
        await elsewhere.load()
        assert elsewhere.held == Trusted(1, other.trusted())


def hub_link(hub_keys: tuple[str, ...]) -> HubLink:
    return HubLink(station="alpha", hub_url=HUB, broker=BrokerLink(host="127.0.0.1", port=8883), hub_keys=hub_keys)


def test_a_renewal_after_rotations_leads_to_the_key_that_signed_it(bench: Bench, tmp_path: Path) -> None:
    folder = tmp_path / "identity"
    with bench.http() as hub:
        claim(folder, read_ticket(bench.add("alpha").text), hub)
    link = read_link(folder / files.LINK)
    for day in range(2):
        bench.keys.signing.rotate(datetime.now(UTC) + day * timedelta(microseconds=1), timedelta(0))
    with bench.http() as hub:
        renewal = renew(folder, link, hub)
    assert led(of_link(link), renewal.trust) == Trusted(3, bench.keys.signing.trusted())
