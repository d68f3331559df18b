"""A sign that holds one picture: pages are shown in turn by us, on the loop. What it is drawn on, a subclass knows."""

from __future__ import annotations

import asyncio
from abc import abstractmethod
from collections.abc import Sequence

from firmware_bridge.capabilities import Bitmap, Health
from firmware_bridge.drivers.base import DriverContext
from firmware_bridge.drivers.lettering import lettered
from firmware_bridge.exchange import DeviceStats, LineLost
from firmware_bridge.sessions.surface import SurfaceSession


class PagedSign:
    """A Sign on a surface line."""

    def __init__(self, context: DriverContext, size: tuple[int, int], *, pages_max: int, page_s: float) -> None:
        self.name = context.name
        self.size = size
        self.stats = DeviceStats()
        self._line_name = context.line.url
        self._pages_max = pages_max
        self._page_s = page_s
        self._clock = context.clock
        self._tell = context.health_listener()
        self._health: Health | None = None
        self._session = context.session(SurfaceSession)
        self._pages: tuple[Bitmap, ...] = ()
        self._number = 0
        self._over: Bitmap | None = None  # a picture in front of the pages
        self._changed = asyncio.Event()
        self._is_open = False
        self._session.attach(self)

    # --- Sign, Identifiable ---

    async def show_text(self, text: str) -> None:
        """Show ASCII text, drawn here. Raises ValueError for other characters or too many, LineLost."""
        await self.show_pages(lettered(self.name, text, self.size, self._pages_max))

    async def show_pages(self, pages: Sequence[Bitmap]) -> None:
        """Show pictures in turn. Raises ValueError for a wrong size or too many, LineLost."""
        if not 1 <= len(pages) <= self._pages_max:
            raise ValueError(f"{self.name}: {len(pages)} pages, it shows 1..{self._pages_max}")
        for page in pages:
            if (page.width, page.height) != self.size:
                raise ValueError(f"{self.name}: page of {page.width}x{page.height}, the sign is {self.size}")
        self._pages, self._number = tuple(pages), 0
        self._changed.set()
        self._draw_now()

    async def identify(self, for_s: float) -> str:
        """Show the sign's name in front of the pages."""
        (self._over, *_) = lettered(self.name, self.name, self.size, len(self.name))
        try:
            self._draw_now()
            await asyncio.sleep(for_s)
        finally:
            self._over = None
            if self._is_open:
                self._draw_now()
        return f"the sign shows {self.name!r}"

    async def run(self) -> None:
        """Turn the pages until cancelled."""
        while True:
            self._changed.clear()
            try:
                # Not wait_for: up to Python 3.11 it loses a cancellation that comes together with the event.
                async with asyncio.timeout(self._page_s if len(self._pages) > 1 else None):
                    await self._changed.wait()
            except TimeoutError:
                self._number = (self._number + 1) % len(self._pages)
                if self._is_open and self._over is None:
                    self._draw_quietly()

    # --- the surface ---

    @abstractmethod
    def open(self) -> None: ...

    @abstractmethod
    def watch(self) -> None: ...

    @abstractmethod
    def _let_go(self) -> None: ...

    @abstractmethod
    def _draw(self, picture: Bitmap) -> None:
        """Raises OSError."""

    def close(self) -> None:
        self._is_open = False
        self._let_go()

    def opened(self) -> None:
        self._is_open = True
        self._say(Health.ONLINE, f"{self._line_name} is open")
        self._draw_quietly()

    def lost(self, why: str) -> None:
        self._say(Health.OFFLINE, f"{self._line_name} {why}")

    def _say(self, health: Health, detail: str) -> None:
        if health is not self._health:
            self._health = health
            self._tell(health, detail)

    def _picture(self) -> Bitmap:
        """What is to be seen now: nothing before the first page."""
        if self._over is not None:
            return self._over
        width, height = self.size
        return self._pages[self._number] if self._pages else Bitmap(width, height, bytes(width * height))

    def _draw_now(self) -> None:
        """Raises LineLost."""
        self.stats.requests += 1
        began = self._clock.monotonic()
        self._need_surface()
        try:
            self._draw(self._picture())
        except OSError as error:
            self.stats.failed += 1
            self._session.lose(self.name, f"takes no picture: {error}")
            raise LineLost(self.name, f"{self._line_name} takes no picture: {error}") from None
        self.stats.answered += 1
        self.stats.latencies_ms.append((self._clock.monotonic() - began) * 1000)

    def _need_surface(self) -> None:
        if not self._is_open:
            self.stats.failed += 1
            raise LineLost(self.name, f"{self._line_name} is not there; see why in its health")

    def _draw_quietly(self) -> None:
        """A surface that takes no picture is told by its health."""
        try:
            self._draw(self._picture())
        except OSError as error:
            self._session.lose(self.name, f"takes no picture: {error}")
