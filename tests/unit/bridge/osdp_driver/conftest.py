"""A reader's driver at work in virtual time."""

import asyncio
import contextlib
import random

import pytest

from firmware_bridge.bus import Bus
from firmware_bridge.drivers.osdp import (
    OsdpReader,
    ReaderOptions,
)
from firmware_bridge.secrets import SecretDirectory
from tests.unit.bridge.osdp_driver.readers import Readers, Told


@pytest.fixture
def readers(port):
    return Readers(port)


@pytest.fixture
def secrets(tmp_path, monkeypatch):
    async def at_once(work, *arguments):
        return work(*arguments)

    # Virtual time cannot wait for a thread.
    monkeypatch.setattr(asyncio, "to_thread", at_once)
    return SecretDirectory(tmp_path)


@pytest.fixture
def running(make_context, port, clock, secrets):
    """`async with running(address=1, key="k") as (driver, told):` a driver at work, with the line open."""

    @contextlib.asynccontextmanager
    async def make(address=1, *, open_line=True, line=port, **options):
        told = Told()

        def expect_release():
            told.cleared += 1

        context = make_context(
            ReaderOptions(**options),
            name=f"reader_{address}",
            address=address,
            emit=told.emit,
            secrets=secrets,
            expect_release=expect_release,
            **({} if line is port else {"carrier": Bus(line, gap_s=0.004, clock=clock, rng=random.Random(8))}),
        )
        driver = OsdpReader(context)
        if open_line:
            line.open()
        work = asyncio.create_task(driver.run())
        try:
            yield driver, told
        finally:
            work.cancel()
            await asyncio.wait([work])
            assert work.cancelled()

    return make
