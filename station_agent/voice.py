"""The voice at the door: says the sentence that the sign shows, for whoever cannot read it or does not look.

    say(text) --> the newest text waits --> run(): the configured program says it --> ended, or ended by a newer one

Any program that takes a text as an argument will do: a speech synthesiser, a player with a script around it. It is
started without a shell; the text is one argument. A voice that fails is told once, and never delays the door.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Sequence
from typing import Protocol

log = logging.getLogger(__name__)

SPEAKS_S_MAX = 8.0
"""Longer than any sentence takes: a program that hangs is ended."""

TEXT = "{text}"


class Voice(Protocol):
    def say(self, text: str) -> None:
        """Say it as soon as may be; a newer text ends an older one. Returns at once."""
        ...


class ProgramVoice:
    """Speaks by a program, one text at a time. `run` is its service."""

    def __init__(self, command: Sequence[str]) -> None:
        """`command`: the program and its arguments; the argument `{text}` becomes the text, else it is the last one."""
        self._command = tuple(command)
        self._text: str | None = None
        self._newer = asyncio.Event()
        self._failing = ""
        self.on_ended: Callable[[str], None] = lambda trouble: None
        """Called after each text: "" when it was said, else why not."""

    def say(self, text: str) -> None:
        self._text = text
        self._newer.set()

    async def run(self) -> None:
        while True:
            await self._newer.wait()
            self._newer.clear()
            text, self._text = self._text, None
            if text:
                await self._speak(text)

    def _arguments(self, text: str) -> list[str]:
        if TEXT in self._command:
            return [text if word == TEXT else word for word in self._command]
        return [*self._command, text]

    async def _speak(self, text: str) -> None:
        try:
            process = await asyncio.create_subprocess_exec(
                *self._arguments(text),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.DEVNULL,
                stderr=asyncio.subprocess.DEVNULL,
            )
        except OSError as error:
            self._told(f"{self._command[0]} cannot be started: {error.strerror}")
            return
        try:
            status = await self._ended_or_overtaken(process)
        finally:
            if process.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    process.kill()
                await process.wait()
        if status is not None:
            self._told("" if status == 0 else f"{self._command[0]} ended with status {status}")

    async def _ended_or_overtaken(self, process: asyncio.subprocess.Process) -> int | None:
        """The program's exit status; None when a newer text came first, or it took too long."""
        ending = asyncio.create_task(process.wait())
        overtaken = asyncio.create_task(self._newer.wait())
        try:
            await asyncio.wait({ending, overtaken}, timeout=SPEAKS_S_MAX, return_when=asyncio.FIRST_COMPLETED)
            if not ending.done() and not overtaken.done():
                self._told(f"{self._command[0]} has not ended within {SPEAKS_S_MAX:g} s")
            return ending.result() if ending.done() else None
        finally:
            for task in (ending, overtaken):
                task.cancel()
            await asyncio.gather(ending, overtaken, return_exceptions=True)

    def _told(self, trouble: str) -> None:
        if trouble and trouble != self._failing:
            log.warning("the voice is silent: %s", trouble)
        self._failing = trouble
        self.on_ended(trouble)
