"""The station's side of the hub: what is told goes out, orders and documents come in, pictures and live views leave.

spool --> Outbox --> MqttLink --> hub
hub --> MqttLink --> Uplink --> Orders (handlers), roster, rules, erasures, knocks (door_code.py)
"""

from __future__ import annotations

from collections.abc import Mapping

from firmware_bridge.bridge import Bridge
from station_agent.access.rules_store import RulesTaker
from station_agent.assembly.announcer import Announcer
from station_agent.assembly.door_code import hears, open_door_code
from station_agent.assembly.entrance import Entrance
from station_agent.assembly.faces import Faces
from station_agent.assembly.ground import Ground
from station_agent.identity.renewal import Renewals
from station_agent.identity.trust import TrustHolder
from station_agent.link.erasures import Erasures, without_faces
from station_agent.link.handlers import Parts, handlers
from station_agent.link.mqtt import MqttLink
from station_agent.link.orders import Orders
from station_agent.link.uplink import CLOCK_FLOOR, Uplink
from station_agent.supervisor import ESSENTIAL
from station_agent.telemetry.outbox import Outbox
from station_agent.video.camera import Camera
from station_agent.video.picture import PictureUploader
from station_agent.video.push import VideoPusher
from station_agent.wire.envelope import Batch, StationState, Stream
from station_agent.wire.link import HubLink
from station_agent.wire.topics import Up


class HubSide:
    """Made by `open_hub_link`."""

    def __init__(
        self,
        ground: Ground,
        bridge: Bridge,
        hub: HubLink,
        entrance: Entrance,
        announcer: Announcer,
        faces: Faces,
        cameras: Mapping[str, Camera],
    ) -> None:
        station, spool, clock = ground.station, ground.spool, ground.clock
        self.trust = TrustHolder(hub, ground.store, ground.changes.note)
        keys = self.trust.keys
        self._ground = ground
        self._hub = hub
        self._link = MqttLink(
            station, hub.broker, lambda: will(ground), clock=clock, rng=ground.rng, hears=hears(ground)
        )
        self._outbox = Outbox(station, spool, self._publish, clock)
        self._pusher = VideoPusher(cameras, hub.hub_url, clock, hub.ca_file) if cameras else None
        self.orders = Orders(station, keys, store=ground.store, spool=spool, clock=clock, reject=ground.reject)
        self.orders.handlers = handlers(
            Parts(
                entrance.desk,
                entrance.doorkeeper,
                spool,
                clock,
                ground.profile.door.hold_s,
                announcer.sign,
                PictureUploader(cameras, hub.hub_url, hub.ca_file) if cameras else None,
                self._pusher,
                faces.service,
                cameras.get(ground.profile.faces.camera or ""),
            )
        )
        self._uplink = Uplink(
            station, keys, outbox=self._outbox, orders=self.orders, spool=spool, clock=clock, reject=ground.reject
        )
        self._door_code = open_door_code(ground, bridge, entrance.desk, hub.hub_url, keys, self._link)
        if self._door_code is not None:
            self._uplink.on_knock = self._door_code.received
        self._take_documents(entrance, faces)
        self._keep()

    @property
    def linked(self) -> bool:
        """The link is up, and the hub has acknowledged something since the start."""
        return self._outbox.eacks > 0 and self._link.up

    @property
    def door_codes_shown(self) -> int:
        return self._door_code.shown if self._door_code is not None else 0

    def publish_state(self, state: StationState) -> None:
        self._link.publish(Up.STATE, state.model_dump_json().encode())

    def leave(self) -> None:
        """Take nothing more, and say so: a will is published for a link that is lost, not for one that is closed."""
        self._uplink.taking = False
        self._link.publish(Up.STATE, will(self._ground))

    async def close(self) -> None:
        """Orders and knocks that are under way end."""
        await self.orders.close()
        if self._door_code is not None:
            await self._door_code.close()

    def _take_documents(self, entrance: Entrance, faces: Faces) -> None:
        ground, uplink = self._ground, self._uplink
        uplink.roster = entrance.desk.roster
        uplink.on_roster = entrance.roster_changed
        uplink.on_link = self._link_changed
        rules = RulesTaker(
            ground.station,
            entrance.desk.rules,
            spool=ground.spool,
            clock=ground.clock,
            floor_name=CLOCK_FLOOR,
            on_rules=entrance.rules_changed,
        )
        uplink.takers["rules"] = rules.take
        uplink.takers["trust"] = self.trust.take
        erase = faces.service.erase_asked if faces.service is not None else without_faces(faces.templates)
        uplink.takers["erasures"] = Erasures(ground.station, erase, ground.spool, ground.clock).take

    def _link_changed(self) -> None:
        self._ground.changes.note()
        if self._door_code is not None:
            self._door_code.link_changed()

    def _keep(self) -> None:
        keep = self._ground.supervisor.keep
        if self._pusher is not None:
            keep("video", self._pusher.run)
        keep("outbox", self._outbox.run, ESSENTIAL)
        keep("documents", self._uplink.run)
        certificate = self._hub.broker.certificate_file
        if certificate is not None:
            renewals = Renewals(certificate.parent, self._hub, self.trust, lambda: self._link.up, self._ground.clock)
            keep("certificate", renewals.run)
        keep("link", lambda: self._link.run(self._uplink))

    def _publish(self, batch: Batch) -> None:
        leaf = Up.EVENTS if batch.stream is Stream.EVENTS else Up.TELEMETRY
        self._link.publish(leaf, batch.model_dump_json().encode())


async def open_hub_link(
    ground: Ground,
    bridge: Bridge,
    entrance: Entrance,
    announcer: Announcer,
    faces: Faces,
    cameras: Mapping[str, Camera],
) -> HubSide | None:
    """None: the station works alone."""
    hub = ground.settings.link
    if hub is None:
        return None
    side = HubSide(ground, bridge, hub, entrance, announcer, faces, cameras)
    await side.trust.load()
    await side.orders.load()
    return side


def will(ground: Ground) -> bytes:
    """The state of a station that has gone."""
    state = StationState(
        station=ground.station,
        at=ground.clock.now(),
        boot=ground.boot,
        mono_ms=int(ground.clock.monotonic() * 1000),
        online=False,
    )
    return state.model_dump_json().encode()
