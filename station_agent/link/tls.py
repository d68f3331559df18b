"""The TLS context towards the hub and its broker.

A station believes the authority that it was given and no other. Without a clock that it can believe, what a
certificate says of its times is not held against it: the station that wakes in 1970 at -30 C must reach the hub, or it
never learns what time it is. What a thief of an old server's key could do to such a station is listen and withhold;
orders and documents are signed end to end.
"""

from __future__ import annotations

import ssl
from pathlib import Path

from firmware_bridge.sessions.paho_loop import tls_context

_NO_CHECK_TIME = 0x200000
"""X509_V_FLAG_NO_CHECK_TIME of OpenSSL, which the ssl module does not name."""


def ignore_times(context: ssl.SSLContext) -> None:
    context.verify_flags |= _NO_CHECK_TIME


def broker_context(ca_file: Path, certificate_file: Path | None, clock_trusted: bool) -> ssl.SSLContext:
    """`certificate_file`: the station's key and certificate (PEM). Raises OSError, of which ssl.SSLError is one."""
    context = tls_context(cafile=str(ca_file))
    if certificate_file is not None:
        context.load_cert_chain(certificate_file)
    if not clock_trusted:
        ignore_times(context)
    return context
