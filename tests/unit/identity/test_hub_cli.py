"""`yizhan-hub stations` and `signing-key`: for programs as for people, and nothing is changed by a dry run."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from cloud_hub.cli import app
from cloud_hub.demo_mark import check_folder
from cloud_hub.enrolment.address import tell_address
from cloud_hub.keys import load_keys
from cloud_hub.settings import Settings
from station_agent.wire.claim import read_code, read_ticket
from tests.unit.identity.stations import profile

URL = "https://hub.example"


class Cli:
    """The commands of one hub's folder."""

    def __init__(self, data: Path) -> None:
        self.data = data

    def run(self, *words: object) -> Any:
        return CliRunner().invoke(app, [*map(str, words), "--data", str(self.data)])

    def told(self, *words: object, status: int = 0) -> Any:
        """What it says for programs."""
        ended = self.run(*words, "--json")
        assert ended.exit_code == status, ended.output
        return json.loads(ended.stdout)


@pytest.fixture
def cli(tables: Path, tmp_path: Path) -> Cli:
    data = tmp_path / "hub"
    keys = load_keys(data)
    shutil.copy(tables, data / "hub.sqlite")
    tell_address(Settings(data=data, public_url=URL), keys)
    return Cli(data)


@pytest.fixture
def alpha(tmp_path: Path) -> Path:
    path = tmp_path / "alpha.json"
    path.write_text(profile("alpha").model_dump_json(exclude_none=True))
    return path


def test_a_new_station_and_its_claim(cli: Cli, alpha: Path, tmp_path: Path) -> None:
    made = cli.told("stations", "add", alpha, "--svg", tmp_path / "claim.svg")
    ticket = read_ticket(made["text"])
    assert (ticket.hub_url, ticket.code, ticket.fingerprint) == (URL, made["code"], made["fingerprint"])
    assert made["fingerprint"] == load_keys(cli.data).authorities.hub.fingerprint
    assert (tmp_path / "claim.svg").read_text().startswith("<svg")
    (claim,) = cli.told("stations", "identity", "alpha")["claims"]
    assert (claim["id"], claim["state"]) == (read_code(made["code"]).id, "waiting")
    assert "code" not in claim


def test_for_people_the_same_without_what_is_for_programs(cli: Cli, alpha: Path) -> None:
    shown = cli.run("stations", "add", alpha).output
    assert "code         " in shown
    assert "yizhan-station claim --identity DIR --text 'https://hub.example/claim#code=" in shown


def test_a_dry_run_changes_nothing(cli: Cli, alpha: Path) -> None:
    assert cli.told("stations", "add", alpha, "--dry-run")["dry_run"] is True
    assert cli.told("stations", "identity", "alpha", status=2)["error"] == "There is no station alpha."
    cli.told("stations", "add", alpha)
    before = cli.told("stations", "identity", "alpha")
    for command in ("claim", "replace", "revoke"):
        told = cli.told("stations", command, "alpha", "--reason", "try", "--dry-run")
        assert told == {"dry_run": True, "station": "alpha", "certificates": 0}
    assert cli.told("stations", "identity", "alpha") == before
    assert cli.told("signing-key", "rotate", "--dry-run") == {"version": 2}
    assert cli.told("signing-key", "list")["version"] == 1


def test_what_is_refused_has_status_two_and_says_why(cli: Cli, alpha: Path, tmp_path: Path) -> None:
    cli.told("stations", "add", alpha)
    assert "already" in cli.told("stations", "add", alpha, status=2)["error"]
    for command in ("claim", "replace", "revoke"):
        assert (
            cli.told("stations", command, "beta", "--reason", "why", status=2)["error"] == "There is no station beta."
        )
    broken = tmp_path / "broken.toml"
    broken.write_text("[station]\nid = 'UPPER'\n")
    ended = cli.run("stations", "add", broken)
    assert (ended.exit_code, "station.id" in ended.output) == (2, True)


def test_a_folder_without_a_hub_is_left_alone(tmp_path: Path, alpha: Path) -> None:
    ended = Cli(tmp_path / "none").run("stations", "add", alpha, "--public-url", URL)
    assert (ended.exit_code, "There is no hub in" in ended.output) == (1, True)
    assert not (tmp_path / "none").exists()


def test_a_demo_hub_makes_no_claim(cli: Cli, alpha: Path) -> None:
    shutil.rmtree(cli.data / "keys")
    check_folder(Settings(data=cli.data, demo=True))
    load_keys(cli.data)
    assert "A demo hub gives no identity" in cli.told("stations", "add", alpha, status=2)["error"]


def test_a_signing_key_is_followed_and_withdrawn(cli: Cli) -> None:
    (first,) = cli.told("signing-key", "list")["keys"]
    assert first["state"] == "signs"
    refused = cli.run("signing-key", "withdraw", first["key"])
    assert (refused.exit_code, "first `yizhan-hub signing-key rotate" in refused.output) == (1, True)
    made = cli.told("signing-key", "rotate", "--at-once")
    assert [row["state"] for row in cli.told("signing-key", "list")["keys"]] == ["trusted", "signs"]
    cli.told("signing-key", "withdraw", first["key"])
    assert [row["key"] for row in cli.told("signing-key", "list")["keys"]] == [made["key"]]
