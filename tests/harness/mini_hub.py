"""A hub for tests of the station: a real nats-server, and behind it the smallest honest end of the protocol.

It stores rows by the rule of wire/envelope.py (a mark a stream, in memory), acknowledges, and signs orders and
rosters. `deaf` makes it hear nothing, as a hub that is down; the broker can be stopped and started again.
"""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import shutil
import sys
import time
import uuid
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import nats
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from station_agent.wire import membership_code as codes
from station_agent.wire.commands import Command, DoorOpen
from station_agent.wire.documents import IssuerKey, PhoneKey, Roster, RosterMember
from station_agent.wire.envelope import Batch, Eack, Row, StationState
from station_agent.wire.knocks import KnockAnswer
from station_agent.wire.signed import sign
from station_agent.wire.topics import Down, Up, down, station_of, subject
from tests.harness.ports import free_port

WAIT_S = 20.0


class Phone:
    """A member with a phone."""

    def __init__(self, member: str | None = None) -> None:
        self.member = member or secrets.token_hex(8)
        self.key = Ed25519PrivateKey.generate()

    def code(self, at: datetime | None = None) -> str:
        return codes.make_code(self.key, self.member, at or datetime.now(UTC), os.urandom(2))

    def row(self, **changes: Any) -> RosterMember:
        public = codes.public_bytes(self.key)
        key = PhoneKey(
            kid=codes.public_kid(public),
            algorithm=codes.algorithm_of(self.key),
            public=public.hex(),
            not_after=datetime.now(UTC) + timedelta(days=14),
        )
        return RosterMember(id=self.member, keys=(key,), **changes)


class MiniHub:
    """`async with MiniHub(folder)`; one hub serves any number of stations."""

    def __init__(self, folder: Path, *, tls: tuple[Path, Path] | None = None) -> None:
        """`tls`: certificate and key of the broker's MQTT port."""
        self._folder = folder
        self._tls = tls
        self.mqtt_port = free_port()
        self.client_port = free_port()
        self.key = Ed25519PrivateKey.generate()
        self.issuer = Ed25519PrivateKey.generate()
        self.deaf = False
        self.marks: dict[tuple[str, str, str], int] = {}
        self.rows: list[tuple[str, Row]] = []
        self.payloads: list[bytes] = []  # everything that went over the broker, in both directions
        self.states: dict[str, StationState] = {}
        self.answers: list[KnockAnswer] = []
        self.batches = 0
        self._process: asyncio.subprocess.Process | None = None
        self._client: Any = None
        self._news = asyncio.Event()
        self._roster_version = 0

    async def __aenter__(self) -> MiniHub:
        await self.start_broker()
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.stop_broker()

    async def start_broker(self) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        config: dict[str, Any] = {
            "server_name": "test",
            "listen": f"127.0.0.1:{self.client_port}",
            "max_payload": 8 << 20,
            "jetstream": {"store_dir": str(self._folder / "store")},
            "mqtt": {"listen": f"127.0.0.1:{self.mqtt_port}"},
        }
        if self._tls is not None:
            config["mqtt"] = {
                "listen": f"127.0.0.1:{self.mqtt_port}",
                "tls": {"cert_file": str(self._tls[0]), "key_file": str(self._tls[1])},
            }
        path = self._folder / "broker.conf"
        path.write_text(json.dumps(config))
        program = Path(sys.executable).with_name("nats-server")
        with (self._folder / "broker.log").open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                str(program if program.exists() else shutil.which("nats-server")),
                *("-c", str(path)),
                stdout=log,
                stderr=log,
            )
        self._client = await self._connect()
        await self._client.subscribe("yizhan.v1.*.up.>", cb=self._heard)
        await self._client.flush()

    async def _connect(self) -> Any:
        deadline = time.monotonic() + WAIT_S
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", self.mqtt_port)
                writer.close()
                await writer.wait_closed()
                return await nats.connect(f"nats://127.0.0.1:{self.client_port}", allow_reconnect=False)
            except OSError:
                if time.monotonic() > deadline:
                    raise
                await asyncio.sleep(0.02)

    async def stop_broker(self, *, kill: bool = False) -> None:
        if self._client is not None:
            await self._client.close()
            self._client = None
        if self._process is not None:
            if kill:
                self._process.kill()
            else:
                self._process.terminate()
            await self._process.wait()
            self._process = None

    def link(self, station: str, **changes: Any) -> dict[str, Any]:
        """The station's link file."""
        broker = {"host": "127.0.0.1", "port": self.mqtt_port, "username": station, "password": "secret"}
        return {
            "v": 1,
            "station": station,
            "hub_url": "http://127.0.0.1:9",
            "broker": broker,
            "hub_keys": [self.key.public_key().public_bytes_raw().hex()],
            **changes,
        }

    # --- what comes up ---

    async def _heard(self, message: Any) -> None:
        self.payloads.append(message.data)
        found = station_of(message.subject)
        if found is None or self.deaf:
            return
        station, leaf = found
        if leaf is Up.ANSWER:
            self.answers.append(KnockAnswer.model_validate_json(message.data))
            self._tell()
            return
        if leaf is Up.STATE:
            self.states[station] = StationState.model_validate_json(message.data)
            self._tell()
            return
        batch = Batch.model_validate_json(message.data)
        assert batch.station == station
        self.batches += 1
        key = (station, batch.spool, batch.stream.value)
        mark = self.marks.get(key, 0)
        if batch.after <= mark:
            self.rows += [(station, row) for row in batch.rows if row.seq > mark]
            mark = self.marks[key] = max(mark, batch.rows[-1].seq)
        ack = Eack(spool=batch.spool, stream=batch.stream, upto=mark)
        await self.publish(station, Down.ACK, ack.model_dump_json().encode())
        self._tell()

    def _tell(self) -> None:
        event, self._news = self._news, asyncio.Event()
        event.set()

    async def until(self, condition: Callable[[], Any], what: str = "the condition", timeout_s: float = WAIT_S) -> Any:
        """Wait for something to become true of what was heard; its value."""
        deadline = time.monotonic() + timeout_s
        while not (value := condition()):
            left = deadline - time.monotonic()
            if left <= 0:
                kinds = [f"{row.kind} {row.body}" for _, row in self.rows]
                raise AssertionError(f"{what} did not come; heard:\n  " + "\n  ".join(kinds[-40:]))
            try:
                await asyncio.wait_for(self._news.wait(), left)
            except TimeoutError:
                continue
        return value

    def events(self, kind: str, station: str | None = None, **fields: Any) -> list[dict[str, Any]]:
        """Bodies of the rows of a kind whose fields are as given."""
        return [
            row.body
            for of, row in self.rows
            if row.kind == kind
            and station in (None, of)
            and all(row.body.get(name) == value for name, value in fields.items())
        ]

    async def event(self, kind: str, station: str | None = None, **fields: Any) -> dict[str, Any]:
        """The first such event, waited for."""
        found = await self.until(lambda: self.events(kind, station, **fields), f"{kind} {fields}")
        body: dict[str, Any] = found[0]
        return body

    # --- what goes down ---

    async def publish(self, station: str, leaf: Down, payload: bytes) -> None:
        self.payloads.append(payload)
        if self._client is not None:
            await self._client.publish(subject(down(station, leaf)), payload)
            await self._client.flush()

    async def send_roster(self, station: str, members: Sequence[RosterMember], version: int | None = None) -> int:
        """Sign and send; the version."""
        self._roster_version = version or self._roster_version + 1
        now = datetime.now(UTC)
        issuer = IssuerKey(
            kid=1,
            algorithm=codes.algorithm_of(self.issuer),
            public=self.issuer.public_key().public_bytes_raw().hex(),
            not_after=now + timedelta(days=365),
        )
        roster = Roster(
            station=station, version=self._roster_version, issued_at=now, issuers=(issuer,), members=tuple(members)
        )
        await self.publish(station, Down.DOCUMENT, sign("document", roster.model_dump_json(), self.key))
        return self._roster_version

    def order(self, station: str, order: Any = None, *, lifetime_s: float = 15.0, age_s: float = 0.0) -> Command:
        issued = datetime.now(UTC) - timedelta(seconds=age_s)
        return Command(
            id=uuid.uuid4(),
            station=station,
            order=order or DoorOpen(),
            actor="operator",
            reason="let somebody in",
            issued_at=issued,
            expires_at=issued + timedelta(seconds=lifetime_s),
        )

    async def send(self, to: str, command: Command, key: Ed25519PrivateKey | None = None) -> None:
        """Send to station `to`, whatever the command says."""
        await self.publish(to, Down.COMMAND, sign("command", command.model_dump_json(), key or self.key))
