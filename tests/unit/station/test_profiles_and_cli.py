"""Station profiles: every mistake is found at once, with its path; what is shipped is correct and fresh."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import jsonschema
import pytest
from typer.testing import CliRunner

from station_agent.cli import app, schemas
from station_agent.faces.liveness import Mode
from station_agent.settings import (
    CODE_FIRST_WARNING,
    DLIB_WARNING,
    Checked,
    liveness_mode,
    profiles_dir_of,
    read_profile,
)
from station_agent.virtual.wiring import NotSimulated, wiring
from station_agent.wire.profile import StationProfile

ROOT = Path(__file__).resolve().parents[3]
STATIONS = sorted((ROOT / "config" / "stations").glob("*.toml"))
DEMO = ROOT / "config" / "stations" / "demo-01.toml"


def changed(tmp_path: Path, *changes: tuple[str, str]) -> Checked:
    text = DEMO.read_text("utf-8")
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    path = tmp_path / "stations" / "x.toml"
    path.parent.mkdir(exist_ok=True)
    path.write_text(text, "utf-8")
    return read_profile(path, profiles_dir_of(path), {}, {})


@pytest.mark.parametrize("path", STATIONS, ids=lambda path: path.stem)
def test_the_stations_that_are_shipped_are_correct_and_can_be_simulated(path: Path) -> None:
    checked = read_profile(path, profiles_dir_of(path), {}, {})
    assert checked.errors == []
    assert checked.warnings == [DLIB_WARNING]
    assert checked.profile is not None
    wired = wiring(checked.profile)
    assert set(wired.lines) == set(checked.profile.lines)
    assert (wired.simulation.door_baud, wired.simulation.scanner_baud) == (38400, 115200)
    schema = schemas()["station.schema.json"]
    jsonschema.validate(tomllib.loads(path.read_text("utf-8")), schema)


@pytest.mark.parametrize(("people_max", "warned"), [(100, False), (101, True)])
def test_more_faces_than_can_be_searched_among_are_warned_of(people_max: int, warned: bool, tmp_path: Path) -> None:
    checked = changed(tmp_path, ('engine = "dlib"', f'engine = "dlib"\npeople_max = {people_max}'))
    assert (CODE_FIRST_WARNING.format(engine="dlib", people=100) in checked.warnings) is warned


@pytest.mark.parametrize("name", sorted(schemas()))
def test_the_schemas_in_config_are_those_of_the_code(name: str) -> None:
    kept = (ROOT / "config" / "schema" / name).read_text("utf-8")
    assert json.loads(kept) == schemas()[name], "run: yizhan-station schema --out config/schema"


def test_every_mistake_is_found_in_one_go(tmp_path: Path) -> None:
    checked = changed(
        tmp_path,
        ('lock = "door_lock"', 'lock = "climate"'),
        ('scanner = "scanner"', 'scanner = "nothing"'),
        ('camera = "entrance"', 'camera = "garden"'),
        ("coil = 0", "coil = 88"),
        ('profile = "xy_md02"', 'profile = "unknown"'),
        ('device = "sign"', 'device = "door_lock"'),
    )
    assert checked.profile is None
    paths = [error.partition(":")[0] for error in checked.errors]
    assert paths == [
        "devices.door_lock.options.coil",
        "devices.climate.profile",
        "door.lock",
        "door.scanner",
        "sign.device",
        "door.face_button",
        "faces.camera",
    ]


def test_a_camera_and_verifiers_of_codes_are_checked_with_the_rest(tmp_path: Path) -> None:
    platform = '[verifiers.union]\nkind = "platform"\nprefix = "u:"\nurl = "https://u.example/v"\ntoken = "t"\n'
    good = changed(
        tmp_path,
        ("[door]\n", '[door]\ncode_camera = "entrance"\n'),
        ("[telemetry]", platform + '[verifiers.cards]\nkind = "totp"\n[codes]\nnear = "face"\n[telemetry]'),
    )
    assert good.errors == []
    bad = changed(
        tmp_path,
        ("[door]\n", '[door]\ncode_camera = "garden"\n'),
        ("[telemetry]", '[codes]\nnear = "pir"\n[telemetry]'),
    )
    assert [error.partition(":")[0] for error in bad.errors] == ["door.code_camera", "codes.near"]
    plain = changed(tmp_path, ("[telemetry]", platform.replace("https", "http") + "[telemetry]"))
    assert [error.partition(":")[0] for error in plain.errors] == ["verifiers.union.platform.url"]


def test_wrong_shapes_are_named_by_their_place(tmp_path: Path) -> None:
    checked = changed(tmp_path, ("hold_s = 5.0", "hold_s = 500"), ("[telemetry]", "[telemetry]\ncolour = 1"))
    assert [error.partition(":")[0] for error in checked.errors] == ["door.hold_s", "telemetry.colour"]


@pytest.mark.parametrize(
    ("change", "path"),
    [
        (('url = "/dev/ttyS1"', 'url = "carrier-pigeon"'), "lines.door.url"),
        (('id = "demo-01"', 'id = "Demo 01"'), "station.id"),
        (('line = "scanner"', 'line = "door"'), "devices.scanner.line"),
        (('face_button = "face"\n', ""), "door.face_button"),
        (('id = "demo-01"', 'id = "demo-01"\ntime_zone = "Mars/Phobos"'), "station.time_zone"),
    ],
)
def test_one_mistake_is_one_error(tmp_path: Path, change: tuple[str, str], path: str) -> None:
    assert changed(tmp_path, change).errors[0].startswith(path)


def test_a_file_that_is_none_says_so(tmp_path: Path) -> None:
    assert "cannot be read" in read_profile(tmp_path / "no.toml", tmp_path, {}, {}).errors[0]
    (tmp_path / "bad.toml").write_text("station = = 1")
    assert "no TOML" in read_profile(tmp_path / "bad.toml", tmp_path, {}, {}).errors[0]


def test_an_address_for_a_line_that_is_not_there_is_an_error() -> None:
    checked = read_profile(DEMO, profiles_dir_of(DEMO), {"cellar": "/dev/x"}, {"entrance": "rtsp://127.0.0.1:1/s"})
    assert checked.errors == ["lines.cellar: was given an address but is not in the profile"]


def test_check_says_correct_and_warns_of_the_engine() -> None:
    result = CliRunner().invoke(app, ["check", str(DEMO)])
    assert result.exit_code == 0
    assert "WARNING" in result.output
    assert "43 to 66 %" in result.output


def test_check_ends_with_2_and_gives_json(tmp_path: Path) -> None:
    (tmp_path / "bad.toml").write_text("")
    result = CliRunner().invoke(app, ["check", str(tmp_path / "bad.toml"), "--json"])
    assert result.exit_code == 2
    errors = json.loads(result.output)["errors"]
    assert "station: Field required" in errors


def test_run_refuses_a_bad_profile_before_it_touches_anything(tmp_path: Path) -> None:
    (tmp_path / "bad.toml").write_text("")
    state = tmp_path / "state"
    result = CliRunner().invoke(app, ["run", "--station", str(tmp_path / "bad.toml"), "--state", str(state)])
    assert result.exit_code == 2
    assert not state.exists()


def test_what_cannot_be_simulated_is_named(tmp_path: Path) -> None:
    checked = changed(tmp_path, ("coil = 0", "coil = 1"))
    assert checked.profile is not None
    with pytest.raises(NotSimulated, match=r"devices\.door_lock\.options"):
        wiring(checked.profile)


def test_a_door_code_wants_a_display_that_can_show_it_and_simulators_a_whole_screen(tmp_path: Path) -> None:
    refused = changed(tmp_path, ('[door_code]\nsign = "code_screen"', '[door_code]\nsign = "sign"'))
    assert any("door_code.sign: 'sign' is a alpha_sign, which cannot show a QR" in error for error in refused.errors)
    small = changed(tmp_path, ("width = 96, height = 96", "width = 32, height = 96"))
    assert [error for error in small.errors if "needs 41 x 41" in error]
    real = changed(tmp_path, (", bits = 32, stride = 384", ""))
    assert real.errors == []
    assert real.profile is not None
    with pytest.raises(NotSimulated, match=r"devices\.code_screen: the simulated screen"):
        wiring(real.profile)


@pytest.mark.parametrize(
    ("faces", "tells", "mode"),
    [
        ({}, True, Mode.OFF),
        ({"engine": "onnx", "pack": "p"}, True, Mode.CHALLENGE),
        ({"engine": "onnx", "pack": "p"}, False, Mode.PASSIVE),
        ({"engine": "onnx", "pack": "p", "liveness": "passive"}, True, Mode.PASSIVE),
    ],
)
def test_how_living_faces_are_told_follows_from_engine_and_sign(faces: dict[str, str], tells: bool, mode: Mode) -> None:
    raw = tomllib.loads(DEMO.read_text("utf-8"))
    raw["faces"] = raw["faces"] | faces
    if not tells:
        del raw["sign"]
    assert liveness_mode(StationProfile.model_validate(raw)) is mode


def test_liveness_that_the_engine_cannot_tell_is_a_mistake(tmp_path: Path) -> None:
    checked = changed(tmp_path, ("[faces]", '[faces]\nliveness = "challenge"'))
    assert any("the dlib engine has no liveness models" in error for error in checked.errors)
