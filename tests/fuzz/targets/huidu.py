"""Fuzz target: a Huidu stream as packets, as documents, and as a monitor sees it."""

from firmware_bridge.codecs import FrameError, huidu
from firmware_bridge.codecs import huidu_xml as xml

_PROGRAM = xml.Program("p", 64, 32, 2.0, (xml.TextResource("OPEN", "#ff0000", "Arial", 16),))
_DOCUMENT = xml.encode_request(xml.Request(xml.NO_GUID, "AddProgram", (xml.screen_of(_PROGRAM),)))
SEEDS: list[bytes] = [
    huidu.encode(huidu.Version(huidu.TRANSPORT_VERSION)),
    huidu.encode(huidu.Heartbeat()),
    *huidu.encode_document(_DOCUMENT),
    huidu.encode(huidu.FileStart("0" * 32, 3, 128, "a.png")) + huidu.encode(huidu.FileContent(b"abc")),
    huidu.encode(huidu.FileEnd()) + huidu.encode(huidu.FileEndAnswer(0)),
    _DOCUMENT,
    huidu.encode_search_answer("C16L-D00-A000F"),
]


def target(data: bytes) -> None:
    sniffer = huidu.Sniffer()
    seen = [*sniffer.feed(data), *sniffer.idle()]
    assert b"".join(one.data for one in seen) == data
    splitter, joiner = huidu.Splitter(), huidu.Joiner()
    for piece in splitter.feed(data):
        message = piece.message
        if message is None:
            continue
        assert huidu.encode(message) == piece.data
        if isinstance(message, huidu.XmlPiece):
            try:
                document = joiner.add(message)
            except FrameError:
                continue
            if document is not None:
                _read(document)
    assert splitter.waiting < huidu.PACKET_BYTES_MAX
    _read(data)
    try:
        card = huidu.decode_search_answer(data)
    except FrameError:
        return
    assert huidu.decode_search_answer(huidu.encode_search_answer(card)) == card


def _read(document: bytes) -> None:
    try:
        request = xml.decode_request(document)
    except FrameError:
        return
    body = xml.Node("in", children=request.body)
    for program in xml.programs_of(body):
        assert all(isinstance(shown, str | xml.ImageResource) for shown in program.resources)
    assert all(file.size >= -1 and file.existing >= -1 for file in xml.files_of(body))
    again = xml.decode_request(xml.encode_request(request))
    assert (again.guid, again.method) == (request.guid, request.method)
