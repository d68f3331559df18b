"""A claim, a renewal, a revocation: each once, each by proof, each again when the plug was pulled."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from cloud_hub.audit import record
from cloud_hub.enrolment.authority import STATION_LIFETIME
from cloud_hub.enrolment.queries import REPEATED_WITHIN
from cloud_hub.enrolment.service import ENDING_WITHIN, LIVING_MAX, RECOVERED_WITHIN
from cloud_hub.problems import Problem
from cloud_hub.storage.schema import audit, restores, station_certificates
from station_agent.identity import files
from station_agent.identity.claim import AlreadyClaimed, claim, held_link
from station_agent.identity.http import HubRefused, HubSilent
from station_agent.identity.renewal import due_at, renew
from station_agent.settings import read_link, read_profile
from station_agent.wire.claim import ClaimTicket, make_code, read_code, read_ticket
from tests.unit.identity.stations import HUB, Bench

DAY = timedelta(days=1)


def box(bench: Bench, text: str, folder: Path) -> Path:
    """Claims; the folder of the identity."""
    with bench.http() as hub:
        claim(folder, read_ticket(text), hub)
    return folder


def serial(folder: Path) -> str:
    return f"{files.read_certificate(folder / files.STATION).serial_number:x}"


class Unplugged(Exception):
    """The power went."""


def test_a_claim_makes_an_identity_that_the_agent_can_run_from(bench: Bench, tmp_path: Path) -> None:
    folder = box(bench, bench.add("alpha").text, tmp_path / "identity")
    link = read_link(folder / files.LINK)
    assert (link.station, link.hub_url) == ("alpha", HUB)
    assert link.broker.certificate_file == (folder / files.STATION).resolve()
    assert link.hub_keys == bench.keys.signing.trusted()
    assert list(bench.users.values()) == ["alpha"]
    assert read_profile(folder / files.PROFILE, Path("/none"), {}, {}).errors != []  # read, and its devices looked for
    assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o600}
    assert {path.name for path in folder.iterdir()} == {
        files.STATION,
        files.AUTHORITY,
        files.PROFILE,
        files.CLAIM,
        files.LINK,
    }


def test_the_private_key_never_leaves_the_box(bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[bytes] = []
    asked = bench._asked

    async def watched(path: str, content: bytes) -> object:
        sent.append(content)
        return await asked(path, content)

    monkeypatch.setattr(bench, "_asked", watched)
    made = bench.add("alpha")
    folder = box(bench, made.text, tmp_path / "identity")
    with bench.http() as hub:
        renew(folder, read_link(folder / files.LINK), hub)
    assert len(sent) == 2
    assert not any(b"PRIVATE" in content for content in sent)
    assert not any(made.code[6:].replace("-", "").encode() in content for content in sent)  # nor does the code


def test_the_plug_may_be_pulled_between_any_two_steps_of_a_claim(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At each writing, before and after it; then the technician gives the same command again."""
    write, steps = files.write_whole, 0
    while True:
        text, folder = bench.add(f"s-{steps}").text, tmp_path / str(steps)
        left = steps

        def interrupted(path: Path, content: bytes) -> None:
            nonlocal left
            if left == 0:
                raise Unplugged
            left -= 1
            write(path, content)

        monkeypatch.setattr(files, "write_whole", interrupted)
        try:
            box(bench, text, folder)
            break  # every step was tried
        except Unplugged:
            monkeypatch.setattr(files, "write_whole", write)
        assert held_link(folder) is None
        assert held_link(box(bench, text, folder)) is not None
        assert len([name for name in bench.users.values() if name == f"s-{steps}"]) == 1
        steps += 1
    assert steps == 6


def test_an_answer_that_was_lost_is_given_again(bench: Bench, tmp_path: Path) -> None:
    made = bench.add("alpha")
    bench.answers_lost = 1
    with pytest.raises(HubSilent):
        box(bench, made.text, tmp_path / "identity")
    bench.clock.pass_by(4 * DAY)  # the code is over; but it was used, by this key
    with pytest.raises(HubRefused, match="by this box"):
        box(bench, made.text, tmp_path / "identity")
    bench.clock.pass_by(-4 * DAY + REPEATED_WITHIN / 2)
    assert serial(box(bench, made.text, tmp_path / "identity")) in next(iter(bench.users))


def test_a_code_is_used_once_ends_and_is_followed_by_the_next(bench: Bench, tmp_path: Path) -> None:
    first = bench.add("alpha")
    second = bench.claim_for("alpha", valid_hours=1)
    with pytest.raises(HubRefused, match="is over"):
        box(bench, first.text, tmp_path / "first")
    bench.clock.pass_by(timedelta(hours=1))
    with pytest.raises(HubRefused, match="is over"):
        box(bench, second.text, tmp_path / "second")
    third = bench.claim_for("alpha")
    box(bench, third.text, tmp_path / "third")
    with pytest.raises(HubRefused, match="by another key"):
        box(bench, third.text, tmp_path / "thief")
    assert not (tmp_path / "thief" / files.LINK).exists()


def test_nothing_of_a_code_is_in_the_database(bench: Bench, tmp_path: Path) -> None:
    made = bench.add("alpha")
    code = read_code(made.code)
    kept = b"".join(path.read_bytes() for path in tmp_path.glob("hub.sqlite*"))
    assert code.id.encode() in kept
    for secret in (made.code, made.code[6:], made.code.replace("-", "")[5:], code.key.hex()):
        assert secret.encode() not in kept
    assert code.key not in kept


def test_a_guess_costs_a_minute_and_the_true_code_works_afterwards(bench: Bench, tmp_path: Path) -> None:
    made, other = bench.add("alpha"), bench.add("beta")
    wrong = ClaimTicket(HUB, made.code[:6] + other.code[6:])
    for _ in range(4):
        with pytest.raises(ValueError, match="changed places"), bench.http() as hub:
            claim(tmp_path / "guess", wrong, hub)  # found without a question
    for number in range(5):
        guess = ClaimTicket(HUB, make_code(made.code[:5], number.to_bytes(32, "big")))
        with pytest.raises(HubRefused, match="code is wrong"), bench.http() as hub:
            claim(tmp_path / "guess", guess, hub)
    with pytest.raises(HubSilent, match="wait"):
        box(bench, made.text, tmp_path / "box")
    box(bench, other.text, tmp_path / "beta")  # another claim does not wait
    bench.address = "192.0.2.8"
    box(bench, made.text, tmp_path / "elsewhere")  # nor does whoever is elsewhere: no guesser can shut a box out
    bench.address = "192.0.2.7"
    bench.clock.pass_by(timedelta(seconds=61))
    with pytest.raises(HubRefused, match="was used"):
        box(bench, made.text, tmp_path / "box")


def test_who_answers_without_knowing_the_code_is_not_the_hub(bench: Bench, tmp_path: Path) -> None:
    text, liar = bench.add("alpha").text, Bench(bench.database, bench.runner)
    with pytest.raises(HubRefused), liar.http() as hub:  # another hub's secret, the same table
        claim(tmp_path / "identity", read_ticket(text), hub)
    assert held_link(tmp_path / "identity") is None


def test_a_box_that_is_a_station_already_becomes_another_only_when_told(bench: Bench, tmp_path: Path) -> None:
    alpha, beta = bench.add("alpha"), bench.add("beta")
    folder = box(bench, alpha.text, tmp_path / "identity")
    assert box(bench, alpha.text, folder) == folder  # the same command again
    with pytest.raises(AlreadyClaimed, match="alpha"), bench.http() as hub:
        claim(folder, read_ticket(beta.text), hub)
    with bench.http() as hub:
        assert claim(folder, read_ticket(beta.text), hub, again=True).station == "beta"


def test_the_box_that_was_before_ends_when_another_claims(bench: Bench, tmp_path: Path) -> None:
    old = box(bench, bench.add("alpha").text, tmp_path / "old")
    again = bench.claim_for("alpha")
    assert serial(old) in next(iter(bench.users))  # it works on until then
    new = box(bench, again.text, tmp_path / "new")
    assert [serial(new) in user for user in bench.users] == [True]
    with pytest.raises(HubRefused, match="revoked"), bench.http() as hub:
        renew(old, read_link(old / files.LINK), hub)


def test_revocation_is_told_at_once_and_ends_waiting_codes(bench: Bench, tmp_path: Path) -> None:
    box(bench, bench.add("alpha").text, tmp_path / "identity")
    waiting = bench.claim_for("alpha")
    ended = bench.run(bench.service.revoke("alpha", "admin", "stolen"))
    assert (ended.certificates, ended.claims, bench.users) == (1, 1, {})
    with pytest.raises(HubRefused, match="is over"):
        box(bench, waiting.text, tmp_path / "thief")


def test_a_change_beside_the_hub_is_noticed_and_no_change_costs_nothing(bench: Bench, tmp_path: Path) -> None:
    box(bench, bench.add("alpha").text, tmp_path / "identity")
    beside = Bench(bench.database, bench.runner)
    beside.run(beside.service.revoke("alpha", "command line", "stolen"))
    assert bench.users != {}
    bench.run(bench.service.look())
    assert bench.users == {}
    told = bench.told
    bench.run(bench.service.look())
    assert bench.told == told


def test_a_certificate_ends_by_itself_at_the_broker_too(bench: Bench, tmp_path: Path) -> None:
    box(bench, bench.add("alpha").text, tmp_path / "identity")
    bench.clock.pass_by(STATION_LIFETIME - timedelta(seconds=1))
    bench.run(bench.service.look())
    assert list(bench.users.values()) == ["alpha"]
    bench.clock.pass_by(timedelta(seconds=1))
    bench.run(bench.service.look())
    assert bench.users == {}


def test_a_renewal_is_by_a_new_key_and_the_one_of_before_goes_on(bench: Bench, tmp_path: Path) -> None:
    folder = box(bench, bench.add("alpha").text, tmp_path / "identity")
    before = serial(folder)
    bench.clock.pass_by(60 * DAY)
    with bench.http() as hub:
        until = renew(folder, read_link(folder / files.LINK), hub).until
    assert until == bench.clock.now() + STATION_LIFETIME
    assert {user.rpartition(":")[2] for user in bench.users} == {before, serial(folder)}
    assert not (folder / files.RENEWAL_KEY).exists()


def test_the_plug_may_be_pulled_between_any_two_steps_of_a_renewal(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write, steps = files.write_whole, 0
    while True:
        folder = box(bench, bench.add(f"s-{steps}").text, tmp_path / str(steps))
        link, left = read_link(folder / files.LINK), steps

        def interrupted(path: Path, content: bytes) -> None:
            nonlocal left
            if left == 0:
                raise Unplugged
            left -= 1
            write(path, content)

        monkeypatch.setattr(files, "write_whole", interrupted)
        try:
            with bench.http() as hub:
                renew(folder, link, hub)
            break
        except Unplugged:
            monkeypatch.setattr(files, "write_whole", write)
        assert f":{serial(folder)}" in "".join(bench.users)  # whichever it is, the broker knows it
        with bench.http() as hub:
            renew(folder, link, hub)
        assert files.is_of(
            (folder / files.STATION).read_text().partition("-----BEGIN CERTIFICATE")[1]
            + (folder / files.STATION).read_text().partition("-----BEGIN CERTIFICATE")[2],
            files.read_key(folder / files.STATION),
        )
        steps += 1
    assert steps == 3


def test_a_lost_answer_to_a_renewal_makes_no_second_certificate(bench: Bench, tmp_path: Path) -> None:
    folder = box(bench, bench.add("alpha").text, tmp_path / "identity")
    link = read_link(folder / files.LINK)
    for _ in range(3):
        bench.answers_lost = 1
        with pytest.raises(HubSilent), bench.http() as hub:
            renew(folder, link, hub)
        bench.clock.pass_by(DAY)
    with bench.http() as hub:
        renew(folder, link, hub)
    assert len(bench.users) == 2


def test_after_a_winter_without_power_the_old_key_still_brings_a_new_certificate(bench: Bench, tmp_path: Path) -> None:
    folder = box(bench, bench.add("alpha").text, tmp_path / "identity")
    bench.clock.pass_by(STATION_LIFETIME + RECOVERED_WITHIN)
    bench.run(bench.service.look())
    assert bench.users == {}
    with bench.http() as hub:
        renew(folder, read_link(folder / files.LINK), hub)
    assert list(bench.users.values()) == ["alpha"]
    bench.clock.pass_by(STATION_LIFETIME + RECOVERED_WITHIN + timedelta(seconds=1))
    with pytest.raises(HubRefused, match="claim the station anew"), bench.http() as hub:
        renew(folder, read_link(folder / files.LINK), hub)
    again = bench.claim_for("alpha")
    with bench.http() as hub:
        claim(folder, read_ticket(again.text), hub, again=True)


def test_nobody_renews_with_another_key_or_for_another_station(bench: Bench, tmp_path: Path) -> None:
    alpha = box(bench, bench.add("alpha").text, tmp_path / "alpha")
    beta = box(bench, bench.add("beta").text, tmp_path / "beta")
    link = read_link(alpha / files.LINK)
    with pytest.raises(HubRefused, match="not proved"), bench.http() as hub:  # beta's certificate in alpha's name
        renew(beta, link, hub)
    stolen = (alpha / files.STATION).read_text().partition("-----BEGIN CERTIFICATE")
    thief = files.private_pem(files.ec.generate_private_key(files.ec.SECP256R1())).decode() + stolen[1] + stolen[2]
    (alpha / files.STATION).write_text(thief)
    with pytest.raises(HubRefused, match="not proved"), bench.http() as hub:  # alpha's certificate, not its key
        renew(alpha, link, hub)


def test_a_station_that_does_not_renew_is_named_in_time(bench: Bench, tmp_path: Path) -> None:
    folder = box(bench, bench.add("alpha").text, tmp_path / "alpha")
    box(bench, bench.add("beta").text, tmp_path / "beta")
    bench.run(bench.service.revoke("beta", "admin", "stolen"))
    bench.clock.pass_by(STATION_LIFETIME - ENDING_WITHIN)
    assert bench.run(bench.service.ending()) == []
    bench.clock.pass_by(timedelta(seconds=1))
    assert bench.run(bench.service.ending()) == ["alpha"]
    with bench.http() as hub:
        renew(folder, read_link(folder / files.LINK), hub)
    assert bench.run(bench.service.ending()) == []


def lose(bench: Bench, made_at: timedelta) -> None:
    """The hub is restored from a backup that was made so long ago and knows nothing of the station's certificates."""
    now = bench.clock.now()

    def restored(connection: sa.Connection) -> None:
        connection.execute(station_certificates.delete())
        connection.execute(restores.insert().values(at=now, made_at=now - made_at, actor="command line"))
        record(connection, now, "command line", "station.revoke", "alpha")  # so that the broker is told anew

    bench.run(bench.database.write(restored))
    bench.run(bench.service.look())
    assert bench.users == {}


def test_a_restored_hub_takes_back_the_stations_whose_certificates_it_lost(bench: Bench, tmp_path: Path) -> None:
    """Renewed after the backup was made: known to nobody but the station, and signed by the hub's authority."""
    folder = box(bench, bench.add("alpha").text, tmp_path / "identity")
    bench.clock.pass_by(DAY)
    lose(bench, made_at=2 * DAY)
    with bench.http() as hub:
        renew(folder, read_link(folder / files.LINK), hub)
    assert serial(folder) in "".join(bench.users)
    held = bench.run(bench.service.identity("alpha"))
    assert "restored" in held.certificates[-1].issued_by


def test_a_certificate_of_no_gap_is_not_taken_back(bench: Bench, tmp_path: Path) -> None:
    """The backup is younger than the certificate: a row that it has not was taken out, not lost."""
    folder = box(bench, bench.add("alpha").text, tmp_path / "identity")
    bench.clock.pass_by(DAY)
    lose(bench, made_at=DAY / 2)
    with pytest.raises(HubRefused, match="not proved"), bench.http() as hub:
        renew(folder, read_link(folder / files.LINK), hub)


def test_a_restored_hub_takes_back_nobody_of_another_authority(bench: Bench, tmp_path: Path) -> None:
    bench.add("alpha")
    other = Bench(bench.database, bench.runner)
    folder = box(other, other.claim_for("alpha").text, tmp_path / "identity")
    bench.clock.pass_by(DAY)
    lose(bench, made_at=2 * DAY)
    with pytest.raises(HubRefused, match="not proved"), bench.http() as hub:
        renew(folder, read_link(folder / files.LINK), hub)


def test_a_station_cannot_pile_up_certificates(bench: Bench, tmp_path: Path) -> None:
    folder = box(bench, bench.add("alpha").text, tmp_path / "identity")
    link = read_link(folder / files.LINK)
    for _ in range(LIVING_MAX - 1):
        with bench.http() as hub:
            renew(folder, link, hub)
    with pytest.raises(HubSilent, match="valid already"), bench.http() as hub:
        renew(folder, link, hub)
    assert len(bench.users) == LIVING_MAX


def test_stations_of_one_day_do_not_renew_on_one_day(bench: Bench, tmp_path: Path) -> None:
    moments = set()
    for number in range(8):
        folder = box(bench, bench.add(f"s-{number}").text, tmp_path / str(number))
        certificate = files.read_certificate(folder / files.STATION)
        moments.add(due_at(certificate))
        life = certificate.not_valid_after_utc - certificate.not_valid_before_utc
        assert life * 0.66 < due_at(certificate) - certificate.not_valid_before_utc < life * 0.77
    assert len(moments) > 4


def test_a_demo_gives_no_identity(tmp_path: Path, bench: Bench) -> None:
    demo = Bench(bench.database, bench.runner, demo=True)
    bench.add("alpha")
    with pytest.raises(Problem, match="this machine only"):
        demo.claim_for("alpha")


def test_every_deed_is_on_record(bench: Bench, tmp_path: Path) -> None:
    folder = box(bench, bench.add("alpha").text, tmp_path / "identity")
    with bench.http() as hub:
        renew(folder, read_link(folder / files.LINK), hub)
    bench.run(bench.service.revoke("alpha", "admin", "stolen"))
    rows = bench.run(bench.database.read(lambda c: c.execute(sa.select(audit.c.action, audit.c.actor)).all()))
    assert [tuple(row) for row in rows] == [
        ("station.add", "admin"),
        ("station.claim.new", "admin"),
        ("station.claim", "station:alpha"),
        ("station.renew", "station:alpha"),
        ("station.revoke", "admin"),
    ]
