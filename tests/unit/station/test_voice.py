"""The voice says the newest sentence, and its troubles are nobody else's."""

from __future__ import annotations

import asyncio
import logging
import os
import shutil
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from station_agent import voice as module
from station_agent.voice import ProgramVoice

WRITES = "import sys; open(sys.argv[1], 'w', encoding='utf-8').write(sys.argv[2])"
HANGS = WRITES + "; import time; time.sleep(60)"


class Speaking:
    """A voice and how each of its texts ended."""

    def __init__(self, *command: str) -> None:
        self.voice = ProgramVoice(command)
        self.ended: asyncio.Queue[str] = asyncio.Queue()
        self.voice.on_ended = self.ended.put_nowait

    async def say(self, text: str) -> str:
        self.voice.say(text)
        return await asyncio.wait_for(self.ended.get(), 10)


@asynccontextmanager
async def speaking(*command: str) -> AsyncIterator[Speaking]:
    one = Speaking(*command)
    running = asyncio.create_task(one.voice.run())
    try:
        yield one
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


@pytest.fixture
def said(tmp_path: Path) -> Path:
    return tmp_path / "said"


@pytest.fixture
def pipe(tmp_path: Path) -> Path:
    """Reading it waits for somebody who writes."""
    os.mkfifo(tmp_path / "pipe")
    return tmp_path / "pipe"


def bytes_of(path: Path) -> bytes:
    return path.read_bytes()


def text_of(path: Path) -> str:
    return path.read_text("utf-8")


async def test_a_sentence_is_one_argument_whatever_is_in_it(said: Path) -> None:
    async with speaking(sys.executable, "-c", WRITES, str(said)) as one:
        assert await one.say('请进; rm -rf / "$HOME"') == ""
    assert text_of(said) == '请进; rm -rf / "$HOME"'


async def test_the_text_goes_where_the_command_wants_it(said: Path) -> None:
    async with speaking(sys.executable, "-c", WRITES, str(said), "{text}", "--slowly") as one:
        assert await one.say("请出示会员码") == ""
    assert text_of(said) == "请出示会员码"


async def test_a_newer_sentence_ends_the_one_that_is_being_said(pipe: Path) -> None:
    async with speaking(sys.executable, "-c", HANGS, str(pipe)) as one:
        for text in ("one", "two", "three"):
            one.voice.say(text)
            assert await asyncio.wait_for(asyncio.to_thread(pipe.read_text), 10) == text
        assert one.ended.empty()


async def test_a_voice_that_is_not_there_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        async with speaking("/no/such/program") as one:
            for _ in range(3):
                assert await one.say("请进") == "/no/such/program cannot be started: No such file or directory"
    assert len(caplog.records) == 1


async def test_a_program_that_hangs_is_ended(said: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SPEAKS_S_MAX", 0.2)
    async with speaking(sys.executable, "-c", HANGS, str(said)) as one:
        assert "has not ended within 0.2 s" in await one.say("请进")


async def test_a_program_that_fails_says_with_what(said: Path) -> None:
    async with speaking(sys.executable, "-c", "import sys; sys.exit(3)") as one:
        assert "ended with status 3" in await one.say("请进")


async def test_a_synthesiser_speaks_the_sentence(said: Path) -> None:
    program = shutil.which("espeak-ng")
    if program is None:
        pytest.skip("no espeak-ng here: apt install espeak-ng")
    async with speaking(program, "-v", "cmn", "-w", str(said), "{text}") as one:
        assert await one.say("请进") == ""
    assert bytes_of(said)[:4] == b"RIFF"
    assert len(bytes_of(said)) > 5000
