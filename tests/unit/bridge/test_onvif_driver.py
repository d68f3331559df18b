"""What the ONVIF driver makes of a camera's answers: inputs, addresses, profiles, options. No camera is asked."""

import asyncio
import random
from types import SimpleNamespace

import pytest

from firmware_bridge.bridge import check
from firmware_bridge.capabilities import DeviceRefused, DeviceTimeout
from firmware_bridge.codecs import onvif
from firmware_bridge.codecs.onvif import Change, Notification
from firmware_bridge.config import DeviceConfig, LineConfig
from firmware_bridge.drivers.onvif_events import EMPTY_PAUSE_S, INPUTS_MAX, LIFETIME_S, PULL_S, EventReader
from firmware_bridge.drivers.onvif_http import Access, OnvifSession, Trust
from firmware_bridge.secrets import NoSecrets
from firmware_bridge.session import SessionContext

CELL, REGION = "RuleEngine/CellMotionDetector/Motion", "RuleEngine/MotionRegionDetector/Motion"
INPUT, ALARM = "Device/Trigger/DigitalInput", "Device/Trigger/AlarmIn"
SUBSCRIPTION = onvif.Subscription("http://192.0.2.1/sub", "")


def event(topic, value, source="1", change=Change.CHANGED):
    name = {INPUT: "InputToken", ALARM: "AlarmInToken"}.get(topic, "Rule")
    return Notification(topic, change, ((name, source),), (("Quality", "good"), ("State", value)))


class ScriptedCalls:
    """Answers pulls with batches, one each PULL_S; a batch that is an error is raised. Then silence."""

    def __init__(self, *batches, renews=True, holds_s=PULL_S):
        self.asked = []
        self._holds_s = holds_s
        self._batches = list(batches)
        self._renews = renews

    async def ask(self, request, read, *, address="", subscription=None, wait_s=0.0):
        self.asked.append((request.name, address))
        if request.name == "CreatePullPointSubscription":
            return SUBSCRIPTION
        if request.name == "Renew":
            if not self._renews:
                raise DeviceRefused("camera", "unknown action")
            return None
        await asyncio.sleep(self._holds_s)
        batch = self._batches.pop(0) if self._batches else DeviceTimeout("camera", "gone")
        if isinstance(batch, Exception):
            raise batch
        return batch


@pytest.fixture
def reader(clock):
    """Makes an EventReader on scripted calls; what it told is in `told`."""

    def make(calls, **inputs):
        told = []
        context = SimpleNamespace(name="camera", emit=told.append, clock=clock)
        made = EventReader(context, calls, inputs)
        made.told = told
        return made

    return make


async def pulled(reader):
    """Everything until the camera is gone, as (input, active)."""
    with pytest.raises(DeviceTimeout):
        await reader.pull("http://192.0.2.1/events", lambda advertised: advertised.replace("192.0.2.1", "cam"))
    return [(each.input, each.active) for each in reader.told]


@pytest.mark.parametrize(
    ("batches", "told"),
    [
        ([[event(CELL, "true"), event(CELL, "true")], [event(CELL, "false")]], [("motion", True), ("motion", False)]),
        (
            [[event(CELL, "true"), event(REGION, "true"), event(CELL, "false")], [event(REGION, "0")]],
            [("motion", True), ("motion", False)],
        ),
        (
            [[event(CELL, "true", "a"), event(CELL, "true", "b")], [event(CELL, "false", "a")]],
            [("motion", True)],
        ),
        ([[event(CELL, "true")], [event(CELL, "true", change=Change.DELETED)]], [("motion", True), ("motion", False)]),
        ([[event("VideoSource/ImageTooDark/ImagingService", "true"), event(CELL, "perhaps")]], []),
        (
            [[event(INPUT, "1", "DI-1"), event(ALARM, "true", "DI-1")], [event(ALARM, "false", "DI-1")]],
            [("gate", True)],
        ),
        (
            [[event(INPUT, "1", "DI-1"), event(INPUT, "1", "Other in 7"), event(INPUT, "0", "")]],
            [("gate", True), ("input_other_in_7", True), ("input_0", False)],
        ),
    ],
    ids=[
        "once a change",
        "two rules",
        "two regions",
        "a rule is deleted",
        "nothing of ours",
        "an input by two topics",
        "named inputs",
    ],
)
def test_events_become_inputs(run_virtual, reader, batches, told):
    async def scenario():
        assert await pulled(reader(ScriptedCalls(*batches), gate="DI-1")) == told

    run_virtual(scenario())


def test_what_a_camera_makes_up_is_bounded(run_virtual, reader):
    async def scenario():
        batch = [event(INPUT, "1", f"t{number}") for number in range(INPUTS_MAX + 20)]
        assert len(await pulled(reader(ScriptedCalls(batch)))) == INPUTS_MAX

    run_virtual(scenario())


def test_a_subscription_is_renewed_at_half_its_life_where_we_reach_it(run_virtual, reader):
    async def scenario():
        calls = ScriptedCalls(*[[]] * 13)
        await pulled(reader(calls))
        names = [name for name, _ in calls.asked]
        assert names.count("Renew") == 2
        assert names.index("Renew") == 1 + LIFETIME_S / 2 / PULL_S
        assert {address for name, address in calls.asked if name != "CreatePullPointSubscription"} == {"http://cam/sub"}

    run_virtual(scenario())


def test_a_camera_that_knows_no_renew_is_asked_once(run_virtual, reader):
    async def scenario():
        calls = ScriptedCalls(*[[]] * 20, renews=False)
        await pulled(reader(calls))
        assert [name for name, _ in calls.asked].count("Renew") == 1

    run_virtual(scenario())


def test_a_camera_that_does_not_hold_a_request_is_not_asked_without_end(run_virtual, reader, clock):
    async def scenario():
        begun_s = clock.monotonic()
        await pulled(reader(ScriptedCalls(*[[]] * 30, holds_s=0)))
        assert clock.monotonic() - begun_s == pytest.approx(30 * EMPTY_PAUSE_S)

    run_virtual(scenario())


def test_a_refusal_is_logged_once_and_a_new_subscription_tells_all_anew(run_virtual, reader, caplog):
    async def scenario():
        refused = DeviceRefused("camera", "no such subscription")
        made = reader(ScriptedCalls([event(CELL, "true")], refused, [event(CELL, "true")], refused, refused))
        for _ in range(3):
            await made.pull("http://192.0.2.1/events", str)
        assert [each.active for each in made.told] == [True, True]

    run_virtual(scenario())
    assert len(caplog.messages) == 2, "after it had worked again, a refusal is news"


def access(url, **trust):
    context = SessionContext("line", LineConfig(url=url), None, random.Random(1), NoSecrets())
    return Access("camera", OnvifSession(context), Trust(**trust), allow_basic=False)


@pytest.mark.parametrize(
    ("url", "https", "address"),
    [
        ("onvif://192.0.2.5", False, "http://192.0.2.5:80/onvif/device_service"),
        ("onvif://192.0.2.5:8000/cam", False, "http://192.0.2.5:8000/cam"),
        ("onvif://192.0.2.5", True, "https://192.0.2.5:443/onvif/device_service"),
        ("onvif://[2001:db8::5]:8443", True, "https://[2001:db8::5]:8443/onvif/device_service"),
    ],
)
def test_a_line_leads_to_the_device_service(url, https, address):
    assert access(url, https=https).device_address == address


@pytest.mark.parametrize(
    ("advertised", "device", "reached"),
    [
        ("http://10.0.0.9/onvif/media", "http://10.0.0.9/onvif/device", "http://192.0.2.5:8000/onvif/media"),
        ("http://10.0.0.9:81/snap?c=1", "http://10.0.0.9/onvif/device", "http://192.0.2.5:81/snap?c=1"),
        ("https://10.0.0.9/onvif/media", "http://10.0.0.9/onvif/device", "http://192.0.2.5:8000/onvif/media"),
        ("http://user:secret@evil.example/x", "http://10.0.0.9/d", "http://192.0.2.5:8000/x"),
    ],
    ids=["behind a router", "another port of the camera", "another scheme", "another host"],
)
def test_whatever_address_a_camera_names_only_the_lines_host_is_asked(advertised, device, reached):
    assert access("onvif://192.0.2.5:8000").reachable(advertised, device) == reached


def test_https_is_never_left():
    reached = access("onvif://192.0.2.5", https=True).reachable("http://10.0.0.9/media", "http://10.0.0.9/device")
    assert reached == "https://192.0.2.5:443/media"


@pytest.mark.parametrize("advertised", ["file:///etc/passwd", "rtsp://10.0.0.9/x", "", "http://10.0.0.9:99999/"])
def test_what_is_no_address_of_http_is_refused(advertised):
    with pytest.raises(ValueError):
        access("onvif://192.0.2.5").reachable(advertised, "http://10.0.0.9/device")


@pytest.mark.parametrize(
    ("options", "mistake"),
    [
        ({"user": "a"}, "options.password: `user` and `password` go together"),
        ({"password": "b.password"}, "options.password: `user` and `password` go together"),
        ({"certificate": "ab" * 32}, "options.certificate: is looked at only with `https = true`"),
        ({"inputs": {"a": "1", "b": "1"}}, "options.inputs: two names for one token"),
        ({"certificate": "ab:cd"}, "options.certificate: String should match pattern"),
        ({"stream": "third"}, "options.stream: Input should be 'sub' or 'main'"),
    ],
)
def test_options_that_cannot_work_are_told_with_their_path(tmp_path, options, mistake):
    device = DeviceConfig(driver="onvif_camera", line="camera", options=options)
    (told,) = check({"camera": LineConfig(url="onvif://192.0.2.5")}, {"gate": device}, tmp_path)
    assert told.startswith(f"devices.gate.{mistake}")
