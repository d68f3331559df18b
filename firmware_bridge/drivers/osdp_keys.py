"""The key of one OSDP reader: from the station's secrets, or made for a reader that has but the default one.

```
 no <key>, no <key>.pending --make one, keep it--> <key>.pending --the reader used it--> <key>
```
`pending` is on the disk before the reader hears of it: a plug that is pulled between leaves a key that is tried
again, and given again to a reader that did not take it. `<key>` alone counts: while it is there no other key is.
"""

from __future__ import annotations

import asyncio
import os

from firmware_bridge.codecs.osdp_fields import KEY_BYTES
from firmware_bridge.codecs.osdp_secure import SCBK_D
from firmware_bridge.drivers.osdp_session import Keys
from firmware_bridge.secrets import SecretError, Secrets

PENDING = ".pending"


class KeyProblem(Exception):
    """There is no key to use: which one, and what to do."""


class ReaderKeys:
    """Where a reader's key comes from and where it goes."""

    def __init__(self, name: str | None, install: bool, secrets: Secrets) -> None:
        self._name = name
        self._install = install
        self._secrets = secrets

    async def load(self) -> Keys:
        """What there is to speak with. Raises KeyProblem."""
        if self._name is None:
            return Keys()
        try:
            own = self._read(self._name)
            if own is not None:
                return Keys(own)
            if not self._install:
                where = self._secrets.where(self._name)
                raise KeyProblem(f"it has no key: put its 16 bytes into {where}, or set install_mode")
            pending = self._read(self._name + PENDING)
            if pending is not None:
                return Keys(pending, install=True)
            fresh = os.urandom(KEY_BYTES)
            await self._write(self._name + PENDING, fresh)
        except SecretError as error:
            raise KeyProblem(str(error)) from None
        return Keys(fresh, install=True, fresh=True)

    async def settle(self, key: bytes) -> None:
        """The reader has used this key: it is the one from now on. Raises KeyProblem."""
        assert self._name is not None
        try:
            await self._write(self._name, key)
        except SecretError as error:
            raise KeyProblem(str(error)) from None

    def _read(self, name: str) -> bytes | None:
        """16 bytes, or 32 hexadecimal digits as a person writes them."""
        data = self._secrets.read(name)
        if data is None:
            return None
        if len(data) != KEY_BYTES:
            try:
                data = bytes.fromhex(data.decode("ascii").strip())
            except ValueError:
                data = b""
        if len(data) != KEY_BYTES:
            raise KeyProblem(f"{self._secrets.where(name)} is no key: it takes 16 bytes or 32 hexadecimal digits")
        if data == SCBK_D:
            raise KeyProblem(f"{self._secrets.where(name)} holds the default key, which everybody knows")
        return data

    async def _write(self, name: str, key: bytes) -> None:
        # On a card the disk may take its time; the door must not wait for it.
        await asyncio.to_thread(self._secrets.write, name, key)
