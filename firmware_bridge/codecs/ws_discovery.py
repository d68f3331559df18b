"""WS-Discovery, as far as finding cameras needs it: Probe, ProbeMatches. PURE.

```
 station --> 239.255.255.250:3702   Probe         Types: NetworkVideoTransmitter
 station <-- camera                 ProbeMatches  EndpointReference, Types, Scopes, XAddrs, MetadataVersion
```
WS-Discovery 1.0 (April 2005), section 5; ONVIF Core 23.06, 7.3. A scope is a URI such as
`onvif://www.onvif.org/name/Gate%20camera`. Some cameras leave out the outer ProbeMatches; both are read.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import unquote

from firmware_bridge.codecs import FrameError
from firmware_bridge.codecs.soap import ENVELOPE_NS, NAME_MAX, child, every, local, parse, text, text_of

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

MULTICAST_GROUP = "239.255.255.250"
PORT = 3702
DATAGRAM_BYTES_MAX = 16 * 1024  # real answers have 1 to 3 kB
MATCHES_MAX = 16  # in one datagram: a recorder may answer for its channels
SCOPES_MAX = 64
XADDRS_MAX = 8
WORD_MAX = 512  # characters of one scope or address

ADDRESSING_NS = "http://schemas.xmlsoap.org/ws/2004/08/addressing"
DISCOVERY_NS = "http://schemas.xmlsoap.org/ws/2005/04/discovery"
TO_ALL = "urn:schemas-xmlsoap-org:ws:2005:04:discovery"
TO_SENDER = f"{ADDRESSING_NS}/role/anonymous"
ONVIF_TYPES_NS = "http://www.onvif.org/ver10/network/wsdl"
SCOPE_PREFIX = "onvif://www.onvif.org/"


@dataclass(frozen=True, slots=True)
class Probe:
    """Somebody looks for devices. `types` are local names; none means any."""

    message_id: str
    types: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Match:
    """One device that answers. What it leaves out is empty."""

    endpoint: str  # usually urn:uuid:...
    types: tuple[str, ...]
    scopes: tuple[str, ...]
    xaddrs: tuple[str, ...]

    @property
    def name(self) -> str:
        return self._scope("name")

    @property
    def hardware(self) -> str:
        return self._scope("hardware")

    @property
    def location(self) -> str:
        return self._scope("location")

    def _scope(self, category: str) -> str:
        """The last word of the first scope of a category, with its escapes undone."""
        prefix = f"{SCOPE_PREFIX}{category}/"
        found = next((scope for scope in self.scopes if scope.lower().startswith(prefix)), "")
        return _printable(unquote(found[len(prefix) :].rpartition("/")[2]))


def encode_probe(message_id: str) -> bytes:
    """A question to every camera of the network. `message_id` is a URI of its own, such as urn:uuid:..."""
    return _envelope(
        f"{DISCOVERY_NS}/Probe",
        message_id,
        TO_ALL,
        "",
        f'<d:Probe><d:Types xmlns:n="{ONVIF_TYPES_NS}">n:NetworkVideoTransmitter</d:Types></d:Probe>',
    )


def encode_matches(message_id: str, relates_to: str, matches: tuple[Match, ...]) -> bytes:
    """What cameras answer."""
    inner = "".join(
        "<d:ProbeMatch>"
        f"<a:EndpointReference><a:Address>{text_of(match.endpoint)}</a:Address></a:EndpointReference>"
        f'<d:Types xmlns:n="{ONVIF_TYPES_NS}">{text_of(" ".join(f"n:{each}" for each in match.types))}</d:Types>'
        f"<d:Scopes>{text_of(' '.join(match.scopes))}</d:Scopes>"
        f"<d:XAddrs>{text_of(' '.join(match.xaddrs))}</d:XAddrs>"
        "<d:MetadataVersion>1</d:MetadataVersion></d:ProbeMatch>"
        for match in matches
    )
    body = f"<d:ProbeMatches>{inner}</d:ProbeMatches>"
    return _envelope(f"{DISCOVERY_NS}/ProbeMatches", message_id, TO_SENDER, relates_to, body)


def decode(data: bytes) -> Probe | tuple[Match, ...] | None:
    """A datagram of the discovery group; None for one that is neither a probe nor an answer (Hello, Bye, ...).

    Raises FrameError for what is no message at all.
    """
    if len(data) > DATAGRAM_BYTES_MAX:
        raise FrameError(f"a datagram of {len(data)} bytes, more than {DATAGRAM_BYTES_MAX}")
    root = parse(data)
    body = child(root, "Body")
    if local(root) != "Envelope" or body is None:
        raise FrameError(f"no SOAP message but <{local(root)[:NAME_MAX]}>")
    if (probe := child(body, "Probe")) is not None:
        names = tuple(name.rpartition(":")[2] for name in text(probe, "Types").split())
        return Probe(text(root, "Header", "MessageID")[:WORD_MAX], names[:SCOPES_MAX])
    found = [_match(each) for each, _ in zip(every(body, "ProbeMatch"), range(MATCHES_MAX), strict=False)]
    return tuple(found) or None


def _match(element: Element) -> Match:
    return Match(
        endpoint=_printable(text(element, "EndpointReference", "Address")[:WORD_MAX]),
        types=tuple(name.rpartition(":")[2][:WORD_MAX] for name in text(element, "Types").split()[:SCOPES_MAX]),
        scopes=tuple(scope for scope in text(element, "Scopes").split()[:SCOPES_MAX] if len(scope) <= WORD_MAX),
        xaddrs=tuple(xaddr for xaddr in text(element, "XAddrs").split()[:XADDRS_MAX] if len(xaddr) <= WORD_MAX),
    )


def _printable(word: str) -> str:
    """Without line ends and other controls: it comes from the network and goes to a terminal and into a file."""
    return "".join(character for character in word if character.isprintable())


def _envelope(action: str, message_id: str, to: str, relates_to: str, body: str) -> bytes:
    relates = f"<a:RelatesTo>{text_of(relates_to)}</a:RelatesTo>" if relates_to else ""
    return (
        '<?xml version="1.0" encoding="UTF-8"?>'
        f'<s:Envelope xmlns:s="{ENVELOPE_NS}" xmlns:a="{ADDRESSING_NS}" xmlns:d="{DISCOVERY_NS}"><s:Header>'
        f'<a:Action s:mustUnderstand="1">{action}</a:Action><a:MessageID>{text_of(message_id)}</a:MessageID>'
        f'{relates}<a:To s:mustUnderstand="1">{to}</a:To></s:Header><s:Body>{body}</s:Body></s:Envelope>'
    ).encode()
