"""What a reader read goes to whoever it belongs to: our codes to the desk at once, others to their verifier.

    Scan --+-- U1: G1: and whatever nobody claims --> desk, in this very call
           +-- claimed by a verifier --> a task of its own --> VerifiedAttempt --> desk

A verifier may wait for a network; our own code never waits for one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from uuid import uuid4

from firmware_bridge.capabilities import Scan
from station_agent.access.attempts import Now, VerifiedAttempt
from station_agent.access.desk import Desk
from station_agent.access.verifiers.port import Finding, Proven, Refused, Silent, Verifier
from station_agent.access.verifiers.whose import is_ours
from station_agent.clock import Clock
from station_agent.wire.kinds import Reason

UNDER_WAY_MAX = 16
"""Texts that verifiers judge at a time; a door serves one person, the rest is somebody's play."""


class Texts:
    """`read` may be called from the very callback that read the last byte."""

    def __init__(
        self, desk: Desk, scanned: Callable[[Scan], None], verifiers: Sequence[Verifier], clock: Clock
    ) -> None:
        """`scanned` takes what belongs to no verifier."""
        self._desk = desk
        self._scanned = scanned
        self._verifiers = verifiers
        self._clock = clock
        self._under_way: dict[str, asyncio.Task[None]] = {}

    def read(self, scan: Scan) -> None:
        claiming = [] if is_ours(scan.text) else [one for one in self._verifiers if one.claims(scan.text)]
        if not claiming:
            self._scanned(scan)
        elif scan.text not in self._under_way:  # the same text again while it is judged is the same attempt
            if len(self._under_way) >= UNDER_WAY_MAX:
                self._attempt(scan, claiming[0].name, Silent(f"{UNDER_WAY_MAX} codes are being judged"))
                return
            task = asyncio.create_task(self._judge(scan, claiming), name=f"judge a code of {claiming[0].name}")
            self._under_way[scan.text] = task
            task.add_done_callback(lambda _: self._under_way.pop(scan.text, None))

    def known(self, text: str) -> bool:
        """Whether such a text is a code of ours or of a verifier: a camera sees posters and payment codes too."""
        return is_ours(text) or any(one.claims(text) for one in self._verifiers)

    async def run(self) -> None:
        """Keeps nothing going: prepares what the first person would wait for, and stays."""
        for verifier in self._verifiers:
            await verifier.prepare()
        await asyncio.Event().wait()

    async def close(self) -> None:
        under_way = list(self._under_way.values())
        for task in under_way:
            task.cancel()
        await asyncio.gather(*under_way, return_exceptions=True)
        for verifier in self._verifiers:
            await verifier.close()

    async def _judge(self, scan: Scan, claiming: Sequence[Verifier]) -> None:
        finding: Finding
        for verifier in claiming:
            now = Now(self._clock.now(), self._clock.monotonic(), self._clock.trusted())
            finding = await verifier.verify(scan.text, scan.device, now)
            if not (isinstance(finding, Silent) and finding.fall_back):
                break
        self._attempt(scan, verifier.name, finding)

    def _attempt(self, scan: Scan, verifier: str, finding: Finding) -> None:
        match finding:
            case Proven(member, detail, used):
                attempt = VerifiedAttempt(uuid4(), scan.device, verifier, member, Reason.MEMBER, detail, used)
            case Refused(reason, detail, member, counted):
                attempt = VerifiedAttempt(uuid4(), scan.device, verifier, member, reason, detail, counted=counted)
            case Silent(detail):
                attempt = VerifiedAttempt(uuid4(), scan.device, verifier, None, Reason.PLATFORM_SILENT, detail)
        self._desk.attempt(attempt)
