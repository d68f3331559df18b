"""The passive models and the posture on real pixels. The attacks are drawn by arithmetic (attacks.py): a print and a
screen as simple as they come. What holds here says nothing about real prints and screens.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from PIL import Image
from typer.testing import CliRunner

from station_agent.cli import app
from station_agent.faces import gates, packs
from station_agent.faces.engine import ENGINES, Engine, load, look
from station_agent.faces.liveness import Movement, Outcome, Posture, Trial, posture
from tests.integration.faces.attacks import on_screen, printed, waved
from tests.integration.faces.conftest import picture

pytestmark = [pytest.mark.integration, pytest.mark.needs_faces, pytest.mark.timeout(120)]

DRAFT = Path(__file__).resolve().parents[3] / "config" / "models" / "yunet-mobilefacenet.toml"
PHOTOS = 20


@pytest.fixture(scope="module")
def photos(faces_dir: Path) -> list[Path]:
    return [sorted(person.glob("*.jpg"))[0] for person in sorted((faces_dir / "mated").iterdir())[:PHOTOS]]


@pytest.fixture(scope="module")
def key() -> Ed25519PrivateKey:
    return Ed25519PrivateKey.generate()


@pytest.fixture(scope="module")
def pack(models_dir: Path, key: Ed25519PrivateKey, tmp_path_factory: pytest.TempPathFactory) -> packs.Pack:
    return packs.make(DRAFT, models_dir, key, tmp_path_factory.mktemp("pack") / "pack")


@pytest.fixture(scope="module")
def engine(pack: packs.Pack) -> Engine:
    return load(ENGINES["onnx"], str(pack.folder), pack.digest)


def test_the_report_tells_synthetic_flat_pictures_from_photos_of_people(
    photos: list[Path], pack: packs.Pack, key: Ed25519PrivateKey, tmp_path: Path
) -> None:
    rng = np.random.default_rng(7)
    for path in photos:
        shown = picture(path)
        for where, drawn in (
            ("live", shown),
            ("attack/print", printed(shown, rng)),
            ("attack/screen", on_screen(shown, rng)),
        ):
            (tmp_path / "shown" / where).mkdir(parents=True, exist_ok=True)
            Image.fromarray(drawn).save(tmp_path / "shown" / where / f"{path.stem}.png")
    trust = tmp_path / "trust.pem"
    trust.write_bytes(key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    command = ["faces", "liveness-report", str(tmp_path / "shown"), "--pack", str(pack.folder), "--trust", str(trust)]
    ran = CliRunner().invoke(app, [*command, "--json"])
    assert ran.exit_code == 0, ran.output
    told = json.loads(ran.stdout)
    assert set(told["apcer"]) == {"print", "screen"}
    assert told["apcer"]["print"]["trials"] >= PHOTOS // 2
    assert all(rate["errors"] == 0 for rate in told["apcer"].values()), told["apcer"]
    assert told["bpcer"]["errors"] < told["bpcer"]["trials"] / 2, told["bpcer"]

    empty = tmp_path / "empty"
    empty.mkdir()
    ran = CliRunner().invoke(app, [*command[:2], str(empty), *command[3:]])
    assert ran.exit_code == 2
    assert "expected pictures in live/" in ran.output


def held(engine: Engine, path: Path, yaw: float, pitch: float) -> Posture | None:
    face = gates.alone(look(engine, waved(picture(path), yaw, pitch)))
    return posture(face.landmarks) if face is not None and face.landmarks is not None else None


def test_a_photo_that_is_turned_by_30_degrees_seldom_answers_a_challenge(engine: Engine, photos: list[Path]) -> None:
    """In arithmetic never; the landmarks of a slanted photo are a little off. A head that turns so far answers."""
    tilts = {
        Movement.TURN_LEFT: (30, 0),
        Movement.TURN_RIGHT: (-30, 0),
        Movement.LOOK_UP: (0, 30),
        Movement.LOOK_DOWN: (0, -30),
    }
    tried, answered = 0, 0
    for path in photos:
        rest = held(engine, path, 0, 0)
        if rest is None:
            continue
        for movement, tilt in tilts.items():
            for sign in (1, -1):
                moved = held(engine, path, sign * tilt[0], sign * tilt[1])
                if moved is None:
                    continue
                trial = Trial(movement, rest, 0.0)
                for at_s, shown in ((1.0, rest), (2.0, moved), (2.2, moved)):
                    trial = trial.add(at_s, shown, True)
                tried += 1
                answered += trial.outcome is Outcome.ANSWERED
    assert tried >= 4 * PHOTOS
    assert answered <= tried // 20, f"{answered} of {tried}"
