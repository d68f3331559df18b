"""ONVIF answers: whatever a camera sends is refused or becomes bounded facts, by every reader alike."""

from datetime import UTC, datetime

from firmware_bridge.codecs import FrameError, onvif, soap
from firmware_bridge.simulators import onvif_replies as replies

_NOW = datetime(2026, 2, 3, 4, 5, 6, tzinfo=UTC)
_EVENT = replies.Event("VideoSource/MotionAlarm", "Changed", ("Source", "lens"), ("State", "true"), _NOW)
_PROFILE = replies.SimulatedProfile("sub", "H264", 640, 360, 384)


def _short(document: bytes) -> bytes:
    """Without the namespaces that it does not use: a fuzzer takes no more than a kilobyte."""
    for prefix, uri in replies.NAMESPACES.items():
        declaration = f' xmlns:{prefix}="{uri}"'.encode()
        if document.count(f"{prefix}:".encode()) == 0:
            document = document.replace(declaration, b"")
    return document


SEEDS = [
    _short(replies.envelope(replies.system_time(_NOW))),
    _short(replies.envelope(replies.services({"tds": "http://c/d", "trt": "http://c/m"}))),
    _short(replies.envelope(replies.profiles("trt", (_PROFILE,), ptz=True))),
    _short(replies.envelope(replies.profiles("tr2", (_PROFILE,), ptz=True))),
    _short(replies.envelope(replies.subscription("http://c/s", "7", _NOW, 60))),
    _short(replies.envelope(replies.messages([_EVENT], _NOW, 60))),
    _short(replies.fault("Sender", ("ter:NotAuthorized",), "no")),
]


WORDS = [
    "Profiles",
    "Configurations",
    "VideoEncoder",
    "VideoEncoderConfiguration",
    "PTZ",
    "PTZConfiguration",
    "Name",
    "Encoding",
    "Resolution",
    "Width",
    "Height",
    "RateControl",
    "BitrateLimit",
    "Service",
    "Namespace",
    "XAddr",
    "Capabilities",
    "Device",
    "Media",
    "Events",
    "UTCDateTime",
    "Date",
    "Time",
    "Year",
    "Month",
    "Day",
    "Hour",
    "Minute",
    "Second",
    "MediaUri",
    "Uri",
    "SubscriptionReference",
    "Address",
    "ReferenceParameters",
    "NotificationMessage",
    "Topic",
    "Message",
    "Source",
    "Data",
    "SimpleItem",
    "Fault",
    "Code",
    "Value",
    "Reason",
    "Text",
]
TEXTS = (
    "1",
    "-7",
    "2026",
    "H264",
    "true",
    "tns1:VideoSource/MotionAlarm",
    "http://c/x",
    "http://www.onvif.org/ver10/media/wsdl",
)
CLOSE, TEXT = 200, 220


def _grown(data: bytes) -> bytes:
    """A tree of the words that the readers look for: a byte opens an element, closes one, or is a text."""
    open_names: list[str] = []
    parts: list[str] = []
    for byte in data[:48]:
        if byte < CLOSE:
            name = WORDS[byte % len(WORDS)]
            value = TEXTS[byte % len(TEXTS)]
            parts.append(f'<{name} token="{byte}" Name="n" Value="{value}" PropertyOperation="Changed">')
            open_names.append(name)
        elif byte >= TEXT:
            parts.append(TEXTS[byte % len(TEXTS)])
        elif open_names:
            parts.append(f"</{open_names.pop()}>")
    parts += [f"</{name}>" for name in reversed(open_names)]
    return f"<Envelope><Body><AnyResponse>{''.join(parts)}</AnyResponse></Body></Envelope>".encode()


def target(data: bytes) -> None:
    _read(data)
    _read(_grown(data))


def _read(data: bytes) -> None:
    try:
        body = soap.body_of(data)
    except (FrameError, soap.SoapFault):
        return
    assert len(onvif.device_information(body).model) <= onvif.VALUE_MAX
    onvif.services(body)
    events = onvif.notifications(body)
    assert len(events) <= onvif.NOTIFICATIONS_MAX
    assert all(len(each.source) <= onvif.ITEMS_MAX for each in events)
    for read in (onvif.system_time, onvif.profiles, onvif.uri):
        try:
            read(body)
        except FrameError:
            continue
    try:
        subscription = onvif.subscription(body)
    except FrameError:
        return
    soap.parse(soap.envelope("<a/>", subscription.headers))
