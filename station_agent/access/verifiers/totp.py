"""One-time codes by a shared secret (RFC 6238, on RFC 4226), for cards and apps that make nothing better.

    text = <prefix> member 16 hex ":" digits          T1:00112233445566aa:94287082

Weaker than our own code: the station holds the members' secrets, so whoever takes the station apart can make codes of
its members. The secrets are one file of the station's key directory, `member base32` a line, the owner's only; it is
read again when it has changed. A code opens once: its time step is remembered with the used codes, also on disk.
Wrong digits count against the reader, which waits after some (rules.py): 8 digits are out of reach then, 6 are not far.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from cryptography.hazmat.primitives.hashes import SHA1, SHA256, SHA512
from cryptography.hazmat.primitives.twofactor.totp import TOTP

from station_agent.access.attempts import Now, UsedCode
from station_agent.access.verifiers.port import Finding, Proven, Refused, Silent
from station_agent.wire.kinds import Reason
from station_agent.wire.membership_code import WINDOW
from station_agent.wire.profile import TotpRow

FILE_BYTES_MAX = 8 * 1024 * 1024
"""50,000 members with secrets of 64 bytes."""

SECRET_BYTES_MIN, SECRET_BYTES_MAX = 16, 64
"""RFC 4226 section 4, R6: at least 128 bits."""

_HASHES: dict[str, type[SHA1] | type[SHA256] | type[SHA512]] = {"sha1": SHA1, "sha256": SHA256, "sha512": SHA512}
_LINE = re.compile(r"([0-9a-f]{16})\s+([A-Z2-7]+=*)")


class BadSecrets(Exception):
    """The file of secrets cannot be used; says why, and never what it holds."""


class TotpVerifier:
    def __init__(self, name: str, row: TotpRow, path: Path) -> None:
        self._name = name
        self._row = row
        self._text = re.compile(re.escape(row.prefix) + rf"([0-9a-f]{{16}}):([0-9]{{{row.digits}}})")
        self._file = SecretsFile(path)

    @property
    def name(self) -> str:
        return self._name

    def claims(self, text: str) -> bool:
        return text.startswith(self._row.prefix)

    async def verify(self, text: str, reader: str, now: Now) -> Finding:
        return self.judge(text, now)

    async def prepare(self) -> None:
        pass

    async def close(self) -> None:
        pass

    def judge(self, text: str, now: Now) -> Finding:
        found = self._text.fullmatch(text)
        if found is None:
            return Refused(Reason.NOT_A_CODE, f"no {self._row.prefix} code of {self._row.digits} digits")
        member, digits = found.groups()
        if not now.trusted:
            return Refused(Reason.CLOCK_UNTRUSTED, f"the station's clock says {now.utc:%Y-%m-%d %H:%M} UTC", member)
        try:
            secret = self._file.secrets().get(member)
        except BadSecrets as error:
            return Silent(str(error), fall_back=self._row.offline == "fall_back")
        if secret is None:
            return Refused(Reason.KEY_UNKNOWN, "no secret of this member is here", member, counted=True)
        step = self._step_of(secret, digits, now.utc)
        if step is None:
            return Refused(Reason.SIGNATURE_WRONG, "the digits are not those of this time", member, counted=True)
        # Forgotten no sooner than the last moment at which this step is accepted.
        over = datetime.fromtimestamp((step + self._row.steps_around + 1) * self._row.period_s, UTC)
        head = hashlib.sha256(f"yizhan-totp-v1\0{self._name}\0{member}\0{step}".encode()).digest()
        return Proven(member, f"time step {step}", UsedCode(head, over - WINDOW))

    def _step_of(self, secret: bytes, digits: str, at: datetime) -> int | None:
        """The time step whose code this is. Every step is compared, so that the time tells nothing."""
        row = self._row
        maker = TOTP(secret, row.digits, _HASHES[row.algorithm](), row.period_s, enforce_key_length=False)
        current = int(at.timestamp()) // row.period_s
        steps = range(max(0, current - row.steps_around), current + row.steps_around + 1)
        fitting = [step for step in steps if hmac.compare_digest(maker.generate(step * row.period_s), digits.encode())]
        return fitting[0] if fitting else None


@dataclass(slots=True)
class SecretsFile:
    """`member base32` a line; kept in memory, read again when the file is another."""

    path: Path
    _stamp: tuple[int, int, int] | None = None
    _secrets: Mapping[str, bytes] | None = None

    def secrets(self) -> Mapping[str, bytes]:
        """Raises BadSecrets."""
        try:
            found = self.path.stat()
        except OSError as error:
            raise BadSecrets(f"{self.path.name} is not in the key directory: {error.strerror}") from None
        stamp = (found.st_mtime_ns, found.st_ino, found.st_size)
        if self._secrets is None or stamp != self._stamp:
            if found.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
                raise BadSecrets(f"{self.path.name} can be read by others: chmod 600")
            if found.st_size > FILE_BYTES_MAX:
                raise BadSecrets(f"{self.path.name} has more than {FILE_BYTES_MAX} bytes")
            self._secrets = _read(self.path)
            self._stamp = stamp
        return self._secrets


def _read(path: Path) -> dict[str, bytes]:
    secrets: dict[str, bytes] = {}
    try:
        lines = path.read_text("ascii").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise BadSecrets(f"{path.name} cannot be read: {type(error).__name__}") from None
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.startswith("#"):
            continue
        found = _LINE.fullmatch(line.strip())
        secret = _decoded(found[2]) if found else b""
        if found is None or not SECRET_BYTES_MIN <= len(secret) <= SECRET_BYTES_MAX:
            raise BadSecrets(f"{path.name} line {number}: expected 16 hex digits and a base32 secret of 16 to 64 bytes")
        secrets[found[1]] = secret
    return secrets


def _decoded(text: str) -> bytes:
    try:
        return base64.b32decode(text.rstrip("=") + "=" * (-len(text.rstrip("=")) % 8))
    except binascii.Error:
        return b""
