"""XMODEM-1k with CRC, both ends. PURE: bytes and silence in, bytes out.

Source: Chuck Forsberg, "XMODEM/YMODEM Protocol Reference" (1988), chapters 4, 5 and 7.

```
 receiver          sender
    C      ----->                                              once a while until the sender answers
           <-----  SOH n 255-n 128 bytes  CRC-16 high, low     or STX and 1024 bytes; n counts from 1 and wraps
   ACK     ----->                                              NAK: the same again
           <-----  EOT
   ACK     ----->                                              CAN CAN from either end gives up
```
The last block is filled with SUB (0x1A): how long the file is, its own content must say.
"""

from __future__ import annotations

import binascii

SOH, STX, EOT, ACK, NAK, CAN, SUB = 0x01, 0x02, 0x04, 0x06, 0x15, 0x18, 0x1A
CRC = ord("C")
SMALL_BYTES, LARGE_BYTES = 128, 1024
FRAME_BYTES = 5  # beside the data of a block
# So often is one block sent or asked for before the transfer is given up; the reference says ten.
TRIES_MAX = 10
# Its end is told less often: a receiver that took it and whose answer was lost says nothing any more.
END_TRIES_MAX = 3
GIVE_UP = bytes((CAN, CAN))


class TransferError(Exception):
    """The transfer is over and did not succeed. Says why; `farewell` is what the other end should still hear."""

    def __init__(self, why: str, farewell: bytes = b"") -> None:
        super().__init__(why)
        self.farewell = farewell


def frame(number: int, data: bytes) -> bytes:
    """One block; `data` is filled up to 128 or 1024 bytes."""
    size = SMALL_BYTES if len(data) <= SMALL_BYTES else LARGE_BYTES
    filled = data.ljust(size, bytes((SUB,)))
    head = bytes((SOH if size == SMALL_BYTES else STX, number & 0xFF, ~number & 0xFF))
    return head + filled + binascii.crc_hqx(filled, 0).to_bytes(2, "big")


class Sender:
    """Sends `data`. `heard` takes what the receiver says, `silent` that it said nothing for its time; both return
    what goes out now. Raises TransferError when it is over in vain; `done` when it is over.
    """

    def __init__(self, data: bytes) -> None:
        if not data:
            raise ValueError("nothing to send")
        self._data = data
        self._at = 0  # of the block that is out, or of the next one
        self._size = 0  # of the block that is out; 0 before the first
        self._number = 0
        self._frame = b""
        self._tries = 0
        self._cancels = 0
        self.done = False

    @property
    def sent(self) -> int:
        """Bytes that the receiver has acknowledged."""
        return min(self._at, len(self._data))

    def heard(self, data: bytes) -> bytes:
        out = b""
        for byte in data:
            out = self._take(byte) or out
        return out

    def silent(self) -> bytes:
        """Nothing came: what is out is sent again. Before the first C there is nothing to send."""
        self._count("the receiver does not answer")
        return self._frame

    def _take(self, byte: int) -> bytes:
        if self.done:
            return b""
        self._cancels = self._cancels + 1 if byte == CAN else 0
        if self._cancels == 2:
            raise TransferError("the receiver gave up")
        if not self._frame:
            return self._next() if byte == CRC else b""
        if byte == NAK:
            self._count("the receiver did not take a block")
            return self._frame
        if byte == ACK:
            if self._frame[0] == EOT:
                self.done = True
                return b""
            self._at += self._size
            return self._next()
        return b""  # a C that crossed the first block, or noise

    def _next(self) -> bytes:
        self._tries = 0
        left = len(self._data) - self._at
        if left <= 0:
            self._frame = bytes((EOT,))
            return self._frame
        self._size = SMALL_BYTES if left <= SMALL_BYTES else LARGE_BYTES
        self._number += 1
        self._frame = frame(self._number, self._data[self._at : self._at + self._size])
        return self._frame

    def _count(self, why: str) -> None:
        self._tries += 1
        most = END_TRIES_MAX if self._frame[:1] == bytes((EOT,)) else TRIES_MAX
        if self._tries >= most:
            raise TransferError(f"{why}, {most} times", GIVE_UP)


class Receiver:
    """Receives at most `bytes_max`. `heard` and `silent` as of the sender; `data` is what came, filling included."""

    def __init__(self, bytes_max: int) -> None:
        self._bytes_max = bytes_max
        self._buffer = bytearray()
        self._expected = 1
        self._tries = 0
        self._cancels = 0
        self.data = bytearray()
        self.done = False

    def start(self) -> bytes:
        """What invites the sender."""
        return bytes((CRC,))

    def silent(self) -> bytes:
        """Nothing more came: the block is asked for again."""
        self._buffer.clear()
        self._tries += 1
        if self._tries >= TRIES_MAX:
            raise TransferError(f"the sender is silent, {TRIES_MAX} times", GIVE_UP)
        return bytes((NAK,)) if self.data else self.start()

    def heard(self, data: bytes) -> bytes:
        out = bytearray()
        for byte in data:
            out += self._take(byte)
        return bytes(out)

    def _take(self, byte: int) -> bytes:
        if self.done:
            return b""
        if not self._buffer:
            self._cancels = self._cancels + 1 if byte == CAN else 0
            if self._cancels == 2:
                raise TransferError("the sender gave up")
            if byte == EOT:
                self.done = True
                return bytes((ACK,))
            if byte not in (SOH, STX):
                return b""
        self._buffer.append(byte)
        size = SMALL_BYTES if self._buffer[0] == SOH else LARGE_BYTES
        if len(self._buffer) < size + FRAME_BYTES:
            return b""
        block = bytes(self._buffer)
        self._buffer.clear()
        return self._block(block[1], block[2], block[3:-2], int.from_bytes(block[-2:], "big"))

    def _block(self, number: int, inverse: int, data: bytes, check: int) -> bytes:
        if number ^ inverse != 0xFF or binascii.crc_hqx(data, 0) != check:
            return self.silent()
        if number == (self._expected - 1) & 0xFF and self.data:
            return bytes((ACK,))  # our acknowledgement was lost
        if number != self._expected & 0xFF:
            raise TransferError(f"block {number} came instead of {self._expected & 0xFF}", GIVE_UP)
        if len(self.data) + len(data) > self._bytes_max:
            raise TransferError(f"more than {self._bytes_max} bytes", GIVE_UP)
        self._tries = 0
        self._expected += 1
        self.data += data
        return bytes((ACK,))
