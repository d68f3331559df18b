"""Codes with a roster of 50,000 members: how long a decision takes, what the agent's memory is, and what reading codes
from a camera costs the door.

A decision is measured beside bare signature verifications in the same run: a long code needs two of them (phone,
issuer), so that the ratio tells what everything else costs on whatever machine. The agent is a real process that got
its roster over the broker.
"""

import asyncio
import json
import os
import secrets
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from firmware_bridge.simulators.rtsp_camera import RtspCamera
from firmware_bridge.simulators.station import SimulatedStation
from station_agent.access import roster as rosters
from station_agent.access.attempts import CodeAttempt, Grant, Now
from station_agent.access.decide import Policy, decide
from station_agent.access.memory import BadTries, UsedCodes
from station_agent.wire import membership_code as codes
from station_agent.wire.documents import MEMBERS_MAX, IssuerKey, PhoneKey, Roster, RosterMember
from station_agent.wire.signed import packed, sign
from station_agent.wire.topics import Down
from tests.bench.harness import BenchFailed, Row, quantile, spread
from tests.harness.mini_hub import MiniHub

ROOT = Path(__file__).resolve().parents[2]
STATION = "demo-01"
GOAL_MS = 5.0
GOAL_MB = 200.0
DOOR_GOAL_MS = 20.0
MEMBER = "00112233445566aa"
ANSWER_S = 5.0
BETWEEN_S = 0.2

CAMERA = '\n[cameras.entrance]\nurl = "rtsp://127.0.0.1:8554/stream"\n'


async def run(quick: bool) -> list[Row]:
    phone, issuer = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    body = roster_text(phone, issuer, MEMBERS_MAX)
    rows = decisions(phone, issuer, body, 300 if quick else 3000)
    rows += await station(phone, body, 15 if quick else 300, camera=False)
    rows += await station(phone, roster_text(phone, issuer, 1), 15 if quick else 300, camera=True)
    return rows


def roster_text(phone: codes.PrivateKey, issuer: codes.PrivateKey, count: int) -> str:
    """A roster as it is signed; the keys of everybody but one are random bytes, which nobody looks at."""
    now = datetime.now(UTC)
    public = codes.public_bytes(phone)
    own = PhoneKey(
        kid=codes.public_kid(public),
        algorithm=codes.algorithm_of(phone),
        public=public.hex(),
        not_after=now + timedelta(days=10),
    )
    issuer_key = IssuerKey(
        kid=1,
        algorithm=codes.algorithm_of(issuer),
        public=codes.public_bytes(issuer).hex(),
        not_after=now + timedelta(days=9),
    )
    row = RosterMember(id=MEMBER, keys=(own,)).model_dump_json()
    others = (
        row.replace(MEMBER, f"{number:016x}").replace(public.hex(), f"02{secrets.token_hex(32)}")
        for number in range(count - 1)
    )
    empty = Roster(station=STATION, version=1, issued_at=now, issuers=(issuer_key,), members=()).model_dump_json()
    assert '"members":[]' in empty
    return empty.replace('"members":[]', f'"members":[{",".join([*others, row])}]')


def decisions(phone: codes.PrivateKey, issuer: codes.PrivateKey, body: str, count: int) -> list[Row]:
    assert isinstance(phone, ec.EllipticCurvePrivateKey)
    roster = rosters.read(body, STATION, 0)
    now = roster.issued_at
    day = (now - datetime(1970, 1, 1, tzinfo=UTC)).days + 3
    certificate = codes.certify(issuer, 1, MEMBER, codes.public_bytes(phone), day)
    signature, text = phone.sign(b"text", ec.ECDSA(hashes.SHA256())), b"text"
    public = phone.public_key()
    policy = Policy(timedelta(days=30), UsedCodes(), BadTries(10, 60))
    bare, short, long, worked = [], [], [], []
    for number in range(count):
        began = time.perf_counter()
        for _ in range(2):
            public.verify(signature, text, ec.ECDSA(hashes.SHA256()))
        bare.append((time.perf_counter() - began) * 1000)
        for samples, proof in ((short, None), (long, certificate)):
            shown = codes.make_code(phone, MEMBER, now, number.to_bytes(2), proof)
            attempt = CodeAttempt(UUID(int=number), "scanner", shown)
            began, worked_from = time.perf_counter(), time.thread_time()
            verdict = decide(attempt, roster, policy, Now(now, 0.0, True))
            samples.append((time.perf_counter() - began) * 1000)
            if proof is not None:
                worked.append((time.thread_time() - worked_from) * 1000)
            if not isinstance(verdict, Grant):
                raise BenchFailed(f"codes: a good code was refused: {verdict}")
    rows = spread("codes", "decision, short code, 50,000 members", short, "ms", p99_baseline=GOAL_MS)
    rows += spread("codes", "decision, long code, 50,000 members", long, "ms", p99_baseline=GOAL_MS)
    # What a busy machine adds is not in the processor's time.
    rows.append(Row("codes", "decision, long code, processor time p99", quantile(worked, 0.99), "ms", GOAL_MS))
    for share, name in ((0.5, "median"), (0.99, "p99")):
        metric = f"decision, long code, {name}, over two bare verifications"
        rows.append(Row("codes", metric, quantile(long, share), "ms", quantile(bare, share)))
    return rows


async def station(phone: codes.PrivateKey, body: str, count: int, *, camera: bool) -> list[Row]:
    """A real agent, with or without a camera whose picture is read all the time."""
    with tempfile.TemporaryDirectory(prefix="yizhan-bench-") as name:
        folder = Path(name)
        (folder / "lines").mkdir()
        async with (
            MiniHub(folder / "hub") as hub,
            SimulatedStation(link_dir=folder / "lines") as simulated,
            RtspCamera(width=1280, height=720) as eye,
        ):
            arguments = [f"--line={line}={path}" for line, path in simulated.lines.items()]
            if camera:
                arguments.append(f"--camera=entrance={eye.url}")
            link = folder / "link.json"
            link.write_text(json.dumps(hub.link(STATION)))
            log = (folder / "agent.log").open("ab")
            with log:
                agent = await asyncio.create_subprocess_exec(
                    *(Path(sys.executable).with_name("yizhan-station"), "run"),
                    *(f"--station={profile(folder, camera=camera)}", f"--link={link}", f"--state={folder / 'state'}"),
                    *arguments,
                    stdout=log,
                    stderr=log,
                    cwd=ROOT,
                )
            try:
                return await _measured(hub, simulated, agent.pid, phone, body, count, camera=camera)
            finally:
                agent.terminate()
                await agent.wait()


async def _measured(
    hub: MiniHub,
    simulated: SimulatedStation,
    pid: int,
    phone: codes.PrivateKey,
    body: str,
    count: int,
    *,
    camera: bool,
) -> list[Row]:
    await hub.event("agent.started")
    payload = packed(sign("document", body, hub.key))
    began = time.monotonic()
    await hub.publish(STATION, Down.DOCUMENT, payload)
    await hub.event("roster.applied", version=1)
    applied_s = time.monotonic() - began
    samples = []
    for _ in range(count):
        samples.append(await _one(simulated, codes.make_code(phone, MEMBER, datetime.now(UTC), os.urandom(2))))
        await asyncio.sleep(BETWEEN_S)
    what = "code to relay frame, camera read for codes" if camera else "code to relay frame, no camera"
    rows = spread("codes", what, samples, "ms", p99_baseline=DOOR_GOAL_MS)
    if not camera:
        rows.append(Row("codes", "50,000 members sent and applied", applied_s, "s"))
        rows.append(Row("codes", "agent's memory, 50,000 members, no faces", resident_mb(pid), "MB", GOAL_MB))
    return rows


async def _one(simulated: SimulatedStation, text: str) -> float:
    """Milliseconds from the last byte of the code to the first of the relay frame."""
    scans, frames = len(simulated.scan_ends_s), len(simulated.board.relay_frames_s)
    simulated.scan(text)
    deadline = time.monotonic() + ANSWER_S
    while len(simulated.board.relay_frames_s) == frames:
        if time.monotonic() > deadline:
            raise BenchFailed(f"codes: a presentation released nothing within {ANSWER_S:g} s")
        await asyncio.sleep(0.005)
    return (simulated.board.relay_frames_s[frames] - simulated.scan_ends_s[scans]) * 1000


def resident_mb(pid: int) -> float:
    """What the process holds in memory now."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def profile(folder: Path, *, camera: bool) -> Path:
    """demo-01 without faces, with or without a camera that reads codes."""
    kept, dropping = [], False
    for line in (ROOT / "config" / "stations" / f"{STATION}.toml").read_text("utf-8").splitlines(keepends=True):
        if line.startswith("["):
            dropping = line.startswith(("[cameras", "[faces"))
        if not dropping and not line.startswith("face_button"):
            kept.append(line)
    text = "".join(kept)
    if camera:
        text = text.replace("[door]\n", '[door]\ncode_camera = "entrance"\n') + CAMERA
    path = folder / "stations" / f"{STATION}.toml"
    path.parent.mkdir()
    path.write_text(text, "utf-8")
    return path
