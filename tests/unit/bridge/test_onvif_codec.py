"""What a camera is asked, and how its answers read; the answers as cameras of several makers shape them."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge.codecs import FrameError, onvif, soap
from firmware_bridge.codecs.onvif import Change, Notification
from firmware_bridge.simulators import onvif_replies as replies

NOW = datetime(2026, 2, 3, 4, 5, 6, tzinfo=UTC)
TOKENS = st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1, max_size=40).map(str.strip).filter(bool)


def read(body):
    return soap.body_of(replies.envelope(body))


def sent(request):
    """A request as a camera would read it."""
    return soap.body_of(soap.envelope(request.body))


def test_the_answer_to_another_question_is_refused():
    with pytest.raises(FrameError, match="<GetServicesResponse> came for GetProfiles"):
        onvif.expect(read(replies.services({})), "GetProfiles")


def test_the_clock_is_read_to_the_second_and_a_leap_second_is_the_one_before():
    assert onvif.system_time(read(replies.system_time(NOW))) == NOW
    leap = replies.system_time(NOW).replace("<tt:Second>6", "<tt:Second>60")
    assert onvif.system_time(read(leap)) == NOW.replace(second=59)


@pytest.mark.parametrize("wrong", ["<tt:Month>13", "<tt:Month>", "<tt:Month>-1", "<tt:Month>２"])
def test_a_clock_that_says_nothing_is_refused(wrong):
    body = replies.system_time(NOW).replace("<tt:Month>2", wrong)
    with pytest.raises(FrameError, match="no UTC date"):
        onvif.system_time(read(body))


def test_services_are_known_by_their_namespaces_and_in_older_cameras_by_capability():
    addresses = {"tds": "http://c/d", "trt": "http://c/m", "tptz": "http://c/p", "tev": "http://c/e"}
    expected = onvif.Services(device="http://c/d", media="http://c/m", ptz="http://c/p", events="http://c/e")
    assert onvif.services(read(replies.services(addresses))) == expected
    assert onvif.services(read(replies.capabilities(addresses))) == expected
    assert onvif.services(read(replies.services({"tr2": "http://c/m2"}))) == onvif.Services(media2="http://c/m2")


@pytest.mark.parametrize("ptz", [True, False])
@pytest.mark.parametrize("media", ["trt", "tr2"])
def test_profiles_of_both_media_services_read_alike(media, ptz):
    found = (replies.SimulatedProfile("a", "H264", 640, 360, 384), replies.SimulatedProfile("b", "H265", 1920, 1080, 9))
    assert onvif.profiles(read(replies.profiles(media, found, ptz=ptz))) == (
        onvif.Profile("a", "a", "H264", 640, 360, 384, ptz),
        onvif.Profile("b", "b", "H265", 1920, 1080, 9, ptz),
    )


def test_a_profile_without_an_encoder_has_no_size_and_one_without_a_token_is_none():
    body = '<trt:GetProfilesResponse><trt:Profiles token="t"><tt:Name>n</tt:Name></trt:Profiles><trt:Profiles/>'
    (profile,) = onvif.profiles(read(body + "</trt:GetProfilesResponse>"))
    assert profile == onvif.Profile("t", "n", "", 0, 0, None, ptz=False)


def test_a_size_that_is_no_number_is_refused_and_the_profile_named():
    body = replies.profiles("trt", (replies.SimulatedProfile("bad", "H264", 1, 1, 1),), ptz=False)
    with pytest.raises(FrameError, match="profile 'bad'"):
        onvif.profiles(read(body.replace("<tt:Width>1", "<tt:Width>wide")))


def test_no_more_profiles_are_kept_than_the_bound():
    many = (replies.SimulatedProfile("p", "H264", 1, 1, 1),) * (onvif.PROFILES_MAX + 5)
    assert len(onvif.profiles(read(replies.profiles("trt", many, ptz=False)))) == onvif.PROFILES_MAX


@given(TOKENS)
def test_a_token_arrives_as_it_is_whatever_is_in_it(token):
    for request in (
        onvif.get_stream_uri(onvif.MEDIA_NS, token),
        onvif.get_stream_uri(onvif.MEDIA2_NS, token),
        onvif.get_snapshot_uri(onvif.MEDIA_NS, token),
        onvif.stop(token),
        onvif.continuous_move(token, 0.1, 0, 0, 2),
    ):
        assert soap.text(sent(request), "ProfileToken") == token


@pytest.mark.parametrize(
    ("speeds", "axes"), [((0.5, -1, 0), ["PanTilt"]), ((0, 0, 0.25), ["Zoom"]), ((0, 1, 1), ["PanTilt", "Zoom"])]
)
def test_a_move_names_only_the_axes_that_move_and_when_to_stop(speeds, axes):
    move = sent(onvif.continuous_move("t", *speeds, 1.5))
    velocity = soap.child(move, "Velocity")
    assert [soap.local(axis) for axis in velocity] == axes
    assert soap.text(move, "Timeout") == "PT1.5S"
    assert soap.child(sent(onvif.continuous_move("t", *speeds, None)), "Timeout") is None


def test_a_subscription_gets_back_what_it_wants_back():
    answer = read(replies.subscription("http://192.0.2.1/sub", "id7&amp;", NOW, 60))
    subscription = onvif.subscription(answer)
    assert subscription.address == "http://192.0.2.1/sub"
    header = subscription.headers + onvif.addressing(onvif.renew(60), subscription.address, "urn:uuid:1")
    root = soap.parse(soap.envelope("<a/>", header))
    (identity,) = soap.every(root, "SubscriptionId")
    assert identity.tag == "{urn:yizhan:simulator}SubscriptionId"
    assert identity.text == "id7&"
    assert identity.get(f"{{{onvif.ADDRESSING_NS}}}IsReferenceParameter") == "true"
    assert soap.text(root, "Header", "Action").endswith("/RenewRequest")


def test_a_subscription_without_an_address_is_refused():
    with pytest.raises(FrameError, match="without an address"):
        onvif.subscription(read(replies.empty("tev", "CreatePullPointSubscription")))


def test_events_are_read_without_their_prefixes():
    event = replies.Event("VideoSource/MotionAlarm", "Changed", ("Source", "lens"), ("State", "true"), NOW)
    body = replies.messages([event], NOW, 60).replace("VideoSource/MotionAlarm", "VideoSource/acme:MotionAlarm")
    assert onvif.notifications(read(body)) == (
        Notification("VideoSource/MotionAlarm", Change.CHANGED, (("Source", "lens"),), (("State", "true"),)),
    )


def test_an_event_of_an_unknown_kind_is_left_out_and_the_others_stay():
    events = [
        replies.Event("A/B", operation, ("S", "1"), ("State", "true"), NOW) for operation in ("Exploded", "Deleted")
    ]
    assert [each.change for each in onvif.notifications(read(replies.messages(events, NOW, 60)))] == [Change.DELETED]


@pytest.mark.parametrize(
    ("word", "value"), [("true", True), ("1", True), (" False ", False), ("0", False), ("2", None), ("", None)]
)
def test_truth_as_cameras_write_it(word, value):
    assert onvif.truth(word) is value
