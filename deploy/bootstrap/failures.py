"""Owns the sentences for set-up steps that failed: reads a tool's log and says whose fault it is."""

from pathlib import Path

from deploy.bootstrap.processes import last_lines

SHOWN_FIRST, SHOWN_LAST = 6, 10

# What tools print -> what it means; the first row that is found in the log's text (lower case) wins.
MEANINGS: tuple[tuple[tuple[str, ...], str], ...] = (
    (("no space left on device",), "the disk is full"),
    (
        ("do not match the hashes", "hash mismatch", "eintegrity"),
        "a downloaded file is not the one that the lock names (its hash differs): the mirror that your pip, uv "
        "or npm settings name may be broken",
    ),
    (
        ("certificate verify failed", "certificate_verify", "unknownissuer", "self-signed certificate", "self_signed"),
        "the package registry's certificate is not trusted here: name your CA file in pip's setting `cert`, in "
        "SSL_CERT_FILE and in NODE_EXTRA_CA_CERTS",
    ),
    (
        (
            "name resolution",
            "name or service not known",
            "nodename nor servname",
            "network is unreachable",
            "connection refused",
            "no route to host",
            "newconnectionerror",
            "connecttimeout",
            "read timed out",
            "dns error",
            "error sending request",
            "tcp connect error",
            "could not connect",
            "failed to fetch",
            "enotfound",
            "eai_again",
            "etimedout",
            "econnrefused",
            "econnreset",
            "enetunreach",
        ),
        "the package registry cannot be reached: check the network, or name a mirror in your own pip, uv and npm "
        "settings",
    ),
)


def explain(what: str, log: Path) -> str:
    """One sentence for a failed step, with the gist of its log where the reason is not a known one."""
    text = log.read_text(errors="replace").lower() if log.exists() else ""
    for signs, meaning in MEANINGS:
        if any(sign in text for sign in signs):
            return f"Failed {what}: {meaning} (details: {log})."
    return f"Failed {what}; from {log}:\n{_gist(log)}"


def _gist(log: Path) -> str:
    """How a log begins (npm says the reason first) and how it ends (all others say it last)."""
    everything = last_lines(log, count=10**6).splitlines()
    if len(everything) <= SHOWN_FIRST + SHOWN_LAST:
        return "\n".join(everything)
    return "\n".join([*everything[:SHOWN_FIRST], "    ...", *everything[-SHOWN_LAST:]])
