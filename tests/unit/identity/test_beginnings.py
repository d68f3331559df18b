"""A new box begins a new log: explicable, and told apart from one that was wiped."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy import Connection

from cloud_hub.events.beginnings import FIRST, UNEXPLAINED, Used, beginnings, explained
from cloud_hub.ingest.store import store
from cloud_hub.storage.schema import alarms
from station_agent.identity.claim import claim
from station_agent.wire import chain
from station_agent.wire.claim import read_ticket
from station_agent.wire.envelope import Batch, Row, Stream
from tests.unit.identity.stations import NOW, Bench

HOUR = timedelta(hours=1)


def whys(spools: list[tuple[str, int]], claims: list[int]) -> list[str]:
    """Hours after NOW -> why each spool began, in order."""
    used = [Used(NOW + hour * HOUR, "admin", f"reason {hour}") for hour in claims]
    return [one.why for one in explained("alpha", [(name, NOW + hour * HOUR) for name, hour in spools], used)]


def test_the_first_log_of_a_station_needs_no_reason() -> None:
    assert whys([("one", 1)], []) == [FIRST]
    assert whys([("one", 1)], [0]) == ["claimed 2026-12-01 08:00 UTC by a code of admin: reason 0"]


def test_a_log_after_a_replacement_is_explained_by_its_claim() -> None:
    assert whys([("two", 5), ("one", 1)], [0, 4])[1] == "claimed 2026-12-01 12:00 UTC by a code of admin: reason 4"


def test_a_log_that_follows_no_claim_is_named() -> None:
    assert whys([("one", 1), ("two", 5)], [0])[1] == UNEXPLAINED
    assert whys([("one", 1), ("two", 5), ("three", 6)], [0, 4])[2] == UNEXPLAINED  # one claim explains one log
    assert whys([("one", 1), ("two", 5)], [6])[1] == UNEXPLAINED  # nor does one that came later


def batch(spool: str) -> Batch:
    body: dict[str, Any] = {"version": "1", "door_found": "secured"}
    link = chain.link(chain.beginning(spool), 1, NOW, "a-boot-id", 1, "agent.started", body)
    row = Row(seq=1, at=NOW, boot="a-boot-id", mono_ms=1, kind="agent.started", body=body, chain=link)
    return Batch(station="alpha", spool=spool, stream=Stream.EVENTS, after=0, rows=(row,))


@pytest.mark.parametrize("replaced", [True, False])
def test_the_new_log_is_taken_in_without_an_alarm_and_told_why(bench: Bench, tmp_path: Path, replaced: bool) -> None:
    def claimed(text: str, folder: Path) -> None:
        with bench.http() as hub:
            claim(folder, read_ticket(text), hub)
        bench.clock.pass_by(HOUR)

    def take(spool: str) -> None:
        now = bench.clock.now()
        bench.run(bench.database.write(lambda c: store(c, [batch(spool)], [], now, {}, False)))
        bench.clock.pass_by(HOUR)

    claimed(bench.add("alpha").text, tmp_path / "old")
    take("spool-one")
    if replaced:
        claimed(bench.claim_for("alpha", revoke=True).text, tmp_path / "new")
    take("spool-two")

    def found(connection: Connection) -> tuple[list[Any], int]:
        count = connection.scalar(sa.select(sa.func.count()).select_from(alarms)) or 0
        return beginnings(connection, "alpha"), count

    (first, second), raised = bench.run(bench.database.read(found))
    assert (first.spool, first.explained, second.spool, second.explained) == ("spool-one", True, "spool-two", replaced)
    assert raised == 0
