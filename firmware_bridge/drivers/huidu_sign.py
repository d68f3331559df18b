"""A sign on a Huidu full-colour card: rendered pages as pictures, texts in the card's own font.

What it shows is one program with one area; the guid of the program and the names of its pictures follow from what
they hold, so that the card is sent only what it has not: a card knows files by their MD5, and continues one of a known
name whatever it holds. Other programs are removed: a card plays all that it has
in turn. The pictures are kept in the card's memory, since a station shows a new sentence for every worker and a
flash would wear out; a card that lost its power is shown everything again.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import logging
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from pydantic import Field

from firmware_bridge.capabilities import Bitmap, ControlRange, DeviceError, DeviceRefused, Quality, Reading
from firmware_bridge.codecs import huidu, png
from firmware_bridge.codecs import huidu_xml as xml
from firmware_bridge.drivers.base import DriverCode, DriverContext, Options
from firmware_bridge.drivers.huidu_card import HuiduCard
from firmware_bridge.profiles import DeviceProfile

log = logging.getLogger(__name__)

PAGES_MAX = 16
# A page as a PNG is at most about an eighth of this, and must fit the line's write buffer.
DOTS_MAX = 160_000
OURS = "yizhan-"
SENT_MAX = 4 * PAGES_MAX
CLOCK_OFF_S_MAX = 5.0
# How long one page stays when there is no other: rebuilding it makes it flicker.
ALONE_S = 3600.0
FONT_PX_MAX = 48
_OFFSET = re.compile(r"UTC([+-])(\d\d):(\d\d)")


class HuiduSignOptions(Options):
    """Size and habits of the sign."""

    width: int = Field(ge=8, le=2048, description="Dots across")
    height: int = Field(ge=8, le=1024, description="Dots down")
    colour: str = Field(default="#ff0000", pattern="^#[0-9a-fA-F]{6}$", description="Colour of what is lit")
    pages_max: int = Field(default=4, ge=1, le=PAGES_MAX, description="Pages shown in turn at the most")
    page_s: float = Field(default=3.0, ge=0.5, le=60, description="How long a page stays")
    font: str = Field(default="Arial", min_length=1, max_length=64, description="A font that the card has, for texts")
    keep: bool = Field(default=False, description="Pictures go to the card's flash instead of its memory")
    set_clock: bool = Field(default=True, description="Set the card's clock, unless it keeps it by itself")
    timeout_s: float = Field(default=3.0, ge=0.1, le=30, description="How long the card may take for an answer")
    check_s: float = Field(default=10.0, ge=0.5, le=300, description="How often the card hears from us")


@dataclass(frozen=True, slots=True)
class _Content:
    """What the sign is to show, and the files that it needs: name -> PNG, and the page that it is of."""

    program: xml.Program
    files: Mapping[str, bytes]
    pages: Mapping[str, Bitmap]


class HuiduSign:
    """A Sign alone on its line."""

    def __init__(self, context: DriverContext) -> None:
        assert isinstance(context.options, HuiduSignOptions)
        self.name = context.name
        self._options = context.options
        self._clock = context.clock
        self._beat = asyncio.Event()
        self._card = HuiduCard(context, context.options.timeout_s, self._beat.set)
        self._wanted: _Content | None = None
        # Pictures that may be on the card though it does not list them, the last SENT_MAX.
        self._sent: list[str] = []
        self._refusal = ""
        self._sizes_compared = False
        # The negotiation after which it was last greeted, and last written to.
        self._greeted_on = self._written_on = 0

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in dots."""
        return self._options.width, self._options.height

    @property
    def controls(self) -> Mapping[str, ControlRange]:
        """Brightness in percent, and whether the screen is lit."""
        return {"brightness": ControlRange("%", 1, 100), "screen": ControlRange()}

    async def show_text(self, text: str) -> None:
        """Show a text in the card's font; a long one runs. Raises ValueError, DeviceTimeout, DeviceRefused."""
        await self._show(self._text(text))

    async def show_pages(self, pages: Sequence[Bitmap]) -> None:
        """Show pictures in turn. Raises ValueError for a wrong size or too many, DeviceTimeout, DeviceRefused."""
        if not 1 <= len(pages) <= self._options.pages_max:
            raise ValueError(f"{self.name}: {len(pages)} pages, it shows 1..{self._options.pages_max}")
        for page in pages:
            if (page.width, page.height) != self.size:
                raise ValueError(f"{self.name}: page of {page.width}x{page.height}, the sign is {self.size}")
        await self._show(self._pictures(pages))

    async def shown(self) -> Sequence[Bitmap | str] | None:
        """What the program that plays holds, with its files whole on the card; None for pictures of somebody else."""
        async with self._card.speaking:
            playing = (await self._card.call("GetCurrentPlayProgramGUID")).value("guid", "program")
            programs = await self._programs()
            files = {file.name: file for file in await self._files()}
        program = next((program for program in programs if program.guid == playing), None)
        if program is None:
            return ()
        pages: list[Bitmap | str] = []
        for resource in program.resources:
            page = resource if isinstance(resource, str) else self._page_of(resource, files)
            if page is None:
                return None
            pages.append(page)
        return pages

    async def identify(self, for_s: float) -> str:
        """Show the sign's name for `for_s` seconds, then what was shown before."""
        async with self._card.speaking:
            before = self._wanted
            await self._write(self._text(self.name))
            try:
                await asyncio.sleep(for_s)
            finally:
                with contextlib.suppress(DeviceError):  # the next check shows it again
                    await (self._write(before) if before else self._remove_others(""))
        return f"the sign shows {self.name!r}"

    async def set(self, point: str, value: float | bool | str) -> Reading:
        """Set brightness (1..100) or the screen (True is lit). The brightness is read back; for the screen the card's
        word is all there is."""
        match point, value:
            case "brightness", int() | float() if not isinstance(value, bool) and 1 <= value <= 100:
                return await self._set_brightness(round(value))
            case "screen", bool():
                async with self._card.speaking:
                    await self._card.call("OpenScreen" if value else "CloseScreen")
                return self._reading("screen", value, "")
        raise ValueError(f"{self.name}: {point} = {value!r}; brightness takes 1..100, screen true or false")

    async def run(self) -> None:
        """Keep the connection alive; show again what a card may have lost with its power."""
        while True:
            try:
                async with self._card.speaking:
                    await self._check()
            except DeviceRefused as error:
                # Once, not every time that it is tried again.
                log.log(logging.DEBUG if str(error) == self._refusal else logging.WARNING, "%s", error)
                self._refusal = str(error)
            except DeviceError as error:
                log.debug("%s", error)
            else:
                self._refusal = ""
            await self._pause()

    async def _pause(self) -> None:
        """Until the next sign of life is due, the card asks for one, or the line opens again."""
        self._beat.clear()
        waits = {
            asyncio.ensure_future(self._card.pause(self._options.check_s)),
            asyncio.ensure_future(self._beat.wait()),
        }
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
            await asyncio.wait(waits)

    async def _check(self) -> None:
        await self._card.negotiate()
        if self._greeted_on != self._card.negotiations:
            self._greeted_on = self._card.negotiations
            await self._greet()
        await self._card.heartbeat()
        told = await self._card.ask("GetCurrentPlayProgramGUID")
        if self._wanted is None:
            return
        # What a card without power lost is not known; somebody else's program is told.
        is_foreign = told.succeeded and told.body.value("guid", "program") != self._wanted.program.guid
        if is_foreign or self._written_on != self._card.negotiations:
            await self._write(self._wanted)

    async def _greet(self) -> None:
        """Once a connection: whose card it is, and its clock."""
        info = await self._card.call("GetDeviceInfo")
        size = (info.value("width", "screen"), info.value("height", "screen"))
        if not self._sizes_compared and size != tuple(map(str, self.size)):
            log.warning("%s: the card says its screen is %sx%s, the options %sx%s", self.name, *size, *self.size)
        self._sizes_compared = True
        if self._options.set_clock:
            await self._set_clock()

    async def _set_clock(self) -> None:
        told = await self._card.call("GetTimeInfo")
        found = _OFFSET.search(told.value("value", "timezone"))
        if told.value("value", "sync") != "none" or found is None:
            return
        sign, hours, minutes = found.groups()
        offset = timedelta(hours=int(hours), minutes=int(minutes))
        wanted = (self._clock.now() + (offset if sign == "+" else -offset)).replace(tzinfo=None)
        with contextlib.suppress(ValueError):
            shown = datetime.strptime(told.value("value", "time"), xml.TIME_FORMAT)  # noqa: DTZ007 - the card's own zone
            if abs((shown - wanted).total_seconds()) <= CLOCK_OFF_S_MAX:
                return
        time = xml.Node("time", {"value": wanted.strftime(xml.TIME_FORMAT)})
        await self._card.call("SetTimeInfo", *(time if node.tag == "time" else node for node in told.children))

    async def _set_brightness(self, percent: int) -> Reading:
        async with self._card.speaking:
            await self._card.call("SetLuminancePloy", *xml.brightness_body(percent))
            told = (await self._card.call("GetLuminancePloy")).value("value", "default")
        if told != str(percent):
            raise DeviceRefused(self.name, f"brightness {percent} % was set, the card has {told or 'none'}")
        return self._reading("brightness", float(percent), "%")

    def _reading(self, point: str, value: float | bool, unit: str) -> Reading:
        return Reading(self.name, point, value, unit, Quality.GOOD, self._clock.now(), self._clock.monotonic())

    def _text(self, text: str) -> _Content:
        width, height = self.size
        font_px = min(height, FONT_PX_MAX)
        scrolls = len(text) * font_px * 0.6 > width
        try:
            resource = xml.TextResource(text, self._options.colour, self._options.font, font_px, scrolls)
        except ValueError as error:
            raise ValueError(f"{self.name}: {error}") from None
        return self._content((resource,), {}, {})

    def _pictures(self, pages: Sequence[Bitmap]) -> _Content:
        files: dict[str, bytes] = {}
        named: dict[str, Bitmap] = {}
        resources: list[xml.Resource] = []
        lit = png.colour_of(self._options.colour)
        for page in pages:
            data = png.encode(page.width, page.height, page.dots, lit)
            md5 = _md5(data)
            name = f"{OURS}{md5[:16]}.png"
            files[name], named[name] = data, page
            resources.append(xml.ImageResource(name, md5))
        return self._content(tuple(resources), files, named)

    def _content(
        self, resources: tuple[xml.Resource, ...], files: Mapping[str, bytes], pages: Mapping[str, Bitmap]
    ) -> _Content:
        stay_s = self._options.page_s if len(resources) > 1 else ALONE_S
        guid = OURS + _md5(repr((resources, stay_s, self.size)).encode())[:20]
        return _Content(xml.Program(guid, *self.size, stay_s, resources), files, pages)

    async def _show(self, content: _Content) -> None:
        async with self._card.speaking:
            self._wanted = content
            await self._write(content)

    async def _write(self, content: _Content) -> None:
        await self._card.negotiate()
        if content.files:
            stored = {file.name: file for file in await self._files()}
            for name, data in content.files.items():
                if not _is_whole(stored.get(name), _md5(data), len(data)):
                    kind = huidu.FileType.IMAGE if self._options.keep else huidu.FileType.TEMPORARY_IMAGE
                    self._sent = [*self._sent, name][-SENT_MAX:]
                    await self._card.send_file(name, data, _md5(data), kind)
        if content.program.guid not in {program.guid for program in await self._programs()}:
            await self._card.call("AddProgram", xml.screen_of(content.program))
        program = xml.Node("program", {"guid": content.program.guid})
        await self._card.call("SwitchProgram", program, busy=xml.NOT_YET)
        await self._remove_others(content.program.guid)
        await self._remove_unused(content)
        self._written_on = self._card.negotiations

    async def _remove_unused(self, content: _Content) -> None:
        """Delete our pictures that are not shown; a card full of them takes no program any more."""
        listed = {file.name for file in await self._files() if file.name.startswith(OURS)}
        unused = sorted(listed.union(self._sent).difference(content.files))
        if unused:
            rows = tuple(xml.Node("file", {"name": name}) for name in unused)
            await self._card.ask("DeleteFiles", xml.Node("files", children=rows))
        self._sent = list(content.files)

    async def _remove_others(self, guid: str) -> None:
        for program in await self._programs():
            if program.guid != guid:
                area = xml.Node("area", {"guid": program.area_guid, "alpha": "255"})
                node = xml.Node("program", {"guid": program.guid, "type": "normal"}, (area,))
                await self._card.call("DeleteProgram", node)

    async def _programs(self) -> tuple[xml.ShownProgram, ...]:
        return xml.programs_of(await self._card.call("GetProgram"))

    async def _files(self) -> tuple[xml.StoredFile, ...]:
        return xml.files_of(await self._card.call("GetFiles"))

    def _page_of(self, image: xml.ImageResource, files: Mapping[str, xml.StoredFile]) -> Bitmap | None:
        """The page behind a picture's name, when the card holds that very file."""
        if self._wanted is None or image.file not in self._wanted.files:
            return None
        data = self._wanted.files[image.file]
        return self._wanted.pages[image.file] if _is_whole(files.get(image.file), _md5(data), len(data)) else None


def _md5(data: bytes) -> str:
    return hashlib.md5(data, usedforsecurity=False).hexdigest()


def _is_whole(file: xml.StoredFile | None, md5: str, size: int) -> bool:
    return file is not None and file.md5 == md5 and file.existing == size


def check_sign(address: int, options: Options, profile: DeviceProfile | None) -> list[str]:
    """A card has no address; the picture must fit what may wait for a line."""
    assert isinstance(options, HuiduSignOptions)
    errors = ["profile: a sign has none, its size is in its options"] if profile is not None else []
    if options.width * options.height > DOTS_MAX:
        errors.append(f"options.width: {options.width}x{options.height} dots, {DOTS_MAX} are the most")
    return errors


SIGN = DriverCode(options=HuiduSignOptions, factory=HuiduSign, check=check_sign)
