"""OSDP Secure Channel: keys, proofs, MACs and encryption of both ends. PURE, but for AES of `cryptography`.

Source: SIA OSDP 2.2 (IEC 60839-11-5:2020), annex D; its examples, annex E, are in the tests.

```
 panel                                                          reader
   CHLNG  SCS_11 [key]  RND.A                          ->
                                                       <-  CCRYPT SCS_12 [key]  unit, RND.B, AES(S-ENC, A B)
   SCRYPT SCS_13 [key]  AES(S-ENC, B A)                ->
                                                       <-  RMAC_I SCS_14 [ok]   AES(S-MAC2, AES(S-MAC1, that proof))
   any command SCS_15 (no data) or SCS_17 (encrypted)  ->
                                                       <-  its reply SCS_16 or SCS_18
 [key] 0: the default key SCBK-D, known to everybody; 1: this reader's own key SCBK     [ok] 1: the panel is believed
```

Theory of operation: S-ENC, S-MAC1 and S-MAC2 come from the key and RND.A. A MAC is a CBC-MAC over the frame from
SOM on, begun with the last MAC of the other side, its last block under S-MAC2; four of its bytes travel. So each
frame proves everything before it, and an old one, a foreign one or one in the wrong order never fits. Data are
CBC with the inverted last MAC of the other side. A frame that does not fit ends the channel: there is no way on.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass, field, replace
from enum import IntEnum
from typing import TYPE_CHECKING

from firmware_bridge.codecs import FrameError
from firmware_bridge.codecs.osdp import (
    MAC_BYTES,
    SCS_15,
    SCS_16,
    SCS_17,
    SCS_18,
    Frame,
    SecurityBlock,
    encode_body,
)
from firmware_bridge.codecs.osdp_fields import KEY_BYTES, RANDOM_BYTES

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers import Cipher, modes

# Annex D.3: the key of a reader that was never given one.
SCBK_D = bytes(range(0x30, 0x40))
BLOCK_BYTES = 16
PAD = 0x80
# SCS_14's byte when the panel's proof was right.
BELIEVED = 1


class SecurityError(FrameError):
    """A frame that this channel did not send: forged, replayed or damaged. The channel is over."""


class KeyKind(IntEnum):
    """Which key a handshake is about, as the security block says it."""

    DEFAULT = 0
    OWN = 1


@dataclass(frozen=True, slots=True)
class SessionKeys:
    """The three keys of one channel."""

    encryption: bytes = field(repr=False)
    mac1: bytes = field(repr=False)
    mac2: bytes = field(repr=False)


def derive(key: bytes, random_a: bytes) -> SessionKeys:
    """Annex D.4.1. Raises ValueError for a key or a random number of a wrong size."""
    if len(key) != KEY_BYTES or len(random_a) != RANDOM_BYTES:
        raise ValueError(f"a key has {KEY_BYTES} bytes and a challenge {RANDOM_BYTES}")

    def one(mark: int) -> bytes:
        return _encrypt(key, bytes((0x01, mark)) + random_a[:6] + bytes(8))

    return SessionKeys(encryption=one(0x82), mac1=one(0x01), mac2=one(0x02))


def client_cryptogram(keys: SessionKeys, random_a: bytes, random_b: bytes) -> bytes:
    """The reader's proof (annex D.4.3)."""
    return _encrypt(keys.encryption, random_a + random_b)


def server_cryptogram(keys: SessionKeys, random_a: bytes, random_b: bytes) -> bytes:
    """The panel's proof (annex D.4.4)."""
    return _encrypt(keys.encryption, random_b + random_a)


def initial_mac(keys: SessionKeys, proof: bytes) -> bytes:
    """RMAC_I, from the panel's proof (annex D.4.5)."""
    return _encrypt(keys.mac2, _encrypt(keys.mac1, proof))


def same(ours: bytes, theirs: bytes) -> bool:
    """Compare proofs in constant time."""
    return hmac.compare_digest(ours, theirs)


class SecureChannel:
    """One open channel; the panel's and the reader's ends are the same. Frames pass in the order of the line."""

    def __init__(self, keys: SessionKeys, mac: bytes) -> None:
        self._keys = keys
        self._command_mac = bytes(BLOCK_BYTES)
        self._reply_mac = mac

    def seal(self, frame: Frame) -> Frame:
        """A plain frame as it may be sent: encrypted, with its MAC."""
        kind = (SCS_18 if frame.is_reply else SCS_17) if frame.data else (SCS_16 if frame.is_reply else SCS_15)
        data = self._cipher_data(frame, frame.data) if frame.data else b""
        # `mac` only to count: the MAC covers the length of the frame that holds it.
        sealed = replace(frame, data=data, security=SecurityBlock(kind), mac=bytes(MAC_BYTES))
        mac = self._mac_of(sealed)
        self._advance(frame, mac)
        return replace(sealed, mac=mac[:MAC_BYTES])

    def open(self, frame: Frame) -> Frame:
        """A frame that came, in plain. Raises SecurityError for one that the other end did not send now."""
        block = frame.security
        mine = (SCS_16, SCS_18) if frame.is_reply else (SCS_15, SCS_17)
        if block is None or block.kind not in mine:
            raise SecurityError("a frame that is not secured, within a Secure Channel")
        mac = self._mac_of(frame)
        if not same(mac[:MAC_BYTES], frame.mac):
            raise SecurityError("a wrong MAC")
        data = self._plain_data(frame) if block.encrypted and frame.data else frame.data
        self._advance(frame, mac)
        return replace(frame, data=data, security=None, mac=b"")

    def _mac_of(self, frame: Frame) -> bytes:
        body = encode_body(frame)
        if len(body) % BLOCK_BYTES:
            body += bytes((PAD,)) + bytes(-(len(body) + 1) % BLOCK_BYTES)
        before = self._others_mac(frame)
        if len(body) > BLOCK_BYTES:
            chained = _cbc(self._keys.mac1, before).encryptor().update(body[:-BLOCK_BYTES])
            before = chained[-BLOCK_BYTES:]
        return _cbc(self._keys.mac2, before).encryptor().update(body[-BLOCK_BYTES:])

    def _advance(self, frame: Frame, mac: bytes) -> None:
        if frame.is_reply:
            self._reply_mac = mac
        else:
            self._command_mac = mac

    def _others_mac(self, frame: Frame) -> bytes:
        """The last MAC of the side that did not send this frame."""
        return self._command_mac if frame.is_reply else self._reply_mac

    def _data_start(self, frame: Frame) -> bytes:
        return bytes(byte ^ 0xFF for byte in self._others_mac(frame))

    def _cipher_data(self, frame: Frame, data: bytes) -> bytes:
        padded = data + bytes((PAD,)) + bytes(-(len(data) + 1) % BLOCK_BYTES)
        return _cbc(self._keys.encryption, self._data_start(frame)).encryptor().update(padded)

    def _plain_data(self, frame: Frame) -> bytes:
        if len(frame.data) % BLOCK_BYTES:
            raise SecurityError(f"{len(frame.data)} encrypted bytes are no whole blocks")
        padded = _cbc(self._keys.encryption, self._data_start(frame)).decryptor().update(frame.data)
        data = padded.rstrip(b"\0")
        if not data or data[-1] != PAD or len(padded) - len(data) >= BLOCK_BYTES:
            raise SecurityError("encrypted data without an end")
        return data[:-1]


def _encrypt(key: bytes, block: bytes) -> bytes:
    """One block under AES-128: the first of a chain that begins with zeros is just that."""
    return _cbc(key, bytes(BLOCK_BYTES)).encryptor().update(block)


def _cbc(key: bytes, start: bytes) -> Cipher[modes.CBC]:
    # A station without a secured reader never loads it.
    from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

    return Cipher(algorithms.AES(key), modes.CBC(start))
