"""A Huidu full-colour card on a TCP port: files, programs, brightness, clock, and what it is known to do wrong.

As others found real ones to behave: a file of a known name is only continued, whatever its content, and a known
content makes no file of another name; a program whose file is still being written is refused with kDownloadingFile
at first, and switching to one that was just added with kInvalidXmlIndex; all programs are played in turn; brightness
needs all four of its parts; pictures of the temporary kind are gone with the power.
"""

from __future__ import annotations

import hashlib
import io
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from firmware_bridge.codecs import FrameError, huidu
from firmware_bridge.codecs import huidu_xml as xml
from firmware_bridge.config import DeviceConfig
from firmware_bridge.simulators.base import Action, SimulatorContext, WireSimulation
from firmware_bridge.simulators.paced_net import PacedTcp

PROCESS_ERROR, FILE_CONTENT_ERROR, PARSE_XML_FAILED = 2, 14, 22
BUSY_ANSWERS = 1  # times that a program is refused while its file is written, and while the list is made


@dataclass(slots=True)
class CardFile:
    """What the card holds of a file."""

    md5: str
    size: int
    file_type: int
    data: bytearray = field(default_factory=bytearray)

    @property
    def is_whole(self) -> bool:
        return len(self.data) == self.size and hashlib.md5(self.data, usedforsecurity=False).hexdigest() == self.md5


@dataclass(frozen=True, slots=True)
class CardPage:
    """One page as it is seen: a text, or a picture of width x height dots (1 is lit)."""

    text: str | None = None
    width: int = 0
    height: int = 0
    dots: bytes = b""


class SimulatedHuidu:
    """One card. A request that it does not know is answered with kInvalidMethod."""

    def __init__(self, wire: PacedTcp, rng: random.Random, *, width: int, height: int) -> None:
        self._wire = wire
        self._rng = rng
        self.width, self.height = width, height
        self.files: dict[str, CardFile] = {}
        self.programs: dict[str, xml.Node] = {}
        self.playing = ""
        self.brightness = 80
        self.screen_on = True
        self.time = "2020-01-01 00:00:00"
        self.name = "BoxPlayer"
        self.mute = False
        self.heartbeats = 0
        self.uploads = 0
        self.methods: list[str] = []  # the last METHODS_MAX
        self.on_change: Callable[[], None] = lambda: None  # called whenever something was heard
        self._busy_left = self._listing_left = 0
        self._connection = -1
        self._parser = huidu.PacketParser()
        self._joiner = huidu.Joiner()
        self._guid = ""
        self._receiving: CardFile | None = None
        wire.listen(self._heard)

    METHODS_MAX = 200

    @property
    def pages(self) -> tuple[CardPage, ...]:
        """What is seen, page after page: nothing while the screen is off."""
        program = self.programs.get(self.playing)
        if program is None or not self.screen_on:
            return ()
        (shown,) = xml.programs_of(xml.Node("screen", children=(program,)))
        return tuple(map(self._page, shown.resources))

    def _page(self, resource: str | xml.ImageResource) -> CardPage:
        if isinstance(resource, str):
            return CardPage(text=resource)
        from PIL import Image

        file = self.files.get(resource.file)
        if file is None or not file.is_whole:
            return CardPage()
        image = Image.open(io.BytesIO(file.data)).convert("L").point(lambda level: level > 0)
        dots = image.tobytes()
        return CardPage(None, *image.size, dots)

    def power_cycle(self) -> None:
        """Temporary files are gone, and programs without their files with them."""
        self.files = {
            name: file for name, file in self.files.items() if file.file_type < huidu.FileType.TEMPORARY_IMAGE
        }
        self.programs = {guid: node for guid, node in self.programs.items() if not self._lacks(node)}
        self.playing = next(iter(self.programs), "")
        self._wire.hang_up()

    def ask_for_life(self) -> None:
        """The card wants to know whether we live."""
        self._wire.send(huidu.encode(huidu.Heartbeat()))

    def _heard(self, data: bytes, first_byte_s: float) -> None:
        if self._connection != self._wire.connections:
            self._connection = self._wire.connections
            self._parser, self._joiner = huidu.PacketParser(), huidu.Joiner()
            self._guid, self._receiving = "", None
        for message in self._parser.feed(data):
            self._obey(message)
            self.on_change()

    def _obey(self, message: huidu.Message) -> None:
        match message:
            case huidu.Heartbeat(is_answer):
                self.heartbeats += 1
                if not is_answer:
                    self._send(huidu.Heartbeat(is_answer=True))
            case huidu.Version():
                self._send(huidu.Version(huidu.TRANSPORT_VERSION, is_answer=True))
            case huidu.XmlPiece() if self._receiving is None:
                try:
                    document = self._joiner.add(message)
                    if document is not None:
                        self._answer(xml.decode_request(document))
                except FrameError:
                    self._send(huidu.ErrorAnswer(PARSE_XML_FAILED))
            case huidu.FileStart(md5, size, file_type, name) if self._receiving is None and self._guid:
                same = next((file for file in self.files.values() if file.md5 == md5), None)
                file = same or self.files.setdefault(name, CardFile(md5, size, file_type))
                file.md5, file.size, file.file_type = md5, size, file_type
                self._receiving = file
                self.uploads += 1
                self._busy_left = BUSY_ANSWERS
                self._send(huidu.FileStartAnswer(huidu.STATUS_OK, len(file.data)))
            case huidu.FileContent(data) if self._receiving is not None:
                self._receiving.data += data[: self._receiving.size - len(self._receiving.data)]
            case huidu.FileEnd() if self._receiving is not None:
                whole = self._receiving.is_whole
                self._receiving = None
                self._send(huidu.FileEndAnswer(huidu.STATUS_OK if whole else FILE_CONTENT_ERROR))
            case _:
                self._send(huidu.ErrorAnswer(PROCESS_ERROR))

    def _send(self, message: huidu.Message) -> None:
        if not self.mute:
            self._wire.send(huidu.encode(message))

    def _answer(self, request: xml.Request) -> None:
        self.methods = [*self.methods, request.method][-self.METHODS_MAX :]
        result, body = self._carry_out(request)
        answer = xml.Answer(self._guid, request.method, result, xml.Node("out", children=body))
        if not self.mute:
            for packet in huidu.encode_document(xml.encode_answer(answer), is_answer=True):
                self._wire.send(packet)

    def _carry_out(self, request: xml.Request) -> tuple[str, tuple[xml.Node, ...]]:
        body = xml.Node("in", children=request.body)
        if request.method == "GetIFVersion":
            self._guid = f"{self._rng.getrandbits(128):032x}"
            return xml.SUCCESS, (xml.Node("version", {"value": xml.SDK_VERSION}),)
        if not self._guid or request.guid != self._guid:
            return "kInvalidGUID", ()
        if request.method.startswith("Get"):
            told = self._told(request.method)
            return (xml.SUCCESS, told) if told is not None else ("kInvalidMethod", ())
        return self._done(request.method, body), ()

    def _told(self, method: str) -> tuple[xml.Node, ...] | None:
        match method:
            case "GetDeviceInfo":
                size = {"width": str(self.width), "height": str(self.height), "rotation": "0"}
                device = {"model": "C16L", "cpu": "RK.px30", "name": self.name, "id": "C16L-D00-A000F"}
                version = {"fpga": "16.12.0.0", "app": "7.10.78.1", "kernel": ""}
                return xml.Node("device", device), xml.Node("version", version), xml.Node("screen", size)
            case "GetDeviceName":
                return (xml.Node("name", {"value": self.name}),)
            case "GetCurrentPlayProgramGUID":
                return (xml.Node("program", {"guid": self.playing}),)
            case "GetProgram":
                return (xml.Node("screen", children=tuple(map(_as_told, self.programs.values()))),)
            case "GetFiles":
                return (xml.Node("files", children=tuple(_file_row(*row) for row in self.files.items())),)
            case "GetLuminancePloy":
                sensor = {"max": "100", "count": "0", "min": "1", "time": "5"}
                return (
                    xml.Node("mode", {"value": "default"}),
                    xml.Node("default", {"value": str(self.brightness)}),
                    xml.Node("sensor", sensor),
                    xml.Node("ploy"),
                )
            case "GetTimeInfo":
                return (
                    xml.Node("timezone", {"value": "(UTC+08:00)Beijing,Chongqing,HongKong,Urumchi"}),
                    xml.Node("summer", {"enable": "false"}),
                    xml.Node("sync", {"value": "none"}),
                    xml.Node("time", {"value": self.time}),
                    xml.Node("server", {"list": ""}),
                )
        return None

    def _done(self, method: str, body: xml.Node) -> str:
        match method:
            case "AddProgram":
                return self._add_programs(body)
            case "DeleteProgram":
                self.programs.pop(body.value("guid", "program"), None)
                if self.playing not in self.programs:
                    self.playing = next(iter(self.programs), "")
            case "SwitchProgram":
                if self._listing_left or body.value("guid", "program") not in self.programs:
                    self._listing_left = max(0, self._listing_left - 1)
                    return "kInvalidXmlIndex"
                self.playing = body.value("guid", "program")
            case "DeleteFiles":
                for row in body.every("file"):
                    self.files.pop(row.attributes.get("name", ""), None)
            case "OpenScreen" | "CloseScreen":
                self.screen_on = method == "OpenScreen"
            case "SetLuminancePloy":
                percent = body.value("value", "default")
                if {node.tag for node in body.children} != {
                    "mode",
                    "default",
                    "ploy",
                    "sensor",
                } or not percent.isdigit():
                    return "kParseXmlFailed"
                self.brightness = int(percent)
            case "SetTimeInfo":
                self.time = body.value("value", "time")
            case "SetDeviceName":
                self.name = body.value("value", "name")
            case _:
                return "kInvalidMethod"
        return xml.SUCCESS

    def _add_programs(self, body: xml.Node) -> str:
        screen = body.first("screen")
        programs = [node for node in screen.children if node.tag == "program"] if screen else []
        if not programs:
            return "kParseXmlFailed"
        if self._busy_left:
            self._busy_left -= 1
            return "kDownloadingFile"
        if any(map(self._lacks, programs)):
            return "kDownloadFileFailed"
        for program in programs:
            self.programs[program.attributes.get("guid", "")] = program
        self._listing_left = BUSY_ANSWERS
        self.playing = self.playing or next(iter(self.programs))
        return xml.SUCCESS

    def _lacks(self, program: xml.Node) -> bool:
        files = [self.files.get(node.value("name", "file")) for node in program.every("image")]
        return any(file is None or not file.is_whole for file in files)


def _as_told(node: xml.Node) -> xml.Node:
    """A card tells the resources of an area by another name than it takes them."""
    tag = "resource" if node.tag == "resources" else node.tag
    return xml.Node(tag, node.attributes, tuple(map(_as_told, node.children)), node.text)


def _file_row(name: str, file: CardFile) -> xml.Node:
    held = {"existSize": str(len(file.data)), "name": name, "md5": file.md5, "size": str(file.size)}
    return xml.Node("file", held)


class HuiduSimulation(WireSimulation):
    """A card with a sign of 128 x 32 dots."""

    WIDTH, HEIGHT = 128, 32

    def __init__(self, context: SimulatorContext) -> None:
        options = {"width": self.WIDTH, "height": self.HEIGHT, "check_s": 1.0}
        wire = PacedTcp("huidu", rng=context.rng)
        super().__init__(wire, DeviceConfig(driver="huidu_sign", line=self.LINE, options=options))
        self.card = SimulatedHuidu(wire, context.rng, width=self.WIDTH, height=self.HEIGHT)

    def mute(self, muted: bool) -> None:
        self.card.mute = muted

    def state(self) -> dict[str, object]:
        card = self.card
        return {
            "shows": [page.text if page.text is not None else f"{page.width}x{page.height}" for page in card.pages],
            "brightness": card.brightness,
            "screen_on": card.screen_on,
            "time": card.time,
            "files": sorted(card.files),
        }

    def actions(self) -> Mapping[str, Action]:
        return {
            "power-cycle": lambda words: self.card.power_cycle(),
            "heartbeat": lambda words: self.card.ask_for_life(),
        }
