"""What the unit tests say of storing and migrating, once more on PostgreSQL."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from cloud_hub.settings import BadSettings
from cloud_hub.storage.bulk import insert_new
from cloud_hub.storage.database import Database
from cloud_hub.storage.engines import database_of, engine_of
from cloud_hub.storage.schema import members, metadata
from tests.harness.postgres import PostgresServer
from tests.unit.hub import test_ingest_store
from tests.unit.hub.test_ingest_store import *  # noqa: F403  the same specification, with the fixture below
from tests.unit.hub.test_ingest_store import NOW

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def engine(postgres: PostgresServer) -> Iterator[sa.Engine]:
    url = postgres.url_with_tables()
    engine = engine_of(database_of(Path(), url))
    engine.connect().close()  # the pool keeps it: it belongs to the module and not to a test
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
