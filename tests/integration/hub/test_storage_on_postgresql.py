"""What the unit tests say of storing and migrating, once more on PostgreSQL."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from uuid import uuid4

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from cloud_hub.ingest.apply import Refused
from cloud_hub.ingest.store import Stored, store
from cloud_hub.settings import BadSettings
from cloud_hub.storage.bulk import insert_new
from cloud_hub.storage.database import Database
from cloud_hub.storage.engines import database_of, engine_of
from cloud_hub.storage.schema import events, members, metadata, rejected
from station_agent.wire.events import VisitCounted
from station_agent.wire.kinds import Credential
from tests.harness.hub_process import until
from tests.harness.postgres import PostgresServer
from tests.unit.hub import test_ingest_store
from tests.unit.hub.test_ingest_store import *  # noqa: F403  the same specification, with the fixture below
from tests.unit.hub.test_ingest_store import NOW

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def engine(postgres: PostgresServer) -> Iterator[sa.Engine]:
    url = postgres.url_with_tables()
    engine = engine_of(database_of(Path(), url))
    several = [engine.connect() for _ in range(3)]  # the pool keeps them: they are the module's and no test's
    for one in several:
        one.close()
    yield engine
    engine.dispose()
    postgres.drop(url)


@pytest.fixture
def db(engine: sa.Engine) -> Iterator[sa.Connection]:
    with engine.connect() as connection:
        test_ingest_store.fill(connection)
        yield connection
        connection.rollback()


def test_migrations_lead_to_exactly_the_schema(engine: sa.Engine) -> None:
    with engine.begin() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []


def test_two_hubs_that_get_the_same_rows_store_them_once(engine: sa.Engine) -> None:
    """The second one waits for the first one's commit, and then sees its mark."""
    bodies = [VisitCounted(attempt=uuid4(), credential=Credential.CODE) for _ in range(20)]
    batch = test_ingest_store.Spool().batch(*bodies)
    refused = Refused("demo-01", "not_a_batch", "")
    with engine.begin() as connection:
        test_ingest_store.fill(connection)
    first = engine.connect()
    store(first, [batch], [refused], NOW, {}, watched=False)

    def second() -> Stored:
        with engine.begin() as connection:
            return store(connection, [batch], [refused], NOW, {}, watched=False)

    with ThreadPoolExecutor(1) as thread:
        waiting = thread.submit(second)
        held = sa.text("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'")
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as watcher:
            until(lambda: watcher.scalar(held), "the second one waits", 10)
        first.commit()
        stored = waiting.result(10)
    first.close()
    assert (len(stored.absorbed.rows), stored.absorbed.repeated) == (0, 20)
    with engine.begin() as connection:
        assert connection.scalar(sa.select(sa.func.count()).select_from(events)) == 20
        assert connection.scalar(sa.select(rejected.c.count)) == 2
        for table in reversed(metadata.sorted_tables):
            connection.execute(table.delete())


def test_no_text_that_somebody_sends_makes_a_statement_fail(db: sa.Connection) -> None:
    """PostgreSQL's text holds no NUL."""
    row = {"id": "0d00000000000001", "name": "王\0秀兰", "occupation": "courier", "active": True, "created_at": NOW}
    db.execute(members.insert().values(row))
    insert_new(db, members, [{**row, "id": "0d00000000000002"}, {**row, "id": "0d00000000000003"}])
    names = db.scalars(sa.select(members.c.name).where(members.c.name == "王\0秀兰")).all()
    assert names == ["王\N{REPLACEMENT CHARACTER}秀兰"] * 3


def test_what_is_too_long_is_an_error_and_not_cut_off(db: sa.Connection) -> None:
    row = {"id": "0d00000000000001", "name": "x" * 61, "occupation": "courier", "active": True, "created_at": NOW}
    with pytest.raises(sa.exc.DataError):
        insert_new(db, members, [row])


def test_a_commit_is_on_disk_whatever_the_server_does_by_default(engine: sa.Engine) -> None:
    with engine.begin() as connection:
        assert connection.scalar(sa.text("SHOW synchronous_commit")) == "on"


async def test_a_reader_sees_one_moment(postgres: PostgresServer) -> None:
    url = postgres.url_with_tables()
    async with Database.open(database_of(Path(), url)) as database:

        def look(connection: sa.Connection) -> tuple[str, str]:
            return connection.scalar(sa.text("SHOW transaction_isolation")), connection.scalar(
                sa.text("SHOW transaction_read_only")
            )

        assert await database.read(look) == ("repeatable read", "on")
    postgres.drop(url)


async def test_a_server_that_is_not_there_is_one_sentence_without_the_password() -> None:
    url = "postgresql://hub:very-secret@127.0.0.1:1/hub"
    with pytest.raises(BadSettings, match=r"hub:\*\*\*@127.0.0.1:1/hub does not let us in") as caught:
        async with Database.open(database_of(Path(), url)):
            pass
    assert "very-secret" not in str(caught.value)
