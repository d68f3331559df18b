"""Documents that a Huidu card takes and gives, inside the packets of `huidu.py`. PURE.

Source: the vendor's published SDK notes (negotiation of the SDK's version, structure of a program list, GetProgram,
brightness, time) and answers of a C16L card printed in the vendor's HTTP API description.

```
<sdk guid="##GUID">  <in method="GetIFVersion"> <version value="1000000"/> </in>  </sdk>
<sdk guid="f7b3.."> <out method="GetIFVersion" result="kSuccess"> <version value="1000000"/> </out>  </sdk>
```
The guid of that answer stands in every later request of the connection. What a sign shows is a program:

```
screen > program guid type > area guid alpha > rectangle x y width height
                                             > resources > image guid fit > effect, file name md5
                                                         > text  guid     > effect, style, string, font
```
The resources of an area are played one after another. A card that tells its programs calls them `resource`, and a
program with that name sent back to it stays black.

A document with a DOCTYPE is refused before anything in it is expanded.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from html import escape
from typing import TYPE_CHECKING

from firmware_bridge.codecs import FrameError
from firmware_bridge.codecs.huidu import DOCUMENT_BYTES_MAX

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

NO_GUID = "##GUID"
SDK_VERSION = "1000000"
SUCCESS = "kSuccess"
# The card writes a file still, or builds a program: ask again.
BUSY = frozenset({"kDownloadingFile", "kProcessing"})
# A program that was just added is not in the card's list yet: it says that there is no such index.
NOT_YET = BUSY | {"kInvalidXmlIndex"}
DEPTH_MAX = 16
ELEMENTS_MAX = 8192
TEXT_CHARACTERS_MAX = 1024
TIME_FORMAT = "%Y-%m-%d %H:%M:%S"
# The unit of a resource's stay.
TICKS_PER_S = 10


@dataclass(frozen=True, slots=True)
class Node:
    """An element of a document. Text stands in front of the children."""

    tag: str
    attributes: Mapping[str, str] = field(default_factory=dict)
    children: tuple[Node, ...] = ()
    text: str = ""

    def first(self, *path: str) -> Node | None:
        """The first node down a path of tags."""
        found: Node | None = self
        for tag in path:
            found = next((child for child in found.children if child.tag == tag), None) if found else None
        return found

    def every(self, tag: str) -> Iterator[Node]:
        """All nodes of that tag below this one."""
        for child in self.children:
            if child.tag == tag:
                yield child
            yield from child.every(tag)

    def value(self, name: str, *path: str) -> str:
        """An attribute of the node down a path; empty where there is none."""
        found = self.first(*path)
        return found.attributes.get(name, "") if found else ""


@dataclass(frozen=True, slots=True)
class Request:
    guid: str
    method: str
    body: tuple[Node, ...] = ()


@dataclass(frozen=True, slots=True)
class Answer:
    guid: str
    method: str
    result: str
    body: Node

    @property
    def succeeded(self) -> bool:
        return self.result == SUCCESS


def encode_request(request: Request) -> bytes:
    return _document(request.guid, Node("in", {"method": request.method}, request.body))


def encode_answer(answer: Answer) -> bytes:
    attributes = {"method": answer.method, "result": answer.result}
    return _document(answer.guid, Node("out", attributes, answer.body.children))


def decode_request(data: bytes) -> Request:
    """Raises FrameError for what is none."""
    guid, node = _decode(data, "in")
    return Request(guid, node.attributes.get("method", ""), node.children)


def decode_answer(data: bytes) -> Answer:
    """Raises FrameError for what is none."""
    guid, node = _decode(data, "out")
    return Answer(guid, node.attributes.get("method", ""), node.attributes.get("result", ""), node)


def _document(guid: str, node: Node) -> bytes:
    xml = '<?xml version="1.0" encoding="utf-8"?>' + _text_of(Node("sdk", {"guid": guid}, (node,)))
    return xml.encode()


def _text_of(node: Node) -> str:
    attributes = "".join(f' {name}="{escape(value)}"' for name, value in node.attributes.items())
    inner = escape(node.text) + "".join(map(_text_of, node.children))
    return f"<{node.tag}{attributes}>{inner}</{node.tag}>" if inner else f"<{node.tag}{attributes}/>"


def _decode(data: bytes, tag: str) -> tuple[str, Node]:
    root = _parse(data)
    inner = root.first(tag)
    if root.tag != "sdk" or inner is None:
        raise FrameError(f"no <sdk> with an <{tag}> but <{root.tag[:32]}>")
    return root.attributes.get("guid", ""), inner


def _parse(data: bytes) -> Node:
    import defusedxml.ElementTree as safe  # only a station with such a sign needs it
    from defusedxml.common import DefusedXmlException

    if len(data) > DOCUMENT_BYTES_MAX:
        raise FrameError(f"a document of {len(data)} bytes, {DOCUMENT_BYTES_MAX} is the most")
    try:
        # Cards end a document with zero bytes now and then.
        root: Element = safe.fromstring(data.rstrip(b"\0"), forbid_dtd=True)
    except DefusedXmlException as error:
        raise FrameError(f"a document with a DOCTYPE or entities is not read ({type(error).__name__})") from None
    except (SyntaxError, ValueError, LookupError) as error:  # a ParseError is a SyntaxError
        raise FrameError(f"no XML: {error}") from None
    if sum(1 for _ in root.iter()) > ELEMENTS_MAX:
        raise FrameError(f"a document of more than {ELEMENTS_MAX} elements")
    return _node(root, DEPTH_MAX)


def _node(element: Element, depth_left: int) -> Node:
    if depth_left == 0:
        raise FrameError(f"elements nested deeper than {DEPTH_MAX}")
    children = tuple(_node(child, depth_left - 1) for child in element if isinstance(child.tag, str))
    text = element.text or ""
    return Node(element.tag, dict(element.attrib), children, "" if children and text.isspace() else text)


# --- programs ---


@dataclass(frozen=True, slots=True)
class TextResource:
    """A text in the card's own font, across the whole sign; `scrolls` when it is too long for it."""

    text: str
    colour: str  # #rrggbb
    font: str
    font_px: int
    scrolls: bool = False

    def __post_init__(self) -> None:
        if len(self.text) > TEXT_CHARACTERS_MAX:
            raise ValueError(f"a text of {len(self.text)} characters, {TEXT_CHARACTERS_MAX} is the most")
        if not self.text.isprintable():
            raise ValueError("a text with characters that cannot be printed")


@dataclass(frozen=True, slots=True)
class ImageResource:
    """A picture that was sent to the card before."""

    file: str
    md5: str


Resource = TextResource | ImageResource


@dataclass(frozen=True, slots=True)
class Program:
    """One area across the sign whose resources are shown in turn, each for `stay_s`."""

    guid: str
    width: int
    height: int
    stay_s: float
    resources: tuple[Resource, ...]


# Effects by number: at once, and head to tail to the left.
_AT_ONCE, _RUN_LEFT = 0, 26


def screen_of(program: Program) -> Node:
    """What AddProgram takes. Guids of the parts follow from the program's, so that they stay the same."""
    parts = tuple(
        _resource(f"{program.guid}-{number}", resource, program.stay_s)
        for number, resource in enumerate(program.resources, 1)
    )
    size = {"width": str(program.width), "height": str(program.height)}
    area = Node(
        "area",
        {"guid": area_guid(program.guid), "alpha": "255"},
        (Node("rectangle", {"x": "0", "y": "0", **size}), Node("resources", children=parts)),
    )
    control = Node("playControl", {"count": "1", "disabled": "false"})
    return Node("screen", size, (Node("program", {"guid": program.guid, "type": "normal"}, (control, area)),))


def area_guid(program_guid: str) -> str:
    return f"{program_guid}-area"


def _resource(guid: str, resource: Resource, stay_s: float) -> Node:
    scrolls = isinstance(resource, TextResource) and resource.scrolls
    effect = Node(
        "effect",
        {
            "in": str(_RUN_LEFT if scrolls else _AT_ONCE),
            "out": str(_AT_ONCE),
            "inSpeed": "4",
            "outSpeed": "4",
            "duration": str(max(1, round(stay_s * TICKS_PER_S))),
        },
    )
    match resource:
        case ImageResource(file, md5):
            return Node("image", {"guid": guid, "fit": "fill"}, (effect, Node("file", {"name": file, "md5": md5})))
        case TextResource(text, colour, font, font_px, _):
            style = Node("style", {"valign": "middle", "align": "center"})
            no = dict.fromkeys(("bold", "italic", "underline"), "false")
            look = Node("font", {"name": font, "size": str(font_px), "color": colour, **no})
            single = {"guid": guid, "singleLine": "true"}
            return Node("text", single, (effect, style, Node("string", text=text), look))


@dataclass(frozen=True, slots=True)
class ShownProgram:
    """A program as the card tells it: texts as they are, pictures by the name of their file."""

    guid: str
    area_guid: str
    resources: tuple[str | ImageResource, ...]


def programs_of(answer: Node) -> tuple[ShownProgram, ...]:
    """The programs in the answer to GetProgram. What is neither text nor picture is left out."""
    return tuple(
        ShownProgram(
            program.attributes.get("guid", ""),
            program.value("guid", "area"),
            tuple(
                found
                for name in ("resources", "resource")
                for resources in program.every(name)
                for found in map(_shown, resources.children)
                if found is not None
            ),
        )
        for program in answer.every("program")
    )


def _shown(node: Node) -> str | ImageResource | None:
    match node.tag:
        case "text":
            string = node.first("string")
            return string.text if string else ""
        case "image":
            return ImageResource(node.value("name", "file"), node.value("md5", "file").lower())
    return None


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A row of GetFiles: `existing` bytes of `size` are there."""

    name: str
    md5: str
    size: int
    existing: int


def files_of(answer: Node) -> tuple[StoredFile, ...]:
    """The rows of the answer to GetFiles; a row without numbers holds nothing."""
    return tuple(
        StoredFile(
            row.attributes.get("name", ""),
            row.attributes.get("md5", "").lower(),
            _number(row.attributes.get("size", "")),
            _number(row.attributes.get("existSize", "")),
        )
        for row in answer.every("file")
    )


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 16 else -1


def brightness_body(percent: int) -> tuple[Node, ...]:
    """All four parts: a card refuses to read fewer."""
    return (
        Node("mode", {"value": "default"}),
        Node("default", {"value": str(percent)}),
        Node("ploy"),
        Node("sensor", {"min": "1", "max": "100", "time": "5"}),
    )
