"""Templates at rest: sealed, bound to their member and consent, the key apart, and truly erased."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from station_agent.faces.engine import Embedding
from station_agent.faces.templates import ConsentWithdrawn, TemplateStore, TemplatesUnusable
from station_agent.wire.commands import Consent
from station_agent.wire.documents import Erasure

ANN, BEA = "00000000000000aa", "00000000000000bb"
NOW = datetime.fromisoformat("2026-12-01T12:00:00+00:00")


def some(count: int, seed: int = 1) -> list[Embedding]:
    return list(np.random.default_rng(seed).normal(size=(count, 128)))


def change(store_path: Path, statement: str, *values: Any) -> None:
    with closing(sqlite3.connect(store_path)) as db, db:
        assert db.execute(statement, values).rowcount > 0


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "faces" / "templates.sqlite"


@pytest.fixture
def key_path(tmp_path: Path) -> Path:
    return tmp_path / "keys" / "faces.key"


def test_what_was_added_is_loaded(store: TemplateStore, consent: Consent) -> None:
    embeddings = some(3)
    store.add(ANN, "dlib", embeddings, consent, NOW)
    loaded = store.load()
    assert loaded.damaged == ()
    assert {(t.member, t.engine, t.expires_at) for t in loaded.templates} == {(ANN, "dlib", consent.expires_at)}
    got = sorted(t.embedding.tolist() for t in loaded.templates)
    np.testing.assert_allclose(got, sorted(e.tolist() for e in embeddings), atol=1e-6)


def test_an_empty_store_needs_no_key(store: TemplateStore, key_path: Path) -> None:
    assert store.load().templates == ()
    assert store.erase(ANN) == 0
    assert not key_path.exists()


def test_key_and_data_are_files_of_the_agent_alone(
    store: TemplateStore, consent: Consent, path: Path, key_path: Path
) -> None:
    store.add(ANN, "dlib", some(3), consent, NOW)
    assert [p.stat().st_mode & 0o777 for p in (path, key_path)] == [0o600, 0o600]
    assert key_path.read_bytes() not in path.read_bytes()
    assert [p.name for p in key_path.parent.iterdir()] == ["faces.key"]


def test_no_embedding_lies_open_in_the_file(store: TemplateStore, consent: Consent, path: Path) -> None:
    embeddings = some(3)
    store.add(ANN, "dlib", embeddings, consent, NOW)
    stored = path.read_bytes()
    for embedding in embeddings:
        assert embedding.astype("<f4").tobytes()[:16] not in stored
        assert embedding.tobytes()[:16] not in stored


def test_enrolling_again_replaces(store: TemplateStore, consent: Consent) -> None:
    store.add(ANN, "dlib", some(5), consent, NOW)
    store.add(BEA, "dlib", some(3, seed=2), consent, NOW)
    store.add(ANN, "dlib", some(3, seed=3), consent, NOW)
    members = [t.member for t in store.load().templates]
    assert (members.count(ANN), members.count(BEA)) == (3, 3)


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("sealed", b"\0" * (128 * 4 + 16)),
        ("sealed", b""),
        ("nonce", b"\0" * 12),
        ("nonce", b""),
        ("member", "00000000000000cc"),
        ("engine", "onnx"),
        ("expires_at", "2099-01-01T00:00:00.000000+00:00"),
        ("purpose", "anything"),
        ("given_at", "2020-01-01T00:00:00.000000+00:00"),
    ],
)
def test_a_row_that_was_changed_matches_nobody_and_harms_no_other(
    store: TemplateStore, consent: Consent, path: Path, column: str, value: Any
) -> None:
    store.add(ANN, "dlib", some(3), consent, NOW)
    store.add(BEA, "dlib", some(3, seed=2), consent, NOW)
    change(path, f"UPDATE templates SET {column} = ? WHERE member = ?", value, ANN)
    loaded = store.load()
    assert {t.member for t in loaded.templates} == {BEA}
    assert len(loaded.damaged) == 3
    assert all("face template" in sentence and "member" in sentence for sentence in loaded.damaged)


def test_a_single_bit_is_noticed(store: TemplateStore, consent: Consent, path: Path) -> None:
    store.add(ANN, "dlib", some(1), consent, NOW)
    with closing(sqlite3.connect(path)) as db:
        (sealed,) = db.execute("SELECT sealed FROM templates").fetchone()
    change(path, "UPDATE templates SET sealed = ?", bytes([sealed[0] ^ 1]) + sealed[1:])
    (sentence,) = store.load().damaged
    assert "changed or sealed with another key: erase the member's face and enrol again" in sentence


def test_a_template_moved_to_another_row_does_not_open(store: TemplateStore, consent: Consent, path: Path) -> None:
    store.add(ANN, "dlib", some(1), consent, NOW)
    store.add(BEA, "dlib", some(1, seed=2), consent, NOW)
    change(
        path,
        "UPDATE templates SET (nonce, sealed) = (SELECT nonce, sealed FROM templates WHERE member = ?) "
        "WHERE member = ?",
        BEA,
        ANN,
    )
    assert {t.member for t in store.load().templates} == {BEA}


def test_a_lost_key_is_said_and_not_replaced(store: TemplateStore, consent: Consent, key_path: Path) -> None:
    store.add(ANN, "dlib", some(3), consent, NOW)
    key_path.unlink()
    with pytest.raises(TemplatesUnusable, match="gone"):
        store.load()
    with pytest.raises(TemplatesUnusable, match="gone"):
        store.add(BEA, "dlib", some(3), consent, NOW)
    assert not key_path.exists()
    assert store.erase(ANN) == 3


def test_another_stations_key_opens_nothing(store: TemplateStore, consent: Consent, key_path: Path) -> None:
    store.add(ANN, "dlib", some(3), consent, NOW)
    key_path.write_bytes(bytes(32))
    assert store.load().templates == ()


@pytest.mark.parametrize(("content", "mode", "told"), [(bytes(32), 0o640, "chmod"), (bytes(31), 0o600, "31 bytes")])
def test_a_key_that_is_exposed_or_cut_is_refused(
    store: TemplateStore, consent: Consent, key_path: Path, content: bytes, mode: int, told: str
) -> None:
    key_path.parent.mkdir()
    key_path.write_bytes(content)
    key_path.chmod(mode)
    with pytest.raises(TemplatesUnusable, match=told):
        store.add(ANN, "dlib", some(3), consent, NOW)
    assert store.load().templates == ()


def test_a_key_beside_the_data_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TemplatesUnusable, match="another folder"):
        TemplateStore(tmp_path / "templates.sqlite", tmp_path / "faces.key").load()


def test_erasing_counts_and_leaves_no_byte(store: TemplateStore, consent: Consent, path: Path) -> None:
    store.add(ANN, "dlib", some(3), consent, NOW)
    store.add(BEA, "dlib", some(3, seed=2), consent, NOW)
    with closing(sqlite3.connect(path)) as db:
        sealed = [row[0] for row in db.execute("SELECT sealed FROM templates WHERE member = ?", [ANN])]
    assert all(each[:32] in path.read_bytes() for each in sealed)
    assert store.erase(ANN) == 3
    assert store.erase(ANN) == 0
    assert not any(each[:32] in path.read_bytes() for each in sealed)
    assert ANN.encode() not in path.read_bytes()
    assert {t.member for t in store.load().templates} == {BEA}
    assert [p.name for p in path.parent.iterdir()] == [path.name]


def test_an_expired_consent_takes_its_templates_with_it(store: TemplateStore, consent: Consent) -> None:
    store.add(ANN, "dlib", some(3), consent, NOW)
    longer = consent.model_copy(update={"expires_at": consent.expires_at + timedelta(days=1)})
    store.add(BEA, "dlib", some(4, seed=2), longer, NOW)
    assert store.erase_expired(consent.expires_at - timedelta(microseconds=1)) == {}
    assert store.erase_expired(consent.expires_at) == {ANN: 3}
    assert {t.member for t in store.load().templates} == {BEA}


def test_a_consent_in_another_time_zone_ends_at_the_same_moment(store: TemplateStore, consent: Consent) -> None:
    there = consent.model_copy(update={"expires_at": datetime.fromisoformat("2026-12-02T07:00:00+08:00")})
    store.add(ANN, "dlib", some(3), there, NOW)
    assert store.erase_expired(datetime.fromisoformat("2026-12-01T22:59:59+00:00")) == {}
    assert store.erase_expired(datetime.fromisoformat("2026-12-01T23:00:00+00:00")) == {ANN: 3}


def test_a_file_that_is_no_database_is_said(store: TemplateStore, path: Path) -> None:
    path.parent.mkdir()
    path.write_bytes(b"not a database, surely" * 100)
    with pytest.raises(TemplatesUnusable, match=r"templates\.sqlite"):
        store.load()


def asked(member: str, consent: Consent, after: timedelta = timedelta(minutes=1)) -> Erasure:
    return Erasure(id=uuid4(), member=member, asked_at=consent.given_at + after)


def test_an_erasure_that_was_asked_for_gives_the_same_receipt_again(store: TemplateStore, consent: Consent) -> None:
    store.add(ANN, "dlib", some(3), consent, NOW)
    store.add(BEA, "dlib", some(4, seed=2), consent, NOW)
    erasure = asked(ANN, consent)
    assert [store.erase_asked(erasure) for _ in range(2)] == [3, 3]
    assert {template.member for template in store.load().templates} == {BEA}


def test_an_old_erasure_that_comes_again_leaves_what_was_enrolled_since(store: TemplateStore, consent: Consent) -> None:
    store.add(ANN, "dlib", some(3), consent, NOW)
    erasure = asked(ANN, consent)
    store.erase_asked(erasure)
    anew = consent.model_copy(update={"given_at": erasure.asked_at + timedelta(seconds=1)})
    store.add(ANN, "dlib", some(5), anew, NOW)
    assert store.erase_asked(erasure) == 3
    assert store.erase_asked(erasure.model_copy(update={"id": uuid4()})) == 0
    assert len(store.load().templates) == 5


def test_a_consent_from_before_an_erasure_is_over(store: TemplateStore, consent: Consent) -> None:
    store.erase_asked(asked(ANN, consent))
    with pytest.raises(ConsentWithdrawn, match="ask for a new one"):
        store.check_consent(ANN, consent)
    with pytest.raises(ConsentWithdrawn):
        store.add(ANN, "dlib", some(3), consent, NOW)
    store.check_consent(BEA, consent)
    assert store.load().templates == ()


def test_an_erasure_needs_no_key(store: TemplateStore, consent: Consent, key_path: Path) -> None:
    store.add(ANN, "dlib", some(3), consent, NOW)
    key_path.unlink()
    assert store.erase_asked(asked(ANN, consent)) == 3


def test_a_consent_for_more_stations_by_hand_damages_the_row(
    store: TemplateStore, consent: Consent, path: Path
) -> None:
    store.add(ANN, "dlib", some(1), consent, NOW)
    change(path, "UPDATE templates SET stations = ?", '["demo-02"]')
    assert len(store.load().damaged) == 1
    change(path, "UPDATE templates SET stations = NULL")
    assert len(store.load().damaged) == 1


def test_a_new_key_opens_what_the_old_one_sealed(store: TemplateStore, consent: Consent, key_path: Path) -> None:
    embeddings = some(3)
    store.add(ANN, "dlib", embeddings, consent, NOW)
    old = key_path.read_bytes()
    assert store.rekey() == 3
    assert key_path.read_bytes() != old
    assert [entry.name for entry in key_path.parent.iterdir()] == ["faces.key"]
    assert key_path.stat().st_mode & 0o777 == 0o600
    got = sorted(template.embedding.tolist() for template in store.load().templates)
    np.testing.assert_allclose(got, sorted(e.tolist() for e in embeddings), atol=1e-6)
    key_path.write_bytes(old)
    assert len(store.load().damaged) == 3


def test_a_power_cut_while_the_key_is_changed_loses_nothing(
    store: TemplateStore, consent: Consent, key_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.add(ANN, "dlib", some(3), consent, NOW)
    waiting = key_path.with_name("faces.key.next")

    def cut(self: Path, target: Path) -> Path:
        if self == waiting:
            raise InterruptedError
        return rename(self, target)

    rename = Path.rename
    with monkeypatch.context() as patched:
        patched.setattr(Path, "rename", cut)
        with pytest.raises(TemplatesUnusable):
            store.rekey()
    assert waiting.exists()
    assert len(store.load().templates) == 3  # the rows had the new key, which takes its place now
    assert not waiting.exists()

    waiting.write_bytes(b"n" * 32)  # cut off before the rows had it
    waiting.chmod(0o600)
    assert len(store.load().templates) == 3
    assert not waiting.exists()


def test_a_damaged_row_keeps_the_key(store: TemplateStore, consent: Consent, path: Path, key_path: Path) -> None:
    store.add(ANN, "dlib", some(2), consent, NOW)
    before = key_path.read_bytes()
    change(path, "UPDATE templates SET purpose = 'another' WHERE id = (SELECT max(id) FROM templates)")
    with pytest.raises(TemplatesUnusable, match="no key was changed"):
        store.rekey()
    assert key_path.read_bytes() == before
    loaded = store.load()
    assert (len(loaded.templates), len(loaded.damaged)) == (1, 1)


def test_rows_of_before_consents_named_stations_still_open(
    store: TemplateStore, consent: Consent, path: Path, key_path: Path
) -> None:
    store.add(ANN, "dlib", some(1), consent, NOW)
    names = ("id", "member", "engine", "created_at", "given_at", "purpose", "expires_at")
    with closing(sqlite3.connect(path)) as db, db:
        row = dict(zip(names, db.execute(f"SELECT {', '.join(names)} FROM templates").fetchone(), strict=True))
        bound = json.dumps(["yizhan face template 1", *row.values()]).encode()
        sealed = AESGCM(key_path.read_bytes()).encrypt(b"n" * 12, np.ones(128, "<f4").tobytes(), bound)
        db.execute("UPDATE templates SET nonce = ?, sealed = ?", (b"n" * 12, sealed))
        db.execute("ALTER TABLE templates DROP COLUMN stations")
    (template,) = store.load().templates
    assert template.embedding.tolist() == [1.0] * 128
