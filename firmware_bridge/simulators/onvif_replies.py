"""What the simulated ONVIF camera says, as XML.

The shapes are those of the standard's WSDL: a client that reads by it (zeep) is one of the tests. The prefixes are
those that most cameras use, and not those of our own requests.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from firmware_bridge.codecs.soap import text_of

NAMESPACES = {
    "env": "http://www.w3.org/2003/05/soap-envelope",
    "tds": "http://www.onvif.org/ver10/device/wsdl",
    "trt": "http://www.onvif.org/ver10/media/wsdl",
    "tr2": "http://www.onvif.org/ver20/media/wsdl",
    "tptz": "http://www.onvif.org/ver20/ptz/wsdl",
    "tev": "http://www.onvif.org/ver10/events/wsdl",
    "tt": "http://www.onvif.org/ver10/schema",
    "ter": "http://www.onvif.org/ver10/error",
    "tns1": "http://www.onvif.org/ver10/topics",
    "wsnt": "http://docs.oasis-open.org/wsn/b-2",
    "wsa5": "http://www.w3.org/2005/08/addressing",
}
SPACES = "http://www.onvif.org/ver10/tptz"


@dataclass(frozen=True, slots=True)
class SimulatedProfile:
    token: str
    encoding: str
    width: int
    height: int
    bitrate_kbps: int


@dataclass(frozen=True, slots=True)
class Event:
    """One property with one source and one value."""

    topic: str  # without prefix
    operation: str
    source: tuple[str, str]
    data: tuple[str, str]
    at: datetime


def envelope(body: str, header: str = "") -> bytes:
    spaces = " ".join(f'xmlns:{prefix}="{uri}"' for prefix, uri in NAMESPACES.items())
    return (
        f'<?xml version="1.0" encoding="UTF-8"?>\n<env:Envelope {spaces}><env:Header>{header}</env:Header>'
        f"<env:Body>{body}</env:Body></env:Envelope>"
    ).encode()


def fault(code: str, subcodes: tuple[str, ...], reason: str) -> bytes:
    """`code` is Sender or Receiver; subcodes come outermost first, as `ter:NotAuthorized`."""
    nested = ""
    for subcode in reversed(subcodes):
        nested = f"<env:Subcode><env:Value>{subcode}</env:Value>{nested}</env:Subcode>"
    return envelope(
        f"<env:Fault><env:Code><env:Value>env:{code}</env:Value>{nested}</env:Code>"
        f'<env:Reason><env:Text xml:lang="en">{text_of(reason)}</env:Text></env:Reason></env:Fault>'
    )


def system_time(now: datetime) -> str:
    return (
        "<tds:GetSystemDateAndTimeResponse><tds:SystemDateAndTime><tt:DateTimeType>Manual</tt:DateTimeType>"
        "<tt:DaylightSavings>false</tt:DaylightSavings><tt:TimeZone><tt:TZ>CST-8</tt:TZ></tt:TimeZone>"
        f"<tt:UTCDateTime><tt:Time><tt:Hour>{now.hour}</tt:Hour><tt:Minute>{now.minute}</tt:Minute>"
        f"<tt:Second>{now.second}</tt:Second></tt:Time><tt:Date><tt:Year>{now.year}</tt:Year>"
        f"<tt:Month>{now.month}</tt:Month><tt:Day>{now.day}</tt:Day></tt:Date></tt:UTCDateTime>"
        "</tds:SystemDateAndTime></tds:GetSystemDateAndTimeResponse>"
    )


def information(manufacturer: str, model: str, firmware: str, serial: str) -> str:
    return (
        f"<tds:GetDeviceInformationResponse><tds:Manufacturer>{manufacturer}</tds:Manufacturer>"
        f"<tds:Model>{model}</tds:Model><tds:FirmwareVersion>{firmware}</tds:FirmwareVersion>"
        f"<tds:SerialNumber>{serial}</tds:SerialNumber><tds:HardwareId>1</tds:HardwareId>"
        "</tds:GetDeviceInformationResponse>"
    )


def services(addresses: dict[str, str]) -> str:
    """`addresses` by the prefix of the namespace."""
    inner = "".join(
        f"<tds:Service><tds:Namespace>{NAMESPACES[prefix]}</tds:Namespace><tds:XAddr>{address}</tds:XAddr>"
        "<tds:Version><tt:Major>2</tt:Major><tt:Minor>60</tt:Minor></tds:Version></tds:Service>"
        for prefix, address in addresses.items()
    )
    return f"<tds:GetServicesResponse>{inner}</tds:GetServicesResponse>"


def capabilities(addresses: dict[str, str]) -> str:
    flags = {
        "Events": "<tt:WSSubscriptionPolicySupport>false</tt:WSSubscriptionPolicySupport>"
        "<tt:WSPullPointSupport>true</tt:WSPullPointSupport>"
        "<tt:WSPausableSubscriptionManagerInterfaceSupport>false"
        "</tt:WSPausableSubscriptionManagerInterfaceSupport>",
        "Media": "<tt:StreamingCapabilities/>",
    }
    named = {"tds": "Device", "tev": "Events", "trt": "Media", "tptz": "PTZ"}
    inner = "".join(
        f"<tt:{tag}><tt:XAddr>{addresses[prefix]}</tt:XAddr>{flags.get(tag, '')}</tt:{tag}>"
        for prefix, tag in named.items()
        if prefix in addresses
    )
    return f"<tds:GetCapabilitiesResponse><tds:Capabilities>{inner}</tds:Capabilities></tds:GetCapabilitiesResponse>"


def profiles(media: str, found: tuple[SimulatedProfile, ...], *, ptz: bool) -> str:
    """`media` is the prefix trt or tr2."""
    old = media == "trt"
    motor = (
        f'<{"tt:PTZConfiguration" if old else "tr2:PTZ"} token="motor"><tt:Name>motor</tt:Name>'
        "<tt:UseCount>2</tt:UseCount><tt:NodeToken>node</tt:NodeToken>"
        "<tt:DefaultContinuousPanTiltVelocitySpace>"
        f"{SPACES}/PanTiltSpaces/VelocityGenericSpace</tt:DefaultContinuousPanTiltVelocitySpace>"
        f"<tt:DefaultPTZTimeout>PT10S</tt:DefaultPTZTimeout></{'tt:PTZConfiguration' if old else 'tr2:PTZ'}>"
        if ptz
        else ""
    )
    inner = "".join(_profile(media, each, motor) for each in found)
    return f"<{media}:GetProfilesResponse>{inner}</{media}:GetProfilesResponse>"


def _profile(media: str, each: SimulatedProfile, motor: str) -> str:
    tag = "tt:VideoEncoderConfiguration" if media == "trt" else "tr2:VideoEncoder"
    size = f"<tt:Width>{each.width}</tt:Width><tt:Height>{each.height}</tt:Height>"
    rate = f"<tt:FrameRateLimit>15</tt:FrameRateLimit>{{}}<tt:BitrateLimit>{each.bitrate_kbps}</tt:BitrateLimit>"
    common = f'<{tag} token="encoder_{each.token}"><tt:Name>{each.token}</tt:Name><tt:UseCount>1</tt:UseCount>'
    common += f"<tt:Encoding>{each.encoding}</tt:Encoding><tt:Resolution>{size}</tt:Resolution>"
    if media == "trt":
        encoder = (
            f"{common}<tt:Quality>4</tt:Quality>"
            f"<tt:RateControl>{rate.format('<tt:EncodingInterval>1</tt:EncodingInterval>')}</tt:RateControl>"
            "<tt:Multicast><tt:Address><tt:Type>IPv4</tt:Type></tt:Address><tt:Port>0</tt:Port><tt:TTL>1</tt:TTL>"
            f"<tt:AutoStart>false</tt:AutoStart></tt:Multicast><tt:SessionTimeout>PT60S</tt:SessionTimeout></{tag}>"
        )
        return (
            f'<trt:Profiles token="{each.token}" fixed="true"><tt:Name>{each.token}</tt:Name>{encoder}{motor}'
            "</trt:Profiles>"
        )
    encoder = f"{common}<tt:RateControl>{rate.format('')}</tt:RateControl><tt:Quality>4</tt:Quality></{tag}>"
    return (
        f'<tr2:Profiles token="{each.token}" fixed="true"><tr2:Name>{each.token}</tr2:Name>'
        f"<tr2:Configurations>{encoder}{motor}</tr2:Configurations></tr2:Profiles>"
    )


def address(media: str, operation: str, found: str) -> str:
    """Of GetStreamUri and GetSnapshotUri."""
    if media == "tr2":
        return f"<tr2:{operation}Response><tr2:Uri>{text_of(found)}</tr2:Uri></tr2:{operation}Response>"
    return (
        f"<trt:{operation}Response><trt:MediaUri><tt:Uri>{text_of(found)}</tt:Uri>"
        "<tt:InvalidAfterConnect>false</tt:InvalidAfterConnect><tt:InvalidAfterReboot>true</tt:InvalidAfterReboot>"
        f"<tt:Timeout>PT60S</tt:Timeout></trt:MediaUri></trt:{operation}Response>"
    )


def subscription(where: str, identity: str, now: datetime, lifetime_s: int) -> str:
    """An `identity` has to come back as a header of each request."""
    reference = (
        '<wsa5:ReferenceParameters><sim:SubscriptionId xmlns:sim="urn:yizhan:simulator">'
        f"{identity}</sim:SubscriptionId></wsa5:ReferenceParameters>"
        if identity
        else ""
    )
    return (
        f"<tev:CreatePullPointSubscriptionResponse><tev:SubscriptionReference><wsa5:Address>{where}</wsa5:Address>"
        f"{reference}</tev:SubscriptionReference><wsnt:CurrentTime>{_stamp(now)}</wsnt:CurrentTime>"
        f"<wsnt:TerminationTime>{_stamp(now, lifetime_s)}</wsnt:TerminationTime>"
        "</tev:CreatePullPointSubscriptionResponse>"
    )


def renewed(now: datetime, lifetime_s: int) -> str:
    return (
        f"<wsnt:RenewResponse><wsnt:TerminationTime>{_stamp(now, lifetime_s)}</wsnt:TerminationTime>"
        f"<wsnt:CurrentTime>{_stamp(now)}</wsnt:CurrentTime></wsnt:RenewResponse>"
    )


def messages(events: list[Event], now: datetime, lifetime_s: int) -> str:
    inner = "".join(
        '<wsnt:NotificationMessage><wsnt:Topic Dialect="http://www.onvif.org/ver10/tev/topicExpression/ConcreteSet">'
        f"tns1:{event.topic}</wsnt:Topic><wsnt:Message>"
        f'<tt:Message UtcTime="{_stamp(event.at)}" PropertyOperation="{event.operation}">'
        f"<tt:Source>{_item(event.source)}</tt:Source><tt:Data>{_item(event.data)}</tt:Data></tt:Message>"
        "</wsnt:Message></wsnt:NotificationMessage>"
        for event in events
    )
    return (
        f"<tev:PullMessagesResponse><tev:CurrentTime>{_stamp(now)}</tev:CurrentTime>"
        f"<tev:TerminationTime>{_stamp(now, lifetime_s)}</tev:TerminationTime>{inner}</tev:PullMessagesResponse>"
    )


def empty(prefix: str, operation: str) -> str:
    return f"<{prefix}:{operation}Response/>"


def _item(item: tuple[str, str]) -> str:
    return f'<tt:SimpleItem Name="{text_of(item[0])}" Value="{text_of(item[1])}"/>'


def _stamp(now: datetime, ahead_s: int = 0) -> str:
    return (now + timedelta(seconds=ahead_s)).strftime("%Y-%m-%dT%H:%M:%SZ")
