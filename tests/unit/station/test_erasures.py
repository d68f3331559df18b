"""A wish to be forgotten, carried out once and answered, however often and late it comes."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from station_agent.faces.templates import TemplateStore, TemplatesUnusable
from station_agent.link import erasures
from station_agent.link.erasures import ANSWER_AGAIN_S, Erasures, without_faces
from station_agent.telemetry.spool import Spool
from station_agent.telemetry.store import Store
from station_agent.wire import documents
from station_agent.wire.documents import DocumentRefused, Erasure
from station_agent.wire.envelope import Stream
from tests.harness.fake_clock import FakeClock

MEMBER = "00000000000000aa"
HERE = "demo-01"


def document(*ids: UUID, station: str = HERE) -> str:
    asked_at = datetime(2026, 12, 1, tzinfo=UTC)
    entries = tuple(Erasure(id=id, member=MEMBER, asked_at=asked_at) for id in ids)
    return documents.Erasures(station=station, erasures=entries).model_dump_json()


class Templates:
    """Three templates; with `locked` the store cannot be used."""

    def __init__(self) -> None:
        self.asked: list[UUID] = []
        self.locked = False

    async def erase(self, erasure: Erasure) -> int:
        if self.locked:
            raise TemplatesUnusable("the disk is gone")
        self.asked.append(erasure.id)
        return 3


async def receipts(store: Store) -> list[str]:
    rows = await store.submit(
        lambda db: db.conn.execute(f"SELECT body FROM {Stream.EVENTS} WHERE kind = 'face.erased'").fetchall()
    )
    return [row[0] for row in rows]


async def test_each_entry_is_answered_once_while_its_receipt_is_on_the_way(
    store: Store, spool: Spool, clock: FakeClock
) -> None:
    templates, (first, second) = Templates(), (uuid4(), uuid4())
    taker = Erasures(HERE, templates.erase, spool, clock)
    await taker.take(document(first))
    await taker.take(document(first, second))
    assert templates.asked == [first, second]
    told = await receipts(store)
    assert [str(id) in row for id, row in zip((first, second), told, strict=True)] == [True, True]
    clock.pass_by(ANSWER_AGAIN_S + 1)
    await taker.take(document(first))
    assert len(await receipts(store)) == 3, "the hub has lost it"


async def test_what_could_not_be_erased_is_not_answered_and_keeps_nothing_else_back(
    store: Store, spool: Spool, clock: FakeClock
) -> None:
    templates = Templates()
    taker = Erasures(HERE, templates.erase, spool, clock)
    templates.locked, id = True, uuid4()
    await taker.take(document(id))
    assert await receipts(store) == []
    templates.locked = False
    await taker.take(document(id))
    assert len(await receipts(store)) == 1


async def test_a_document_for_elsewhere_or_of_another_form_is_refused(spool: Spool, clock: FakeClock) -> None:
    taker = Erasures(HERE, Templates().erase, spool, clock)
    with pytest.raises(DocumentRefused, match="demo-02"):
        await taker.take(document(uuid4(), station="demo-02"))
    with pytest.raises(DocumentRefused, match="no erasures"):
        await taker.take('{"kind": "erasures"}')


async def test_what_is_remembered_of_answers_is_bounded(
    spool: Spool, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(erasures, "ANSWERS_KEPT", 3)
    taker = Erasures(HERE, Templates().erase, spool, clock)
    await taker.take(document(*(uuid4() for _ in range(5))))
    assert len(taker._answered) == 3


async def test_a_station_whose_faces_are_off_erases_what_there_was_and_makes_no_file(tmp_path: Path) -> None:
    kept = TemplateStore(tmp_path / "faces.sqlite", tmp_path / "keys" / "faces.key")
    erasure = documents.read_erasures(document(uuid4()), HERE).erasures[0]
    assert await without_faces(kept)(erasure) == 0
    assert not kept.path.exists()
