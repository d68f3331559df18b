"""Huidu packets and documents: the vendor's published structures, round trips, cuts, noise, hostile XML."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge.codecs import FrameError, huidu
from firmware_bridge.codecs import huidu_xml as xml
from firmware_bridge.codecs.huidu import Command

MD5 = "d41d8cd98f00b204e9800998ecf8427e"

u16, u32, u64 = st.integers(0, 0xFFFF), st.integers(0, 0xFFFFFFFF), st.integers(0, 2**64 - 1)
names = st.text("abcXYZ019_-. 图", min_size=1, max_size=30)


@st.composite
def pieces(draw):
    data = draw(st.binary(max_size=300))
    index = draw(st.integers(0, 1000))
    total = draw(st.integers(index + len(data), huidu.DOCUMENT_BYTES_MAX))
    return huidu.XmlPiece(total, index, data, draw(st.booleans()))


by_number_only = st.sampled_from(
    [Command.GPS_ANSWER, Command.FILE_CONTENT_ANSWER, Command.READ_FILE_ASK, Command.READ_FILE_ANSWER]
)
messages = st.one_of(
    st.builds(huidu.Heartbeat, st.booleans()),
    st.builds(huidu.Version, u32, st.booleans()),
    pieces(),
    st.builds(huidu.FileStart, st.text("0123456789abcdef", min_size=32, max_size=32), u64, u16, names),
    st.builds(huidu.FileStartAnswer, u16, u64),
    st.builds(huidu.FileContent, st.binary(max_size=300)),
    st.just(huidu.FileEnd()),
    st.builds(huidu.FileEndAnswer, u16),
    st.builds(huidu.ErrorAnswer, u16),
    st.builds(huidu.Other, by_number_only, st.binary(max_size=40)),
)


# Packets of the vendor's minimal client: negotiation, heartbeat, a file of three bytes.
VECTORS = [
    ("0800012009000001", huidu.Version(0x1000009)),
    ("0800022007000001", huidu.Version(0x1000007, is_answer=True)),
    ("04005f00", huidu.Heartbeat()),
    ("04006000", huidu.Heartbeat(is_answer=True)),
    ("060000200200", huidu.ErrorAnswer(2)),
    ("0f00032003000000000000003c612f", huidu.XmlPiece(3, 0, b"<a/")),
    (
        "36000180" + MD5.encode().hex() + "00" + "0300000000000000" + "0000" + "612e706e6731" + "00",
        huidu.FileStart(MD5, 3, 0, "a.png1"),
    ),
    ("0e00028000000200000000000000", huidu.FileStartAnswer(0, 2)),
    ("07000380616263", huidu.FileContent(b"abc")),
    ("04000580", huidu.FileEnd()),
    ("060006800e00", huidu.FileEndAnswer(14)),
]
# As node-huidu-sdk, a client that runs against real cards, sent them to our simulated card.
OF_ANOTHER_CLIENT = [
    ("0800012007000001", huidu.Version(0x1000007)),
    (
        "390001803039616163653134653434353730633231343364623763653832396564623234005f00000000000000000068656c6c6f2e706e"
        "6700",
        huidu.FileStart("09aace14e44570c2143db7ce829edb24", 95, 0, "hello.png"),
    ),
    ("04000580", huidu.FileEnd()),
]


@pytest.mark.parametrize(("packet", "message"), VECTORS + OF_ANOTHER_CLIENT)
def test_the_vendors_structures(packet, message):
    packet = bytes.fromhex(packet)
    assert huidu.encode(message) == packet
    assert huidu.decode(packet) == message


@given(sent=st.lists(messages, max_size=6), cut=st.integers(1, 60))
def test_every_packet_is_read_back_however_the_stream_is_cut(sent, cut):
    stream = b"".join(map(huidu.encode, sent))
    parser = huidu.PacketParser()
    found = []
    for at in range(0, len(stream), cut):
        found += parser.feed(stream[at : at + cut])
    assert found == sent
    assert parser.discarded == 0


@given(noise=st.binary(max_size=60).filter(lambda data: not any(byte in data for byte in (0x20, 0x30, 0x80, 0x00))))
def test_after_noise_a_packet_is_read_and_the_noise_is_counted(noise):
    parser = huidu.PacketParser()
    assert parser.feed(noise + huidu.encode(huidu.FileEnd())) == [huidu.FileEnd()]
    assert parser.discarded == len(noise)


@given(data=st.binary(max_size=400), cut=st.integers(1, 50))
def test_a_monitor_shows_every_byte_once_and_keeps_little(data, cut):
    sniffer = huidu.Sniffer()
    seen = []
    for at in range(0, len(data), cut):
        seen += sniffer.feed(data[at : at + cut])
    seen += sniffer.idle()
    assert b"".join(one.data for one in seen) == data
    assert all("\n" not in one.text for one in seen)


def test_a_monitor_names_what_it_sees():
    stream = b"".join(huidu.encode(message) for _, message in VECTORS) + b"\xff" + b"\x06\x00"
    sniffer = huidu.Sniffer()
    texts = [one.text for one in [*sniffer.feed(stream), *sniffer.idle()]]
    assert texts[0] == "<- transport version 0x1000009"
    assert texts[4] == "-> error: kProcessError"
    assert texts[6] == "<- file 'a.png1' of 3 bytes, type 0, md5 d41d8cd9.."
    assert texts[-2] == "-> end of the file: kFileContentError"
    assert texts[-1] == "3 bytes: half a packet"  # ff 06 would be a length that is still to come


def test_what_is_half_read_stays_small():
    splitter = huidu.Splitter()
    splitter.feed(bytes.fromhex("00400380") + bytes(50_000))
    assert splitter.waiting < huidu.PACKET_BYTES_MAX


@pytest.mark.parametrize(
    "packet", ["", "0400", "05005f0000", "0700012001020304", "04000000", "0500068000", "0c00032000000000ffffffff00"]
)
def test_what_is_no_packet_is_an_error(packet):
    with pytest.raises(FrameError):
        huidu.decode(bytes.fromhex(packet))


def test_a_document_goes_in_pieces_and_comes_together():
    document = b"x" * 20_000
    packets = huidu.encode_document(document, is_answer=True)
    parser, joiner = huidu.PacketParser(), huidu.Joiner()
    sizes = []
    whole = []
    for packet in packets:
        for piece in parser.feed(packet):
            sizes.append((piece.index, len(piece.data)))
            whole.append(joiner.add(piece))
    assert sizes == [(0, 9200), (9200, 9200), (18400, 1600)]
    assert whole == [None, None, document]


def test_a_piece_that_continues_nothing_is_an_error_and_the_next_document_is_read():
    joiner = huidu.Joiner()
    assert joiner.add(huidu.XmlPiece(4, 0, b"ab")) is None
    with pytest.raises(FrameError, match="from byte 3 on of 4, 2 bytes came before"):
        joiner.add(huidu.XmlPiece(4, 3, b"d"))
    assert joiner.add(huidu.XmlPiece(2, 0, b"ok")) == b"ok"


@pytest.mark.parametrize("size", [0, huidu.DOCUMENT_BYTES_MAX + 1])
def test_a_document_of_no_size_or_too_much_is_refused(size):
    with pytest.raises(ValueError, match="document of"):
        huidu.encode_document(bytes(size))


@pytest.mark.parametrize(
    ("md5", "name"), [("D" * 32, "a"), ("d" * 31, "a"), ("d" * 32, ""), ("d" * 32, "a\0b"), ("d" * 32, "驿" * 41)]
)
def test_a_file_that_no_card_takes_is_refused(md5, name):
    with pytest.raises(ValueError, match="is no "):
        huidu.FileStart(md5, 1, 0, name)


def test_a_card_answers_a_search_with_its_id():
    assert huidu.encode_search().hex() == "090000010110"
    answer = bytes.fromhex("0900000102104331364c2d4430302d41303030460000000000")
    assert huidu.decode_search_answer(answer) == "C16L-D00-A000F"
    assert huidu.decode_search_answer(answer + b"more") == "C16L-D00-A000F"
    assert huidu.encode_search_answer("C16L-D00-A000F") == answer


@pytest.mark.parametrize(
    "data", [b"", bytes(25), bytes.fromhex("090000010110") + bytes(19), b"\t\0\0\1\x02\x10\xff" + bytes(18)]
)
def test_a_datagram_that_is_no_answer_is_an_error(data):
    with pytest.raises(FrameError):
        huidu.decode_search_answer(data)


# --- documents ---

NEGOTIATED = b"""<?xml version="1.0" encoding="utf-8"?>
<sdk guid="f7b3b451c4f3cf3310e2d6714fbb50e8">
    <out method="GetIFVersion" result="kSuccess">
        <version value="1000000"/>
    </out>
</sdk>
"""
# As a card tells its programs: `resource` without s, attributes in any order.
PROGRAMS = """<?xml version="1.0" encoding="utf-8"?>
<sdk guid="15811595b4daf72fe80e7e078de6edd4">
    <out result="kSuccess" method="GetProgram">
        <screen width="128" height="64">
            <program type="normal" guid="{one}">
                <playControl count="1"/>
                <area alpha="255" guid="{area}">
                    <rectangle height="32" x="0" y="0" width="32"/>
                    <resource>
                        <text guid="t"><effect in="0"/><string>test 驿</string><font size="20" name="Arial"/></text>
                        <image guid="i"><file md5="D41D8CD98F00B204E9800998ECF8427E" name="p.png"/></image>
                        <video guid="v"><file name="v.mp4"/></video>
                    </resource>
                </area>
            </program>
        </screen>
    </out>
</sdk>
""".encode()
FILES = b"""<sdk guid="1"><out method="GetFiles" result="kSuccess"><files>
<file existSize="10" name="p.png" md5="D41D8CD98F00B204E9800998ECF8427E" type="image" size="12"/><file name="q"/>
</files></out></sdk>"""


def test_the_first_answer_gives_the_guid():
    answer = xml.decode_answer(NEGOTIATED)
    assert (answer.guid, answer.method, answer.succeeded) == ("f7b3b451c4f3cf3310e2d6714fbb50e8", "GetIFVersion", True)
    assert answer.body.value("value", "version") == "1000000"


def test_the_programs_of_a_card_are_read():
    (program,) = xml.programs_of(xml.decode_answer(PROGRAMS).body)
    assert program == xml.ShownProgram("{one}", "{area}", ("test 驿", xml.ImageResource("p.png", MD5)))


def test_the_files_of_a_card_are_read_in_any_order_of_attributes():
    assert xml.files_of(xml.decode_answer(FILES).body) == (
        xml.StoredFile("p.png", MD5, 12, 10),
        xml.StoredFile("q", "", -1, -1),
    )


def test_a_program_that_was_encoded_is_told_as_what_it_shows():
    text = xml.TextResource('<OPEN> & "24 h"', "#ff0000", "Arial", 16)
    program = xml.Program("p1", 64, 32, 2.0, (text, xml.ImageResource("a.png", MD5)))
    data = xml.encode_request(xml.Request("g", "AddProgram", (xml.screen_of(program),)))
    request = xml.decode_request(data)
    assert (request.guid, request.method) == ("g", "AddProgram")
    assert request.body == (xml.screen_of(program),)
    (shown,) = xml.programs_of(xml.Node("out", children=request.body))
    assert shown == xml.ShownProgram("p1", "p1-area", ('<OPEN> & "24 h"', xml.ImageResource("a.png", MD5)))
    image = next(request.body[0].every("image"))
    assert image.value("duration", "effect") == "20"


@given(text=st.text(st.characters(exclude_categories=["C", "Zl", "Zp"]), max_size=40).filter(str.isprintable))
def test_any_text_survives_a_document(text):
    resource = xml.TextResource(text, "#00ff00", "Arial", 16, scrolls=True)
    body = (xml.screen_of(xml.Program("p", 8, 8, 1.0, (resource,))),)
    data = xml.encode_request(xml.Request("g", "AddProgram", body))
    (shown,) = xml.programs_of(xml.Node("out", children=xml.decode_request(data).body))
    assert shown.resources == (text,)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "no XML"),
        (b"<sdk>", "no XML"),
        (b"<sdk/>", "no <sdk> with an <out>"),
        (b"<tree><out/></tree>", "no <sdk>"),
        (b'<!DOCTYPE sdk [<!ENTITY a "b">]><sdk><out>&a;</out></sdk>', "DOCTYPE"),
        (b'<!DOCTYPE sdk SYSTEM "file:///etc/passwd"><sdk><out/></sdk>', "DOCTYPE"),
        (b"<sdk>" + b"<out>" * 20 + b"</out>" * 20 + b"</sdk>", "deeper than 16"),
        (b"<sdk><out>" + b"<a/>" * 8200 + b"</out></sdk>", "more than 8192 elements"),
        (b" " * (huidu.DOCUMENT_BYTES_MAX + 1), "is the most"),
        (b'<?xml version="1.0" encoding="no-such"?><sdk><out/></sdk>', "no XML"),
    ],
)
def test_a_document_that_bites_is_refused(data, message):
    with pytest.raises(FrameError, match=message):
        xml.decode_answer(data)


@pytest.mark.parametrize("text", ["a\nb", "x" * 1025, "\x07"])
def test_a_text_that_no_card_shows_is_refused(text):
    with pytest.raises(ValueError, match=r"is the most|cannot be printed"):
        xml.TextResource(text, "#ffffff", "Arial", 16)


def test_brightness_goes_with_all_four_parts():
    assert [node.tag for node in xml.brightness_body(40)] == ["mode", "default", "ploy", "sensor"]
