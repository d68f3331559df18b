"""MQTT drivers against entities of `ha-mqtt-discoverable` behind a real broker (nats-server), and our simulation."""

import asyncio
import datetime
import ipaddress
import json
import socket
import subprocess
import sys
from contextlib import asynccontextmanager
from pathlib import Path
from subprocess import PIPE

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from firmware_bridge.capabilities import DeviceRefused, DeviceTimeout, HealthChanged, LockStatus, Quality
from firmware_bridge.config import DeviceConfig, LineConfig
from firmware_bridge.simulators.mqtt_broker import SimulatedBroker, free_port
from firmware_bridge.simulators.mqtt_node import MqttLockSimulation
from tests.harness.peers import LOCKS

pytestmark = pytest.mark.contract

PASSWORD = "broker.password"
NODE = "Yizhan-Door"


class Peer:
    """The peer's process behind a broker of its own. It answers at once, so that nobody has to wait for it."""

    def __init__(self, folder, python):
        self.broker = SimulatedBroker(folder)
        self.broker.open()
        asyncio.run(self.broker.ready())
        command = [python, LOCKS / "ha_mqtt_node.py", str(self.broker.port), self.broker.user, self.broker.password]
        self._process = subprocess.Popen(command, stdin=PIPE, stdout=PIPE, text=True)
        assert self._process.stdout.readline() == "ready\n"

    def say(self, command):
        self._process.stdin.write(f"{command}\n")
        self._process.stdin.flush()
        return self._process.stdout.readline().strip()

    def stop(self):
        self._process.kill()
        self._process.communicate()
        self.broker.stop()


@pytest.fixture(scope="module")
def one_peer(tmp_path_factory, peer_python):
    peer = Peer(tmp_path_factory.mktemp("peer") / "broker", peer_python("ha_mqtt_discoverable"))
    yield peer
    peer.stop()


@pytest.fixture
def peer(one_peer):
    one_peer.say("reset")
    return one_peer


@pytest.fixture
def restarted(tmp_path, peer_python):
    """A peer whose broker may be stopped and started."""
    peer = Peer(tmp_path / "restarted", peer_python("ha_mqtt_discoverable"))
    yield peer
    peer.stop()


@pytest.fixture
def broker(one_peer):
    return one_peer.broker


@pytest.fixture
def secrets(broker, simulator_context):
    simulator_context.secrets.write(PASSWORD, broker.password.encode() + b"\n")
    return simulator_context.secrets


@pytest.fixture
def station(broker, bridge_on, secrets):
    """A bridge with a lock and a device on the peer's node."""

    @asynccontextmanager
    async def make(*, node="door-0001", lock=None, device=None):
        line = LineConfig(url=f"mqtt://127.0.0.1:{broker.port}")
        login = {"node": node, "user": broker.user, "password": PASSWORD}
        wiring = {"contact": "contact", "buttons": {"call": "call"}, **(lock or {})}
        devices = {
            "door": DeviceConfig(driver="mqtt_lock", line="it", options={**login, **wiring}),
            "room": DeviceConfig(driver="mqtt_device", line="it", options={**login, "period_s": 0.5, **(device or {})}),
        }
        async with bridge_on({"it": line}, devices, secrets=secrets) as told:
            yield told

    return make


async def online(told, device="door"):
    await told.until(lambda: told.health(device)[-1:] == ["online"])


async def hold_is_over(device):
    (timer,) = [task for task in asyncio.all_tasks() if task.get_name() == f"{device} secures"]
    await timer


async def test_a_release_is_confirmed_by_the_state_topic_and_locked_again_after_the_hold(peer, station):
    async with station() as told:
        await online(told)
        lock = told.bridge.lock("door")
        await lock.release(0.3)
        assert (await lock.status()).released is True
        await hold_is_over("door")
        assert (await lock.status()).released is False
        assert peer.say("heard") == "strike=UNLOCK strike=LOCK"
        assert told.bridge.stats("door").answered == 2


async def test_the_node_is_found_by_its_identifier_and_by_its_topic(peer, station):
    async with station(node=NODE) as told:
        await online(told)
        await told.bridge.lock("door").release(5.0)
        await told.bridge.lock("door").release(5.0)


async def test_a_jam_refuses_is_told_and_is_untold(peer, station):
    async with station() as told:
        await online(told)
        peer.say("jam on")
        with pytest.raises(DeviceRefused, match="door: is jammed"):
            await told.bridge.lock("door").release(5.0)
        assert told.inputs("jammed") == [True]
        peer.say("say strike locked")
        await told.until(lambda: told.inputs("jammed") == [True, False])


async def test_a_lock_that_is_silent_confirms_nothing(peer, station):
    async with station(lock={"confirm_s": 0.3}) as told:
        await online(told)
        peer.say("silent on")
        with pytest.raises(DeviceTimeout, match=r"did not say that it is unlocked within 0\.3 s"):
            await told.bridge.lock("door").release(5.0)
        peer.say("silent off")


async def test_what_the_broker_kept_confirms_nothing_and_moves_nothing(peer, station):
    peer.say("silent on")
    peer.say("raw hmd/lock/Yizhan-Door/strike/state UNLOCKED kept")
    async with station(lock={"confirm_s": 0.3}) as told:
        await online(told)
        with pytest.raises(DeviceTimeout, match="did not say"):
            await told.bridge.lock("door").release(5.0)
    kept = peer.say("kept").split()
    assert "hmd/lock/Yizhan-Door/strike/state" in kept
    assert [topic for topic in kept if topic.endswith("/command")] == [], "a command must not be kept"
    async with station() as told:
        await online(told)
        await told.until(lambda: told.readings("heater"))
    assert peer.say("heard").split() == ["strike=UNLOCK", "strike=LOCK"]


async def test_contact_and_button_are_told(peer, station):
    async with station() as told:
        await online(told)
        for words, name, level in (
            ("contact off", "contact", False),
            ("contact on", "contact", True),
            ("call on", "call", True),
            ("call off", "call", False),
            ("contact off", "contact", False),
        ):
            peer.say(f"say {words}")
            await told.until(lambda: told.inputs(name)[-1:] == [level])  # noqa: B023
        assert told.inputs("contact") == [False, True, False]
        assert await told.bridge.lock("door").status() == LockStatus(released=False, contact_open=False)


async def test_points_have_values_units_and_qualities(peer, station):
    async with station() as told:
        await online(told, "room")
        for words in ("temperature -23.5", "phase resting", "heater on", "target 18.5", "mode eco", "label Tür"):
            peer.say(f"say {words}")
        await told.until(lambda: any(reading.value == -23.5 for reading in told.readings("temperature")))
        await told.until(lambda: any(reading.value == "Tür" for reading in told.readings("label")))
        points = {reading.point: reading for reading in await told.bridge.sensor("room").read()}
        assert (points["temperature"].unit, points["temperature"].quality) == ("°C", Quality.GOOD)
        assert {name: points[name].value for name in ("phase", "heater", "target", "mode")} == {
            "phase": "resting",
            "heater": True,
            "target": 18.5,
            "mode": "eco",
        }


async def test_what_is_set_is_read_back(peer, station):
    async with station() as told:
        await online(told, "room")
        room = told.bridge.control("room")
        for point, value in (("heater", True), ("heater", False), ("target", 21.5), ("mode", "eco"), ("label", "驿站")):
            reading = await room.set(point, value)
            assert (reading.point, reading.value, reading.quality) == (point, value, Quality.GOOD)
        assert peer.say("heard").split()[:3] == ["heater=ON", "heater=OFF", "target=21.5"]
        with pytest.raises(ValueError, match="target is 5 to 30 °C"):
            await room.set("target", 31)
        with pytest.raises(ValueError, match="mode is one of idle, eco"):
            await room.set("mode", "tropical")


async def test_an_entity_that_says_it_is_away_is_missing_and_a_lock_offline(peer, station):
    async with station() as told:
        await online(told)
        peer.say("say temperature 20")
        await told.until(lambda: any(reading.value == 20 for reading in told.readings("temperature")))
        peer.say("available temperature off")
        await told.until(lambda: told.readings("temperature")[-1].quality is Quality.MISSING)
        peer.say("available strike off")
        await told.until(lambda: told.health("door") == ["online", "offline"])
        with pytest.raises(DeviceTimeout, match="its strike is not available"):
            await told.bridge.lock("door").release(5.0)
        peer.say("available strike on")
        await told.until(lambda: told.health("door") == ["online", "offline", "online"])
        await told.bridge.lock("door").release(5.0)
        assert told.health("room") == ["online"]


async def test_what_is_not_understood_is_counted_and_harms_nothing(peer, station):
    async with station(node=NODE) as told:
        await online(told)
        peer.say("raw hmd/sensor/Yizhan-Door/temperature/state warm")
        peer.say("raw hmd/lock/Yizhan-Door/strike/state AJAR")
        peer.say("raw homeassistant/lock/Yizhan-Door/other/config {")
        await told.until(lambda: any(r.quality is Quality.INVALID for r in told.readings("temperature")))
        assert (await told.bridge.lock("door").status()).released is None
        await told.bridge.lock("door").release(5.0)
        assert told.bridge.stats("door").bad_frames == 3


async def test_a_lock_left_released_is_locked_when_the_station_stops(peer, station):
    async with station() as told:
        await online(told)
        await told.bridge.lock("door").release(60.0)
    assert peer.say("heard") == "strike=UNLOCK strike=LOCK"


async def refusal(bridge_on, secrets, url, **options):
    devices = {"door": DeviceConfig(driver="mqtt_lock", line="it", options={"node": "x", **options})}
    async with bridge_on({"it": LineConfig(url=url)}, devices, secrets=secrets) as told:
        await told.until(lambda: told.health("door") == ["offline"])
        return next(event.detail for event in told.events if isinstance(event, HealthChanged))


async def test_a_broker_that_must_not_be_spoken_to_says_why(broker, bridge_on, secrets):
    here = f"mqtt://127.0.0.1:{broker.port}"
    secrets.write("wrong", b"swordfish")
    wrong = await refusal(bridge_on, secrets, here, user="station", password="wrong")
    assert "the broker refuses" in wrong
    assert "swordfish" not in wrong
    missing = await refusal(bridge_on, secrets, here, user="station", password="lost")
    assert "secret 'lost' is not there: write it to" in missing
    assert "no user" in await refusal(bridge_on, secrets, here, password="wrong")
    assert "use mqtts://" in await refusal(bridge_on, secrets, "mqtt://192.0.2.1")
    assert "is no certificate" in await refusal(bridge_on, secrets, "mqtts://127.0.0.1:1", ca="wrong")


async def test_a_broker_that_goes_takes_its_nodes_along_once_and_brings_them_back(restarted, bridge_on, secrets):
    broker = restarted.broker
    secrets.write(PASSWORD, broker.password.encode())
    options = {"node": NODE, "user": broker.user, "password": PASSWORD}
    devices = {
        "door": DeviceConfig(driver="mqtt_lock", line="it", options=options),
        "room": DeviceConfig(driver="mqtt_device", line="it", options=options),
    }
    line = LineConfig(url=f"mqtt://127.0.0.1:{broker.port}")
    async with bridge_on({"it": line}, devices, secrets=secrets) as told:
        await online(told)
        broker.stop()
        await told.until(lambda: told.health("door") == ["online", "offline"])
        with pytest.raises(DeviceTimeout):
            await told.bridge.lock("door").release(1.0)
        assert {reading.quality for reading in await told.bridge.sensor("room").read()} == {Quality.MISSING}
        broker.start()
        await told.until(lambda: told.health("door") == ["online", "offline", "online"])
        await told.until(lambda: told.health("room") == ["online", "offline", "online"])


def certificate(folder, name):
    """A certificate for 127.0.0.1 that signs itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = made.public_bytes(serialization.Encoding.PEM)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (folder / f"{name}.crt").write_bytes(pem)
    (folder / f"{name}.key").write_bytes(private)
    return pem


async def until_it_listens(port):
    while True:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        await asyncio.sleep(0.01)


@pytest.fixture
async def tls_broker(tmp_path, simulator_context):
    """A broker with TLS; its certificate is the secret "broker.crt", another one "other.crt"."""
    simulator_context.secrets.write("broker.crt", certificate(tmp_path, "broker"))
    simulator_context.secrets.write("other.crt", certificate(tmp_path, "other"))
    port = free_port()
    tls = {"cert_file": str(tmp_path / "broker.crt"), "key_file": str(tmp_path / "broker.key")}
    config = {
        "server_name": "tls",
        "listen": "127.0.0.1:-1",
        "jetstream": {"store_dir": str(tmp_path / "tls-store")},
        "mqtt": {"listen": f"127.0.0.1:{port}", "tls": tls},
    }
    (tmp_path / "tls.json").write_text(json.dumps(config))
    program = Path(sys.executable).with_name("nats-server")
    process = await asyncio.create_subprocess_exec(
        program, "--config", tmp_path / "tls.json", stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL
    )
    async with asyncio.timeout(20):
        await until_it_listens(port)
    yield port
    process.kill()
    await process.wait()


async def test_a_broker_is_checked_against_its_certificate_and_a_node_that_is_not_behind_it_is_told(
    tls_broker, bridge_on, simulator_context
):
    secrets = simulator_context.secrets
    url = f"mqtts://127.0.0.1:{tls_broker}"
    behind = await refusal(bridge_on, secrets, url, ca="broker.crt")
    assert "nothing under homeassistant/ describes itself as 'x'; check option `node`" in behind
    assert "certificate verify failed" in await refusal(bridge_on, secrets, url, ca="other.crt")
    assert "certificate verify failed" in await refusal(bridge_on, secrets, url)


async def test_the_simulated_node_has_a_door_that_behaves(simulator_context, bridge_on):
    async with (
        MqttLockSimulation(simulator_context) as node,
        bridge_on({"it": node.line}, {"door": node.device}, secrets=simulator_context.secrets) as told,
    ):
        await online(told)
        node.act(["push"])
        await told.bridge.lock("door").release(0.5)
        await told.until(lambda: told.inputs("contact") == [False, True])
        node.act(["close"])
        await told.until(lambda: told.inputs("contact") == [False, True, False])
        await hold_is_over("door")
        node.act(["leave"])
        await told.until(lambda: told.health("door") == ["online", "offline"])
        node.act(["return"])
        await told.until(lambda: told.health("door") == ["online", "offline", "online"])
