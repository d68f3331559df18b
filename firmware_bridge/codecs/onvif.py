"""What a station asks of an ONVIF camera, and how the answers read. PURE.

```
 device   GetSystemDateAndTime (without a token), GetServices or GetCapabilities, GetDeviceInformation
 media    GetProfiles, GetStreamUri, GetSnapshotUri, SetSynchronizationPoint      ver10, or ver20 where only that is
 ptz      ContinuousMove, Stop
 events   CreatePullPointSubscription -> an address of its own: PullMessages, Renew
```
ONVIF Core 23.06 (services 8, events 9), Media 1 and 2, PTZ 5.3. A request is the element of a SOAP body; an answer is
read from the element that `soap.body_of` gives.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING

from firmware_bridge.codecs import FrameError
from firmware_bridge.codecs.soap import NAME_MAX, child, every, local, text, text_of

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

DEVICE_NS = "http://www.onvif.org/ver10/device/wsdl"
MEDIA_NS = "http://www.onvif.org/ver10/media/wsdl"
MEDIA2_NS = "http://www.onvif.org/ver20/media/wsdl"
PTZ_NS = "http://www.onvif.org/ver20/ptz/wsdl"
EVENTS_NS = "http://www.onvif.org/ver10/events/wsdl"
SCHEMA_NS = "http://www.onvif.org/ver10/schema"
NOTIFY_NS = "http://docs.oasis-open.org/wsn/b-2"
NOTIFY_ACTION = "http://docs.oasis-open.org/wsn/bw-2/SubscriptionManager"
ADDRESSING_NS = "http://www.w3.org/2005/08/addressing"
# Marks what is sent back (WS-Addressing 1.0, SOAP Binding, section 2.1).
REFERENCE = f' xmlns:wsa="{ADDRESSING_NS}" wsa:IsReferenceParameter="true"'

PROFILES_MAX = 256
NOTIFICATIONS_MAX = 256  # in one answer; a camera is asked for fewer
ITEMS_MAX = 32
VALUE_MAX = 512  # characters of a token or a value
ADDRESS_MAX = 2048


@dataclass(frozen=True, slots=True)
class Request:
    """One operation: its WS-Addressing action, and the element of its body."""

    name: str
    action: str
    body: str


@dataclass(frozen=True, slots=True)
class Services:
    """Where the camera says its services are; empty for one that it has not."""

    device: str = ""
    media: str = ""
    media2: str = ""
    ptz: str = ""
    events: str = ""


@dataclass(frozen=True, slots=True)
class DeviceInformation:
    manufacturer: str
    model: str
    firmware: str
    serial: str


@dataclass(frozen=True, slots=True)
class Profile:
    """A combination of source, encoder and PTZ that the camera can stream."""

    token: str
    name: str
    encoding: str  # "H264", "H265", "JPEG"; empty without an encoder
    width: int
    height: int
    bitrate_kbps: int | None
    ptz: bool

    @property
    def dots(self) -> int:
        return self.width * self.height


@dataclass(frozen=True, slots=True)
class Subscription:
    """Where messages are pulled, and the XML of the headers that the camera wants back with each request."""

    address: str
    headers: str


class Change(StrEnum):
    """What a notification says of its property (ONVIF Core, 9.4)."""

    INITIALIZED = "Initialized"
    CHANGED = "Changed"
    DELETED = "Deleted"


@dataclass(frozen=True, slots=True)
class Notification:
    """One event. `topic` has no prefixes: "RuleEngine/CellMotionDetector/Motion"."""

    topic: str
    change: Change
    source: tuple[tuple[str, str], ...]
    data: tuple[tuple[str, str], ...]


# --- requests


def _request(namespace: str, name: str, inner: str = "", action: str = "") -> Request:
    return Request(name, action or f"{namespace}/{name}", f'<{name} xmlns="{namespace}">{inner}</{name}>')


def get_system_date_and_time() -> Request:
    return _request(DEVICE_NS, "GetSystemDateAndTime")


def get_services() -> Request:
    return _request(DEVICE_NS, "GetServices", "<IncludeCapability>false</IncludeCapability>")


def get_capabilities() -> Request:
    return _request(DEVICE_NS, "GetCapabilities", "<Category>All</Category>")


def get_device_information() -> Request:
    return _request(DEVICE_NS, "GetDeviceInformation")


def get_profiles(media: str) -> Request:
    """`media` is MEDIA_NS or MEDIA2_NS, here and below."""
    everything = "<Type>VideoEncoder</Type><Type>PTZ</Type>" if media == MEDIA2_NS else ""
    return _request(media, "GetProfiles", everything)


def get_stream_uri(media: str, profile: str) -> Request:
    token = f"<ProfileToken>{text_of(profile)}</ProfileToken>"
    if media == MEDIA2_NS:
        return _request(media, "GetStreamUri", f"<Protocol>RtspUnicast</Protocol>{token}")
    setup = (
        f'<StreamSetup><Stream xmlns="{SCHEMA_NS}">RTP-Unicast</Stream>'
        f'<Transport xmlns="{SCHEMA_NS}"><Protocol>RTSP</Protocol></Transport></StreamSetup>'
    )
    return _request(media, "GetStreamUri", setup + token)


def get_snapshot_uri(media: str, profile: str) -> Request:
    return _request(media, "GetSnapshotUri", f"<ProfileToken>{text_of(profile)}</ProfileToken>")


def ask_keyframe(media: str, profile: str) -> Request:
    return _request(media, "SetSynchronizationPoint", f"<ProfileToken>{text_of(profile)}</ProfileToken>")


def continuous_move(profile: str, pan: float, tilt: float, zoom: float, timeout_s: float | None) -> Request:
    """Speeds are -1..1. After `timeout_s` the camera stops by itself, station alive or dead."""
    pan_tilt = f'<PanTilt xmlns="{SCHEMA_NS}" x="{pan:g}" y="{tilt:g}"/>' if pan or tilt else ""
    zooming = f'<Zoom xmlns="{SCHEMA_NS}" x="{zoom:g}"/>' if zoom else ""
    timeout = f"<Timeout>PT{timeout_s:g}S</Timeout>" if timeout_s is not None else ""
    token = f"<ProfileToken>{text_of(profile)}</ProfileToken>"
    return _request(PTZ_NS, "ContinuousMove", f"{token}<Velocity>{pan_tilt}{zooming}</Velocity>{timeout}")


def stop(profile: str) -> Request:
    token = f"<ProfileToken>{text_of(profile)}</ProfileToken>"
    return _request(PTZ_NS, "Stop", f"{token}<PanTilt>true</PanTilt><Zoom>true</Zoom>")


def create_pull_point(lifetime_s: int) -> Request:
    return _request(
        EVENTS_NS,
        "CreatePullPointSubscription",
        f"<InitialTerminationTime>PT{lifetime_s}S</InitialTerminationTime>",
        f"{EVENTS_NS}/EventPortType/CreatePullPointSubscriptionRequest",
    )


def pull_messages(wait_s: int, count_max: int) -> Request:
    return _request(
        EVENTS_NS,
        "PullMessages",
        f"<Timeout>PT{wait_s}S</Timeout><MessageLimit>{count_max}</MessageLimit>",
        f"{EVENTS_NS}/PullPointSubscription/PullMessagesRequest",
    )


def renew(lifetime_s: int) -> Request:
    inner = f"<TerminationTime>PT{lifetime_s}S</TerminationTime>"
    return _request(NOTIFY_NS, "Renew", inner, f"{NOTIFY_ACTION}/RenewRequest")


def addressing(request: Request, to: str, message_id: str) -> str:
    """The headers by which a subscription knows what is asked of it; `to` is its address as the camera told it."""
    return (
        f'<Action xmlns="{ADDRESSING_NS}" s:mustUnderstand="1">{request.action}</Action>'
        f'<MessageID xmlns="{ADDRESSING_NS}">{text_of(message_id)}</MessageID>'
        f'<ReplyTo xmlns="{ADDRESSING_NS}"><Address>{ADDRESSING_NS}/anonymous</Address></ReplyTo>'
        f'<To xmlns="{ADDRESSING_NS}" s:mustUnderstand="1">{text_of(to)}</To>'
    )


# --- answers


def expect(answer: Element, name: str) -> Element:
    """The answer, when it is the one to the request of that name. Raises FrameError otherwise."""
    if local(answer) != f"{name}Response":
        raise FrameError(f"<{local(answer)[:NAME_MAX]}> came for {name}")
    return answer


def nothing(answer: Element) -> None:
    """Of an answer that only confirms."""


def system_time(answer: Element) -> datetime:
    """The camera's clock, UTC, to the second. Raises FrameError when it gives none."""
    utc = next(every(answer, "UTCDateTime"), None)
    date, time = (child(utc, name) if utc is not None else None for name in ("Date", "Time"))
    parts = [text(date, name) for name in ("Year", "Month", "Day")]
    parts += [text(time, name) for name in ("Hour", "Minute", "Second")]
    try:
        year, month, day, hour, minute, second = (_integer(part) for part in parts)
        return datetime(year, month, day, hour, minute, min(second, 59), tzinfo=UTC)
    except (ValueError, OverflowError):
        raise FrameError("its clock gives no UTC date and time") from None


_BY_NAMESPACE = {
    DEVICE_NS: "device",
    MEDIA_NS: "media",
    MEDIA2_NS: "media2",
    PTZ_NS: "ptz",
    EVENTS_NS: "events",
}
_BY_CAPABILITY = {"Device": "device", "Media": "media", "PTZ": "ptz", "Events": "events"}


def services(answer: Element) -> Services:
    """From GetServices, or from GetCapabilities of a camera that is older than it."""
    found: dict[str, str] = {}
    for service in every(answer, "Service"):
        if name := _BY_NAMESPACE.get(text(service, "Namespace").rstrip("/")):
            found.setdefault(name, text(service, "XAddr")[:ADDRESS_MAX])
    for tag, name in _BY_CAPABILITY.items():
        if address := text(child(answer, "Capabilities", tag), "XAddr"):
            found.setdefault(name, address[:ADDRESS_MAX])
    return Services(**found)


def device_information(answer: Element) -> DeviceInformation:
    return DeviceInformation(
        *(text(answer, name)[:VALUE_MAX] for name in ("Manufacturer", "Model", "FirmwareVersion", "SerialNumber"))
    )


def profiles(answer: Element) -> tuple[Profile, ...]:
    """Every profile that has a token. Raises FrameError for sizes that are no numbers."""
    return tuple(_profile(each) for each in _first(every(answer, "Profiles"), PROFILES_MAX) if each.get("token"))


def _profile(element: Element) -> Profile:
    settings = child(element, "Configurations")
    if settings is None:  # Media 1 has them in the profile itself, under longer names
        encoder, ptz = child(element, "VideoEncoderConfiguration"), child(element, "PTZConfiguration")
    else:
        encoder, ptz = child(settings, "VideoEncoder"), child(settings, "PTZ")
    try:
        width, height = (int(text(encoder, "Resolution", side) or 0) for side in ("Width", "Height"))
        bitrate = text(encoder, "RateControl", "BitrateLimit")
        return Profile(
            token=element.get("token", "")[:VALUE_MAX],
            name=text(element, "Name")[:VALUE_MAX],
            encoding=text(encoder, "Encoding").upper()[:VALUE_MAX],
            width=width,
            height=height,
            bitrate_kbps=int(bitrate) if bitrate else None,
            ptz=ptz is not None,
        )
    except ValueError:
        raise FrameError(f"profile {element.get('token', '')[:VALUE_MAX]!r} has a size that is no number") from None


def uri(answer: Element) -> str:
    """Of GetStreamUri and GetSnapshotUri; empty when the camera gives none. Raises FrameError when it is overlong."""
    found = text(next(every(answer, "Uri"), None))
    if len(found) > ADDRESS_MAX:
        raise FrameError(f"an address of {len(found)} characters")
    return found


def subscription(answer: Element) -> Subscription:
    """Raises FrameError without an address."""
    reference = child(answer, "SubscriptionReference")
    address = text(reference, "Address")
    if not address or len(address) > ADDRESS_MAX:
        raise FrameError("a subscription without an address")
    parameters = child(reference, "ReferenceParameters") if reference is not None else None
    if parameters is None:
        return Subscription(address, "")
    return Subscription(address, "".join(_as_xml(each, REFERENCE) for each in parameters))


def notifications(answer: Element) -> tuple[Notification, ...]:
    """Every event of PullMessages that has a topic."""
    found = (_notification(each) for each in _first(every(answer, "NotificationMessage"), NOTIFICATIONS_MAX))
    return tuple(each for each in found if each is not None)


def _notification(element: Element) -> Notification | None:
    topic = "/".join(part.rpartition(":")[2] for part in text(element, "Topic")[:VALUE_MAX].split("/"))
    message = child(element, "Message", "Message")
    if not topic or message is None:
        return None
    try:
        change = Change(message.get("PropertyOperation", "Changed"))
    except ValueError:
        return None
    return Notification(topic, change, _items(child(message, "Source")), _items(child(message, "Data")))


def _items(element: Element | None) -> tuple[tuple[str, str], ...]:
    if element is None:
        return ()
    return tuple(
        (item.get("Name", "")[:VALUE_MAX], item.get("Value", "")[:VALUE_MAX])
        for item in _first(every(element, "SimpleItem"), ITEMS_MAX)
    )


# --- values


def truth(value: str) -> bool | None:
    """An xs:boolean as cameras write it; None for anything else."""
    return {"true": True, "1": True, "false": False, "0": False}.get(value.strip().lower())


def _first(elements: Iterator[Element], count: int) -> list[Element]:
    return [element for element, _ in zip(elements, range(count), strict=False)]


def _integer(value: str) -> int:
    if not re.fullmatch(r"[0-9]{1,4}", value):
        raise ValueError(value)
    return int(value)


def _as_xml(element: Element, more: str = "") -> str:
    """An element anew, its namespaces spelled out: a subscription wants its own back as they came."""
    namespace, _, name = element.tag.rpartition("}")
    attributes = "".join(
        f' {key}="{text_of(value)}"' for key, value in element.attrib.items() if not key.startswith("{")
    )
    inner = text_of(element.text or "") + "".join(_as_xml(each) for each in element)
    return f'<{name} xmlns="{text_of(namespace[1:])}"{more}{attributes}>{inner}</{name}>'
