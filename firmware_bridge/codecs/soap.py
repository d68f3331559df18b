"""SOAP 1.2 as cameras speak it: envelopes with a user's token, faults, and XML that cannot bite. PURE.

```
 <Envelope>
   <Header>
     [<Security><UsernameToken>  Username
                                 Password Type=#PasswordDigest   Base64(SHA-1(nonce + created + password))
                                 Nonce, Created                  WS-UsernameToken Profile 1.0, section 3.1
     [<To> <Action> <MessageID> and what a subscription wants back]   WS-Addressing 1.0, for events only
   </Header>
   <Body> one element, or <Fault><Code><Value/><Subcode>...</Code><Reason><Text/></Reason></Fault> </Body>
```
`Created` is in the camera's time: a token that is older or newer than the camera thinks is refused.

Cameras differ in prefixes and sometimes in namespaces, and some declare them nowhere; elements are found by their
local names. A document with a DOCTYPE is refused before anything in it is expanded.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from html import escape
from typing import TYPE_CHECKING

from firmware_bridge.codecs import FrameError

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

# A recorder of 64 channels lists its profiles in about half of this.
DOCUMENT_BYTES_MAX = 1 << 20
# No document of ONVIF nests deeper than about 15.
DEPTH_MAX = 64
TEXT_MAX = 512  # characters of a fault's reason that are passed on
PREFIXES_MAX = 16  # that a document may use without declaring them
NAME_MAX = 64  # characters of an unexpected element's name that are

_UNBOUND_PREFIX = 27  # expat's XML_ERROR_UNBOUND_PREFIX
_PREFIX_USED = re.compile(rb"[<\s/]([A-Za-z_][\w.-]*):[A-Za-z_]")
_PREFIX_DECLARED = re.compile(rb"\sxmlns:([A-Za-z_][\w.-]*)\s*=")
_FIRST_TAG = re.compile(rb"<[A-Za-z_][\w.:-]*")

ENVELOPE_NS = "http://www.w3.org/2003/05/soap-envelope"
_WSS = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-"
SECURITY_NS = f"{_WSS}wssecurity-secext-1.0.xsd"
UTILITY_NS = f"{_WSS}wssecurity-utility-1.0.xsd"
DIGEST_TYPE = f"{_WSS}username-token-profile-1.0#PasswordDigest"
NONCE_TYPE = f"{_WSS}soap-message-security-1.0#Base64Binary"


class SoapFault(Exception):
    """The other side said no. `codes` are the local names of code and subcodes, outermost first."""

    def __init__(self, codes: tuple[str, ...], reason: str) -> None:
        super().__init__(reason or " / ".join(codes) or "it gave no reason")
        self.codes = codes
        self.reason = reason

    @property
    def not_authorized(self) -> bool:
        """Whether it is about the user: the token was wrong, old, or the user may not do this."""
        said = " ".join((*self.codes, self.reason)).lower().replace(" ", "")
        return any(word in said for word in ("notauthorized", "failedauthentication", "unauthorized"))


def text_of(value: str) -> str:
    """Text as it stands in an element or in a quoted attribute."""
    return escape(value)


def password_digest(nonce: bytes, created: str, password: str) -> str:
    """The password as a UsernameToken proves it."""
    digest = hashlib.sha1(nonce + created.encode() + password.encode(), usedforsecurity=False)
    return base64.b64encode(digest.digest()).decode()


def username_token(user: str, password: str, nonce: bytes, created: datetime) -> str:
    """The Security header. `created` is the camera's time now."""
    stamp = created.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")
    return (
        f'<Security s:mustUnderstand="1" xmlns="{SECURITY_NS}"><UsernameToken>'
        f"<Username>{text_of(user)}</Username>"
        f'<Password Type="{DIGEST_TYPE}">{password_digest(nonce, stamp, password)}</Password>'
        f'<Nonce EncodingType="{NONCE_TYPE}">{base64.b64encode(nonce).decode()}</Nonce>'
        f'<Created xmlns="{UTILITY_NS}">{stamp}</Created></UsernameToken></Security>'
    )


def envelope(body: str, headers: str = "") -> bytes:
    """A whole document. Body and headers are XML already, their texts escaped."""
    return (
        '<?xml version="1.0" encoding="UTF-8"?>'
        f'<s:Envelope xmlns:s="{ENVELOPE_NS}"><s:Header>{headers}</s:Header><s:Body>{body}</s:Body></s:Envelope>'
    ).encode()


def parse(data: bytes) -> Element:
    """The document's root. Raises FrameError for what is no XML, too large, too deep or has a DOCTYPE."""
    import defusedxml.ElementTree as safe  # 2 MB that a station without cameras does not need
    from defusedxml.common import DefusedXmlException

    if len(data) > DOCUMENT_BYTES_MAX:
        raise FrameError(f"a document of {len(data)} bytes, more than {DOCUMENT_BYTES_MAX}")
    try:
        try:
            root: Element = safe.fromstring(data, forbid_dtd=True)
        except safe.ParseError as error:
            if error.code != _UNBOUND_PREFIX:
                raise
            root = safe.fromstring(_with_prefixes(data), forbid_dtd=True)
    except DefusedXmlException as error:
        raise FrameError(f"a document with a DOCTYPE or entities is not read ({type(error).__name__})") from None
    except (SyntaxError, ValueError, LookupError) as error:  # a ParseError is a SyntaxError; an encoding may be unknown
        raise FrameError(f"no XML: {error}") from None
    if _too_deep(root):
        raise FrameError(f"elements nested deeper than {DEPTH_MAX}")
    return root


def body_of(data: bytes) -> Element:
    """The one element of a message's body. Raises SoapFault when it is a fault, FrameError when there is none."""
    root = parse(data)
    body = child(root, "Body")
    if local(root) != "Envelope" or body is None or not len(body):
        raise FrameError(f"no SOAP message but <{local(root)[:NAME_MAX]}>")
    first = body[0]
    if local(first) == "Fault":
        raise _fault(first)
    return first


def local(element: Element) -> str:
    """The element's name without its namespace."""
    return element.tag.rpartition("}")[2]


def child(element: Element, *path: str) -> Element | None:
    """The first element down a path of local names."""
    found: Element | None = element
    for name in path:
        found = next((each for each in found if local(each) == name), None) if found is not None else None
    return found


def every(element: Element, name: str) -> Iterator[Element]:
    """All elements of that local name, at any depth."""
    return (each for each in element.iter() if local(each) == name)


def text(element: Element | None, *path: str) -> str:
    """The stripped text down a path; empty when there is none."""
    found = child(element, *path) if element is not None else None
    return (found.text or "").strip() if found is not None else ""


def _fault(fault: Element) -> SoapFault:
    codes = [text(value).rpartition(":")[2] for value in every(fault, "Value")]
    reason = text(fault, "Reason", "Text") or text(fault, "faultstring")  # SOAP 1.1 has the latter
    if not codes:
        codes = [text(fault, "faultcode").rpartition(":")[2]]
    return SoapFault(tuple(code[:TEXT_MAX] for code in codes[:4] if code), " ".join(reason.split())[:TEXT_MAX])


def _with_prefixes(data: bytes) -> bytes:
    """The document with a namespace for each prefix that it declares nowhere, as some cameras leave them out."""
    used = set(_PREFIX_USED.findall(data))
    missing = sorted(used - set(_PREFIX_DECLARED.findall(data)) - {b"xml", b"xmlns"})
    start = _FIRST_TAG.search(data)
    if start is None or len(missing) > PREFIXES_MAX:
        return data
    declared = b"".join(b' xmlns:%s="urn:undeclared:%s"' % (prefix, prefix) for prefix in missing)
    return data[: start.end()] + declared + data[start.end() :]


def _too_deep(root: Element) -> bool:
    level = [root]
    for _ in range(DEPTH_MAX):
        level = [each for element in level for each in element]
        if not level:
            return False
    return True
