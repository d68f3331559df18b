"""Who may speak as a station, tried with a real broker over TLS: what a claim gives, and what it does not."""

import os
import queue
import socket
import ssl
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import paho.mqtt.client as mqtt
import pytest

from station_agent.identity import files
from station_agent.identity.http import HubHttp, HubRefused, HubSilent
from station_agent.identity.renewal import renew
from station_agent.link.tls import broker_context
from station_agent.wire import topics
from station_agent.wire.claim import read_code, read_ticket, request_mac
from station_agent.wire.enrolment import CLAIM_PATH
from station_agent.wire.envelope import Stream
from station_agent.wire.events import VisitCounted
from station_agent.wire.kinds import Credential
from tests.harness.certificates import authority
from tests.harness.hub_process import until
from tests.harness.listening import listening
from tests.harness.postgres import PostgresServer
from tests.harness.real_hub import Box, RealHub, tool
from tests.integration.hub.mqtt_station import WAIT_S, MqttStation

pytestmark = pytest.mark.integration

REFUSED = 0x80
NOT_AUTHORISED = 135


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealHub]:
    with RealHub(tmp_path_factory.mktemp("hub")) as hub:
        yield hub


@pytest.fixture(scope="module")
def boxes(hub: RealHub) -> dict[str, Box]:
    """Two stations that have been claimed."""
    return {name: hub.claimed(name) for name in ("alpha", "beta")}


@contextmanager
def connected(
    box: Box, context: ssl.SSLContext | None = None
) -> Iterator[tuple[mqtt.Client, "queue.Queue[tuple[str, Any]]"]]:
    """A client with the box's certificate, and what happens to it."""
    happened: queue.Queue[tuple[str, Any]] = queue.Queue()
    client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2)
    client.tls_set_context(context or box.context())
    client.reconnect_delay_set(0.1, 0.5)
    client.on_connect = lambda _c, _u, _f, code, _p: happened.put(("connect", code.value))
    client.on_subscribe = lambda _c, _u, _m, codes, _p: happened.put(("subscribe", [code.value for code in codes]))
    client.on_message = lambda _c, _u, message: happened.put(("message", message.topic))
    client.on_disconnect = lambda _c, _u, _f, code, _p: happened.put(("disconnect", code.value))
    try:
        client.connect(box.link.broker.host, box.link.broker.port)
        client.loop_start()
        yield client, happened
    finally:
        client.disconnect()
        client.loop_stop()
        del client


def comes_in(happened: "queue.Queue[tuple[str, Any]]") -> None:
    """The broker may be told of a new certificate a moment after its station is."""
    while (what := happened.get(timeout=WAIT_S)) != ("connect", 0):
        assert what[0] == "disconnect" or what == ("connect", NOT_AUTHORISED)


def station(box: Box) -> MqttStation:
    """The whole protocol, by the box's certificate."""
    made = MqttStation(box.raw_link())
    made.client.username_pw_set(None)
    made.client.tls_set_context(box.context())
    return made


def visit(number: int) -> VisitCounted:
    return VisitCounted(attempt=f"7b1f0f0e-0000-4000-8000-{number:012x}", credential=Credential.CODE)


def test_a_claimed_station_delivers_and_gets_its_roster(hub: RealHub, boxes: dict[str, Box]) -> None:
    with station(boxes["alpha"]) as alpha, hub.client() as admin:
        alpha.add(visit(1))
        alpha.deliver()
        alpha.tell_state(roster_version=0)
        assert alpha.rosters.get(timeout=WAIT_S).station == "alpha"
        assert admin.get("stations/alpha").json()["visits_today"] == 1
        held = admin.get("stations/alpha/identity").json()
        assert [row["state"] for row in held["certificates"]] == ["valid"]
        assert [row["state"] for row in held["claims"]] == ["used"]


def test_no_row_of_the_topic_table_lets_a_station_into_anothers_topics(boxes: dict[str, Box]) -> None:
    own = [topics.down("beta", leaf) for leaf in topics.Down]
    foreign = [topics.down("alpha", leaf) for leaf in topics.Down] + [topics.up("alpha", leaf) for leaf in topics.Up]
    foreign += [topics.up("beta", leaf) for leaf in topics.Up]
    foreign += ["yizhan/v1/+/down/command", "yizhan/v1/beta/down/#", "yizhan/v1/+/up/events", "yizhan/#", "#", "+/#"]
    foreign += ["$SYS/#", "$JS/#", "$MQTT/#", "_INBOX/#"]
    with connected(boxes["beta"]) as (client, happened):
        comes_in(happened)
        for topic in foreign:
            client.subscribe(topic, qos=0)
            assert happened.get(timeout=WAIT_S) == ("subscribe", [REFUSED]), topic
        for topic in own:
            client.subscribe(topic, qos=0)
            assert happened.get(timeout=WAIT_S) == ("subscribe", [0]), topic


def test_no_row_of_the_topic_table_lets_a_station_write_in_anothers_name(boxes: dict[str, Box]) -> None:
    with station(boxes["alpha"]) as alpha, station(boxes["beta"]) as beta:
        alpha.add(visit(2))
        (batch,) = alpha.batches(Stream.EVENTS)
        tried = [topics.up("alpha", leaf) for leaf in topics.Up] + [topics.down("alpha", leaf) for leaf in topics.Down]
        tried += [topics.down("beta", leaf) for leaf in topics.Down] + [
            "$JS/API/STREAM/DELETE/UP",
            "$SYS/REQ/SERVER/PING",
        ]
        for topic in tried:  # a forbidden publish is dropped, but acknowledged all the same
            beta.client.publish(topic, batch.model_dump_json(), qos=1).wait_for_publish(WAIT_S)
        beta.add(visit(3))
        beta.deliver()  # the hub's word for beta comes after all of the above
        assert alpha.marks[Stream.EVENTS] == 0
        assert alpha.forged == beta.forged == []
        assert alpha.commands.empty()
        assert beta.commands.empty()
        alpha.deliver()


def test_the_broker_speaks_no_word_in_the_clear(boxes: dict[str, Box]) -> None:
    link = boxes["alpha"].link
    with socket.create_connection((link.broker.host, link.broker.port), timeout=WAIT_S) as plain:
        plain.sendall(b"\x10\x10\x00\x04MQTT\x04\x02\x00\x14\x00\x04spy1")  # CONNECT
        answer = b"".join(iter(lambda: plain.recv(100), b""))
    assert not answer.startswith(b"\x20")  # CONNACK


def test_hub_and_broker_are_heard_on_this_machine_only(hub: RealHub) -> None:
    assert hub.process is not None
    heard = listening(hub.process.pid)
    assert len(heard) == 3  # pages, MQTT, the hub's own line to its broker
    assert set(heard.values()) == {"127.0.0.1"}


def test_a_phone_that_scans_a_claim_lands_on_a_page_that_says_what_it_is(hub: RealHub) -> None:
    page = httpx.get(f"{hub.url}/claim")
    assert page.status_code == 200
    assert "认领码" in page.text
    assert "script" not in page.text


def without_certificate(box: Box, folder: Path) -> ssl.SSLContext:
    return broker_context(box.folder / files.AUTHORITY, None, clock_trusted=True)


def of_a_stranger(box: Box, folder: Path) -> ssl.SSLContext:
    """A certificate of another authority."""
    _, certificate, key = authority(folder, "stranger")
    context = without_certificate(box, folder)
    context.load_cert_chain(certificate, key)
    return context


def of_the_hubs_server(box: Box, folder: Path) -> ssl.SSLContext:
    """The broker's own: of the hub's authority, but of that for servers."""
    context = without_certificate(box, folder)
    context.load_cert_chain(box.folder.parent / "data" / "broker" / "server.pem")
    return context


@pytest.mark.parametrize("taken", [without_certificate, of_a_stranger, of_the_hubs_server])
def test_whoever_has_no_certificate_of_a_station_is_turned_away(
    boxes: dict[str, Box], tmp_path: Path, taken: Any
) -> None:
    with pytest.raises(OSError), connected(boxes["alpha"], taken(boxes["alpha"], tmp_path)) as (_, happened):  # noqa: PT012
        assert happened.get(timeout=WAIT_S)[0] == "disconnect"
        raise OSError("turned away after the hand-shake, as TLS 1.3 does")


def test_a_station_speaks_to_no_broker_of_another_authority(boxes: dict[str, Box], tmp_path: Path) -> None:
    ours, _, _ = authority(tmp_path, "another")
    context = broker_context(ours, boxes["alpha"].folder / files.STATION, clock_trusted=True)
    with pytest.raises(ssl.SSLCertVerificationError), connected(boxes["alpha"], context):
        pass


def test_a_revoked_station_is_cut_off_and_does_not_come_back(hub: RealHub) -> None:
    box = hub.claimed("gamma")
    with connected(box) as (_, happened), station(hub.claimed("bystander")) as other:
        comes_in(happened)
        ended = hub.cli("stations", "revoke", "gamma", "--reason", "stolen")
        assert ended == {"station": "gamma", "certificates": 1, "claims": 0}
        assert happened.get(timeout=WAIT_S)[0] == "disconnect"
        assert happened.get(timeout=WAIT_S) == ("connect", NOT_AUTHORISED)  # paho tries again by itself
        assert other.client.is_connected()
    with hub.client() as admin:
        (row,) = admin.get("stations/gamma/identity").json()["certificates"]
        assert (row["state"], row["reason"]) == ("revoked", "stolen")
    with HubHttp(hub.url) as asked, pytest.raises(HubRefused, match="revoked"):
        renew(box.folder, box.link, asked)


def test_a_certificate_that_has_ended_is_refused(hub: RealHub, boxes: dict[str, Box], tmp_path: Path) -> None:
    """Of the stations' own authority, for a user that the broker knows, but over."""
    ended = ended_certificate(hub, boxes["alpha"], tmp_path)
    context = without_certificate(boxes["alpha"], tmp_path)
    context.load_cert_chain(ended)
    with pytest.raises(OSError), connected(boxes["alpha"], context) as (_, happened):  # noqa: PT012
        assert happened.get(timeout=WAIT_S)[0] == "disconnect"
        raise OSError("turned away")


def ended_certificate(hub: RealHub, box: Box, folder: Path) -> Path:
    """A twin of the box's certificate that ended yesterday, with its key."""
    from datetime import timedelta

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key

    signer = load_pem_private_key((hub.data / "keys" / "station-ca.pem").read_bytes(), None)
    assert isinstance(signer, ec.EllipticCurvePrivateKey)
    own = files.read_certificate(box.folder / files.STATION)
    builder = x509.CertificateBuilder(
        own.issuer,
        own.subject,
        own.public_key(),
        own.serial_number,
        own.not_valid_before_utc - timedelta(days=9),
        own.not_valid_before_utc - timedelta(hours=1),
        list(own.extensions),
    )
    pem = builder.sign(signer, hashes.SHA256()).public_bytes(Encoding.PEM)
    path = folder / "ended.pem"
    path.write_bytes(files.private_pem(files.read_key(box.folder / files.STATION)) + pem)
    return path


def test_a_claim_is_used_once(hub: RealHub, tmp_path: Path) -> None:
    made = hub.added("delta")
    hub.box(made["text"], tmp_path / "first")
    with pytest.raises(HubRefused, match="was used at"):
        hub.box(made["text"], tmp_path / "second")
    assert not (tmp_path / "second" / files.LINK).exists()
    assert hub.box(made["text"], tmp_path / "first").link.station == "delta"  # again by the same box: no harm


def test_guessing_a_claim_code_is_slowed_down_and_tells_nothing(hub: RealHub) -> None:
    made = hub.added("epsilon")
    code = read_code(read_ticket(made["text"]).code)
    csr = files.signing_request(files.ec.generate_private_key(files.ec.SECP256R1()))
    with httpx.Client(base_url=hub.url) as guesser:
        wrong = {"claim": code.id, "csr": csr, "mac": "0" * 64}
        answers = [guesser.post(CLAIM_PATH, json=wrong) for _ in range(6)]
        unknown = guesser.post(CLAIM_PATH, json={**wrong, "claim": "00000"})
        right = guesser.post(CLAIM_PATH, json={**wrong, "mac": request_mac(code, csr)})
    assert [answer.status_code for answer in answers] == [403] * 5 + [429]
    assert unknown.json()["detail"] == answers[0].json()["detail"]
    assert right.status_code == 429  # nobody learns in the same minute that a guess was right
    assert int(right.headers["Retry-After"]) <= 61


def test_a_box_gives_its_code_to_nobody_who_is_not_its_hub(hub: RealHub, tmp_path: Path) -> None:
    made = hub.added("zeta")
    with pytest.raises(HubRefused, match="not the hub of this claim"):
        hub.box(made["text"][:-64] + "0" * 64, tmp_path / "box")
    with pytest.raises(HubRefused, match="must begin with https"):
        HubHttp("http://hub.example")


def test_a_broken_box_is_replaced_and_the_history_stays(hub: RealHub, tmp_path: Path) -> None:
    old = hub.claimed("eta")
    with station(old) as before:
        before.add(visit(1))
        before.deliver()
    with connected(old) as (_, happened):
        comes_in(happened)
        made = hub.cli("stations", "replace", "eta", "--reason", "lightning")
        assert happened.get(timeout=WAIT_S)[0] == "disconnect"
        assert happened.get(timeout=WAIT_S) == ("connect", NOT_AUTHORISED)
    with station(hub.box(made["text"], tmp_path / "new")) as after:
        after.add(visit(2))  # another spool, which begins at 1 again
        after.deliver()
    with hub.client() as admin:
        assert admin.get("stations/eta").json()["visits_today"] == 2
        assert admin.get("stations/eta").json()["alarms"] == []


def test_renewal_changes_the_key_and_the_old_certificate_goes_on_until_its_end(hub: RealHub) -> None:
    box = hub.claimed("theta")
    before = files.read_certificate(box.folder / files.STATION)
    old = box.context()
    with HubHttp(hub.url) as asked:
        renew(box.folder, box.link, asked)
    after = files.read_certificate(box.folder / files.STATION)
    assert after.public_key() != before.public_key()
    assert after.subject == before.subject
    for context in (old, box.context()):
        with connected(box, context) as (_, happened):
            comes_in(happened)


def test_claims_and_revocations_are_the_same_on_postgresql(postgres: PostgresServer, tmp_path: Path) -> None:
    url = postgres.url_with_tables()
    with RealHub(tmp_path, env={"YIZHAN_DATABASE": url}) as hub:
        made = hub.cli("stations", "add", str(hub.profile("alpha")))
        box = hub.box(made["text"], tmp_path / "box")
        with pytest.raises(HubRefused, match="was used at"):
            hub.box(made["text"], tmp_path / "second")
        with HubHttp(hub.url) as asked:
            renew(box.folder, box.link, asked)
        with connected(box) as (_, happened):
            comes_in(happened)
            assert hub.cli("stations", "revoke", "alpha", "--reason", "stolen")["certificates"] == 2
            assert happened.get(timeout=WAIT_S)[0] == "disconnect"
        assert hub.cli("audit", "verify")["sound"]
    postgres.drop(url)


def test_from_the_hubs_command_to_an_event_of_the_station(hub: RealHub, tmp_path: Path) -> None:
    """Everything by command: stations add, claim (first dry), run."""
    made = hub.cli("stations", "add", str(hub.profile("kappa")))
    identity = tmp_path / "identity"
    command = [tool("yizhan-station"), "claim", "--identity", str(identity), "--json"]
    told = {"YIZHAN_CLAIM": made["text"]}
    dry = subprocess.run([*command, "--dry-run"], env=os.environ | told, capture_output=True, text=True, check=False)
    assert (dry.returncode, identity.exists()) == (0, False), dry.stderr
    done = subprocess.run(command, env=os.environ | told, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert '"station": "kappa"' in done.stdout
    assert {path.stat().st_mode & 0o777 for path in identity.iterdir()} == {0o600}
    assert identity.stat().st_mode & 0o777 == 0o700
    run = [tool("yizhan-station"), "run", "--identity", str(identity), "--state", str(tmp_path / "state")]
    with (tmp_path / "log").open("wb") as log:
        agent = subprocess.Popen(run, stdout=log, stderr=log)
    try:
        with hub.client() as admin:
            until(lambda: kinds(admin, "kappa") >= {"agent.started", "roster.applied"}, "the agent's first events")
            assert admin.get("stations/kappa").json()["online"]
            follow_the_signing_key(hub, admin, tmp_path / "log")
    finally:
        agent.terminate()
        agent.wait(20)


def follow_the_signing_key(hub: RealHub, admin: httpx.Client, log: Path) -> None:
    """The running agent takes the next key from the one before, and obeys it; then the old one is no more."""
    (old,) = hub.cli("signing-key", "list")["keys"]
    new = hub.cli("signing-key", "rotate", "--at-once")
    assert (new["version"], new["key"] != old["key"]) == (2, True)
    until(lambda: "those of version 2" in log.read_text(), "the agent believes the new key")
    order = {"order": {"kind": "door.service", "in_service": True}, "reason": "after the rotation"}
    sent = admin.post("stations/kappa/commands", json=order).json()
    until(lambda: admin.get(f"commands/{sent['id']}").json()["status"] == "done", "an order by the new key is obeyed")
    hub.cli("signing-key", "withdraw", old["key"])
    until(lambda: "those of version 3" in log.read_text(), "the agent believes the old key no longer")


def kinds(admin: httpx.Client, station: str) -> set[str]:
    return {item["kind"] for item in admin.get(f"stations/{station}/events").json()["items"]}


def test_with_its_own_authority_the_hub_is_believed_by_fingerprint_only(tmp_path: Path) -> None:
    """No trust on first use: without the fingerprint a box speaks to nobody whom its machine does not know."""
    with RealHub(tmp_path, "--tls-own") as hub:
        made = hub.added("alpha")
        with pytest.raises(HubSilent, match="certificate verify failed"):
            hub.box(made["text"].partition("&ca=")[0], tmp_path / "box")
        box = hub.box(made["text"], tmp_path / "box")
        with connected(box) as (_, happened):
            comes_in(happened)
        with HubHttp(hub.url, ca_file=box.link.ca_file) as asked:
            renew(box.folder, box.link, asked)
        with pytest.raises(httpx.TransportError):
            httpx.get(f"http://127.0.0.1:{hub.port}/healthz")
