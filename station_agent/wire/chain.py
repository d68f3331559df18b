"""The hash chain of a spool's events: what was written once cannot be changed, left out or put in unseen.

    chain 0 = SHA-256("yizhan-chain-v1" 0 spool)
    chain n = SHA-256(chain n-1 || JSON [seq, at, boot, mono_ms, kind, body])

The JSON is ASCII, without spaces, with sorted keys; `at` is whole microseconds since 1970 UTC. A row carries its chain
as 64 hex digits. The station makes the chain when it writes the row; the hub follows it when it takes the row in, and
can follow it again from its tables at any time. There is no secret in it: it proves that nothing was changed since the
hub knew the row, not who wrote it (that is the link's).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_encode = json.JSONEncoder(separators=(",", ":"), sort_keys=True).encode


def beginning(spool: str) -> str:
    """The chain before a spool's first event."""
    return hashlib.sha256(b"yizhan-chain-v1\0" + spool.encode()).hexdigest()


def link(before: str, seq: int, at: datetime, boot: str, mono_ms: int, kind: str, body: Mapping[str, Any]) -> str:
    """The chain with one more event: 64 hex digits. `before` is the chain of the event in front of it."""
    text = _encode([seq, (at - _EPOCH) // _MICROSECOND, boot, mono_ms, kind, body])
    return hashlib.sha256(bytes.fromhex(before) + text.encode("ascii")).hexdigest()
