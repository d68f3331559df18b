"""Our XMODEM against Debian's lrzsz: `rx` receives what we send, and `sx` sends what we receive.

The peer speaks on pipes. On a pty, rx flushes its line on the way out, and with it now and then its last ACK.
"""

import asyncio
from contextlib import asynccontextmanager

import pytest

from firmware_bridge.flashing.xmodem import SUB, Receiver, Sender

pytestmark = pytest.mark.contract

WAIT_S = 30
SILENCE_S = 3.0
FILE = bytes(range(256)) * 50 + b"the end"


@asynccontextmanager
async def running(*command, cwd):
    process = await asyncio.create_subprocess_exec(
        *map(str, command),
        cwd=cwd,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        yield process
        await asyncio.wait_for(process.wait(), WAIT_S)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
        process._transport.close()


async def exchange(process, end):
    """Turns until our end is done."""
    async with asyncio.timeout(WAIT_S):
        while not end.done:
            try:
                heard = await asyncio.wait_for(process.stdout.read(4096), SILENCE_S)
            except TimeoutError:
                out = end.silent()
            else:
                assert heard, "the peer has gone"
                out = end.heard(heard)
            if out:  # after the last byte the peer is gone
                process.stdin.write(out)
                await process.stdin.drain()


@pytest.mark.parametrize("length", [1, 1025, len(FILE)])
async def test_rx_receives_what_we_send(tmp_path, needs_program, length):
    rx = needs_program("rx", package="lrzsz")
    sender = Sender(FILE[:length])
    async with running(rx, "--with-crc", "--quiet", "received", cwd=tmp_path) as process:
        await exchange(process, sender)
    assert process.returncode == 0
    received = (tmp_path / "received").read_bytes()
    assert received.rstrip(bytes((SUB,))) == FILE[:length].rstrip(bytes((SUB,)))
    assert sender.sent == length


@pytest.mark.parametrize("option", ["--1k", "--binary"], ids=["blocks of 1024", "blocks of 128"])
async def test_we_receive_what_sx_sends(tmp_path, needs_program, option):
    sx = needs_program("sx", package="lrzsz")
    (tmp_path / "file").write_bytes(FILE)
    receiver = Receiver(1 << 20)
    async with running(sx, option, "--quiet", "file", cwd=tmp_path) as process:
        process.stdin.write(receiver.start())
        await exchange(process, receiver)
    assert process.returncode == 0
    assert receiver.data[: len(FILE)] == FILE
    assert set(receiver.data[len(FILE) :]) <= {SUB}
