"""An ONVIF camera: our driver on ipycam and on our simulator; zeep, onveef and wsdiscovery on our simulator.

No independent camera with events can be installed here, so events are pinned by zeep, which reads what our simulator
says by the standard's own WSDL.
"""

import asyncio
import hashlib
import json
import random
import ssl
import subprocess
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import unquote

import pytest

from firmware_bridge.capabilities import CameraInfo, DeviceRefused, DeviceTimeout
from firmware_bridge.config import DeviceConfig, LineConfig
from firmware_bridge.discovery.onvif import find_cameras
from firmware_bridge.drivers.onvif_calls import UserRefused
from firmware_bridge.secrets import SecretDirectory
from firmware_bridge.simulators.http_end import HttpEnd, HttpReply
from firmware_bridge.simulators.onvif_camera import USER, OnvifSimulation, SimulatedProfile

pytestmark = [pytest.mark.contract, pytest.mark.usefixtures("only_camera_here")]

LOOPBACK = "127.0.0.1"
PEERS = Path(__file__).parents[1] / "peers"
PASSWORD_OF_PEER = "geheim & <fein>"


@pytest.fixture
def secrets(tmp_path):
    return SecretDirectory(tmp_path / "keys")


@pytest.fixture
def camera_on(bridge_on, secrets):
    """`async with camera_on(line, options) as (driver, told):` one camera on a bridge."""

    @asynccontextmanager
    async def make(line, options):
        device = DeviceConfig(driver="onvif_camera", line="camera_line", options=options)
        async with bridge_on({"camera_line": line}, {"camera": device}, secrets=secrets) as told:
            yield told.bridge.devices["camera"].driver, told

    return make


@pytest.fixture
def simulation(simulator_context):
    return OnvifSimulation(simulator_context)


@pytest.fixture
def on_simulation(simulation, camera_on):
    """The simulated camera's device on a bridge, with other options where they are given."""

    @asynccontextmanager
    async def make(**options):
        async with simulation, camera_on(simulation.line, {**simulation.device.options, **options}) as (driver, told):
            yield driver, told

    return make


@pytest.fixture
def camera_until(simulation):
    """`await camera_until(condition)`: asked again whenever the simulated camera is asked something or turns."""
    changed = asyncio.Event()
    simulation.camera.on_change = changed.set

    async def until(condition):
        async with asyncio.timeout(30):
            while not condition():
                changed.clear()
                await changed.wait()

    return until


class Ipycam:
    """ipycam as a process of its own, and its line."""

    def __init__(self, process):
        self._process = process
        assert process.stdout.readline() == "ready\n"
        self.line = LineConfig(url=f"onvif://{LOOPBACK}:{self._say('port')}")

    def moves(self):
        """What its PTZ was told since the last time."""
        return json.loads(self._say("moves"))

    def _say(self, command):
        self._process.stdin.write(f"{command}\n")
        self._process.stdin.flush()
        return self._process.stdout.readline().strip()


@pytest.fixture(scope="module")
def ipycam(peer_python):
    command = [peer_python("ipycam"), PEERS / "ipycam_camera.py", "admin", PASSWORD_OF_PEER]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield Ipycam(process)
            process.stdin.close()
            process.wait(10)
        finally:
            process.kill()


@pytest.fixture
def client(peer_python, simulation):
    """`await client("zeep")`: what an independent client says of the simulated camera; something moves meanwhile."""
    script = PEERS / "onvif_clients.py"

    async def run(*words):
        if words != ("probe",):
            words = (*words, str(simulation.camera.http.port), USER, simulation.camera._password)
        process = await asyncio.create_subprocess_exec(
            peer_python("onvif_clients"), script, *words, stdout=asyncio.subprocess.PIPE
        )
        try:
            async with asyncio.timeout(60):
                line = await process.stdout.readline()
                if line == b"now\n":
                    simulation.act(["motion", "on"])
                    line = await process.stdout.readline()
                assert await process.wait() == 0
                return json.loads(line)
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
            process._transport.close()

    return run


class TestIpycam:
    """A camera that we did not write."""

    OPTIONS = {"user": "admin", "password": "ipycam.password", "basic": True}  # noqa: RUF012

    @pytest.fixture(autouse=True)
    def password(self, secrets):
        secrets.write("ipycam.password", f"{PASSWORD_OF_PEER}\n".encode())

    async def test_says_who_it_is_gives_a_picture_and_the_smallest_stream(self, ipycam, camera_on):
        async with camera_on(ipycam.line, self.OPTIONS) as (camera, told):
            await told.until(lambda: told.health("camera"))
            assert await camera.info() == CameraInfo("PythonCam", "VirtualCam-1", "1.3.0", "PY-000001")
            assert (await camera.snapshot()).startswith(b"\xff\xd8\xff")
            assert await camera.stream_url() == f"rtsp://{LOOPBACK}:8554/video_sub"
            assert told.health("camera") == ["online"]

    async def test_moves_and_stops_also_when_it_is_cancelled(self, ipycam, camera_on):
        async with camera_on(ipycam.line, self.OPTIONS) as (camera, _):
            await camera.move(0.5, -0.25, 0, for_s=0.05)
            assert ipycam.moves() == [["move", 0.5, -0.25, 0.0], ["stop"]]
            moving = asyncio.create_task(camera.move(1, 0, 0, for_s=30))
            told = []
            while not told:
                told += await asyncio.to_thread(ipycam.moves)
            moving.cancel()
            with pytest.raises(asyncio.CancelledError):
                await moving
            await camera.stop()
            assert told + ipycam.moves() == [["move", 1.0, 0.0, 0.0], ["stop"], ["stop"]]

    async def test_a_wrong_password_is_told_once_and_not_tried_on(self, ipycam, camera_on, secrets):
        secrets.write("ipycam.password", b"wrong")
        async with camera_on(ipycam.line, self.OPTIONS) as (camera, told):
            await told.until(lambda: told.health("camera"))
            asked = camera.stats.requests
            with pytest.raises(UserRefused, match="refuses user 'admin'; check the user, the secret") as error:
                await camera.info()
            assert camera.stats.requests == asked, "a camera locks the user after a few"
            assert told.health("camera") == ["offline"]
            assert "wrong" not in str(error.value)
            secrets.write("ipycam.password", PASSWORD_OF_PEER.encode())
            assert (await camera.info()).model == "VirtualCam-1"

    async def test_is_found_on_its_network(self, ipycam):
        found = await find_cameras(interface=LOOPBACK, wait_s=1)
        camera = next(each for each in found if each.line == ipycam.line)
        assert camera.match.types == ("NetworkVideoTransmitter", "Device")
        assert camera.match.endpoint.startswith("urn:uuid:")
        finding = camera.finding()
        assert finding.driver == "onvif_camera"
        assert finding.line == ipycam.line


class TestIndependentClients:
    """Our simulator, seen by clients that we did not write."""

    async def test_zeep_reads_it_by_the_standards_own_wsdl(self, simulation, client):
        simulation.camera.ahead = timedelta(days=-300)
        async with simulation:
            simulation.camera.own_host = f"{LOOPBACK}:{simulation.camera.http.port}"
            said = await client("zeep")
        assert said["model"] == "Simulated camera"
        assert said["profiles"] == [["main", "H264", 1280], ["sub", "H264", 640], ["still", "JPEG", 320]]
        assert said["snapshot"] == "ffd8"
        assert simulation.camera.keyframes == ["sub"]
        assert said["first"] == [
            ["tns1:VideoSource/MotionAlarm", "Initialized", {"Source": "lens"}, {"State": "false"}],
            ["tns1:Device/Trigger/DigitalInput", "Initialized", {"InputToken": "AlarmIn_1"}, {"LogicalState": "false"}],
        ]
        assert said["then"] == [["tns1:VideoSource/MotionAlarm", "Changed", {"Source": "lens"}, {"State": "true"}]]
        assert list(simulation.camera.asked)[-1] == "Unsubscribe"
        pan, tilt, _ = simulation.camera.position()
        assert pan > 0 > tilt

    async def test_onveef_reads_it(self, simulation, client):
        async with simulation:
            simulation.camera.own_host = f"{LOOPBACK}:{simulation.camera.http.port}"
            assert await client("onveef") == {"model": "Simulated camera", "profiles": 3}
        assert list(simulation.camera.asked)[-2:] == ["ContinuousMove", "Stop"]

    async def test_wsdiscovery_finds_it(self, simulation, client):
        async with simulation:
            found = await client("probe")
        match = simulation.camera.match()
        mine = next(each for each in found if each[1] == list(match.xaddrs))
        assert mine[0] == match.endpoint
        assert sorted(mine[2]) == sorted(unquote(scope) for scope in match.scopes)


class TestSimulation:
    """What ipycam cannot show."""

    async def test_basic_is_not_answered_unless_it_is_allowed(self, on_simulation, simulation):
        simulation.camera.basic_only = True
        async with on_simulation() as (camera, _):
            with pytest.raises(DeviceRefused, match="in the clear"):
                await camera.snapshot()

    async def test_its_own_address_is_not_where_we_go_and_passwords_stay_out_of_urls(self, on_simulation, simulation):
        async with on_simulation() as (camera, _):
            assert await camera.stream_url() == f"rtsp://{LOOPBACK}:554/sub?transport=tcp"
            assert (await camera.snapshot()).startswith(b"\xff\xd8\xff"), "by HTTP Digest"

    async def test_events_become_inputs_first_as_they_are_then_as_they_change(self, on_simulation, simulation):
        async with on_simulation() as (_, told):
            await told.until(lambda: told.inputs("motion") and told.inputs("gate"))
            assert told.inputs("motion") == told.inputs("gate") == [False]
            simulation.act(["motion", "on"])
            simulation.act(["input", "on"])
            simulation.act(["tamper", "on"])
            await told.until(lambda: told.inputs("tamper"))
            simulation.act(["motion", "off"])
            await told.until(lambda: told.inputs("motion")[-1] is False and len(told.inputs("motion")) == 3)
            assert told.inputs("motion") == [False, True, False]
            assert told.inputs("gate") == [False, True]
            assert told.inputs("tamper") == [True]

    async def test_a_rebooted_camera_is_subscribed_anew_and_told_whole(self, on_simulation, simulation):
        simulation.camera.references = True
        async with on_simulation() as (_, told):
            await told.until(lambda: told.inputs("motion") == [False])
            simulation.act(["reboot"])
            await told.until(lambda: told.inputs("motion") == [False, False])
            simulation.act(["motion", "on"])
            await told.until(lambda: told.inputs("motion")[-1])

    async def test_a_clock_that_is_off_by_months_changes_nothing(self, on_simulation, simulation, caplog):
        simulation.camera.ahead = timedelta(days=200)
        async with on_simulation() as (camera, told):
            assert (await camera.info()).serial == "SIM-0001"
            await told.until(lambda: told.health("camera"))
            simulation.camera.ahead = timedelta(days=-5)
            assert (await camera.info()).serial == "SIM-0001"
        assert sum("its clock is" in line for line in caplog.messages) == 1

    async def test_the_camera_stops_by_itself_when_the_station_dies(
        self, on_simulation, simulation, camera_until, monkeypatch
    ):
        monkeypatch.setattr("firmware_bridge.drivers.onvif_calls.CALL_S_MAX", 0.5)
        async with on_simulation() as (camera, _):
            moving = asyncio.create_task(camera.move(0.2, 0, 0, for_s=0.3))
            await camera_until(lambda: simulation.state()["moving"])
            simulation.mute(True)
            await camera_until(lambda: not simulation.state()["moving"])
            with pytest.raises(DeviceTimeout):
                await moving
        assert "Stop" not in simulation.camera.asked

    async def test_a_later_move_takes_over(self, on_simulation, simulation, camera_until):
        async with on_simulation() as (camera, _):
            first = asyncio.create_task(camera.move(1, 0, 0, for_s=0.1))
            await camera_until(lambda: simulation.state()["moving"])
            await asyncio.gather(first, camera.move(-1, 0, 0, for_s=0.2))
            assert simulation.state()["moving"] is False
            assert list(simulation.camera.asked).count("Stop") == 1

    async def test_a_motor_that_takes_no_time_is_stopped_all_the_same(self, on_simulation, simulation):
        simulation.camera.timeouts = False
        async with on_simulation() as (camera, _):
            await camera.move(0, -1, 0, for_s=0.05)
            assert simulation.state()["moving"] is False
            assert simulation.camera.position()[1] < 0

    async def test_a_camera_that_is_older_than_get_services(self, on_simulation, simulation):
        simulation.camera.without = frozenset({"GetServices"})
        async with on_simulation() as (camera, told):
            assert await camera.stream_url() == f"rtsp://{LOOPBACK}:554/sub?transport=tcp"
            await told.until(lambda: told.inputs("motion"))

    async def test_a_camera_that_wants_http_digest_for_everything_asks_once(self, on_simulation, simulation):
        simulation.camera.digest_only = True
        async with on_simulation() as (camera, told):
            assert (await camera.info()).serial == "SIM-0001"
            assert (await camera.snapshot()).startswith(b"\xff\xd8\xff")
            await told.until(lambda: told.inputs("motion"))
        assert simulation.camera.challenges == 1

    async def test_a_keyframe_is_asked_for_the_stream_that_is_watched(self, on_simulation, simulation):
        async with on_simulation(stream="main") as (camera, _):
            await camera.ask_keyframe()
            assert simulation.camera.keyframes == ["main"]

    async def test_a_camera_with_the_newer_media_service_only(self, on_simulation, simulation):
        simulation.camera.media = "tr2"
        async with on_simulation() as (camera, _):
            assert await camera.stream_url() == f"rtsp://{LOOPBACK}:554/sub?transport=tcp"
            assert (await camera.snapshot()).startswith(b"\xff\xd8\xff")
            await camera.move(0, 0, 0.5, for_s=0.02)
            assert simulation.camera.position()[2] > 0

    @pytest.mark.parametrize(
        ("change", "ask", "why"),
        [
            ({"ptz": False}, lambda camera: camera.move(1, 0, 0, 1), "cannot be moved: it has no PTZ"),
            ({"snapshots": False}, lambda camera: camera.snapshot(), "GetSnapshotUri was refused: no snapshots"),
            (
                {"profiles": (SimulatedProfile("a", "H265", 640, 360, 1),)},
                lambda camera: camera.stream_url(),
                "set the substream to H.264",
            ),
        ],
        ids=["no motor", "no snapshots", "H.265 only"],
    )
    async def test_what_it_cannot_do_is_said(self, on_simulation, simulation, change, ask, why):
        for name, value in change.items():
            setattr(simulation.camera, name, value)
        async with on_simulation() as (camera, _):
            with pytest.raises(DeviceRefused, match=why):
                await ask(camera)

    async def test_a_missing_secret_is_named_with_its_place(self, on_simulation, secrets):
        async with on_simulation(password="other.password") as (camera, _):
            with pytest.raises(DeviceRefused, match=r"no secret 'other.password'; write the password into .*keys"):
                await camera.info()

    async def test_a_camera_that_hangs_costs_one_deadline(self, on_simulation, simulation, monkeypatch):
        monkeypatch.setattr("firmware_bridge.drivers.onvif_calls.CALL_S_MAX", 0.2)
        simulation.mute(True)
        async with on_simulation() as (camera, told):
            with pytest.raises(DeviceTimeout, match=r"no answer from 127.0.0.1 within 0.2 s"):
                await camera.info()
            await told.until(lambda: told.health("camera") == ["offline"])
            simulation.mute(False)
            await told.until(lambda: told.health("camera") == ["offline", "online"])


@pytest.fixture
def odd_camera(camera_on):
    """`async with odd_camera(answer) as driver:` a camera that answers everything with what `answer` makes."""

    @asynccontextmanager
    async def make(answer):
        async def reply(request):
            return answer(request)

        end = HttpEnd(reply)
        end.open()
        try:
            async with camera_on(LineConfig(url=f"onvif://{LOOPBACK}:{end.port}"), {}) as (driver, _):
                yield driver
        finally:
            end.close()
            await end.closed()

    return make


BOMB = (
    b'<?xml version="1.0"?><!DOCTYPE b [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;">]><Envelope><Body>&b;</Body></Envelope>'
)


@pytest.mark.parametrize(
    ("reply", "why"),
    [
        (HttpReply(200, BOMB), "a document with a DOCTYPE"),
        (HttpReply(200, b"<Envelope>" * 60_000), "no XML"),
        (HttpReply(200, b"<" + b"x" * (2 << 20)), "more than 1048576 bytes"),
        (HttpReply(200, b"<html><body>Login</body></html>"), "no SOAP message but <html>"),
        (HttpReply(500, b""), "HTTP 500 and no XML"),
        (HttpReply(200, b"\x00\xff" * 500), "no XML"),
    ],
    ids=["bomb", "deep", "huge", "a web page", "nothing", "noise"],
)
async def test_an_answer_that_is_none_is_refused_and_names_the_line(odd_camera, reply, why):
    async with odd_camera(lambda request: reply) as camera:
        with pytest.raises(DeviceRefused, match=why):
            await camera.info()


async def test_a_snapshot_that_is_no_jpeg_or_too_large_is_refused(on_simulation, simulation, monkeypatch):
    monkeypatch.setattr("firmware_bridge.simulators.onvif_camera._picture", lambda _: b"<html>no</html>")
    async with on_simulation() as (camera, _):
        with pytest.raises(DeviceRefused, match="15 bytes came as a snapshot, and they are no JPEG"):
            await camera.snapshot()
        monkeypatch.setattr("firmware_bridge.drivers.onvif.SNAPSHOT_BYTES_MAX", 10)
        with pytest.raises(DeviceRefused, match="more than 10 bytes"):
            await camera.snapshot()


@pytest.fixture
def certificate(tmp_path):
    """What a camera signs for itself: its TLS context and the certificate's SHA-256."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "camera")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(random.Random(1).getrandbits(64))
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    path = tmp_path / "camera.pem"
    path.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        + made.public_bytes(serialization.Encoding.PEM)
    )
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(path)
    return context, hashlib.sha256(made.public_bytes(serialization.Encoding.DER)).hexdigest()


async def test_https_with_a_certificate_of_the_cameras_own(on_simulation, simulation, certificate):
    context, fingerprint = certificate
    simulation.camera.http._tls = context
    simulation.camera._scheme = "https"
    async with on_simulation(https=True, certificate=fingerprint) as (camera, told):
        assert (await camera.info()).serial == "SIM-0001"
        assert (await camera.snapshot()).startswith(b"\xff\xd8\xff")
        simulation.act(["motion", "on"])
        await told.until(lambda: True in told.inputs("motion"))


async def test_https_with_a_certificate_that_nobody_knows_sends_nothing(on_simulation, simulation, certificate):
    context, fingerprint = certificate
    simulation.camera.http._tls = context
    simulation.camera._scheme = "https"
    async with on_simulation(https=True) as (camera, _):
        with pytest.raises(DeviceRefused, match=f"nobody vouches .* SHA-256 is {fingerprint}"):
            await camera.info()
    assert not simulation.camera.asked


async def test_https_with_another_certificate_than_the_options_name_sends_nothing(
    on_simulation, simulation, certificate
):
    context, fingerprint = certificate
    simulation.camera.http._tls = context
    async with on_simulation(https=True, certificate="ab" * 32) as (camera, _):
        with pytest.raises(DeviceRefused, match=f"another certificate than the options name: SHA-256 {fingerprint}"):
            await camera.info()
    assert not simulation.camera.asked


async def test_passwords_are_in_no_log_and_no_event(on_simulation, simulation, caplog):
    caplog.set_level("DEBUG")
    async with on_simulation() as (camera, told):
        await camera.snapshot()
        await camera.stream_url()
        await told.until(lambda: told.inputs("motion"))
    seen = caplog.text + repr(told.events) + repr(camera)
    assert not [word for word in (simulation.camera._password, "in-the-clear") if word in seen]
