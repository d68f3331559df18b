"""The protocol side of a simulated OSDP reader: frames in, frames out; the time is given. PURE.

Sequence numbers, repetition, the Secure Channel and its handshake are here; what the reader has and does is a
`Face`, in `osdp_reader`. It shares our codec, and with it our mistakes: `tests/contract/bridge` shows it to panels
that we did not write.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from firmware_bridge.codecs import FrameError
from firmware_bridge.codecs import osdp_commands as commands
from firmware_bridge.codecs import osdp_replies as replies
from firmware_bridge.codecs.osdp import (
    SCS_12,
    SCS_14,
    Frame,
    SecurityBlock,
    encode_frame,
    next_sequence,
    on_wire,
)
from firmware_bridge.codecs.osdp_commands import Command, CommandCode
from firmware_bridge.codecs.osdp_fields import RANDOM_BYTES
from firmware_bridge.codecs.osdp_replies import Nak, NakReason, Reply
from firmware_bridge.codecs.osdp_secure import (
    BELIEVED,
    SCBK_D,
    KeyKind,
    SecureChannel,
    SecurityError,
    SessionKeys,
    client_cryptogram,
    derive,
    initial_mac,
    same,
    server_cryptogram,
)

# Section 5.7: a reader that was not asked for so long ends its Secure Channel.
CHANNEL_S_MAX = 8.0
NOT_BELIEVED = 0xFF
# What a reader with a key says to a panel that has not shown its own.
OPEN_TO_ALL = (CommandCode.ID, CommandCode.CAP, CommandCode.CHLNG, CommandCode.SCRYPT)
UNIT = bytes.fromhex("ca fe 01 01 00 00 00 07")


class Face(Protocol):
    """What a reader is, behind its protocol."""

    def answer(self, command: Command, now_s: float) -> Reply:
        """Do it, and say what came of it."""
        ...


@dataclass(slots=True)
class Handshake:
    """What a challenge left until the panel's proof comes."""

    keys: SessionKeys
    random_a: bytes
    random_b: bytes


@dataclass(slots=True)
class PeripheralCounters:
    commands: int = 0
    repeated: int = 0
    refused: int = 0
    challenges: int = 0
    channels: int = 0


@dataclass(slots=True)
class Peripheral:
    """One reader at one address.

    `key` None: it takes the default key, and a new one. `secure_only`: with a key it says nothing of use in plain.
    """

    address: int
    face: Face
    random_bytes: Callable[[int], bytes]
    key: bytes | None = field(default=None, repr=False)
    secure_only: bool = True
    speaks_secure: bool = True
    busy: int = 0  # answers BUSY to so many commands
    counters: PeripheralCounters = field(default_factory=PeripheralCounters)
    _channel: SecureChannel | None = None
    _handshake: Handshake | None = None
    _last: Frame | None = None
    _last_reply: bytes = b""
    _last_s: float = 0.0

    @property
    def secured(self) -> bool:
        return self._channel is not None

    def power_up(self) -> None:
        """After a loss of power: no session, no number; the key stays."""
        self._channel = self._handshake = self._last = None

    def heard(self, frame: Frame, now_s: float) -> bytes:
        """A command for this address: what goes back on the wire."""
        if self._channel is not None and now_s - self._last_s > CHANNEL_S_MAX:
            self._channel = None
        self._last_s = now_s
        if self.busy > 0:
            self.busy -= 1
            return self._encode(Frame(frame.address, True, 0, replies.ReplyCode.BUSY, crc=frame.crc))
        if frame.sequence and frame == self._last:
            self.counters.repeated += 1
            return self._last_reply
        self.counters.commands += 1
        if frame.sequence == 0:
            self._channel = self._handshake = None
        elif self._last is None or frame.sequence != next_sequence(self._last.sequence):
            return self._encode(self._plain(frame, Nak(NakReason.SEQUENCE)))
        reply = self._serve(frame, now_s)
        self._last, self._last_reply = frame, self._encode(reply)
        return self._last_reply

    def _serve(self, frame: Frame, now_s: float) -> Frame:
        """The reply frame, secured when the channel that the command came by is."""
        if not frame.has_mac:
            return self._serve_plain(frame, now_s)
        if self._channel is None:
            return self._plain(frame, Nak(NakReason.SECURITY_REQUIRED))
        try:
            command_frame = self._channel.open(frame)
        except SecurityError:
            self._channel = None
            return self._plain(frame, Nak(NakReason.SECURITY_REQUIRED))
        channel = self._channel
        reply = self._answer(command_frame, now_s)
        return channel.seal(self._plain(frame, reply))

    def _serve_plain(self, frame: Frame, now_s: float) -> Frame:
        if frame.code == CommandCode.CHLNG and self.speaks_secure:
            return self._challenged(frame)
        if frame.code == CommandCode.SCRYPT and self.speaks_secure:
            return self._proved(frame)
        if frame.security is not None:
            return self._plain(frame, Nak(NakReason.SECURITY_UNSUPPORTED))
        shut = self.key is not None and self.secure_only and frame.code not in OPEN_TO_ALL
        if shut or self._channel is not None or frame.code == CommandCode.KEYSET:
            return self._plain(frame, Nak(NakReason.SECURITY_REQUIRED))
        return self._plain(frame, self._answer(frame, now_s))

    def _answer(self, frame: Frame, now_s: float) -> Reply:
        try:
            command = commands.decode_command(frame.code, frame.data)
        except FrameError:
            self.counters.refused += 1
            return Nak(NakReason.LENGTH)
        if isinstance(command, commands.Keyset):
            # The reply still goes by the old channel; the next one needs the new key.
            self.key = command.key
            self._channel = None
            return replies.Ack()
        reply = self.face.answer(command, now_s)
        self.counters.refused += isinstance(reply, Nak)
        return reply

    def _challenged(self, frame: Frame) -> Frame:
        """Whatever key the panel named, the answer names and uses the one that there is."""
        try:
            command = commands.decode_command(frame.code, frame.data)
        except FrameError:
            return self._plain(frame, Nak(NakReason.LENGTH))
        assert isinstance(command, commands.Challenge)
        self._channel = None
        self.counters.challenges += 1
        random_b = self.random_bytes(RANDOM_BYTES)
        keys = derive(self.key or SCBK_D, command.random)
        self._handshake = Handshake(keys, command.random, random_b)
        proof = client_cryptogram(keys, command.random, random_b)
        kind = KeyKind.DEFAULT if self.key is None else KeyKind.OWN
        return self._plain(
            frame, replies.ClientCryptogram(UNIT, random_b, proof), SecurityBlock(SCS_12, bytes((kind,)))
        )

    def _proved(self, frame: Frame) -> Frame:
        handshake, self._handshake = self._handshake, None
        if handshake is None:
            return self._plain(frame, Nak(NakReason.SECURITY_REQUIRED))
        proof = server_cryptogram(handshake.keys, handshake.random_a, handshake.random_b)
        mac = initial_mac(handshake.keys, proof)
        believed = same(proof, frame.data)
        if believed:
            self._channel = SecureChannel(handshake.keys, mac)
            self.counters.channels += 1
        block = SecurityBlock(SCS_14, bytes((BELIEVED if believed else NOT_BELIEVED,)))
        return self._plain(frame, replies.InitialMac(mac), block)

    def _plain(self, frame: Frame, reply: Reply, block: SecurityBlock | None = None) -> Frame:
        """The reply to a frame, in plain: to its address and with its number and kind of check."""
        code, data = replies.encode_reply(reply)
        return Frame(frame.address, True, frame.sequence, code, data, block, crc=frame.crc)

    def _encode(self, frame: Frame) -> bytes:
        return on_wire(encode_frame(frame))
