"""Where the hub's tables are: one setting, found by the hub and by every command in the same way."""

from pathlib import Path

import pytest
import sqlalchemy as sa
from pydantic import SecretStr

from cloud_hub.settings import BadSettings, Settings
from cloud_hub.storage.engines import database_of

URL = "postgresql://hub:very-secret@db.example/hub"


def test_without_a_setting_it_is_a_file_in_the_hubs_folder(tmp_path: Path) -> None:
    assert database_of(tmp_path, "") == tmp_path / "hub.sqlite"


def test_one_line_in_the_hubs_folder_is_the_setting_of_every_command(tmp_path: Path) -> None:
    (tmp_path / "database.url").write_text(URL + "\n")
    found = database_of(tmp_path, "")
    assert isinstance(found, sa.URL)
    assert (found.drivername, found.host, found.database) == ("postgresql+psycopg", "db.example", "hub")
    other = database_of(tmp_path, "postgres://other.example/name?sslmode=verify-full")
    assert isinstance(other, sa.URL)
    assert (other.host, other.query["sslmode"]) == ("other.example", "verify-full"), "what is said now wins"


@pytest.mark.parametrize(
    ("setting", "says"),
    [
        ("mysql://hub:very-secret@db.example/hub", "names 'mysql'"),
        ("postgresql://hub:very-secret@db.example", "database None"),
        ("sqlite:///hub.sqlite", "leave it out for SQLite"),
        ("very-secret", "is no address"),
        ("postgresql://hub:very-secret@db.example:port/hub", "is no address"),
    ],
)
def test_an_address_that_is_none_is_one_sentence_without_the_password(tmp_path: Path, setting: str, says: str) -> None:
    with pytest.raises(BadSettings, match=says) as caught:
        database_of(tmp_path, setting)
    assert "very-secret" not in str(caught.value)
    assert "--database" in str(caught.value)


def test_a_bad_line_in_the_folder_is_named_by_its_file(tmp_path: Path) -> None:
    (tmp_path / "database.url").write_text("nonsense")
    with pytest.raises(BadSettings, match=r"database\.url is no address"):
        database_of(tmp_path, "")


def test_settings_never_show_the_password(tmp_path: Path) -> None:
    assert "very-secret" not in repr(Settings(data=tmp_path, database=SecretStr(URL)))
    assert "very-secret" not in repr(database_of(tmp_path, URL))
