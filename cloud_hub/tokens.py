"""Opaque secrets that the hub hands out (sessions, tickets) and keeps only the hash of."""

from __future__ import annotations

import hashlib
import secrets


def new_token() -> str:
    """256 random bits, in characters that a cookie and a URL may hold."""
    return secrets.token_urlsafe(32)


def token_hash(token: str) -> str:
    """What is stored. The token is random, so one fast hash is enough; a password would need argon2."""
    return hashlib.sha256(token.encode()).hexdigest()
