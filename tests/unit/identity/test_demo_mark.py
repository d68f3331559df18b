"""What a demo made serves no real station, wherever it is brought; and no demo begins in what is real."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from cloud_hub.audit import record
from cloud_hub.demo_mark import ACTOR, check_folder, check_tables
from cloud_hub.keys import load_keys
from cloud_hub.settings import BadSettings, Settings
from station_agent.identity.claim import claim
from station_agent.wire.claim import read_ticket
from tests.unit.identity.stations import NOW, Bench


def demo(data: Path) -> Settings:
    return Settings(data=data, demo=True)


def real(data: Path) -> Settings:
    return Settings(data=data)


def test_a_demos_folder_stays_a_demos(tmp_path: Path) -> None:
    check_folder(demo(tmp_path))
    check_folder(demo(tmp_path))  # the next start
    load_keys(tmp_path)
    with pytest.raises(BadSettings, match="was made by --demo"):
        check_folder(real(tmp_path))


def test_a_demos_keys_stay_a_demos_in_another_folder(tmp_path: Path) -> None:
    """As a backup brings them back."""
    check_folder(demo(tmp_path / "old"))
    load_keys(tmp_path / "old")
    shutil.copytree(tmp_path / "old" / "keys", tmp_path / "new" / "keys")
    with pytest.raises(BadSettings, match="was made by --demo"):
        check_folder(real(tmp_path / "new"))
    check_folder(demo(tmp_path / "new"))


def test_a_real_hubs_folder_takes_no_demo(tmp_path: Path) -> None:
    check_folder(real(tmp_path))
    load_keys(tmp_path)
    check_folder(real(tmp_path))
    with pytest.raises(BadSettings, match="is no demo"):
        check_folder(demo(tmp_path))


def test_tables_of_the_one_are_refused_by_the_other(bench: Bench, tmp_path: Path) -> None:
    def checked(*, as_demo: bool) -> None:
        bench.run(bench.database.read(lambda c: check_tables(c, as_demo)))

    checked(as_demo=True)
    checked(as_demo=False)
    with bench.http() as hub:
        claim(tmp_path / "identity", read_ticket(bench.add("alpha").text), hub)
    checked(as_demo=False)
    with pytest.raises(BadSettings, match="no demo's"):
        checked(as_demo=True)
    bench.run(bench.database.write(lambda c: record(c, NOW, ACTOR, "station.add", "demo-01")))
    with pytest.raises(BadSettings, match="was made by --demo"):
        checked(as_demo=False)
