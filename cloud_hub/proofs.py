"""Proves that a text is this hub's own: an HMAC with a key that only DATA/keys/secret gives.

For what the hub itself checks later: that a backup or a record of what was archived was not made or changed by
somebody who could write the database or the folder, but does not hold the hub's keys.
"""

from __future__ import annotations

import hmac

SECRET_FILE = "secret"  # noqa: S105  its name in DATA/keys


def key_for(secret: bytes, purpose: str) -> bytes:
    """32 bytes for one purpose; one purpose's key tells nothing of another's."""
    return hmac.digest(secret, b"yizhan-proof-" + purpose.encode(), "sha256")


def proof(key: bytes, text: str) -> str:
    """HMAC-SHA-256, 64 hex digits."""
    return hmac.digest(key, text.encode(), "sha256").hex()


def proves(key: bytes, text: str, found: str) -> bool:
    return hmac.compare_digest(proof(key, text), found)
