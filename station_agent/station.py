"""The composition root: a profile becomes a running station. All wiring is here and nothing else is.

    devices --emit--> Station.on_event --> desk, doorway, telemetry, alarms
    hub ----link----> Uplink ----------> outbox (acks), orders, roster
    everything that is told ----> spool ----> outbox ----> link

Shutdown: no new attempts or orders, the release on the wire finishes, services end, the spool is committed, lines
close. The door stays as it is; a lock that is released secures itself.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from datetime import datetime, timedelta
from importlib.metadata import version
from typing import assert_never
from uuid import uuid4
from zoneinfo import ZoneInfo

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from sqlite_utils import Database

from firmware_bridge.bridge import Bridge
from firmware_bridge.capabilities import (
    CardRead,
    DeviceError,
    DeviceEvent,
    Health,
    HealthChanged,
    InputChanged,
    KeysPressed,
    Quality,
    Reading,
    Scan,
)
from firmware_bridge.recorder import Recorder
from firmware_bridge.secrets import SecretDirectory
from station_agent.access import ledger, memory_store, rules_store
from station_agent.access import roster_store as rosters
from station_agent.access.attempts import ButtonAttempt, Deny, FaceAttempt, Now
from station_agent.access.code_inputs import CodeInputs
from station_agent.access.desk import Desk
from station_agent.access.doorkeeper import Doorkeeper, door_settings, load_out_of_service
from station_agent.access.doorway import Doorway
from station_agent.access.face_desk import ASKED, FaceDesk
from station_agent.access.memory import BadTries, UsedCodes
from station_agent.access.openable import Ways, should_be_open
from station_agent.access.policy import Policy
from station_agent.access.reader_desk import ReaderDesk
from station_agent.access.roster import HeldRoster
from station_agent.access.rules import HeldRules
from station_agent.access.rules_store import RulesTaker
from station_agent.access.sentences import SENTENCES
from station_agent.alarms.board import AlarmBoard
from station_agent.clock import SystemClock, boot_id
from station_agent.devices import device_health, device_state
from station_agent.faces import packs
from station_agent.faces.calibrate import Calibration
from station_agent.faces.liveness import CHALLENGE_S, Movement
from station_agent.faces.manifest import PackRefused
from station_agent.faces.proof import TELL_S, Liveness, NotTold, nobody_asks
from station_agent.faces.service import FaceService
from station_agent.faces.templates import TemplateStore
from station_agent.health import Status, StatusPipe, SystemdNotifier
from station_agent.link.erasures import Erasures, without_faces
from station_agent.link.handlers import Parts, handlers
from station_agent.link.mqtt import MqttLink
from station_agent.link.orders import Orders
from station_agent.link.uplink import CLOCK_FLOOR, Uplink
from station_agent.settings import NO_LIVENESS_WARNING, Settings, device_configs, line_configs, liveness_mode
from station_agent.signs.service import SignService
from station_agent.supervisor import ESSENTIAL, Supervisor
from station_agent.supervisor import Policy as KeepPolicy
from station_agent.telemetry.outbox import Outbox
from station_agent.telemetry.readings import Telemetry
from station_agent.telemetry.rejects import Rejections
from station_agent.telemetry.spool import EVENTS_FILLING, Spool
from station_agent.telemetry.store import Store, kept_value
from station_agent.video.camera import Camera
from station_agent.video.picture import PictureUploader
from station_agent.video.push import VideoPusher
from station_agent.voice import ProgramVoice
from station_agent.wire.envelope import Batch, DeviceState, StationState, Stream
from station_agent.wire.events import AgentStarted, FaceErased
from station_agent.wire.kinds import AlarmKind, Reason
from station_agent.wire.signed import key_id
from station_agent.wire.topics import Up

log = logging.getLogger(__name__)

DOOR_FOUND_S = 3.0
"""How long the first reading of the door may take before the start is told without it."""

FACES_WAIT_S = 3.0
"""How long the face engine waits for the link at the start."""

SIGN_PAGES_DEFAULT = 4

HEARD_S = 1.5  # for a voice to say what to do
CLOSE_THE_DOOR = "请随手关门"

QUICK = KeepPolicy(pause_s_first=0.2, pause_s_max=5.0)


class Station:
    """Made by `open_station`; `run` until cancelled."""

    def __init__(
        self, settings: Settings, clock: SystemClock, boot: str, store: Store, spool: Spool, alarms: AlarmBoard
    ) -> None:
        profile = settings.profile
        self._settings = settings
        self._profile = profile
        self._clock = clock
        self._boot = boot
        self._store = store
        self._spool = spool
        self._alarms = alarms
        self._rng = random.Random()
        self._rejections = Rejections()
        self._devices: dict[str, DeviceState] = {}
        self._status = StatusPipe(settings.status_fd)
        self._systemd = SystemdNotifier.of_environment()
        self._changed_soon = False
        self._door_known = asyncio.Event()
        self._linked = asyncio.Event()
        self.supervisor = Supervisor(clock, self._rng)
        self._telemetry = Telemetry(spool, profile.telemetry.period_s, clock, self._housekeeping)
        self._sign: SignService | None = None
        self._voice = ProgramVoice(profile.voice.command) if profile.voice is not None else None
        self._templates = TemplateStore(settings.state_dir / "faces.sqlite", settings.key_dir / "faces.key")
        self._face_desk: FaceDesk | None = None
        self._faces: FaceService | None = None
        self._outbox: Outbox | None = None
        self._link: MqttLink | None = None
        self._uplink: Uplink | None = None
        self._orders: Orders | None = None

    async def assemble(self, bridge: Bridge) -> None:
        """Wire everything; moves nothing. Reads from the store what was before the restart."""
        profile, clock = self._profile, self._clock
        self.doorway = Doorway(
            bridge.lock(profile.door.lock),
            door_settings(profile.door),
            clock=clock,
            spool=self._spool,
            alarms=self._alarms,
            out_of_service=await self._store.submit(load_out_of_service),
        )
        self.doorway.on_changed = self._changed
        self.doorway.on_warning = self._warn
        self.doorway.on_exit = lambda how: self.desk.left()
        self._doorkeeper = Doorkeeper(
            profile, self.doorway, self._ways, clock=clock, spool=self._spool, alarms=self._alarms
        )
        self._doorkeeper.on_contact = self._door_known.set
        self._doorkeeper.selftest.on_changed = self._changed
        zone = ZoneInfo(profile.station.time_zone)
        self._doorkeeper.selftest.should_be_open = lambda now: should_be_open(
            self.desk.rules, now, zone, self._clock.trusted()
        )
        policy = Policy(
            timedelta(days=profile.access.roster_age_days_max),
            UsedCodes(),
            BadTries(profile.access.bad_tries_max, profile.access.lock_out_s),
            rules=await self._store.submit(_load_rules),
            zone=ZoneInfo(profile.station.time_zone),
        )
        self.desk = Desk(self.doorway, policy, clock=clock, spool=self._spool, tell=self._tell, reject=self._reject)
        self.desk.roster = await self._store.submit(_load_roster)
        kept = await self._store.submit(_load_ledger)
        self.desk.recall(kept, self._boot, profile.door.hold_s)
        now = self.desk.now()
        await self._store.submit(lambda db: _load_memory(db, policy, now))
        readers = {name: bridge.reader(name) for name in profile.door.readers}
        self._reader_desk = ReaderDesk(self.desk, readers, clock, self._reject)
        self.desk.on_answer = self._reader_desk.answered
        self.desk.on_half = self._half_shown
        for name, run in bridge.services:
            self.supervisor.keep(name, run, QUICK)
        self.supervisor.keep("doorway", self.doorway.watch, QUICK)
        self.supervisor.keep("selftest", self._doorkeeper.selftest.run)
        self.supervisor.keep("telemetry", self._telemetry.run)
        await self._assemble_sign(bridge)
        if self._voice is not None:
            self.supervisor.keep("voice", self._voice.run)
        cameras = {name: Camera(name, row.url, clock) for name, row in profile.cameras.items()}
        for name, camera in cameras.items():
            self.supervisor.keep(f"camera:{name}", camera.run)
        await self._assemble_faces(cameras)
        self._code_inputs = CodeInputs(profile, self._settings.key_dir, cameras, self.desk, self._text_read, clock)
        for name, watch in self._code_inputs.services:
            self.supervisor.keep(name, watch)
        await self._assemble_link(cameras)
        self.supervisor.keep("watchdog", lambda: self._systemd.run(clock))
        self.supervisor.keep("start", self._tell_start)

    async def run(self, stop: asyncio.Event) -> None:
        """Until `stop` is set, then shut down. Raises Essential when the station cannot go on by itself."""
        supervising = asyncio.create_task(self.supervisor.run(), name="supervisor")
        stopping = asyncio.create_task(stop.wait(), name="stop")
        try:
            await asyncio.wait({supervising, stopping}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._systemd.tell("STOPPING=1")
            stopping.cancel()
            await self._finish()  # while the lines are still open
            ended = supervising.done()
            supervising.cancel()
            await asyncio.gather(supervising, stopping, return_exceptions=True)
        if ended:
            supervising.result()

    async def _finish(self) -> None:
        """No new attempt and no new order; what is under way ends, within FINISH_S. The hub is told: a will is
        published for a link that is lost, and not for one that is closed."""
        self.desk.taking = False
        if self._uplink is not None:
            self._uplink.taking = False
        if self._link is not None:
            self._link.publish(Up.STATE, self._will())
        await self._code_inputs.close()
        await self._reader_desk.close()
        if self._face_desk is not None:
            await self._face_desk.close()
        await self.doorway.close()
        await self.desk.close()
        if self._orders is not None:
            await self._orders.close()

    # --- what the devices say ---

    def on_event(self, event: DeviceEvent) -> None:
        """Called on the loop, from the very callback that read the bytes."""
        match event:
            case Scan():
                self._code_inputs.scanned(event)
            case InputChanged():
                self._input_changed(event)
            case Reading():
                self._telemetry.take(event)
            case HealthChanged():
                self._health_changed(event)
            case CardRead():
                self._reader_desk.card(event)
            case KeysPressed():
                self._reader_desk.keys(event)
            case _:
                assert_never(event)

    def _text_read(self, scan: Scan) -> None:
        """Ours, a guest's, or nobody's."""
        if not self._reader_desk.scanned(scan):
            self.desk.scanned(scan)

    def _input_changed(self, event: InputChanged) -> None:
        pressed = self._doorkeeper.input_changed(event)
        self._code_inputs.input_changed(event.device, event.input, event.active)
        if event.device == self._profile.door.lock and event.input == self._profile.door.face_button and pressed:
            if self.desk.open_to_all():
                self.desk.attempt(ButtonAttempt(uuid4(), event.device))
            elif self._face_desk is not None:
                self._face_desk.pressed()
            else:
                detail = "faces are off at this station"
                self.desk.attempt(FaceAttempt(uuid4(), event.device, None, Reason.FACES_OFF, detail))

    def _half_shown(self, deny: Deny) -> None:
        """A code was good, and the face of its member is asked for as well; after a face the code is for the person."""
        if deny.reason is Reason.FACE_NEEDED and deny.member is not None and self._face_desk is not None:
            self._face_desk.verify(deny.member)

    def _health_changed(self, event: HealthChanged) -> None:
        self._devices[event.device] = device_state(event)
        self._spool.record(device_health(event))
        if event.health is Health.ONLINE:
            self._alarms.clear_alarm(AlarmKind.DEVICE_OFFLINE, event.device)
        elif event.device != self._profile.door.lock:  # the door has an alarm of its own for its lock
            self._alarms.raise_alarm(AlarmKind.DEVICE_OFFLINE, event.device, event.detail)
        self._doorkeeper.health_changed(event)
        self._changed()

    # --- parts ---

    async def _assemble_sign(self, bridge: Bridge) -> None:
        row = self._profile.sign
        if row is None:
            return
        pages_max = self._profile.devices[row.device].options.get("pages_max", SIGN_PAGES_DEFAULT)
        sign = SignService(bridge.sign(row.device), row.idle_text, pages_max, store=self._store, clock=self._clock)
        await sign.load()
        sign.on_changed = self._changed
        self._sign = sign
        self.supervisor.keep("sign", sign.run)

    async def _assemble_faces(self, cameras: dict[str, Camera]) -> None:
        row = self._profile.faces
        if not row.enabled or row.camera is None:
            return
        try:
            pack = await asyncio.to_thread(_pack, row.pack, self._settings) if row.pack is not None else None
        except PackRefused as refused:
            log.error("faces stay off: %s", refused)
            return
        self._faces = FaceService(
            self._templates,
            self._clock,
            engine=row.engine,
            pack=pack,
            people_max=row.people_max,
            on_expired=lambda member, count: self._spool.record(FaceErased(member=member, templates=count)),
            on_calibrated=self._faces_calibrated,
            liveness=Liveness(liveness_mode(self._profile), self._clock),
            station=self._profile.station.id,
        )
        self._face_desk = FaceDesk(self.desk, self._faces, cameras[row.camera], self._say, self._ask)
        self.supervisor.keep("faces", self._run_faces)

    def _faces_calibrated(self, calibration: Calibration) -> None:
        """The thresholds in force, as readings: who looks at a wrong decision later finds them beside it."""
        values = {"threshold": calibration.threshold, "verify_threshold": calibration.verify}
        at, mono_s = self._clock.now(), self._clock.monotonic()
        for point, value in (values | {"people": float(calibration.people)}).items():
            self._telemetry.take(Reading("faces", point, value, "", Quality.GOOD, at, mono_s))

    async def _run_faces(self) -> None:
        """The engine takes seconds of the processor to load: codes, which need none, come first."""
        assert self._faces is not None
        try:
            await asyncio.wait_for(self._linked.wait(), FACES_WAIT_S)
        except TimeoutError:
            log.info("faces start without a hub")
        await self._faces.run()

    async def _assemble_link(self, cameras: dict[str, Camera]) -> None:
        hub = self._settings.link
        if hub is None:
            return
        profile, clock, spool = self._profile, self._clock, self._spool
        station = profile.station.id
        keys = {}
        for text in hub.hub_keys:
            public = Ed25519PublicKey.from_public_bytes(bytes.fromhex(text)[-32:])
            keys[key_id(public)] = public
        self._link = link = MqttLink(station, hub.broker, self._will, clock=clock, rng=self._rng)
        self._outbox = Outbox(station, spool, self._publish, clock)
        self._orders = Orders(station, keys, store=self._store, spool=spool, clock=clock, reject=self._reject)
        await self._orders.load()
        uploader = PictureUploader(cameras, hub.hub_url) if cameras else None
        pusher = VideoPusher(cameras, hub.hub_url, clock) if cameras else None
        face_camera = cameras.get(profile.faces.camera or "")
        self._orders.handlers = handlers(
            Parts(
                self.desk,
                self._doorkeeper,
                spool,
                clock,
                profile.door.hold_s,
                self._sign,
                uploader,
                pusher,
                self._faces,
                face_camera,
            )
        )
        self._uplink = uplink = Uplink(
            station, keys, outbox=self._outbox, orders=self._orders, spool=spool, clock=clock, reject=self._reject
        )
        uplink.roster = self.desk.roster
        uplink.on_roster = self._roster_changed
        uplink.on_link = self._changed
        rules = RulesTaker(
            station,
            self.desk.rules,
            spool=spool,
            clock=clock,
            floor_name=CLOCK_FLOOR,
            on_rules=self._rules_changed,
        )
        uplink.takers["rules"] = rules.take
        erase = self._faces.erase_asked if self._faces is not None else without_faces(self._templates)
        uplink.takers["erasures"] = Erasures(station, erase, spool, clock).take
        if pusher is not None:
            self.supervisor.keep("video", pusher.run)
        self.supervisor.keep("outbox", self._outbox.run, ESSENTIAL)
        self.supervisor.keep("documents", uplink.run)
        self.supervisor.keep("link", lambda: link.run(uplink))
        self.supervisor.keep("heartbeat", self._beat)

    # --- what is told ---

    async def _tell_start(self) -> None:
        try:
            await asyncio.wait_for(self._door_known.wait(), DOOR_FOUND_S)
        except TimeoutError:
            log.warning("the door's contact has not been read yet")
        self._spool.record(AgentStarted(version=version("yizhan"), door_found=self.doorway.door.state))
        self._changed()
        await asyncio.Event().wait()

    def _tell(self, reason: Reason) -> None:
        if self._sign is not None:
            self._sign.tell(reason)
        if self._voice is not None and self._profile.voice is not None:
            sentence = SENTENCES[reason]
            self._voice.say(sentence.zh if self._profile.voice.language == "zh" else sentence.en)

    def _warn(self) -> None:
        """The door has stood open for long: whoever is near should close it."""
        self._say(CLOSE_THE_DOOR)
        self._reader_desk.call_attention()

    def _ways(self) -> Ways:
        door, readers = self._profile.door, {}
        for name in filter(None, (door.scanner, *door.readers)):
            device = self._devices.get(name)
            readers[name] = device.online if device is not None else None
        if self._face_desk is not None:
            readers["faces"] = None
        return Ways(readers, self.desk.roster is not None, self._clock.trusted())

    async def _ask(self, movement: Movement) -> None:
        """Tells a challenge; returns once it can be read, or heard where there is no sign. Raises NotTold."""
        sentence = ASKED[movement]
        if self._voice is not None and self._profile.voice is not None:
            self._voice.say(sentence.zh if self._profile.voice.language == "zh" else sentence.en)
        if self._sign is not None:
            try:
                await self._sign.ask(sentence.zh, TELL_S + CHALLENGE_S)
            except DeviceError as error:
                raise NotTold(str(error)) from error
        elif self._voice is not None:
            await self._clock.sleep(HEARD_S)
        else:
            await nobody_asks(movement)

    def _say(self, sentence: str) -> None:
        if self._sign is not None:
            self._sign.say(sentence)
        if self._voice is not None:
            self._voice.say(sentence)

    def _reject(self, source: str, reason: str) -> None:
        rejected = self._rejections.note(source, reason, self._clock.monotonic())
        if rejected is not None:
            self._spool.record(rejected)

    def _publish(self, batch: Batch) -> None:
        assert self._link is not None
        leaf = Up.EVENTS if batch.stream is Stream.EVENTS else Up.TELEMETRY
        self._link.publish(leaf, batch.model_dump_json().encode())

    def _roster_changed(self, roster: HeldRoster) -> None:
        self.desk.roster = roster
        self._changed()

    def _rules_changed(self, rules: HeldRules) -> None:
        self.desk.rules = rules
        self._changed()

    def _changed(self) -> None:
        """Something that others see has changed: told once, when this turn of the loop is over."""
        if not self._changed_soon:
            self._changed_soon = True
            asyncio.get_running_loop().call_soon(self._tell_state)

    def _tell_state(self) -> None:
        self._changed_soon = False
        state = self._state()
        if self._link is not None:
            self._link.publish(Up.STATE, state.model_dump_json().encode())
        linked = self._outbox is not None and self._outbox.eacks > 0 and self._link is not None and self._link.up
        if linked:
            self._linked.set()
        self._status.tell(
            Status(state.door, state.contact_open, linked, state.roster_version, state.spooled, state.sign_text)
        )

    async def _beat(self) -> None:
        while True:
            await self._clock.sleep(self._profile.telemetry.heartbeat_s)
            self._tell_state()

    def _state(self) -> StationState:
        roster = self.desk.roster
        return StationState(
            station=self._profile.station.id,
            at=self._clock.now(),
            boot=self._boot,
            mono_ms=int(self._clock.monotonic() * 1000),
            agent_version=version("yizhan"),
            door=self.doorway.door.state,
            contact_open=self.doorway.door.contact_open,
            openable=self._doorkeeper.selftest.openable,
            unopenable=self._doorkeeper.selftest.reasons or (),
            clock_trusted=self._clock.trusted(),
            roster_version=roster.version if roster else 0,
            rules_version=self.desk.rules.version,
            people=self.desk.people(),
            spooled=self._spool.waiting,
            rejected=self._rejections.total,
            sign_text=self._sign.shown if self._sign else "",
            devices=dict(self._devices),
        )

    def _will(self) -> bytes:
        will = StationState(
            station=self._profile.station.id,
            at=self._clock.now(),
            boot=self._boot,
            mono_ms=int(self._clock.monotonic() * 1000),
            online=False,
        )
        return will.model_dump_json().encode()

    def _housekeeping(self) -> None:
        """Once a telemetry period."""
        for rejected in self._rejections.flush(self._clock.monotonic()):
            self._spool.record(rejected)
        station = self._profile.station.id
        if self._clock.trusted():
            self._alarms.clear_alarm(AlarmKind.CLOCK_UNTRUSTED, station)
        else:
            detail = f"the clock says {self._clock.now():%Y-%m-%d %H:%M} UTC, which has passed; codes are refused"
            self._alarms.raise_alarm(AlarmKind.CLOCK_UNTRUSTED, station, detail)
        waiting = self.desk.waiting_readers()
        for reader in (*self._profile.devices, *self._profile.cameras):
            if reader in waiting:
                detail = f"too many bad tries; it takes nothing that can be guessed for {waiting[reader]:.0f} s"
                self._alarms.raise_alarm(AlarmKind.READER_GUESSED, reader, detail)
            else:
                self._alarms.clear_alarm(AlarmKind.READER_GUESSED, reader)
        if self._store.failing:
            self._alarms.raise_alarm(AlarmKind.SPOOL_FILLING, station, f"the disk refuses: {self._store.failing}")
        elif self._spool.events_waiting >= EVENTS_FILLING:
            detail = f"{self._spool.events_waiting} events wait for the hub"
            self._alarms.raise_alarm(AlarmKind.SPOOL_FILLING, station, detail)
        elif self._spool.events_waiting < EVENTS_FILLING // 2:
            self._alarms.clear_alarm(AlarmKind.SPOOL_FILLING, station)


@asynccontextmanager
async def open_station(settings: Settings) -> AsyncIterator[Station]:
    """A station, ready to `run`; on leaving it is shut down in order."""
    boot = boot_id()
    async with Store(settings.state_dir / "station.sqlite") as store:
        floor = await store.submit(lambda db: kept_value(db, CLOCK_FLOOR))
        clock = SystemClock(datetime.fromisoformat(floor)) if floor else SystemClock()
        spool = await Spool.open(store, clock, boot)
        alarms = await AlarmBoard.open(store, spool)
        station = Station(settings, clock, boot, store, spool, alarms)
        with ExitStack() as recorders:
            taps = {
                name: recorders.enter_context(Recorder(file, {"line": name})).tap
                for name, file in settings.captures.items()
            }
            async with Bridge.open(
                line_configs(settings.profile),
                device_configs(settings.profile),
                profiles_dir=settings.profiles_dir,
                emit=station.on_event,
                clock=clock,
                secrets=SecretDirectory(settings.key_dir / "devices"),
                taps=taps,
            ) as bridge:
                await station.assemble(bridge)
                yield station


def _pack(name: str, settings: Settings) -> packs.Pack:
    """The installed pack, checked. Raises PackRefused."""
    keys = packs.trusted_keys(settings.key_dir / packs.TRUST_FILE)
    pack, warning = packs.installed(settings.state_dir / packs.MODELS_DIR, name, keys)
    if warning is not None:
        log.error("%s", warning)
    if not pack.manifest.liveness:
        log.warning("%s", NO_LIVENESS_WARNING)
    return pack


def _load_roster(db: Database) -> HeldRoster | None:
    rosters.prepare(db)
    return rosters.load(db)


def _load_rules(db: Database) -> HeldRules:
    rules_store.prepare(db)
    return rules_store.load(db)


def _load_memory(db: Database, policy: Policy, now: Now) -> None:
    """What the door remembered before the restart, into the memory of `policy`."""
    for name, failures in memory_store.load_failures(db, now).items():
        policy.tries.put(name, failures)
    for entry, left_at in memory_store.load_entries(db, now):
        policy.presence.restore(entry, left_at)
    for guest, uses, until in memory_store.load_guest_uses(db):
        policy.guests.add(guest, until, now.utc, uses)


def _load_ledger(db: Database) -> list[ledger.KeptGrant]:
    ledger.prepare(db)
    memory_store.prepare(db)
    return ledger.load(db)
