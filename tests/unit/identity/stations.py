"""Boxes that claim and renew at a hub's enrolment service, without a network."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from pydantic import BaseModel

from cloud_hub.enrolment.models import Claim, NewClaim
from cloud_hub.enrolment.service import EnrolmentService
from cloud_hub.keys import Keys
from cloud_hub.problems import Problem
from cloud_hub.settings import Settings
from cloud_hub.storage.database import Database
from station_agent.identity.http import HubHttp
from station_agent.wire.enrolment import CLAIM_PATH, RENEWAL_PATH, BrokerAddress, ClaimRequest, RenewalRequest
from station_agent.wire.profile import StationProfile
from station_agent.wire.signed import key_id

HUB = "http://127.0.0.1:8000"
NOW = datetime(2026, 12, 1, 8, tzinfo=UTC)


def keys_of(texts: Iterable[str]) -> dict[str, Ed25519PublicKey]:
    keys = [Ed25519PublicKey.from_public_bytes(bytes.fromhex(text)) for text in texts]
    return {key_id(key): key for key in keys}


def profile(station: str) -> StationProfile:
    return StationProfile.model_validate(
        {
            "station": {"id": station, "name": "驿站", "place": {"latitude": 43.9, "longitude": 125.3}},
            "lines": {"bus": {"url": "/dev/null"}},
            "devices": {
                "lock": {
                    "driver": "modbus_lock",
                    "line": "bus",
                    "profile": "waveshare_relay_d",
                    "address": 1,
                    "options": {"coil": 0, "contact": 0},
                }
            },
            "door": {"lock": "lock"},
        }
    )


class SetClock:
    """The hub's clock, set by the test."""

    def __init__(self) -> None:
        self.at = NOW

    def now(self) -> datetime:
        return self.at

    def monotonic(self) -> float:
        return (self.at - NOW).total_seconds()

    def pass_by(self, time: timedelta) -> None:
        self.at += time


class Bench:
    """An enrolment service on tables of its own. `users` is what the broker was told last."""

    def __init__(self, database: Database, runner: asyncio.Runner, *, demo: bool = False) -> None:
        self.clock = SetClock()
        self.keys = Keys.generated()
        self.users: dict[str, str] = {}
        self.told = 0
        self.answers_lost = 0
        self.address = "192.0.2.7"
        self.runner = runner
        settings = Settings(data=Path(), demo=demo)
        broker = BrokerAddress(host="127.0.0.1", port=8883)
        self.database = database
        self.service = EnrolmentService(database, self.clock, settings, self.keys, lambda: broker, self._changed)

    async def _changed(self, users: Mapping[str, str]) -> None:
        self.users = dict(users)
        self.told += 1

    def run(self, work: Any) -> Any:
        return self.runner.run(work)

    def add(self, station: str) -> Claim:
        """A new station's claim."""
        self.run(self.service.add_station(profile(station), "admin"))
        return self.claim_for(station)

    def claim_for(self, station: str, **wanted: Any) -> Claim:
        claim: Claim = self.run(self.service.new_claim(station, NewClaim(reason="a new box", **wanted), "admin"))
        return claim

    def http(self, on_request: Callable[[], None] = lambda: None) -> HubHttp:
        """As a station reaches this hub."""

        def answer(request: httpx.Request) -> httpx.Response:
            on_request()
            try:
                found: BaseModel = self.run(self._asked(request.url.path, request.content))
            except Problem as problem:
                return httpx.Response(problem.status, json={"detail": problem.detail})
            if self.answers_lost:
                self.answers_lost -= 1
                raise httpx.ReadError("the connection broke")
            return httpx.Response(200, text=found.model_dump_json())

        return HubHttp(HUB, transport=httpx.MockTransport(answer))

    async def _asked(self, path: str, content: bytes) -> BaseModel:
        if path == CLAIM_PATH:
            return await self.service.claim(ClaimRequest.model_validate_json(content), self.address)
        assert path == RENEWAL_PATH
        return await self.service.renew(RenewalRequest.model_validate_json(content), self.address)
