"""Small rules: tries, origins, settings, counters, the broker's configuration."""

import json
import socket
from pathlib import Path

import pytest
from pydantic import SecretStr

from cloud_hub.broker import BrokerTls, BrokerUser, Ports, config_text
from cloud_hub.counters import Counters
from cloud_hub.guard import own_origin, trusted_host
from cloud_hub.keys import Keys, load_keys
from cloud_hub.serve import listen
from cloud_hub.settings import BadSettings, Settings
from cloud_hub.users.models import Role
from cloud_hub.users.rules import NAMES_MAX, PERIOD_S, TryLimit


def test_five_wrong_tries_a_minute() -> None:
    limit = TryLimit(5)
    for second in range(5):
        assert limit.wait_s("user:a", second) == 0
        limit.wrong("user:a", second)
    assert limit.wait_s("user:a", 10) == PERIOD_S - 10
    assert limit.wait_s("user:b", 10) == 0
    assert limit.wait_s("user:a", PERIOD_S) == 0


def test_a_right_password_forgets_the_wrong_ones() -> None:
    limit = TryLimit(5)
    for _ in range(5):
        limit.wrong("user:a", 0)
    limit.right("user:a")
    assert limit.wait_s("user:a", 0) == 0


def test_a_flood_of_names_pushes_out_the_oldest() -> None:
    limit = TryLimit(5)
    for number in range(NAMES_MAX + 1):
        for _ in range(5):
            limit.wrong(f"user:{number}", 0)
    assert limit.wait_s("user:0", 0) == 0
    assert limit.wait_s("user:1", 0) > 0


def test_roles_include_the_lesser_ones() -> None:
    assert Role.ADMIN.includes(Role.VIEWER)
    assert Role.OPERATOR.includes(Role.OPERATOR)
    assert not Role.VIEWER.includes(Role.OPERATOR)


@pytest.mark.parametrize(
    ("host", "origin", "own"),
    [
        ("127.0.0.1:8000", "http://127.0.0.1:8000", True),
        ("hub.example", "https://HUB.example", True),
        ("127.0.0.1:8000", "http://127.0.0.1:8101", False),
        ("127.0.0.1:8000", "http://localhost:8000", False),
        ("hub.example", "https://hub.example.evil", False),
        ("hub.example", "null", False),
        ("hub.example", "http://[", False),
    ],
)
def test_origins(host: str, origin: str, own: bool) -> None:
    assert own_origin(host, origin) is own


@pytest.mark.parametrize(
    ("host", "trusted"),
    [
        ("127.0.0.1:8000", True),
        ("localhost", True),
        ("[::1]:8000", True),
        ("evil.example", False),
        ("", False),
        ("[", False),
    ],
)
def test_hosts(host: str, trusted: bool) -> None:
    assert trusted_host(Settings(data=Path()), host) is trusted


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"host": "0.0.0.0", "demo": True, "public_url": "https://hub.example"}, "--demo"),
        ({"host": "192.0.2.1"}, "TLS proxy"),
        ({"host": "0.0.0.0", "public_url": "https://hub.example"}, "without TLS"),
        ({"host": "0.0.0.0", "tls_own": True}, "no address to be reached at"),
        ({"tls_certificate": Path("none.pem")}, r"none\.pem is not there"),
        ({"tls_certificate": Path(__file__)}, "together with --tls-key"),
        ({"tls_own": True, "tls_certificate": Path(__file__), "tls_key": Path(__file__)}, "--tls-own alone"),
        ({"demo": True, "mqtt_host": "0.0.0.0"}, "come by password"),
        ({"mqtt_address": "mqtt.example:no"}, "must look like mqtt.example:8883"),
        ({"public_url": "http://hub.example"}, "TLS proxy"),
        ({"public_url": "https://hub.example/path"}, "without a path"),
        ({"public_url": "hub.example"}, "must look like"),
    ],
)
def test_dangerous_settings_are_refused_with_a_way_out(given: dict[str, object], says: str) -> None:
    with pytest.raises(BadSettings, match=says):
        Settings(data=Path(), **given).check()


def test_good_settings() -> None:
    Settings(data=Path()).check()
    proxied = Settings(data=Path(), public_url="https://hub.example", union_token=SecretStr("x"))
    proxied.check()
    assert proxied.secure
    assert "hub.example" in proxied.hosts
    assert "'x'" not in repr(proxied)
    public = Settings(data=Path(), host="0.0.0.0", public_url="https://hub.example", tls_own=True)
    public.check()
    assert public.hosts == {"hub.example"}


def test_stations_are_told_where_the_broker_is() -> None:
    hub = Settings(data=Path(), public_url="https://hub.example", mqtt_host="0.0.0.0")
    assert (hub.broker_host, hub.broker_port_told(8883)) == ("hub.example", 8883)
    elsewhere = Settings(data=Path(), public_url="https://hub.example", mqtt_address="mqtt.example:443")
    assert (elsewhere.broker_host, elsewhere.broker_port_told(8883)) == ("mqtt.example", 443)
    assert elsewhere.server_names >= {"hub.example", "mqtt.example", "127.0.0.1"}
    assert not hub.stations_shut_out
    assert not elsewhere.stations_shut_out
    assert not Settings(data=Path()).stations_shut_out
    assert Settings(data=Path(), public_url="https://hub.example").stations_shut_out


def test_the_doors_of_virtual_stations_are_shown_in_the_demo_only() -> None:
    demo = Settings(data=Path(), port=9000, demo=True)
    assert [demo.virtual_door(name) for name in ("demo-02", "other")] == ["http://127.0.0.1:9102/", None]
    assert Settings(data=Path()).virtual_door("demo-02") is None


def test_a_station_gets_its_own_topics_only() -> None:
    users = [BrokerUser("demo-01", "demo-01", "secret"), BrokerUser("urn:by-certificate", "demo-02")]
    config = json.loads(config_text(Path("/data/broker"), Ports(4222, 1883), "hub-secret", users))
    assert config["mqtt"]["listen"] == "127.0.0.1:1883"
    assert config["listen"] == "127.0.0.1:4222"
    assert "http" not in config
    hub, station = config["authorization"]["users"]
    assert hub["allowed_connection_types"] == ["STANDARD"]
    assert station["allowed_connection_types"] == ["MQTT"]
    subjects = station["permissions"]["publish"]["allow"] + station["permissions"]["subscribe"]["allow"]
    assert all(subject.startswith("yizhan.v1.demo-01.") and "*" not in subject for subject in subjects)


def test_with_tls_stations_come_by_certificate_only() -> None:
    users = [BrokerUser("demo-01", "demo-01", "secret"), BrokerUser("urn:yizhan:station:a:1f", "a")]
    tls = BrokerTls(Path("/data/broker/server.pem"), Path("/data/broker/station-ca.pem"))
    config = json.loads(config_text(Path("/data/broker"), Ports(4222, 8883), "hub-secret", users, "0.0.0.0", tls))
    assert config["mqtt"]["listen"] == "0.0.0.0:8883"
    assert config["mqtt"]["tls"]["verify_and_map"] is True
    assert config["mqtt"]["tls"]["ca_file"] == "/data/broker/station-ca.pem"
    assert config["listen"] == "127.0.0.1:4222"
    _, station = config["authorization"]["users"]
    assert station["user"] == "urn:yizhan:station:a:1f"
    assert "password" not in station
    sixth = json.loads(config_text(Path("/data/broker"), Ports(4222, 8883), "hub-secret", users, "::", tls))
    assert sixth["mqtt"]["listen"] == "[::]:8883"
    with pytest.raises(ValueError, match="needs TLS"):
        config_text(Path("/data/broker"), Ports(4222, 1883), "hub-secret", [], "0.0.0.0")


def test_counters_speak_prometheus() -> None:
    counters = Counters()
    counters.add("rows", 2)
    counters.add("rejected", reason='a "quoted"\nword')
    text = counters.text()
    assert "# TYPE yizhan_rows_total counter\nyizhan_rows_total 2\n" in text
    assert 'yizhan_rejected_total{reason="a \\"quoted\\"\\nword"} 1\n' in text


def test_keys_are_made_once_and_are_the_owners_only(tmp_path: Path) -> None:
    first, second = load_keys(tmp_path), load_keys(tmp_path)
    assert first.secret == second.secret
    assert first.hub.private_bytes_raw() == second.hub.private_bytes_raw()
    assert {path.stat().st_mode & 0o777 for path in (tmp_path / "keys").iterdir()} == {0o600}
    assert first.derived("video") != first.derived("other")
    (tmp_path / "keys" / "hub.pem").write_text("damaged")
    with pytest.raises(BadSettings, match=r"hub\.pem is not a PEM key"):
        load_keys(tmp_path)
    assert Keys.generated().secret != first.secret


def test_answers_are_not_held_back_for_forty_milliseconds() -> None:
    """asyncio sets TCP_NODELAY on what this socket accepts only if the socket names its protocol."""
    with listen(Settings(data=Path(), port=0)) as listener:
        assert listener.proto == socket.IPPROTO_TCP
        busy = Settings(data=Path(), port=listener.getsockname()[1])
        with pytest.raises(BadSettings, match="choose another by --port"):
            listen(busy)
