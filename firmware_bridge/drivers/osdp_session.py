"""One OSDP reader as the panel sees it: what is to be sent next, and what an answer means. PURE.

```
 IDENTIFY --PDID--> ABILITIES --PDCAP--+--no key----------------------------------------> ONLINE
     ^                                 |                                                    ^
     |                                 +--key--> CHALLENGE --CCRYPT--> PROVE --RMAC_I--+----+  own key
     |                                                                                 |
     +----ACK----------------------------- INSTALL <--------------- default key -------+
 any state: silence, a frame that does not fit, a reader that lost count -> IDENTIFY with sequence 0
```

Theory of operation: each command is encoded once and its bytes are kept; whoever hears no answer sends those again,
so the reader knows a repetition by its number, and the chain of MACs is not moved on. An answer moves the number on.
Whatever is wrong within a Secure Channel ends the session before anything of it is believed.

A panel that has a key uses no other one and never speaks without it. Only with `install` does it also try the
default key, only to hand over the reader's own key, and nothing that the reader says under the default key leaves
this module.

Source: SIA OSDP 2.2, sections 5.7 (timing and repetition), 5.9 (sequence), annex D.4 (handshake).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum

from firmware_bridge.codecs import FrameError
from firmware_bridge.codecs import osdp_commands as commands
from firmware_bridge.codecs import osdp_replies as replies
from firmware_bridge.codecs.osdp import (
    SCS_11,
    SCS_12,
    SCS_13,
    SCS_14,
    Frame,
    SecurityBlock,
    encode_frame,
    next_sequence,
    on_wire,
)
from firmware_bridge.codecs.osdp_commands import Command, CommandCode
from firmware_bridge.codecs.osdp_fields import RANDOM_BYTES
from firmware_bridge.codecs.osdp_replies import NakReason, Reply
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

SECURITY_REASONS = (NakReason.SECURITY_UNSUPPORTED, NakReason.SECURITY_REQUIRED)


class SessionLost(Exception):
    """This session is over; the next command begins another.

    `key`: it was the key, and time will not mend it. `bad_frame`: a frame came that this reader did not send now.
    """

    def __init__(self, why: str, *, key: bool = False, bad_frame: bool = False) -> None:
        super().__init__(why)
        self.key = key
        self.bad_frame = bad_frame


class SendAgain(Exception):
    """The reader heard the command and could not take it now: send the same bytes again."""


@dataclass(frozen=True, slots=True)
class Keys:
    """What the panel has: no key at all, or this reader's own."""

    own: bytes | None = field(default=None, repr=False)
    install: bool = False  # `own` may be given to a reader that has but the default key
    fresh: bool = False  # `own` was made just now: no reader can have it


@dataclass(frozen=True, slots=True)
class Sent:
    """A command as it goes out; the answer to it carries `sequence`. `kind` names the command."""

    wire: bytes = field(repr=False)
    sequence: int
    kind: str


class Step(Enum):
    IDENTIFY = "identify"
    ABILITIES = "abilities"
    CHALLENGE = "challenge"
    PROVE = "prove"
    INSTALL = "install"
    ONLINE = "online"


class PanelSession:
    """The panel's side of one reader. One command at a time: `encode`, then `heard`, or `reset` after silence."""

    def __init__(self, address: int, keys: Keys, *, random_bytes: Callable[[int], bytes], crc: bool = True) -> None:
        self._address = address
        self._keys = keys
        self._random_bytes = random_bytes
        self._crc = crc
        self._kind = KeyKind.DEFAULT if keys.install and keys.fresh else KeyKind.OWN
        self._challenge = b""
        self._proof = b""
        self._derived: SessionKeys | None = None
        self.identity: replies.Identity | None = None
        self.abilities = replies.Abilities(())
        self.reset()

    def reset(self) -> None:
        """Begin anew: after silence, and whenever the other end lost its place."""
        self.step = Step.IDENTIFY
        self._sequence = 0
        self._channel: SecureChannel | None = None

    @property
    def online(self) -> bool:
        return self.step is Step.ONLINE

    @property
    def secured(self) -> bool:
        """Whether what is said now is secured by the reader's own key."""
        return self.online and self._channel is not None

    @property
    def installs(self) -> bool:
        """Whether the own key is not confirmed yet, and the default key may still be tried."""
        return self._keys.install

    def confirm_key(self) -> bytes:
        """The reader uses its own key: no other one is tried any more. That key."""
        own = self._keys.own
        assert self.secured
        assert own is not None
        self._keys = Keys(own)
        return own

    def due(self) -> Command | None:
        """The next command of the handshake; None when the session is online and the caller may choose."""
        match self.step:
            case Step.IDENTIFY:
                return commands.Question(CommandCode.ID)
            case Step.ABILITIES:
                return commands.Question(CommandCode.CAP)
            case Step.CHALLENGE:
                self._challenge = self._random_bytes(RANDOM_BYTES)
                return commands.Challenge(self._challenge)
            case Step.PROVE:
                return commands.ServerCryptogram(self._proof)
            case Step.INSTALL:
                assert self._keys.own is not None
                return commands.Keyset(self._keys.own)
            case Step.ONLINE:
                return None

    def encode(self, command: Command) -> Sent:
        """The bytes of a command, to be sent as they are, and sent again as they are."""
        code, data = commands.encode_command(command)
        frame = Frame(self._address, False, self._sequence, code, data, crc=self._crc)
        match command:
            case commands.Challenge():
                frame = self._with_block(frame, SCS_11)
            case commands.ServerCryptogram():
                frame = self._with_block(frame, SCS_13)
            case _ if self._channel is not None:
                frame = self._channel.seal(frame)
        return Sent(on_wire(encode_frame(frame)), self._sequence, f"{code:02x}")

    def heard(self, frame: Frame) -> Reply:
        """What the answer to the last command says.

        Raises SendAgain, or SessionLost, which has reset the session: nothing of that frame may be believed.
        """
        try:
            return self._heard(frame)
        except SessionLost as lost:
            self.reset()
            if lost.key and self._keys.install:
                self._kind = KeyKind.DEFAULT if self._kind is KeyKind.OWN else KeyKind.OWN
                raise SessionLost(str(lost), key=self._kind is KeyKind.OWN, bad_frame=lost.bad_frame) from None
            raise

    def _heard(self, frame: Frame) -> Reply:
        block = frame.security
        try:
            plain = self._opened(frame)
        except SecurityError as error:
            raise SessionLost(f"its answer has {error}", bad_frame=True) from None
        try:
            reply = replies.decode_reply(plain.code, plain.data)
        except FrameError:
            reply = replies.OtherReply(plain.code, plain.data)
        if isinstance(reply, replies.Busy):
            raise SendAgain
        if isinstance(reply, replies.Nak):
            self._refused(reply, secured=frame.has_mac)
        elif self._channel is not None and not frame.has_mac and self.step is not Step.INSTALL:
            raise SessionLost("it answered unsecured within the Secure Channel", bad_frame=True)
        self._sequence = next_sequence(self._sequence)
        self._advance(reply, block)
        return reply

    def _opened(self, frame: Frame) -> Frame:
        if not frame.has_mac:
            return frame
        if self._channel is None:
            raise SecurityError("a MAC without a Secure Channel")
        return self._channel.open(frame)

    def _refused(self, nak: replies.Nak, *, secured: bool) -> None:
        """Raises what a refusal means for the session; returns when it is about the command alone."""
        if nak.reason == NakReason.CHECK and self._channel is None:
            raise SendAgain
        if nak.reason == NakReason.SEQUENCE:
            raise SessionLost("it lost count")
        if self._channel is not None and not secured:
            raise SessionLost(f"it ended the Secure Channel ({nak.text})")
        if nak.reason in SECURITY_REASONS:
            if self._keys.own is None:
                raise SessionLost("it wants a Secure Channel: give it a key", key=True)
            if self.step in (Step.IDENTIFY, Step.ABILITIES):
                return
            raise SessionLost(f"it refuses the {self._key_name} ({nak.text})", key=self._channel is None)

    def _advance(self, reply: Reply, block: SecurityBlock | None) -> None:
        match self.step, reply:
            case Step.IDENTIFY, replies.Identity():
                self.identity = reply
                self.step = Step.ABILITIES
            case Step.IDENTIFY, replies.Nak() if self._keys.own is not None:
                # Some readers say nothing about themselves before the Secure Channel.
                self.step = Step.CHALLENGE
            case Step.ABILITIES, replies.Abilities() | replies.Nak():
                self.abilities = reply if isinstance(reply, replies.Abilities) else replies.Abilities(())
                self.step = Step.ONLINE if self._keys.own is None else Step.CHALLENGE
            case Step.CHALLENGE, replies.ClientCryptogram():
                self._prove(reply, block)
            case Step.PROVE, replies.InitialMac():
                self._secure(reply, block)
            case Step.INSTALL, replies.Ack():
                self._kind = KeyKind.OWN
                self.reset()
            case Step.ONLINE, _:
                pass
            case step, _:
                said = reply.text if isinstance(reply, replies.Nak) else type(reply).__name__
                raise SessionLost(f"it does not know the step {step.value} ({said})", key=step is not Step.IDENTIFY)

    def _prove(self, reply: replies.ClientCryptogram, block: SecurityBlock | None) -> None:
        if block is None or block.kind != SCS_12 or block.data != bytes((self._kind,)):
            raise SessionLost(f"it does not use the {self._key_name}", key=True)
        keys = derive(self._key, self._challenge)
        if not same(client_cryptogram(keys, self._challenge, reply.random), reply.cryptogram):
            raise SessionLost(f"it has another key than the {self._key_name}", key=True)
        self._derived = keys
        self._proof = server_cryptogram(keys, self._challenge, reply.random)
        self.step = Step.PROVE

    def _secure(self, reply: replies.InitialMac, block: SecurityBlock | None) -> None:
        assert self._derived is not None
        mac = initial_mac(self._derived, self._proof)
        if block is None or block.kind != SCS_14 or block.data != bytes((BELIEVED,)) or not same(mac, reply.mac):
            raise SessionLost(f"it does not believe the {self._key_name}", key=True)
        self._channel = SecureChannel(self._derived, mac)
        self.step = Step.ONLINE if self._kind is KeyKind.OWN else Step.INSTALL

    def _with_block(self, frame: Frame, kind: int) -> Frame:
        block = SecurityBlock(kind, bytes((self._kind,)))
        return Frame(frame.address, False, frame.sequence, frame.code, frame.data, block, crc=frame.crc)

    @property
    def _key(self) -> bytes:
        if self._kind is KeyKind.DEFAULT:
            return SCBK_D
        assert self._keys.own is not None
        return self._keys.own

    @property
    def _key_name(self) -> str:
        return "default key" if self._kind is KeyKind.DEFAULT else "key of this station"
