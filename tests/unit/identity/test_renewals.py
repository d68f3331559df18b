"""When a station renews its certificate by itself, and what it does when it is cut off."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from cloud_hub.enrolment.authority import STATION_LIFETIME, Authorities, issue_station
from station_agent.identity import files, renewal
from station_agent.identity.http import HubSilent
from station_agent.identity.renewal import AGAIN_S, CUT_OFF_S, Renewal, Renewals, due_at
from station_agent.identity.trust import TrustHolder
from station_agent.telemetry.store import Store
from station_agent.wire.link import BrokerLink, HubLink
from tests.unit.identity.stations import HUB, NOW

DUE = STATION_LIFETIME * 0.78
"""After it, every certificate is due."""


class StationClock:
    """A station's clocks, set by the test. `wrong_by`: how far the time of day is from the truth."""

    def __init__(self) -> None:
        self.passed_s = 0.0
        self.floor = NOW
        self.wrong_by = timedelta(0)

    def now(self) -> datetime:
        return NOW + timedelta(seconds=self.passed_s) + self.wrong_by

    def monotonic(self) -> float:
        return self.passed_s

    async def sleep(self, seconds: float) -> None:
        raise AssertionError("nobody sleeps here")

    def trusted(self) -> bool:
        return self.now() >= self.floor


class Box:
    """A station with a certificate of NOW. `asked`: how often it asked for the next one."""

    def __init__(self, folder: Path, store: Store) -> None:
        self.folder = folder
        self.clock = StationClock()
        self.linked = True
        self.away = False
        self.asked = 0
        self._authority = Authorities.generated(NOW).station
        self.certify()
        link = HubLink(
            station="alpha",
            hub_url=HUB,
            broker=BrokerLink(host="127.0.0.1", port=8883),
            hub_keys=("00" * 32,),
        )
        clock: Any = self.clock
        self.renewals = Renewals(folder, link, TrustHolder(link, store, lambda: None), lambda: self.linked, clock)

    def certify(self) -> None:
        key = ec.generate_private_key(ec.SECP256R1())
        made = issue_station(self._authority, "alpha", key.public_key(), NOW + timedelta(seconds=self.clock.passed_s))
        (self.folder / files.STATION).write_bytes(files.private_pem(key) + made.pem.encode())

    def renew(self, *_: object) -> Renewal:
        self.asked += 1
        if self.away:
            raise HubSilent("the hub is away")
        self.certify()
        return Renewal(NOW, ())

    async def after(self, time: timedelta) -> bool:
        self.clock.passed_s += time.total_seconds()
        return await self.renewals.look()


@pytest.fixture
async def box(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Box]:
    async with Store(tmp_path / "station.sqlite") as store:
        box = Box(tmp_path, store)
        monkeypatch.setattr(renewal, "renew", box.renew)
        yield box


async def test_a_certificate_is_renewed_when_two_thirds_of_its_life_are_over_and_not_before(box: Box) -> None:
    assert not await box.after(STATION_LIFETIME * 0.6)
    assert await box.after(DUE - STATION_LIFETIME * 0.6)
    assert not await box.after(timedelta(days=1))  # the next one is young
    assert box.asked == 1
    assert due_at(files.read_certificate(box.folder / files.STATION)) > box.clock.now() + timedelta(days=50)


async def test_a_hub_that_is_away_is_asked_again_but_not_without_end(box: Box) -> None:
    box.away = True
    assert not await box.after(DUE)
    for _ in range(20):
        await box.after(timedelta(seconds=AGAIN_S / 20 - 1))
    assert box.asked == 1
    box.away = False
    assert await box.after(timedelta(seconds=30))
    assert box.asked == 2


async def test_a_dead_clock_does_not_keep_a_certificate_from_being_renewed(box: Box) -> None:
    box.clock.wrong_by = timedelta(days=-365 * 56)  # 1970
    assert not await box.after(timedelta(days=1))
    box.clock.floor = NOW + DUE  # the hub signed something at that time
    assert await box.after(timedelta(days=1))


async def test_a_station_that_is_cut_off_asks_whether_it_is_its_certificate(box: Box) -> None:
    """After a winter without power and clock nothing here says that the certificate has ended."""
    box.clock.wrong_by = timedelta(days=-365 * 56)
    box.linked = False
    assert not await box.after(timedelta(seconds=CUT_OFF_S - 1))
    assert await box.after(timedelta(seconds=2))
    assert not await box.after(timedelta(seconds=CUT_OFF_S))  # once in a while, in case it is something else
    assert await box.after(timedelta(seconds=AGAIN_S))


async def test_a_station_that_is_linked_asks_nothing(box: Box) -> None:
    for _ in range(20):
        assert not await box.after(timedelta(seconds=CUT_OFF_S))
    assert box.asked == 0
