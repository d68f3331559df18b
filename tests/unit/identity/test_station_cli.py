"""The station's commands about its identity, and the link file that they make."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError
from typer.testing import CliRunner

from station_agent.cli import app
from station_agent.clock import SystemClock
from station_agent.identity import files
from station_agent.identity.claim import claim
from station_agent.identity.cli import profile_and_link
from station_agent.link.mqtt import LinkRefused, MqttLink, check_transport
from station_agent.settings import SHIPPED_PROFILES, read_link, read_profile
from station_agent.wire.claim import make_code, read_ticket
from station_agent.wire.link import HubLink
from tests.unit.identity.stations import HUB, Bench

CODE = make_code("K7Q2M", b"\7" * 32)


def run(*words: object) -> Any:
    return CliRunner().invoke(app, [str(word) for word in words])


@pytest.mark.parametrize(
    ("words", "status", "says"),
    [
        (["--hub", HUB, "--code", "K7Q2M"], 2, "20 characters"),
        (["--hub", HUB, "--code", CODE, "--fingerprint", "12:34"], 2, "64 hex digits"),
        (["--hub", "http://hub.example", "--code", CODE], 2, "must begin with https"),
        (["--text", "https://hub.example/other"], 2, "no claim of a station"),
        (["--text", f"{HUB}/claim#code={CODE}", "--code", CODE], 2, "already"),
        (["--code", CODE], 2, "name the hub's address"),
        (["--hub", "http://127.0.0.1:9", "--code", CODE], 1, "cannot be asked"),
    ],
)
def test_each_mistake_has_its_sentence_and_its_status(tmp_path: Path, words: list[str], status: int, says: str) -> None:
    ended = run("claim", "--identity", tmp_path / "identity", *words)
    assert (ended.exit_code, says in " ".join(ended.output.replace("│", "").split())) == (status, True), ended.output
    assert CODE not in ended.output
    assert CODE.replace("-", "") not in ended.output


def test_for_programs_a_mistake_says_whether_to_try_again(tmp_path: Path) -> None:
    ended = run("claim", "--identity", tmp_path, "--hub", "http://127.0.0.1:9", "--code", CODE, "--json")
    told = json.loads(ended.stdout)
    assert told["retry"] is True
    assert "cannot be asked" in told["error"]


def test_a_folder_without_an_identity_says_how_to_make_one(tmp_path: Path) -> None:
    shown = run("identity", "--identity", tmp_path)
    assert (shown.exit_code, "yizhan-station claim" in " ".join(shown.output.split())) == (2, True)
    ran = run("run", "--identity", tmp_path, "--state", tmp_path / "state")
    assert (ran.exit_code, "no whole identity" in " ".join(ran.output.replace("│", "").split())) == (2, True)


def test_a_damaged_identity_costs_the_link_and_not_the_door(bench: Bench, tmp_path: Path) -> None:
    """With a profile at hand the station starts; it works alone."""
    profile, identity = tmp_path / "profile.toml", tmp_path / "identity"
    assert profile_and_link(identity, profile, None) == (profile, None)  # not claimed yet
    with bench.http() as hub:
        claim(identity, read_ticket(bench.add("alpha").text), hub)
    assert profile_and_link(identity, profile, None) == (profile, identity / files.LINK)
    assert profile_and_link(identity, None, None) == (identity / files.PROFILE, identity / files.LINK)
    (identity / files.LINK).write_text("{")
    assert profile_and_link(identity, profile, None) == (profile, None)


async def test_a_lost_certificate_is_looked_for_again(tmp_path: Path) -> None:
    broker = {"host": "127.0.0.1", "port": 1, "ca_file": "ca.pem", "certificate_file": "station.pem"}
    (tmp_path / "link.json").write_text(json.dumps(link(broker=broker)))
    held = read_link(tmp_path / "link.json")
    mqtt = MqttLink("alpha", held.broker, lambda: b"", clock=SystemClock(), rng=random.Random(1))
    listener: Any = None
    assert "ca.pem is not there" in await mqtt._connection(listener)
    (tmp_path / "ca.pem").write_text("damaged")
    (tmp_path / "station.pem").touch()
    assert "NO_CERTIFICATE" in await mqtt._connection(listener)


def test_who_a_box_is(bench: Bench, tmp_path: Path) -> None:
    with bench.http() as hub:
        claim(tmp_path, read_ticket(bench.add("alpha").text), hub)
    shown = run("identity", "--identity", tmp_path, "--json")
    assert (shown.exit_code, json.loads(shown.stdout)["station"]) == (0, "alpha")
    (tmp_path / files.STATION).write_text("damaged")
    damaged = run("identity", "--identity", tmp_path)
    assert (damaged.exit_code, "claim the station anew" in " ".join(damaged.output.split())) == (2, True)


def test_a_profile_may_be_json(bench: Bench, tmp_path: Path) -> None:
    with bench.http() as hub:
        claim(tmp_path, read_ticket(bench.add("alpha").text), hub)
    read = read_profile(tmp_path / files.PROFILE, SHIPPED_PROFILES, {}, {})
    assert read.errors == []
    assert read.profile is not None
    assert read.profile.station.id == "alpha"
    (tmp_path / "broken.json").write_text("{")
    (error,) = read_profile(tmp_path / "broken.json", tmp_path, {}, {}).errors
    assert error.startswith("(file): no JSON")


def link(**changes: Any) -> dict[str, Any]:
    broker = {"host": "127.0.0.1", "port": 1883, "username": "demo-01", "password": "x"}
    return {"station": "demo-01", "hub_url": HUB, "broker": broker, "hub_keys": ["00" * 32], **changes}


def test_a_demos_link_is_for_the_demos_machine_only() -> None:
    assert HubLink.model_validate(link(demo=True)).demo
    elsewhere = {"host": "broker.example", "port": 8883, "ca_file": "ca.pem"}
    for changed in ({"broker": elsewhere}, {"hub_url": "https://hub.example"}):
        with pytest.raises(ValidationError, match="a demo's link file is for the demo's own machine"):
            HubLink.model_validate(link(demo=True, **changed))
        HubLink.model_validate(link(**changed))


def test_a_link_whose_files_are_gone_is_refused_by_name(tmp_path: Path) -> None:
    broker = {"host": "broker.example", "port": 8883, "ca_file": "ca.pem", "certificate_file": "station.pem"}
    (tmp_path / "link.json").write_text(json.dumps(link(broker=broker)))
    held = read_link(tmp_path / "link.json")
    with pytest.raises(LinkRefused, match=r"ca\.pem is not there"):
        check_transport(held.broker)
    (tmp_path / "ca.pem").touch()
    with pytest.raises(LinkRefused, match=r"station\.pem is not there; claim the station anew"):
        check_transport(held.broker)
    (tmp_path / "station.pem").touch()
    check_transport(held.broker)
