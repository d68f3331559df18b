"""Connections that a library holds for us, one module a protocol. Their libraries are imported when they connect."""
