"""A code and then the face of its member, from the scanner to the lock: what opens, what is said, what counts against
whom. The engine is scripted: a frame says itself what is seen on it.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from firmware_bridge.capabilities import LockStatus, Scan
from station_agent.access import ledger, memory_store
from station_agent.access.desk import Desk
from station_agent.access.door import ContactSeen, DoorSettings
from station_agent.access.doorway import Doorway
from station_agent.access.face_desk import FaceDesk
from station_agent.access.memory import HALF_S, BadTries, UsedCodes
from station_agent.access.policy import Policy
from station_agent.access.roster import HeldRoster
from station_agent.access.rules import HeldRules
from station_agent.alarms.board import AlarmBoard
from station_agent.faces.engine import Sight
from station_agent.faces.match import STRICT
from station_agent.faces.service import FaceService
from station_agent.faces.templates import TemplateStore
from station_agent.faces.worker import WorkerDied
from station_agent.telemetry.spool import Spool
from station_agent.telemetry.store import Store
from station_agent.video.errors import CameraSilent
from station_agent.wire import membership_code as codes
from station_agent.wire.commands import Consent
from station_agent.wire.documents import PhoneKey, RosterMember
from station_agent.wire.envelope import Stream
from station_agent.wire.kinds import Reason
from station_agent.wire.rules import Role, Rules
from tests.harness.fake_clock import FakeClock
from tests.harness.scripted_faces import ScriptedWorker, Shown, sight_at

ANN, BEA, CARL = "0a" * 8, "0b" * 8, "0c" * 8
PHONES = {id: Ed25519PrivateKey.from_private_bytes(bytes.fromhex(id) * 4) for id in (ANN, BEA, CARL)}
STRANGER: list[Sight | Exception] = [sight_at(7, 7)] * 8
TRIES = 3
CONSENT_S = 3600


class Lock:
    name = "door_lock"
    releases = 0

    async def release(self, hold_s: float) -> None:
        self.releases += 1

    async def secure(self) -> None: ...

    async def status(self) -> LockStatus:
        return LockStatus(released=False, contact_open=False)


@dataclass
class Look:
    """What the camera shows for one look. `meanwhile` happens once the first frame was taken."""

    frames: list[Sight | Exception]
    meanwhile: Callable[[], Any] | None = None


class Camera:
    name = "entrance"

    def __init__(self) -> None:
        self.looks: deque[Look] = deque()
        self.opened = 0

    async def frames(self) -> AsyncIterator[Shown]:
        self.opened += 1
        look = self.looks.popleft()
        for at, frame in enumerate(look.frames):
            if isinstance(frame, CameraSilent):
                raise frame
            if at == 1 and look.meanwhile is not None:
                done = look.meanwhile()
                if asyncio.iscoroutine(done):
                    await done
            yield Shown(frame, 100.0 * self.opened + at / 2)


@dataclass
class Bench:
    desk: Desk
    doorway: Doorway
    lock: Lock
    camera: Camera
    service: FaceService
    faces: FaceDesk
    spool: Spool
    store: Store
    clock: FakeClock
    told: list[Reason]
    nonces: int = 0

    def code(self, member: str = ANN) -> str:
        self.nonces += 1
        return codes.make_code(PHONES[member], member, self.clock.now(), self.nonces.to_bytes(2))

    def scan(self, text: str) -> None:
        self.desk.scanned(Scan("scanner", text, self.clock.now(), self.clock.monotonic()))

    async def told_of(self, count: int) -> list[dict[str, Any]]:
        """The first decisions, once there are so many."""
        async with asyncio.timeout(5):
            while len(found := await self._decisions()) < count:
                pass  # reading waits for the store
        return found

    async def after_a_code(self, *frames: Sight | Exception, member: str = ANN) -> dict[str, Any]:
        """What became of the face that was shown after a fresh code."""
        count = len(await self._decisions())
        self.camera.looks.append(Look(list(frames)))
        self.scan(self.code(member))
        decisions = await self.told_of(count + 2)
        assert decisions[count]["reason"] == "face_needed"
        assert len(decisions) == count + 2
        return decisions[count + 1]

    async def _decisions(self) -> list[dict[str, Any]]:
        await self.store.submit(lambda db: None)
        return [one.row.body for one in await self.spool.read(Stream.EVENTS, 0) if one.row.kind == "access.decided"]

    async def closed(self) -> None:
        self.doorway.feed(ContactSeen(True))
        self.doorway.feed(ContactSeen(False))
        await asyncio.sleep(0)


def phone_key(key: Ed25519PrivateKey, clock: FakeClock) -> PhoneKey:
    public = codes.public_bytes(key)
    until = clock.now() + timedelta(days=1)
    return PhoneKey(
        kid=codes.public_kid(public), algorithm=codes.algorithm_of(key), public=public.hex(), not_after=until
    )


def person(x: float, count: int = 3) -> list[Sight]:
    """Good pictures of the person at `x`, each a little different."""
    return [sight_at(x + 0.06 * i, 0.0) for i in range(count)]


@pytest.fixture
async def bench(store: Store, spool: Spool, clock: FakeClock, tmp_path: Path) -> AsyncIterator[Bench]:
    """Ann is enrolled at 0 and Carl at 5; Bea is a member whose face is not."""
    await store.submit(ledger.prepare)
    await store.submit(memory_store.prepare)
    lock, told, camera = Lock(), list[Reason](), Camera()
    settings = DoorSettings(hold_s=5, held_open_after_s=60)
    doorway = Doorway(lock, settings, clock=clock, spool=spool, alarms=await AlarmBoard.open(store, spool))
    both = {"member": Role(code_and_face=True)}
    held = HeldRules.of(Rules(station="demo-01", version=1, issued_at=clock.now(), roles=both))
    policy = Policy(timedelta(days=30), UsedCodes(), BadTries(TRIES, 60), held)
    desk = Desk(doorway, policy, clock=clock, spool=spool, tell=told.append, reject=lambda source, reason: None)
    rows = {id: RosterMember(id=id, keys=(phone_key(key, clock),)) for id, key in PHONES.items()}
    desk.roster = HeldRoster(1, clock.now(), {}, rows)
    doorway.feed(ContactSeen(False))

    templates = TemplateStore(tmp_path / "data" / "faces.sqlite", tmp_path / "keys" / "faces.key")
    now = clock.now()
    consent = Consent(given_at=now, purpose="open the door", expires_at=now + timedelta(seconds=CONSENT_S))
    for member, at in ((ANN, 0.0), (CARL, 5.0)):
        points = [sight.nearest.embedding for sight in person(at) if sight.nearest]
        templates.add(member, "points", points, consent, now)
    worker = ScriptedWorker()
    service = FaceService(templates, clock, worker=worker)  # type: ignore[arg-type]
    running = asyncio.create_task(service.run())
    await worker.running.wait()
    said: list[str] = []
    faces = FaceDesk(desk, service, camera, said.append)  # type: ignore[arg-type]
    desk.on_half = lambda deny: faces.verify(deny.member or "") if deny.reason is Reason.FACE_NEEDED else None
    yield Bench(desk, doorway, lock, camera, service, faces, spool, store, clock, told)
    await faces.close()
    running.cancel()
    await asyncio.wait({running})
    await doorway.close()
    await desk.close()


async def test_the_codes_member_is_let_in_and_the_decision_tells_of_both(bench: Bench) -> None:
    granted = await bench.after_a_code(*person(0.0))
    assert (granted["outcome"], granted["credential"], granted["member"]) == ("granted", "face", ANN)
    assert "compared with the code's member alone" in granted["detail"]
    assert "with the code of just now" in granted["detail"]
    assert bench.lock.releases == 1


async def test_another_face_after_the_code_opens_nothing_and_counts_against_the_phone(bench: Bench) -> None:
    for _ in range(TRIES):
        denied = await bench.after_a_code(*STRANGER)
        assert (denied["reason"], denied["member"]) == ("face_other", ANN)
    bench.scan(bench.code())
    assert (await bench.told_of(2 * TRIES + 1))[-1]["reason"] == "credential_locked_out"
    assert bench.lock.releases == 0


async def test_an_enrolled_member_with_somebody_elses_code_is_refused_and_is_let_in_with_their_own(
    bench: Bench,
) -> None:
    """Ann has Carl's phone: a search would know her, and the code is not hers."""
    for member, outcome in ((CARL, "denied"), (ANN, "granted")):
        found = await bench.after_a_code(*person(0.0), *[sight_at(0, 0)] * 5, member=member)
        assert (found["outcome"], found["member"]) == (outcome, member)
    assert [reason for reason in bench.told if reason is not Reason.FACE_NEEDED] == [Reason.FACE_OTHER, Reason.MEMBER]
    assert bench.lock.releases == 1


@pytest.mark.parametrize(
    ("frames", "reason"),
    [
        ([Sight(None)] * 3, "no_face"),
        ([WorkerDied("the engine ended")], "face_check_silent"),
        ([CameraSilent("entrance", "no picture")], "face_check_silent"),
        ([sight_at(0, 0, sharpness=0.1)] * 3, "no_face"),
    ],
    ids=["nobody in view", "the engine is dead", "the camera is dead", "blurred"],
)
async def test_what_is_nobodys_fault_counts_against_nobody_and_is_said(
    bench: Bench, frames: list[Sight | Exception], reason: str
) -> None:
    for _ in range(TRIES + 1):
        assert (await bench.after_a_code(*frames))["reason"] == reason
    assert bench.lock.releases == 0
    assert (await bench.after_a_code(*person(0.0)))["outcome"] == "granted"


async def test_an_engine_that_never_answers_is_waited_for_no_longer_than_a_look_takes(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def never(rgb: object) -> Sight:
        await asyncio.Event().wait()
        raise AssertionError

    monkeypatch.setattr(bench.service.worker, "look", never)
    monkeypatch.setattr(
        bench.service,
        "verify",
        lambda member, frames, ask: FaceService.verify(bench.service, member, frames, 0.02, ask),
    )
    denied = await bench.after_a_code(sight_at(0, 0))
    assert denied["reason"] == "face_check_silent"
    assert "did not answer" in denied["detail"]


async def test_a_member_without_a_face_here_is_told_so_and_counts_for_nothing(bench: Bench) -> None:
    """Never enrolled, the consent has ended, or it was erased."""
    for _ in range(TRIES + 1):
        assert (await bench.after_a_code(*person(0.0), member=BEA))["reason"] == "face_not_enrolled"
    bench.clock.pass_by(CONSENT_S)
    assert (await bench.after_a_code(*person(0.0)))["reason"] == "face_not_enrolled"
    await bench.service.erase(ANN)
    assert (await bench.after_a_code(*person(0.0)))["reason"] == "face_not_enrolled"
    assert (bench.lock.releases, bench.camera.opened) == (0, 0), "and nobody was looked at"


async def test_a_code_shown_again_meanwhile_is_refused_and_the_look_goes_on(bench: Bench) -> None:
    text = bench.code()
    bench.camera.looks.append(Look(list(person(0.0)), meanwhile=lambda: bench.scan(text)))
    bench.scan(text)
    reasons = [body["reason"] for body in await bench.told_of(3)]
    assert reasons == ["face_needed", "code_replayed", "member"]
    assert (bench.lock.releases, bench.camera.opened) == (1, 1)


async def test_a_code_that_comes_while_somebody_is_looked_at_is_looked_at_next(bench: Bench) -> None:
    """Somebody pressed the button and is nobody; the member with the code stands behind them."""
    bench.camera.looks.append(Look(STRANGER, meanwhile=lambda: bench.scan(bench.code())))
    bench.camera.looks.append(Look(list(person(0.0))))
    bench.faces.pressed()
    reasons = [body["reason"] for body in await bench.told_of(3)]
    assert reasons == ["face_needed", "face_unknown", "member"]
    assert bench.lock.releases == 1


async def test_who_was_recognised_by_the_button_needs_no_second_look(bench: Bench) -> None:
    bench.camera.looks.append(Look(list(person(0.0)), meanwhile=lambda: bench.scan(bench.code())))
    bench.faces.pressed()
    reasons = [body["reason"] for body in await bench.told_of(2)]
    assert reasons == ["face_needed", "member"]
    assert (bench.lock.releases, bench.camera.opened) == (1, 1)


async def test_a_face_that_is_erased_meanwhile_opens_nothing(bench: Bench) -> None:
    bench.camera.looks.append(Look(list(person(0.0)), meanwhile=lambda: bench.service.erase(ANN)))
    bench.scan(bench.code())
    assert [body["reason"] for body in await bench.told_of(2)] == ["face_needed", "face_not_enrolled"]
    assert bench.lock.releases == 0


async def test_with_more_people_than_can_be_searched_the_button_asks_for_the_code_first(bench: Bench) -> None:
    bench.service.policy = replace(STRICT, people_max=0)
    bench.faces.pressed()
    assert (await bench.told_of(1))[0]["reason"] == "face_after_code"
    assert bench.camera.opened == 0, "who cannot be told is not looked at"
    assert (await bench.after_a_code(Sight(None)))["reason"] == "no_face"

    bench.camera.looks.append(Look(list(person(0.0))))
    bench.faces.pressed()  # the code of just now still counts
    assert (await bench.told_of(4))[-1]["outcome"] == "granted"

    await bench.closed()
    assert (await bench.after_a_code(Sight(None)))["reason"] == "no_face"
    bench.clock.pass_by(HALF_S + 1)
    bench.faces.pressed()
    assert (await bench.told_of(7))[-1]["reason"] == "face_after_code", "and not for ever"
    assert bench.lock.releases == 1
