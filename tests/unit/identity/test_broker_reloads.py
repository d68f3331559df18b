"""The broker is told of other users at once, and not sooner again than it can follow."""

from __future__ import annotations

import asyncio
import json
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cloud_hub.broker import RELOAD_S_MIN, Broker, BrokerTls, BrokerUser, Ports, config_text, reload_s


class Server:
    """A nats-server that only counts what it was told."""

    returncode = None

    def __init__(self) -> None:
        self.reloads = 0

    def send_signal(self, number: int) -> None:
        assert number == signal.SIGHUP
        self.reloads += 1


class Later:
    """What was to be called later, and when the test says so."""

    def __init__(self) -> None:
        self.waiting: list[tuple[float, Callable[[], None]]] = []

    def call_later(self, delay_s: float, call: Callable[[], None]) -> Any:
        self.waiting.append((delay_s, call))
        return self

    def cancel(self) -> None:
        self.waiting.clear()


@pytest.fixture
def later() -> Later:
    return Later()


def users(count: int) -> list[BrokerUser]:
    return [BrokerUser(f"urn:yizhan:station:s-{number}:1f", f"s-{number}") for number in range(count)]


async def test_many_changes_are_a_reload_now_and_one_when_it_is_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, later: Later
) -> None:
    (tmp_path / "broker").mkdir()
    broker = Broker(tmp_path, 4222, 8883, tls=BrokerTls(tmp_path / "server.pem", tmp_path / "station-ca.pem"))
    server: Any = Server()
    broker._process = server
    monkeypatch.setattr(asyncio.get_running_loop(), "call_later", later.call_later)

    broker.set_users(users(1))
    assert server.reloads == 0  # it does not answer yet, and would end
    broker.ready.set()
    broker.read_again()
    assert server.reloads == 1
    for count in range(2, 50):
        broker.set_users(users(count))
    assert server.reloads == 1
    ((delay_s, call),) = later.waiting
    assert 0 < delay_s <= RELOAD_S_MIN
    call()
    assert server.reloads == 2
    broker.set_users(users(49))  # the same as before
    assert server.reloads == 2
    assert '"urn:yizhan:station:s-48:1f"' in (tmp_path / "broker" / "broker.conf").read_text()


def test_what_the_server_writes_about_its_reloads_is_bounded() -> None:
    """It is a line for each station that is connected, every time."""
    config = json.loads(config_text(Path("/data/broker"), Ports(4222, 1883), "hub-secret", []))
    assert config["log_file"] == "/data/broker/server.log"
    assert config["log_size_limit"] * (config["log_max_num"] + 1) <= 50 * 1024 * 1024


def test_the_pause_grows_with_the_fleet_and_stays_a_matter_of_seconds() -> None:
    assert reload_s(1) == RELOAD_S_MIN
    assert 0.15 < reload_s(1_000) < 0.5
    assert 3 < reload_s(20_000) < 5
