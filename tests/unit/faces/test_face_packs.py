"""Model packs: what is refused, and that whatever happens, what ran before still runs."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from typer.testing import CliRunner

from station_agent.cli import app
from station_agent.faces import packs
from station_agent.faces.manifest import PackRefused, parse, toml
from station_agent.settings import DLIB_WARNING, NO_LIVENESS_WARNING, PACK_UNSEEN_WARNING
from station_agent.wire.signed import key_id

DRAFT = """
name = "small"
version = "1.0"
engine = "onnx"
licence = "MIT"
source = "made up"

[threshold]
floor = 0.4
start = 0.6
verify_floor = 0.3

[detector]
kind = "yunet"
file = "detector.onnx"
licence = "MIT"
source = "made up"
channels = "bgr"
mean = [0, 0, 0]
std = [1, 1, 1]
score_min = 0.9
overlap_max = 0.3

[embedder]
file = "embedder.onnx"
licence = "MIT"
source = "made up"
channels = "rgb"
mean = [127.5, 127.5, 127.5]
std = [128, 128, 128]
side_px = 112
template = [[38, 52], [74, 52], [56, 72], [42, 92], [71, 92]]
"""

Make = Callable[..., Path]


@pytest.fixture(scope="module")
def key() -> Ed25519PrivateKey:
    return Ed25519PrivateKey.generate()


@pytest.fixture
def keys(key: Ed25519PrivateKey) -> packs.Keys:
    return {key_id(key.public_key()): key.public_key()}


@pytest.fixture
def make(tmp_path: Path, key: Ed25519PrivateKey) -> Make:
    """A signed pack of weights that are a few bytes."""

    def made(version: str = "1.0", *, draft: str = DRAFT, signer: Ed25519PrivateKey = key) -> Path:
        weights = tmp_path / "weights"
        weights.mkdir(exist_ok=True)
        (weights / "detector.onnx").write_bytes(b"detector")
        (weights / "embedder.onnx").write_bytes(b"embedder of " + version.encode())
        (tmp_path / "draft.toml").write_text(draft.replace('"1.0"', f'"{version}"'))
        out = tmp_path / f"pack-{version}-{len(list(tmp_path.iterdir()))}"
        packs.make(tmp_path / "draft.toml", weights, signer, out)
        return out

    return made


def edit(folder: Path, old: str, new: str) -> Path:
    path = folder / packs.MANIFEST
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    return folder


def test_a_pack_that_was_made_is_sound(make: Make, keys: packs.Keys) -> None:
    pack = packs.verify(make(), keys)
    assert pack.title == "small 1.0"
    assert {pack.signed_by} == set(keys)
    assert packs.opened(pack.folder, pack.digest) == pack.manifest


def test_the_signature_is_over_the_values_and_not_over_their_looks(make: Make, keys: packs.Keys) -> None:
    folder = make()
    path = folder / packs.MANIFEST
    path.write_text("# a comment\r\n" + path.read_text().replace(" = ", "   =  "))
    packs.verify(folder, keys)


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("floor = 0.4", "floor = 0.35", "signature does not fit"),
        ("[0, 0, 0]", "[0, 0, 1]", "signature does not fit"),
        ('licence = "MIT"\n', "", "licence: Field required"),
        ('licence = "MIT"\n', 'licence = "  "\n', "licence: String should have at least 2"),
        ('name = "small"', 'name = "../small"', "name: String should match"),
        ('"detector.onnx"', '"../detector.onnx"', "detector.file: String should match"),
        ('"embedder.onnx"', '"detector.onnx"', "two models name the same file"),
        ("std = [1, 1, 1]", "std = [1, 0, 1]", "greater than 0"),
        ('kind = "yunet"', 'kind = "yunet"\nshell = "rm"', "shell: Extra inputs"),
        ("start = 0.6", "start = 0.3", "threshold.start is below"),
        ("verify_floor = 0.3", "verify_floor = 0.5", "verify_floor is above"),
        ("floor = 0.4", "floor = nan", "no TOML of text, numbers and tables"),
        ("floor = 0.4", "floor = 2026-01-01", "no TOML of text, numbers and tables"),
        ("floor = 0.4", "floor =", "no TOML"),
    ],
)
def test_a_manifest_that_was_changed_or_is_odd_is_refused(
    make: Make, keys: packs.Keys, old: str, new: str, told: str
) -> None:
    with pytest.raises(PackRefused, match=told):
        packs.verify(edit(make(), old, new), keys)


def test_another_file_a_missing_file_and_a_cut_file_are_refused(make: Make, keys: packs.Keys) -> None:
    for change in (lambda path: path.write_bytes(b"other"), os.unlink, lambda path: path.write_bytes(b"embed")):
        folder = make()
        change(folder / "embedder.onnx")
        with pytest.raises(PackRefused, match=r"embedder\.onnx"):
            packs.verify(folder, keys)


@pytest.mark.parametrize("signature", [b"", b"null", b"{}", b'{"kid": 1, "sig": "!"}', b"\xff" * 5000])
def test_a_signature_that_is_none_is_refused(make: Make, keys: packs.Keys, signature: bytes) -> None:
    folder = make()
    (folder / packs.SIGNATURE).write_bytes(signature)
    with pytest.raises(PackRefused, match="no signature"):
        packs.verify(folder, keys)


def test_somebody_elses_signature_is_refused(make: Make, keys: packs.Keys) -> None:
    stranger = Ed25519PrivateKey.generate()
    folder = make(signer=stranger)
    with pytest.raises(PackRefused, match="not trusted here"):
        packs.verify(folder, keys)
    told = json.loads((folder / packs.SIGNATURE).read_text())
    (folder / packs.SIGNATURE).write_text(json.dumps(told | {"kid": next(iter(keys))}))
    with pytest.raises(PackRefused, match="does not fit"):
        packs.verify(folder, keys)


def test_weights_other_than_the_draft_says_make_no_pack(make: Make) -> None:
    wrong = DRAFT.replace('file = "detector.onnx"', f'file = "detector.onnx"\nsha256 = "{"0" * 64}"')
    with pytest.raises(PackRefused, match=r"detector\.onnx: not the file"):
        make(draft=wrong)


def test_a_manifest_changed_after_the_check_is_noticed_by_the_engine(make: Make, keys: packs.Keys) -> None:
    pack = packs.verify(make(), keys)
    edit(pack.folder, "floor = 0.4", "floor = 0.35")
    with pytest.raises(PackRefused, match="changed after"):
        packs.opened(pack.folder, pack.digest)


def test_embeddings_compare_when_the_embedder_is_the_same(make: Make, keys: packs.Keys) -> None:
    first = packs.verify(make(), keys).manifest
    assert packs.verify(make(draft=DRAFT.replace("0.9", "0.8")), keys).manifest.space == first.space
    assert packs.verify(make("2.0"), keys).manifest.space != first.space
    assert packs.verify(make(draft=DRAFT.replace("[38, 52]", "[39, 52]")), keys).manifest.space != first.space


def test_an_installed_pack_is_a_copy_and_the_current_one(make: Make, keys: packs.Keys, tmp_path: Path) -> None:
    folder = make()
    (folder / "run.sh").write_text("not named by the manifest")
    models = tmp_path / "models"
    pack = packs.add(folder, models, keys)
    shutil.rmtree(folder)
    assert sorted(path.name for path in pack.folder.iterdir()) == [
        "detector.onnx",
        "embedder.onnx",
        "manifest.sig",
        "manifest.toml",
    ]
    assert packs.names(models) == ["small"]
    found, warning = packs.installed(models, "small", keys)
    assert (found, warning) == (pack, None)


def test_adding_again_changes_nothing(make: Make, keys: packs.Keys, tmp_path: Path) -> None:
    folder, models = make(), tmp_path / "models"
    assert packs.add(folder, models, keys) == packs.add(folder, models, keys)
    assert len(list((models / "small").iterdir())) == 2


def test_a_bad_pack_leaves_the_good_one(make: Make, keys: packs.Keys, tmp_path: Path) -> None:
    models = tmp_path / "models"
    good = packs.add(make("1.0"), models, keys)
    bad = make("2.0")
    (bad / "embedder.onnx").write_bytes(b"other")
    with pytest.raises(PackRefused):
        packs.add(bad, models, keys)
    assert packs.installed(models, "small", keys) == (good, None)
    assert sorted(path.name for path in (models / "small").iterdir()) == [good.folder.name, "current"]


def test_when_the_current_pack_is_damaged_the_last_good_one_runs_and_it_is_said(
    make: Make, keys: packs.Keys, tmp_path: Path
) -> None:
    models = tmp_path / "models"
    for version in ("1.0", "2.0", "3.0"):
        newest = packs.add(make(version), models, keys)
    assert len([path for path in (models / "small").iterdir() if not path.is_symlink()]) == 2, "older ones are deleted"
    (newest.folder / "embedder.onnx").write_bytes(b"a bad sector")
    found, warning = packs.installed(models, "small", keys)
    assert found.title == "small 2.0"
    assert warning is not None
    assert "embedder.onnx" in warning
    assert "small 2.0, runs instead" in warning
    mended = packs.add(make("3.0"), models, keys)  # the same once more: put in the damaged one's place
    assert packs.installed(models, "small", keys) == (mended, None)


def test_what_an_installation_that_was_cut_off_left_is_cleared(make: Make, keys: packs.Keys, tmp_path: Path) -> None:
    left = tmp_path / "models" / "small" / f"{packs.INCOMING}abc"
    left.mkdir(parents=True)
    (left / "embedder.onnx").write_bytes(b"half")
    packs.add(make(), tmp_path / "models", keys)
    assert not left.exists()


def test_a_pack_that_is_not_there_says_how_to_get_it(keys: packs.Keys, tmp_path: Path) -> None:
    with pytest.raises(PackRefused, match="yizhan-station models add"):
        packs.installed(tmp_path, "small", keys)


def test_trusted_keys_are_ed25519_in_pem(tmp_path: Path, key: Ed25519PrivateKey) -> None:
    path = tmp_path / "trust.pem"
    with pytest.raises(PackRefused, match="expected in"):
        packs.trusted_keys(path)
    pem = [
        made.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        for made in (key, Ed25519PrivateKey.generate())
    ]
    path.write_bytes(b"\n".join(pem))
    assert len(packs.trusted_keys(path)) == 2
    other = generate_private_key(SECP256R1()).public_key()
    for bad in (b"", b"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n"):
        path.write_bytes(bad)
        with pytest.raises(PackRefused):
            packs.trusted_keys(path)
    path.write_bytes(pem[0] + other.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    with pytest.raises(PackRefused, match="every key in it"):
        packs.trusted_keys(path)


def test_a_manifest_written_by_us_reads_as_it_was(make: Make) -> None:
    text = (make() / packs.MANIFEST).read_bytes()
    manifest, canonical = parse(text, "here")
    again = toml(json.loads(canonical))
    assert parse(again.encode(), "there") == (manifest, canonical)


def test_the_commands_make_check_install_and_list(make: Make, tmp_path: Path, key: Ed25519PrivateKey) -> None:
    make()  # leaves draft and weights
    secret, trust, out = tmp_path / "key.pem", tmp_path / "trust.pem", tmp_path / "made"
    secret.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    trust.write_bytes(key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    models = ["--models", str(tmp_path / "models"), "--trust", str(trust)]

    def run(*words: object) -> tuple[int, str]:
        done = CliRunner().invoke(app, ["models", *map(str, words)])
        return done.exit_code, done.output

    weights = ("--weights", tmp_path / "weights", "--key", secret, "--out", out)
    assert run("pack", tmp_path / "draft.toml", *weights)[0] == 0
    assert run("pack", tmp_path / "draft.toml", *weights)[0] == 2, "never over something that is there"
    code, told = run("verify", out, "--trust", trust)
    assert (code, "NO LIVENESS" in told) == (0, True)
    assert run("add", out, *models)[0] == 0
    code, told = run("list", *models)
    assert code == 0
    assert "current: small 1.0" in told
    (next((tmp_path / "models" / "small").glob("1.0-*")) / "embedder.onnx").write_bytes(b"")
    code, told = run("list", *models)
    assert code == 2
    assert "embedder.onnx" in told.replace("\n", "")


def test_check_looks_at_the_pack_that_a_profile_names(make: Make, tmp_path: Path, key: Ed25519PrivateKey) -> None:
    demo = Path(__file__).resolve().parents[3] / "config" / "stations" / "demo-01.toml"
    profile, trust, models = tmp_path / "stations" / "x.toml", tmp_path / "trust.pem", tmp_path / "models"
    profile.parent.mkdir()
    trust.write_bytes(key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))

    def check(engine: str, *words: object) -> dict[str, list[str]]:
        text = demo.read_text("utf-8")
        assert 'engine = "dlib"' in text
        profile.write_text(text.replace('engine = "dlib"', engine), "utf-8")
        done = CliRunner().invoke(app, ["check", str(profile), "--json", *map(str, words)])
        return dict(json.loads(done.output))

    pack, where = 'engine = "onnx"\npack = "small"', ("--models", models, "--trust", trust)
    assert check('engine = "onnx"')["errors"] == [
        "faces.pack: the onnx engine needs a model pack, the dlib engine has none"
    ]
    assert check('engine = "dlib"\npack = "small"')["errors"][0].startswith("faces.pack")
    assert PACK_UNSEEN_WARNING in check(pack)["warnings"]
    assert "no model pack 'small'" in check(pack, *where)["errors"][0]
    packs.add(make(), models, packs.trusted_keys(trust))
    told = check(pack, *where)
    assert told["errors"] == []
    assert NO_LIVENESS_WARNING in told["warnings"]
    assert DLIB_WARNING not in told["warnings"]
    assert DLIB_WARNING in check('engine = "dlib"')["warnings"]
