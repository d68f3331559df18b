"""RTSP 1.0 from a server's side (RFC 2326): bytes in, requests out; answers in, bytes out. PURE.

Requests look like HTTP. Between them a client that takes RTP over this connection sends its RTCP reports as
`$`, channel (1), length (2), data: they are read over.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

HEAD_BYTES_MAX = 16 * 1024
BODY_BYTES_MAX = 64 * 1024

PHRASES = {
    200: "OK",
    404: "Stream Not Found",
    454: "Session Not Found",
    455: "Method Not Valid in This State",
    461: "Unsupported Transport",
    501: "Not Implemented",
}


class RtspError(Exception):
    """The peer does not speak RTSP."""


@dataclass(frozen=True)
class Request:
    method: str
    url: str
    headers: Mapping[str, str]  # names in lower case

    def answer(self, status: int, headers: Mapping[str, str] | None = None, body: bytes = b"") -> bytes:
        lines = [f"RTSP/1.0 {status} {PHRASES[status]}", f"CSeq: {self.headers.get('cseq', '0')}"]
        lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
        if body:
            lines.append(f"Content-Length: {len(body)}")
        return "\r\n".join([*lines, "", ""]).encode() + body


class RequestReader:
    """Collects the bytes of one connection; `feed` returns the requests that they complete."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> list[Request]:
        """Raises RtspError on what is not RTSP; the connection is of no use then."""
        self._buffer += data
        requests = []
        while self._buffer:
            if self._buffer[0] == ord("$"):
                if not self._drop_interleaved():
                    break
            elif (request := self._next()) is not None:
                requests.append(request)
            else:
                break
        return requests

    def _drop_interleaved(self) -> bool:
        if len(self._buffer) < 4:
            return False
        size = 4 + int.from_bytes(self._buffer[2:4], "big")
        if len(self._buffer) < size:
            return False
        del self._buffer[:size]
        return True

    def _next(self) -> Request | None:
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            if len(self._buffer) > HEAD_BYTES_MAX:
                raise RtspError(f"a request's head is over {HEAD_BYTES_MAX} bytes")
            return None
        first, *rest = bytes(self._buffer[:end]).decode("utf-8", "replace").split("\r\n")
        words = first.split(" ")
        if len(words) != 3 or not words[2].startswith("RTSP/"):
            raise RtspError(f"{first[:80]!r} is not an RTSP request line")
        headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in rest)}
        length = headers.get("content-length", "0")
        if not length.isdecimal() or int(length) > BODY_BYTES_MAX:
            raise RtspError(f"a body of {length[:20]!r} bytes is not accepted; at most {BODY_BYTES_MAX}")
        if len(self._buffer) < end + 4 + int(length):
            return None
        del self._buffer[: end + 4 + int(length)]
        return Request(words[0], words[1], headers)
