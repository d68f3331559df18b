"""The union's platform for tests: a small HTTPS server on loopback that answers as it is told."""

from __future__ import annotations

import asyncio
import contextlib
import json
import ssl
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

MEMBER = "00112233445566aa"


class Platform:
    """`asked` and `tokens` are what came, `answer` and `status` what goes back once `waits` is set."""

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []
        self.status = 200
        self.answer: bytes = json.dumps({"granted": True, "member": MEMBER}).encode()
        self.waits = asyncio.Event()
        self.waits.set()
        self.tokens: list[str] = []
        self.serving: set[asyncio.Task[Any]] = set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self.serving.add(task)
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            headers = dict(line.lower().split(": ", 1) for line in head.splitlines()[1:] if line)
            self.tokens.append(headers["authorization"])
            self.asked.append(json.loads(await reader.readexactly(int(headers["content-length"]))))
            await self.waits.wait()
            writer.write(
                f"HTTP/1.1 {self.status} X\r\nLocation: https://127.0.0.1:1/\r\nConnection: close\r\n"
                f"Content-Length: {len(self.answer)}\r\n\r\n".encode()
                + self.answer
            )
            await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()
            with contextlib.suppress(ConnectionError, ssl.SSLError):
                await writer.wait_closed()
            self.serving.discard(task)


@contextlib.asynccontextmanager
async def serving(told: Platform, certificate: Path, key: Path) -> AsyncIterator[int]:
    """The port."""
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate, key)
    server = await asyncio.start_server(told.serve, "127.0.0.1", 0, ssl=tls)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        told.waits.set()
        server.close()
        await asyncio.gather(*told.serving, return_exceptions=True)
        await server.wait_closed()
