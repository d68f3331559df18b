"""What the hub is told when it starts. Every value comes from the command line or its YIZHAN_... variable (cli.py)."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from pydantic import SecretStr

from cloud_hub.retention.keep import DEFAULT, Keep

DIST = Path(__file__).parent / "web" / "dist"
STATIONS = Path(__file__).parent.parent / "config" / "stations"
DEMO_STATIONS = ("demo-01", "demo-02")
VIRTUAL_DOOR_OFFSET = 101  # the virtual doors listen at 8101, 8102 where the hub has 8000


class BadSettings(Exception):
    """The hub cannot start like this; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class Settings:
    """`broker_port` and `mqtt_port` 0: a free one is chosen once and kept in the data directory.

    `mqtt_host`: where the broker listens for stations; `mqtt_address`: host or host:port by which they find it, when
    that is not the host of `url`. `tls_own`: pages and interface with a certificate of the hub's own authority, which
    stations and a proxy in front know; `tls_certificate` and `tls_key` (PEM): with another one.

    `database`: a postgresql:// address, secret for its password; None: what storage/engines.py finds in `data`.
    """

    data: Path
    database: SecretStr | None = None
    keep: Keep = DEFAULT
    host: str = "127.0.0.1"
    port: int = 8000
    public_url: str = ""
    broker_port: int = 0
    mqtt_port: int = 0
    mqtt_host: str = "127.0.0.1"
    mqtt_address: str = ""
    tls_own: bool = False
    tls_certificate: Path | None = None
    tls_key: Path | None = None
    demo: bool = False
    union_token: SecretStr | None = None
    dist: Path = DIST
    stations_dir: Path = STATIONS

    @property
    def url(self) -> str:
        """The address that browsers and stations use, without a slash at its end."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return self.public_url or f"{'https' if self.serves_tls else 'http'}://{host}:{self.port}"

    @property
    def serves_tls(self) -> bool:
        return self.tls_own or self.tls_certificate is not None

    @property
    def broker_host(self) -> str:
        """Where stations find the broker."""
        return urlsplit(f"//{self.mqtt_address}").hostname or urlsplit(self.url).hostname or self.host

    def broker_port_told(self, listening: int) -> int:
        """The port at `broker_host`. Raises ValueError for an address that is none."""
        return urlsplit(f"//{self.mqtt_address}").port or listening

    @property
    def stations_shut_out(self) -> bool:
        """The hub is for others as well, and its broker is heard on this machine only."""
        heard = self.mqtt_address != "" or not is_loopback(self.mqtt_host)
        return not self.demo and not heard and not is_loopback(self.broker_host)

    @property
    def server_names(self) -> frozenset[str]:
        """What certificates of broker and hub are for."""
        return self.hosts | {self.broker_host, "127.0.0.1", "localhost"}

    @property
    def secure(self) -> bool:
        return self.url.startswith("https://")

    @property
    def hosts(self) -> frozenset[str]:
        """The Host names that requests may carry; any other is another site's page that points at us."""
        names = {urlsplit(self.url).hostname or ""}
        if is_loopback(self.host):
            names |= {"127.0.0.1", "localhost", "::1"}
        return frozenset(names)

    def virtual_door(self, station: str) -> str | None:
        """Where a demo station's door is shown; None outside the demo."""
        if not self.demo or station not in DEMO_STATIONS:
            return None
        return f"http://127.0.0.1:{self.port + VIRTUAL_DOOR_OFFSET + DEMO_STATIONS.index(station)}/"

    def check(self) -> None:
        """Raises BadSettings."""
        parts = urlsplit(self.url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.path or parts.query:
            raise BadSettings(f"--public-url {self.url!r} must look like https://hub.example, without a path")
        if self.demo and not is_loopback(self.host):
            raise BadSettings(
                f"--demo makes log-ins and phones for everybody to try, so it serves this machine only: "
                f"leave out --host {self.host}"
            )
        if not is_loopback(self.host) and not self.serves_tls:
            raise BadSettings(
                f"--host {self.host} would be heard beyond this machine without TLS: add --tls-own or "
                "--tls-certificate and --tls-key, or leave out --host and let a TLS proxy on this machine be in front"
            )
        if self.host in ("0.0.0.0", "::") and not self.public_url:  # noqa: S104
            raise BadSettings(f"--host {self.host} is no address to be reached at: say which one by --public-url")
        for file in (self.tls_certificate, self.tls_key):
            if file is not None and not file.is_file():
                raise BadSettings(f"{file} is not there: --tls-certificate and --tls-key name two PEM files")
        if (self.tls_certificate is None) != (self.tls_key is None) or (self.tls_own and self.tls_certificate):
            raise BadSettings("give --tls-certificate together with --tls-key, or --tls-own alone")
        if self.demo and not is_loopback(self.mqtt_host):
            raise BadSettings(f"--demo's stations come by password: leave out --mqtt-host {self.mqtt_host}")
        try:
            self.broker_port_told(1)
        except ValueError:
            raise BadSettings(f"--mqtt-address {self.mqtt_address!r} must look like mqtt.example:8883") from None
        if not is_loopback(parts.hostname) and parts.scheme != "https":
            raise BadSettings(
                f"{self.url} is not on this machine, and passwords must not travel there unencrypted: "
                "put a TLS proxy in front and give its address by --public-url https://..."
            )


def is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
