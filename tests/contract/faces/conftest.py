"""Peers of the face engine."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from station_agent.faces import packs
from tests.harness.peers import LOCKS, peer_python

DRAFT = Path(__file__).resolve().parents[3] / "config" / "models" / "yunet-mobilefacenet.toml"
PEER_S_MAX = 120.0


@pytest.fixture(scope="session")
def pack(models_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> packs.Pack:
    return packs.make(DRAFT, models_dir, Ed25519PrivateKey.generate(), tmp_path_factory.mktemp("pack") / "pack")


@pytest.fixture(scope="session")
def opencv_looks(
    pack: packs.Pack, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[Sequence[Path]], dict[str, np.ndarray]]:
    """What OpenCV finds in photos: `faces_N` and `chip_N` as peers/opencv_faces.py says."""
    python = peer_python("opencv")

    def look(photos: Sequence[Path]) -> dict[str, np.ndarray]:
        row = pack.manifest.detector
        out = tmp_path_factory.mktemp("opencv") / "answers.npz"
        template = ";".join(f"{x},{y}" for x, y in pack.manifest.embedder.template)
        subprocess.run(
            [
                python,
                LOCKS / "opencv_faces.py",
                pack.folder / row.file,
                "640",
                str(row.score_min),
                str(row.overlap_max),
                out,
            ],
            input="\n".join([template, *map(str, photos)]),
            text=True,
            check=True,
            timeout=PEER_S_MAX,
            env=os.environ | {"OMP_NUM_THREADS": "1"},
        )
        with np.load(out) as answers:
            return dict(answers)

    return look
