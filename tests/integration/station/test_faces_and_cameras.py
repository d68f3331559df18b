"""The whole demo station: camera and face engine included, a face opens and a stranger's does not. Nothing of a
template is anywhere but sealed in its own file, from the enrolment to the receipt of the erasure.
"""

from __future__ import annotations

import asyncio
import base64
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import pytest

from station_agent.faces.templates import TemplateStore
from station_agent.wire.commands import CameraPicture, Consent, FaceEnrol, FaceErase
from station_agent.wire.documents import Erasure, Erasures
from station_agent.wire.signed import sign
from station_agent.wire.topics import Down
from tests.harness.mini_hub import MiniHub, Phone
from tests.harness.virtual_station import ROOT, VirtualStationProcess

pytestmark = [pytest.mark.integration, pytest.mark.needs_faces, pytest.mark.timeout(120)]
HERE = "demo-01"
SHOWN_AGAIN_S = 0.6  # a person who turns the head a little between two pictures


async def test_a_face_that_was_enrolled_by_order_opens_and_is_erased_by_order(
    hub: MiniHub, faces_dir: Path, tmp_path: Path
) -> None:
    people = sorted((faces_dir / "mated").iterdir())
    photos = [photo.read_bytes() for photo in sorted(people[0].iterdir())]
    stranger = sorted(people[5].iterdir())[0].read_bytes()
    profile = ROOT / "config" / "stations" / "demo-01.toml"
    member = Phone()
    async with VirtualStationProcess(profile, hub.link(HERE), tmp_path / "station") as station:
        version = await hub.send_roster(HERE, [member.row()])
        await hub.event("roster.applied", version=version)
        await station.until_log("face engine dlib is ready", 60)

        async def stand_there() -> None:
            while True:
                for photo in photos[:4]:
                    (await station.http.post("/api/face-picture", content=photo)).raise_for_status()
                    await asyncio.sleep(SHOWN_AGAIN_S)

        now = datetime.now(UTC)
        consent = Consent(given_at=now, purpose="enter by face", expires_at=now + timedelta(days=30))
        standing = asyncio.create_task(stand_there())
        try:
            await station.until(camera={"showing": True})
            enrol = hub.order(HERE, FaceEnrol(member=member.member, consent=consent), lifetime_s=60)
            await hub.send(HERE, enrol)
            done = await hub.until(
                lambda: [
                    event
                    for event in hub.events("command.progress", command=str(enrol.id))
                    if event["status"] in ("done", "refused", "failed")
                ],
                "the end of the enrolment",
                40,
            )
            assert done[0]["status"] == "done", done[0]
            await hub.event("face.enrolled", member=member.member)
        finally:
            standing.cancel()
            await asyncio.gather(standing, return_exceptions=True)

        await station.http.post("/api/face-picture", content=stranger)
        await station.post("/api/press", button="face")
        denied = await hub.event("access.decided", credential="face", outcome="denied")
        assert denied["member"] is None
        assert (await station.state())["releases"] == 0

        await station.http.post("/api/face-picture", content=photos[4])
        await station.post("/api/press", button="face")
        granted = await hub.event("access.decided", credential="face", outcome="granted")
        assert granted["member"] == member.member
        await hub.event("visit.counted", credential="face")

        picture = hub.order(HERE, CameraPicture(camera="garden", upload_path="/x", ticket="t"))
        await hub.send(HERE, picture)
        refused = await hub.event("command.progress", command=str(picture.id), status="refused")
        assert "entrance" in refused["detail"]

        traces = face_traces(tmp_path / "station")
        later = datetime.now(UTC)
        document = Erasures(
            station=HERE, erasures=(Erasure(id=uuid4(), member=member.member, asked_at=later - timedelta(minutes=1)),)
        )
        await hub.publish(HERE, Down.DOCUMENT, sign("document", document.model_dump_json(), hub.key))
        receipt = await hub.event("face.erased", erasure=str(document.erasures[0].id))
        assert receipt["templates"] == 0, "the consent is newer than the wish"
        wish = Erasure(id=uuid4(), member=member.member, asked_at=later)
        document = Erasures(station=HERE, erasures=(wish,))
        await hub.publish(HERE, Down.DOCUMENT, sign("document", document.model_dump_json(), hub.key))
        receipt = await hub.event("face.erased", erasure=str(wish.id))
        assert (receipt["member"], receipt["templates"]) == (member.member, done[0]["result"]["templates"])

        again = hub.order(HERE, FaceEnrol(member=member.member, consent=consent))
        await hub.send(HERE, again)
        refused = await hub.event("command.progress", command=str(again.id), status="refused")
        assert "asked for an erasure since this consent" in refused["detail"]

        erase = hub.order(HERE, FaceErase(member=member.member))
        await hub.send(HERE, erase)
        await hub.event("face.erased", member=member.member, erasure=None)

    guided = [event["detail"] for event in hub.events("command.progress", command=str(enrol.id), status="accepted")]
    assert any("/5: " in detail for detail in guided), guided
    written = {
        path.name: path.read_bytes()
        for path in (tmp_path / "station").rglob("*")
        if path.suffix != ".key" and path.is_file()
    }
    assert {"station.log", "station.sqlite", "faces.sqlite"} <= set(written)
    for place, content in (*written.items(), *(("MQTT", payload) for payload in hub.payloads)):
        found = [trace for trace in traces if trace in content]
        assert not found, f"{len(found)} traces of a template in {place}"


def face_traces(folder: Path) -> set[bytes]:
    """What any of the enrolled templates would look like, had it got somewhere: raw, in base64, hex or as numbers."""
    (path,), (key,) = folder.rglob("faces.sqlite"), folder.rglob("faces.key")
    traces: set[bytes] = {key.read_bytes()[:16]}
    templates = TemplateStore(path, key).load().templates
    assert len(templates) >= 3
    for template in templates:
        for start in range(0, len(template.embedding), 8):
            part = template.embedding[start : start + 8]
            raws = (part.astype(kind).tobytes() for kind in ("<f4", "<f8", ">f4", ">f8"))
            for raw in raws:
                traces |= {raw, raw.hex().encode(), raw.hex().upper().encode()}
                for shift in range(3):  # wherever in a longer text it begins
                    traces.add(base64.b64encode(b"\0" * shift + raw)[4 : len(raw)])
            traces |= {f"{number:.7f}".lstrip("-").encode() for number in part}
    spilt = template.embedding.astype("<f4")
    for form in (json.dumps(template.embedding.tolist()), base64.b64encode(b"?" + spilt.tobytes()).decode()):
        assert any(trace in form.encode() for trace in traces), "this search would find nothing"
    return traces
